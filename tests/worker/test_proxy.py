"""Proxies: which one the environment names for an origin, and what is said to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
import trustme
from test_tls import server_context

from exact_server import replying, run, serving
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.traffic.wire.connection import Connector
from grapeshot_worker.traffic.wire.network_errors import NetworkError
from grapeshot_worker.traffic.wire.proxy import Proxies, is_exempt
from grapeshot_worker.traffic.wire.url import Origin

HTTP, HTTPS = Origin("http", "api.example", 80), Origin("https", "api.example", 443)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": ""}, None, None),
        ({"HTTP_PROXY": "http://p:1"}, "p", "p"),
        ({"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:2"}, "p", "q"),
        ({"HTTPS_PROXY": "http://q:2"}, None, "q"),
        ({"http_proxy": "p:1", "https_proxy": "q:2"}, "p", "q"),
        ({"HTTP_PROXY": "http://p:1", "http_proxy": "http://q:2"}, "p", "p"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "api.example"}, None, None),
        ({"HTTP_PROXY": "http://p:1", "no_proxy": "*"}, None, None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "api.example:443"}, "p", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "other.example, example.org"}, "p", "p"),
    ],
)
def test_which_proxy(environ: Mapping[str, str], http: str | None, https: str | None) -> None:
    """HTTP_PROXY serves both schemes, HTTPS_PROXY overrides it for https, NO_PROXY exempts."""
    proxies = Proxies(environ)
    chosen = [proxies.for_origin(HTTP), proxies.for_origin(HTTPS)]

    assert [p.host if p else None for p in chosen] == [http, https]


@pytest.mark.parametrize(
    ("pattern", "host", "exempt"),
    [
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", True),
        (".example.com", "a.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("example.com", "badexample.com", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.11", False),
        ("::1", "::1", True),
        ("[::1]", "::1", True),
        ("[::1]:80", "::1", True),
        ("[::1]:81", "::1", False),
        ("localhost:80", "localhost", True),
        ("localhost:8080", "localhost", False),
    ],
)
def test_no_proxy(pattern: str, host: str, exempt: bool) -> None:
    """NO_PROXY names hosts exactly, by a parent domain, and with a port."""
    assert is_exempt(host, 80, (pattern,)) is exempt


@pytest.mark.parametrize("url", ["https://p:1", "socks5://p:1", "http://p:99999", "http://"])
def test_a_proxy_that_can_t_be_used(url: str) -> None:
    """A proxy other than plain http is refused with the name of the variable, before any load."""
    with pytest.raises(GrapeshotError, match="HTTPS_PROXY"):
        Connector(HttpSettings(), environ={"HTTPS_PROXY": url})


async def heads_at_proxy(proxy_userinfo: str, origin: Origin, request: bytes) -> list[bytes]:
    heads: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await reader.read()

    async with serving(proxy) as port:
        connector = Connector(
            HttpSettings(), environ={"HTTP_PROXY": f"http://{proxy_userinfo}127.0.0.1:{port}"}
        )
        connection = await connector.connect(origin)
        await connection.exchange(request)
        connection.close()
    return heads


@pytest.mark.parametrize(
    ("userinfo", "origin", "sent"),
    [
        ("", HTTP, b"GET http://api.example/x?y HTTP/1.1\r\nhost: api.example\r\n\r\n"),
        (
            "ann:s%40me@",
            Origin("http", "::1", 81),
            b"GET http://[::1]:81/x?y HTTP/1.1\r\nproxy-authorization: Basic YW5uOnNAbWU=\r\nhost: api.example\r\n\r\n",
        ),
    ],
)
def test_absolute_form(userinfo: str, origin: Origin, sent: bytes) -> None:
    """A plain request names its origin in the request line; the proxy's user goes with it."""
    request = b"GET /x?y HTTP/1.1\r\nhost: api.example\r\n\r\n"

    assert run(heads_at_proxy(userinfo, origin, request)) == [sent]


async def through_tunnel(userinfo: str) -> tuple[list[bytes], bytes]:
    """Run a TLS server and a proxy before it; give what the proxy was asked and what the server answered."""
    authority = trustme.CA()
    asked: list[bytes] = []

    async with serving(replying(OK), tls=server_context(authority.issue_cert("api.example"))) as target:

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            try:
                await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
            finally:
                far_writer.close()

        async with serving(proxy) as port:
            settings = HttpSettings(tls={"ca": authority.cert_pem.bytes().decode()})
            environ = {"HTTPS_PROXY": f"http://{userinfo}127.0.0.1:{port}"}
            connection = await Connector(settings, environ=environ).connect(HTTPS)
            response = await connection.exchange(b"GET / HTTP/1.1\r\nhost: api.example\r\n\r\n")
            connection.close()
            return asked, response.body


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.mark.parametrize(
    ("userinfo", "line"), [("", b""), ("ann:pw@", b"proxy-authorization: Basic YW5uOnB3\r\n")]
)
def test_tunnel(userinfo: str, line: bytes) -> None:
    """An https target is reached through CONNECT, with TLS from end to end."""
    asked, body = run(through_tunnel(userinfo))

    assert asked == [b"CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n" + line + b"\r\n"]
    assert body == b"ok"


def test_a_refused_tunnel() -> None:
    """A proxy that says no fails the request under its status."""

    async def main() -> None:
        reply = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno"
        async with serving(replying(reply)) as port:
            await Connector(HttpSettings(), environ={"HTTP_PROXY": f"http://127.0.0.1:{port}"}).connect(HTTPS)

    with pytest.raises(NetworkError, match="Bad response: 407"):
        run(main())


def test_a_silent_proxy() -> None:
    """A proxy that does not answer CONNECT is ERR_SOCKET_TIMEOUT."""

    async def main() -> None:
        async with serving(replying(b"")) as port:
            connector = Connector(HttpSettings(), environ={"HTTP_PROXY": f"http://127.0.0.1:{port}"})
            await connector.connect(HTTPS, timeout=0.15)

    with pytest.raises(NetworkError, match="ERR_SOCKET_TIMEOUT"):
        run(main())
