"""Knows where a redirect leads: which statuses are followed, and what of the request goes along.

Leaves to others: sending the next request and counting hops (exchange).
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from grapeshot_worker.traffic.wire.network_errors import NetworkError

REDIRECTS = frozenset(
    (300, 301, 302, 303, 304, 307, 308)
)  # the reference follows every one that has a Location

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~-._|^`{}\\\""


class Hop(NamedTuple):
    """The request after a redirect. Credentials (authorization, cookie headers) go along to the same host
    only.
    """

    method: str
    url: str
    keep_body: bool
    keep_credentials: bool


def next_hop(status: int, method: str, location: str | None, url: str) -> Hop | None:
    """Give the request that follows a response; None when it is no redirect.

    `location` is the header's text (latin-1) or None, `url` the absolute URL just requested. As in the
    reference all but 303 keep method and body (browsers make a GET of a POST), 303 makes a GET of
    all but HEAD. NetworkError for a Location that can't be followed.
    """
    if status not in REDIRECTS or not location:
        return None
    target = _resolve(url, location)
    becomes_get = status == 303
    return Hop(
        "GET" if becomes_get and method != "HEAD" else method,
        target,
        not becomes_get,
        _host(url) == _host(target),
    )


def _resolve(url: str, location: str) -> str:
    scheme = _SCHEME.match(location)
    if scheme is not None and scheme[1].lower() not in ("http", "https"):
        raise NetworkError("ERR_UNSUPPORTED_PROTOCOL")
    try:
        target = urljoin(url, quote(_as_utf8(location.strip()), safe=_URL_CHARACTERS))
        parts = urlsplit(target)
        if not parts.hostname or (parts.port is not None and parts.port > 65535):
            raise NetworkError("ERR_INVALID_URL")
    except ValueError:
        raise NetworkError("ERR_INVALID_URL") from None
    return target.partition("#")[0]


def _as_utf8(text: str) -> str:
    # Headers are bytes; servers that put more than ASCII in a Location mean UTF-8.
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _host(url: str) -> tuple[str | None, int | None]:
    # The written port, as in the reference: a step from http to https on the default ports stays on the host.
    parts = urlsplit(url)
    return parts.hostname, None if parts.port == {"http": 80, "https": 443}.get(parts.scheme) else parts.port
