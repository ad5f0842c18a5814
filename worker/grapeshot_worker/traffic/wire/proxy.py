"""Which proxy a request goes through, and how requests are worded for it.

Leaves to others: talking to it (connection).

HTTP_PROXY is used for http and https, HTTPS_PROXY overrides it for https, as in the reference. Beyond the reference:
lower-case spellings, and NO_PROXY. An https target is reached through a CONNECT tunnel, a plain one by requests in
absolute form (RFC 9112, 3.2.2).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from grapeshot_worker.errors import GrapeshotError, StepError
from grapeshot_worker.traffic.wire.url import Origin, credentials, parse_url


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """A proxy that speaks plain HTTP/1.1; `authorization` is a whole head line, or empty."""

    host: str
    port: int
    authorization: bytes = b""


class Proxies:
    """The proxies that an environment names; GrapeshotError when one can't be used."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._http = _read(environ, "HTTP_PROXY")
        self._https = _read(environ, "HTTPS_PROXY") or self._http
        self._exempt = tuple(part for part in _value(environ, "NO_PROXY").lower().replace(",", " ").split())

    def for_origin(self, origin: Origin) -> Proxy | None:
        """Give the proxy to use, if any."""
        proxy = self._https if origin.scheme == "https" else self._http
        return proxy if proxy is not None and not is_exempt(origin.host, origin.port, self._exempt) else None


@lru_cache(maxsize=1024)
def is_exempt(host: str, port: int, exempt: tuple[str, ...]) -> bool:
    """Tell whether NO_PROXY names a host: exactly, by a parent domain, with its port, or by `*`.

    >>> is_exempt("api.example.com", 80, (".example.com",)), is_exempt("badexample.com", 80, ("example.com",))
    (True, False)
    """
    for pattern in exempt:
        name, colon, wanted_port = pattern.rpartition(":")
        if not (colon and wanted_port.isdecimal()) or (":" in name and not name.startswith("[")):
            name, wanted_port = pattern, ""
        name = name.strip("[]").removeprefix("*").removeprefix(".")
        if wanted_port and int(wanted_port) != port:
            continue
        if name in ("", host) or host.endswith(f".{name}"):
            return True
    return False


def connect_head(origin: Origin, proxy: Proxy) -> bytes:
    """Word the request for a tunnel to `origin`."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    authority = f"{host}:{origin.port}"
    return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (
        authority.encode(),
        authority.encode(),
        proxy.authorization,
    )


def through_proxy(head: bytes, origin: Origin, proxy: Proxy) -> bytes:
    """Word a request's head for the proxy: absolute form, with the proxy's authorization.

    >>> through_proxy(b"GET /x HTTP/1.1\\r\\n\\r\\n", Origin("http", "a.example", 8080), Proxy(host="p", port=1))
    b'GET http://a.example:8080/x HTTP/1.1\\r\\n\\r\\n'
    """
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    port = "" if origin.port == 80 else f":{origin.port}"
    method, _, rest = head.partition(b" ")
    line, _, fields = rest.partition(b"\r\n")
    return b"%b http://%b%b\r\n%b%b" % (method, (host + port).encode(), line, proxy.authorization, fields)


def _value(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.lower()) or "").strip()


def _read(environ: Mapping[str, str], name: str) -> Proxy | None:
    text = _value(environ, name)
    if not text:
        return None
    url = text if "://" in text else f"http://{text}"
    try:
        origin, _, _ = parse_url(url)
    except StepError:
        origin = None
    if origin is None or origin.scheme != "http":
        raise GrapeshotError(
            f"The proxy in {name} can't be used.",
            cause="It is not an http:// URL, and Grapeshot speaks to proxies over plain HTTP only.",
            remedy=f"Set {name} to http://[user:password@]host:port, or unset it.",
        )
    pair = credentials(url)
    token = base64.b64encode(f"{pair[0]}:{pair[1]}".encode()) if pair else b""
    authorization = b"proxy-authorization: Basic %b\r\n" % token if pair else b""
    return Proxy(host=origin.host, port=origin.port, authorization=authorization)
