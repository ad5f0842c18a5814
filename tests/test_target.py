"""The test target itself: what every other test relies on."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import brotli
import pytest
import trustme
import zstandard

from target import Target, serve, serve_process


@pytest.fixture(scope="module")
def shop() -> Iterator[Target]:
    """A server in a thread, shared by the tests of this file."""
    with serve() as target:
        yield target


def ask(
    target: Target, path: str, method: str = "GET", *, body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=5)
    with closing(connection):
        connection.request(
            method, path, body, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        response = connection.getresponse()
        return response, response.read()


def raw(target: Target, request: bytes) -> bytes:
    """Send bytes as they are and read until the server closes."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=5) as client:
        client.sendall(request)
        received = b""
        while data := client.recv(65536):
            received += data
        return received


@pytest.mark.parametrize(
    ("path", "status", "content_type"),
    [
        ("/", 200, "text/html; charset=utf-8"),
        ("/html", 200, "text/html; charset=utf-8"),
        ("/health", 200, "text/plain; charset=utf-8"),
        ("/json", 200, "application/json"),
        ("/xml", 200, "application/xml"),
        ("/items", 200, "application/json"),
        ("/items/1", 200, "application/json"),
        ("/items/999", 404, "application/json"),
        ("/search?q=grape", 200, "application/json"),
        ("/account", 401, "application/json"),
        ("/status/503", 503, "text/plain; charset=utf-8"),
        ("/status/none", 400, "application/json"),
        ("/bytes/100", 200, "application/octet-stream"),
        ("/chunked/3", 200, "text/plain; charset=utf-8"),
        ("/delay/1", 200, "text/plain; charset=utf-8"),
        ("/drip/3/1", 200, "text/plain; charset=utf-8"),
        ("/stream-close", 200, "text/plain; charset=utf-8"),
        ("/server-timing", 200, "text/plain; charset=utf-8"),
        ("/nowhere", 404, "application/json"),
    ],
)
def test_routes_answer(shop: Target, path: str, status: int, content_type: str) -> None:
    """Every route answers with its status and type."""
    response, _ = ask(shop, path)

    assert (response.status, response.headers["content-type"]) == (status, content_type)


def test_login_opens_the_account(shop: Target) -> None:
    """The cookie and the token of a login both show the account; a wrong password gives neither."""
    body = json.dumps({"username": "ada", "password": "lovelace1815"}).encode()
    response, text = ask(shop, "/login", "POST", body=body, content_type="application/json")
    cookie = response.headers["set-cookie"].partition(";")[0]
    by_cookie = ask(shop, "/account", cookie=cookie)[0].status
    by_token = ask(shop, "/account", authorization=f"Bearer {json.loads(text)['token']}")[0].status
    form = b"username=ada&password=wrong"
    refused = ask(shop, "/login", "POST", body=form, content_type="application/x-www-form-urlencoded")[
        0
    ].status

    assert response.headers["set-cookie"].endswith("; Path=/; HttpOnly")
    assert (by_cookie, by_token, refused) == (200, 200, 401)


def test_echo_shows_the_request(shop: Target) -> None:
    """Method, path, query, headers, cookies and body come back."""
    _, text = ask(shop, "/echo?a=1&b=2&b=3", "PUT", body=b'{"x":[1]}', cookie="s=1; t=2", x_test="yes")
    shown = json.loads(text)

    assert (shown["method"], shown["path"], shown["query"]) == ("PUT", "/echo", {"a": "1", "b": ["2", "3"]})
    assert (shown["cookies"], shown["headers"]["x-test"]) == ({"s": "1", "t": "2"}, "yes")
    assert (shown["body"], shown["json"]) == ('{"x":[1]}', {"x": [1]})


def test_items_are_created(shop: Target) -> None:
    """A POST to /items echoes what was sent, with 201."""
    response, text = ask(shop, "/items", "POST", body=b'{"name": "new"}')

    assert (response.status, json.loads(text)) == (201, {"id": 11, "name": "new"})


def test_an_upload_is_described(shop: Target) -> None:
    """Fields, file names, types and sizes of a multipart body are told, to the byte."""
    body = (
        b'--xyz\r\nContent-Disposition: form-data; name="title"\r\n\r\nMine\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name="doc"; filename="a.bin"\r\n'
        b"Content-Type: application/pdf\r\n\r\n\x00\r\n\xff\r\n--xyz--\r\n"
    )
    _, text = ask(shop, "/upload", "POST", body=body, content_type="multipart/form-data; boundary=xyz")

    assert json.loads(text) == {
        "fields": {"title": "Mine"},
        "files": [{"name": "doc", "filename": "a.bin", "size": 4, "type": "application/pdf"}],
        "types": {"title": None, "doc": "application/pdf"},
    }


@pytest.mark.parametrize(
    ("path", "encoding", "decode"),
    [
        ("/gzip", "gzip", gzip.decompress),
        ("/deflate", "deflate", zlib.decompress),
        ("/brotli", "br", brotli.decompress),
        ("/zstd", "zstd", zstandard.decompress),
    ],
)
def test_encodings(shop: Target, path: str, encoding: str, decode: Any) -> None:
    """Each encoding's route sends JSON in it."""
    response, body = ask(shop, path)

    assert response.headers["content-encoding"] == encoding
    assert json.loads(decode(body))["encoding"] == path[1:]


def test_redirects(shop: Target) -> None:
    """A chain counts down; redirect-to goes anywhere, with any status."""
    chain, _ = ask(shop, "/redirect/2")
    away, _ = ask(shop, "/redirect-to?url=http%3A%2F%2Fh%2Fx%3Fa%3D1&status=307")

    assert (chain.status, chain.headers["location"]) == (302, "/redirect/1")
    assert (away.status, away.headers["location"]) == (307, "http://h/x?a=1")


def test_cookies_and_credentials(shop: Target) -> None:
    """Cookies are set one by one; basic authentication wants the pair of its path."""
    response, _ = ask(shop, "/cookies/set?a=1&b=2")
    denied, _ = ask(shop, "/basic-auth/u/p")
    granted, _ = ask(shop, "/basic-auth/u/p", authorization="Basic dTpw")

    assert response.headers.get_all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert (denied.status, granted.status) == (401, 200)


def test_faults_of_the_connection(shop: Target) -> None:
    """The faulty routes break the connection, each in its own way."""
    with pytest.raises(http.client.RemoteDisconnected):
        ask(shop, "/close")
    with pytest.raises(ConnectionResetError):
        ask(shop, "/reset")
    with pytest.raises(http.client.IncompleteRead):
        ask(shop, "/truncate")


def test_bodies_of_a_known_size(shop: Target) -> None:
    """Bytes, drips and chunks are as many as asked; HEAD has none but says how many."""
    head, nothing = ask(shop, "/bytes/1000", "HEAD")

    assert len(ask(shop, "/bytes/1000")[1]) == 1000
    assert len(ask(shop, "/drip/7/1")[1]) == 7
    assert ask(shop, "/chunked/2")[1] == b"chunk 0\nchunk 1\n"
    assert (head.headers["content-length"], nothing) == ("1000", b"")


def test_pipelined_requests_are_answered_in_order(shop: Target) -> None:
    """A slow answer holds up the ones after it."""
    received = raw(
        shop,
        b"GET /delay/20 HTTP/1.1\r\nhost: h\r\n\r\nGET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
    )

    assert received.index(b"after 20 ms") < received.index(b"ok")


def test_what_is_not_http_is_refused(shop: Target) -> None:
    """Garbage gets a 400 and a closed connection."""
    assert raw(shop, b"HELO there\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_requests_are_recorded_and_counted() -> None:
    """A server in a thread keeps what it received; every server counts routes by status."""
    with serve() as target:
        ask(target, "/items/1?x=1", body=b"hello", x_test="1")
        ask(target, "/items/999")
        first = target.requests[0]

        assert target.stats() == {"/items/{number} 200": 1, "/items/{number} 404": 1}
    assert (first.method, first.path, first.query, first.body) == ("GET", "/items/1", {"x": ["1"]}, b"hello")
    assert first.headers["x-test"] == "1"
    assert [request.connection for request in target.requests] == [1, 2, 3]


def test_a_server_ends_with_connections_open() -> None:
    """Leaving the `with` closes what is still connected, silently."""
    with serve() as target:
        client = socket.create_connection(("127.0.0.1", target.port), timeout=5)
        client.sendall(b"GET /delay/60000 HTTP/1.1\r\nhost: h\r\n\r\n")
        ask(target, "/health")

    with client:
        assert client.recv(1) == b""


def test_a_frozen_server_answers_nobody_and_thaws() -> None:
    """During /freeze nothing is answered; afterwards everything is."""
    with serve() as target:
        start = monotonic()
        target.freeze(0.3)
        ask(target, "/health")
        ask(target, "/health")

    assert monotonic() - start >= 0.3


def test_tls(tmp_path: Path) -> None:
    """With a certificate the target speaks HTTPS."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(str(chain))
    leaf.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)

    with serve(tls=(str(chain), str(key))) as target:
        connection = http.client.HTTPSConnection("127.0.0.1", target.port, timeout=5, context=context)
        with closing(connection):
            connection.request("GET", "/health")
            body = connection.getresponse().read()
        stats = target.stats()

    assert (body, stats) == (b"ok", {"/health 200": 1})


def test_a_port_in_use_is_told() -> None:
    """A second server on the same port fails at once."""
    with serve() as target, pytest.raises(OSError, match="in use"), serve(port=target.port):
        pass


def test_a_process_of_its_own_serves_and_ends() -> None:
    """`serve_process` runs the same server elsewhere and takes it down again."""
    with serve_process() as target:
        ask(target, "/health")
        counts = target.stats()

    assert counts == {"/health 200": 1}
    with pytest.raises(ConnectionRefusedError):
        ask(target, "/health")
