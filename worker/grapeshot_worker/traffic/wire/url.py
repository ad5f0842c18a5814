"""Where a request goes: a URL as its origin, the target of the request line and the Host header.

Leaves to others: putting the test's target in front of relative URLs (script) and query parameters (http).

Texts are normalised as browsers and the reference do (WHATWG URL): host in lower case and punycode, dot segments
resolved, what may not stand in a request line percent-encoded. Nearly every URL needs none of that, so one regular
expression decides, and the slow way is taken by few. Host names repeat while paths may not: both are cached.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote

from grapeshot_worker.errors import StepError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"(https?):[/\\]{2,}([^/\\?#]*)([^#]*)", re.IGNORECASE)
# A character that has to be encoded somewhere, or a segment that begins with a dot (perhaps written %2e).
_UNUSUAL = re.compile(r"[^!$-&(-;=?-\[\]_a-z~|]|/(?:\.|%2e)", re.IGNORECASE)
_PLAIN = re.compile(r"[!$&(-\-/-;=?-\[\]_a-z~|]*")  # without those that might be unusual: no dot, no %
is_plain = _PLAIN.fullmatch  # what may stand anywhere in a request target as it is, whatever stands beside it
_PATH_SAFE = "!$%&'()*+,-./:;=@[]^_|~"
_QUERY_SAFE = "!$%&()*+,-./:;=?@[\\]^_`{|}~"
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:\s<>^|%\"{}`\\]+))(?::([0-9]{0,5}))?\Z", re.IGNORECASE)


class Origin(NamedTuple):
    """A server as connections see it."""

    scheme: str  # http or https
    host: str  # lower case; an IPv6 address without brackets
    port: int


Place = tuple[Origin, str, str]  # where a request goes: origin, request target (path and query), Host header


class _Invalid(ValueError):
    """The authority of a URL makes no sense."""


_PLAIN_AUTHORITY = re.compile(r"https?://[a-z0-9.:\[\]-]+")
_authorities: dict[str, tuple[Origin, str]] = {}  # "http://host:port" → origin and Host header
_AUTHORITIES_KEPT = 1024


def split_url(url: str) -> Place:
    """Do what `parse_url` does, for the request path: few hosts, any number of paths."""
    end = url.find("/", 8)
    known = _authorities.get(url[:end])
    if known is not None and (is_plain(url, end) or not _UNUSUAL.search(url, end)):
        return known[0], url[end:], known[1]
    parsed = parse_url(url)
    if end > 0 and len(_authorities) < _AUTHORITIES_KEPT and _PLAIN_AUTHORITY.fullmatch(url, 0, end):
        _authorities[url[:end]] = parsed[0], parsed[2]
    return parsed


@lru_cache(maxsize=4096)
def parse_url(url: str) -> Place:
    """Give origin, request target (path and query) and Host header of an absolute URL; StepError if there is none.

    >>> parse_url("http://Example.com:80/a b?c=d#e")
    (Origin(scheme='http', host='example.com', port=80), '/a%20b?c=d', 'example.com')
    """
    match = _URL.match(url)
    if match is None:
        raise StepError(f"Invalid URL - {url}")
    scheme, authority, target = match.groups()
    try:
        origin, host_header = _parse_authority(scheme.lower(), authority)
    except ValueError:
        raise StepError(f"Invalid URL - {url}") from None
    if _UNUSUAL.search(target):
        target = _normalise(target)
    if not target.startswith("/"):
        target = f"/{target}"
    return origin, target, host_header


@lru_cache(maxsize=4096)
def credentials(url: str) -> tuple[str, str] | None:
    """Give user and password that stand in a URL.

    >>> credentials("http://ann:s%40me@example.com/")
    ('ann', 's@me')
    """
    match = _URL.match(url)
    userinfo, found, _ = match[2].rpartition("@") if match else ("", "", "")
    if not found or not userinfo:
        return None
    user, _, password = userinfo.partition(":")
    return unquote(user), unquote(password)


@lru_cache(maxsize=1024)
def _parse_authority(scheme: str, authority: str) -> tuple[Origin, str]:
    match = _HOST.match(authority.rpartition("@")[2])
    if match is None:
        raise _Invalid(authority)
    address, name, written_port = match.groups()
    host = address.lower() if address else _ascii(unquote(name))
    port = int(written_port) if written_port else _DEFAULT_PORTS[scheme]
    if port > 65535:
        raise _Invalid(authority)
    shown = f"[{host}]" if address else host
    return Origin(scheme, host, port), shown if port == _DEFAULT_PORTS[scheme] else f"{shown}:{port}"


def _ascii(name: str) -> str:
    if name.isascii():
        return name.lower()
    return name.encode("idna").decode("ascii").lower()  # UnicodeError is a ValueError


def _normalise(target: str) -> str:
    target = re.sub(r"[\t\r\n]", "", target).rstrip(" ")
    path, mark, query = target.partition("?")
    segments: list[str] = []
    last = ""
    for last in path.replace("\\", "/").split("/")[1:]:
        plain = re.sub("%2e", ".", last, flags=re.IGNORECASE)
        if plain == "..":
            del segments[-1:]
        elif plain != ".":
            segments.append(last)
    if re.sub("%2e", ".", last, flags=re.IGNORECASE) in (".", ".."):
        segments.append("")
    path = "/" + "/".join(segments)
    return quote(path, safe=_PATH_SAFE) + mark + quote(query, safe=_QUERY_SAFE)
