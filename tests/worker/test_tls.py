"""https: what the script's `tls` settings trust and show, and the names of what is not trusted."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme

from exact_server import replying, run, serving
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.traffic.response import Response
from grapeshot_worker.traffic.wire.connection import Connector
from grapeshot_worker.traffic.wire.network_errors import NetworkError
from grapeshot_worker.traffic.wire.tls import client_context
from grapeshot_worker.traffic.wire.url import Origin

GET = b"GET / HTTP/1.1\r\nhost: t\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nall of it"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own; making keys takes a moment."""
    return trustme.CA()


@pytest.fixture(scope="module")
def pem(authority: trustme.CA) -> str:
    """The authority's certificate as text."""
    return authority.cert_pem.bytes().decode()


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def ask(
    context: ssl.SSLContext,
    tls: Mapping[str, Any],
    *,
    host: str = "127.0.0.1",
    reply: bytes = OK,
    stay: bool = True,
) -> Response:
    """Give the response to one request over TLS."""

    async def main() -> Response:
        replies = (reply, reply) if stay else (reply,)
        async with serving(replying(*replies, stay=stay), tls=context) as port:
            connection = await Connector(HttpSettings(tls=tls)).connect(Origin("https", host, port))
            try:
                response = await connection.exchange(GET)
                if connection.reusable:
                    await connection.exchange(GET)
                return response
            finally:
                connection.close()

    return run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_trusted_server(authority: trustme.CA, pem: str, host: str) -> None:
    """A certificate of an authority in `ca` that names the host is accepted, for names and addresses."""
    response = ask(server_context(authority.issue_cert(host)), {"ca": pem}, host=host)

    assert response.body == b"ok"
    assert response.opening is not None
    assert response.opening.tls > 0


@pytest.mark.parametrize("kind", ["file", "list"])
def test_authorities_from_files(authority: trustme.CA, tmp_path: Path, kind: str) -> None:
    """`ca` may be a file beside the script, or a list."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ca = "ca.pem" if kind == "file" else ["ca.pem", trustme.CA().cert_pem.bytes().decode()]
    context = client_context({"ca": ca}, directory=str(tmp_path), environ={})

    assert len(context.get_ca_certs()) == (1 if kind == "file" else 2)


def test_body_until_close(authority: trustme.CA, pem: str) -> None:
    """A body that ends with the stream is whole over TLS too."""
    response = ask(
        server_context(authority.issue_cert("127.0.0.1")), {"ca": pem}, reply=UNTIL_CLOSE, stay=False
    )

    assert response.body == b"all of it"


def test_large_bodies(authority: trustme.CA, pem: str) -> None:
    """Megabytes cross TLS in both directions, and the connection is used again."""
    body = bytes(range(256)) * 8192

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            received = await reader.readexactly(len(body))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received) + received)
        await reader.read()

    async def main() -> list[bytes]:
        async with serving(echo, tls=server_context(authority.issue_cert("127.0.0.1"))) as port:
            connection = await Connector(HttpSettings(tls={"ca": pem})).connect(
                Origin("https", "127.0.0.1", port)
            )
            bodies = [(await connection.exchange(GET, body)).body for _ in range(2)]
            connection.close()
            return bodies

    assert run(main()) == [body, body]


def expired(authority: trustme.CA) -> trustme.LeafCert:
    long_ago = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    return authority.issue_cert(
        "127.0.0.1", not_before=long_ago, not_after=long_ago + datetime.timedelta(days=1)
    )


def test_expired(authority: trustme.CA, pem: str) -> None:
    """An old certificate is CERT_HAS_EXPIRED."""
    with pytest.raises(NetworkError, match="CERT_HAS_EXPIRED"):
        ask(server_context(expired(authority)), {"ca": pem})


def test_wrong_host(authority: trustme.CA, pem: str) -> None:
    """A certificate for another host is ERR_TLS_CERT_ALTNAME_INVALID."""
    with pytest.raises(NetworkError, match="ERR_TLS_CERT_ALTNAME_INVALID"):
        ask(server_context(authority.issue_cert("other.example")), {"ca": pem})


def test_servername(authority: trustme.CA, pem: str) -> None:
    """`servername` is what is asked for and what the certificate must name."""
    response = ask(
        server_context(authority.issue_cert("other.example")), {"ca": pem, "servername": "other.example"}
    )

    assert response.body == b"ok"


def test_unknown_issuer(authority: trustme.CA) -> None:
    """A certificate of an unknown authority is UNABLE_TO_VERIFY_LEAF_SIGNATURE."""
    with pytest.raises(NetworkError, match="UNABLE_TO_VERIFY_LEAF_SIGNATURE"):
        ask(server_context(authority.issue_cert("127.0.0.1")), {"ca": trustme.CA().cert_pem.bytes().decode()})


def self_signed(authority: trustme.CA, tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = tmp_path / "self.pem"
    path.write_bytes(authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    context.load_cert_chain(path)
    return context


def test_self_signed(authority: trustme.CA, tmp_path: Path) -> None:
    """A certificate that signs itself is DEPTH_ZERO_SELF_SIGNED_CERT."""
    with pytest.raises(NetworkError, match="DEPTH_ZERO_SELF_SIGNED_CERT"):
        ask(self_signed(authority, tmp_path), {"ca": trustme.CA().cert_pem.bytes().decode()})


def test_root_in_chain(authority: trustme.CA) -> None:
    """An unknown root that the server sends along is SELF_SIGNED_CERT_IN_CHAIN."""
    certificate = authority.issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = certificate.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes()
    with trustme.Blob(chain).tempfile() as path:
        context.load_cert_chain(path)

    with pytest.raises(NetworkError, match="SELF_SIGNED_CERT_IN_CHAIN"):
        ask(context, {"ca": trustme.CA().cert_pem.bytes().decode()})


@pytest.mark.parametrize("which", ["expired", "self-signed", "wrong host"])
def test_reject_unauthorized_false(authority: trustme.CA, tmp_path: Path, which: str) -> None:
    """`rejectUnauthorized: false` accepts any certificate."""
    contexts = {
        "expired": lambda: server_context(expired(authority)),
        "self-signed": lambda: self_signed(authority, tmp_path),
        "wrong host": lambda: server_context(authority.issue_cert("other.example")),
    }

    assert ask(contexts[which](), {"rejectUnauthorized": False}).body == b"ok"


@pytest.mark.parametrize("written", [None, 0, "", "false"])
def test_only_false_switches_the_check_off(written: object) -> None:
    """As in Node, nothing but the boolean `false` accepts bad certificates."""
    context = client_context({"rejectUnauthorized": written}, directory=".", environ={})

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("as_files", [True, False])
def test_client_certificate(authority: trustme.CA, pem: str, tmp_path: Path, as_files: bool) -> None:
    """`cert` and `key`, as texts or as files, show who we are."""
    client = authority.issue_cert("client.example")
    key, cert = client.private_key_pem.bytes().decode(), client.cert_chain_pems[0].bytes().decode()
    if as_files:
        (tmp_path / "key.pem").write_text(key)
        (tmp_path / "cert.pem").write_text(cert)
        key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)

    assert ask(context, {"ca": pem, "cert": cert, "key": key}).body == b"ok"


def test_no_client_certificate(authority: trustme.CA, pem: str) -> None:
    """A server that insists on a client's certificate ends the exchange with its alert."""
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)

    with pytest.raises(NetworkError) as caught:
        ask(context, {"ca": pem})

    assert caught.value.name in ("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "ECONNRESET")


def test_an_alert() -> None:
    """A server that ends the handshake with an alert, here for the version, is counted under the alert's name."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(
            b"\x15\x03\x03\x00\x02\x02\x46"
        )  # alert record, TLS 1.2, 2 bytes: fatal, protocol_version
        await reader.read()

    async def main() -> None:
        async with serving(refuse) as port:
            await Connector(HttpSettings()).connect(Origin("https", "127.0.0.1", port))

    with pytest.raises(NetworkError, match="ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"):
        run(main())


@pytest.mark.parametrize(
    ("options", "versions"),
    [
        ({"minVersion": "TLSv1.3"}, (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.MAXIMUM_SUPPORTED)),
        (
            {"minVersion": "TLSv1.1", "maxVersion": "TLSv1.2"},
            (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2),
        ),
    ],
)
def test_versions(options: Mapping[str, Any], versions: tuple[ssl.TLSVersion, ssl.TLSVersion]) -> None:
    """`minVersion` and `maxVersion` bound what is offered."""
    context = client_context(options, directory=".", environ={})

    assert (context.minimum_version, context.maximum_version) == versions


def test_a_server_without_tls() -> None:
    """https to a server that speaks plain http fails in the handshake."""

    async def main() -> None:
        async with serving(lambda r, w: answer_at_once(r, w)) as port:
            await Connector(HttpSettings()).connect(Origin("https", "127.0.0.1", port))

    async def answer_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    with pytest.raises(NetworkError, match="ERR_SSL_"):
        run(main())


@pytest.mark.parametrize("reset", [True, False])
def test_closed_in_the_handshake(reset: bool) -> None:
    """A server that hangs up before TLS stands is ECONNRESET."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        if reset:
            writer.transport.abort()

    async def main() -> None:
        async with serving(hang_up) as port:
            await Connector(HttpSettings()).connect(Origin("https", "127.0.0.1", port))

    with pytest.raises(NetworkError, match="ECONNRESET"):
        run(main())


def test_a_handshake_that_does_not_end() -> None:
    """Silence in the handshake is ERR_SOCKET_TIMEOUT."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        async with serving(silent) as port:
            await Connector(HttpSettings()).connect(Origin("https", "127.0.0.1", port), timeout=0.15)

    with pytest.raises(NetworkError, match="ERR_SOCKET_TIMEOUT"):
        run(main())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pfx": "x.p12"}, "pfx"),
        ({"ca": "missing.pem"}, "missing.pem"),
        ({"ca": "-----BEGIN nothing"}, "ca"),
        ({"cert": "-----BEGIN nothing", "key": "-----BEGIN nothing"}, "cert"),
        ({"minVersion": "SSLv3"}, "minVersion"),
        ({"maxVersion": 1.2}, "maxVersion"),
        ({"ciphers": "no-such-cipher"}, "ciphers"),
        ({"checkServerIdentity": "x"}, "checkServerIdentity"),
        ({"servername": ".example"}, "servername"),
        ({"servername": "a\0b"}, "servername"),
    ],
)
def test_refused_settings(options: Mapping[str, Any], said: str) -> None:
    """A setting that can't be obeyed is refused with its name."""
    with pytest.raises(GrapeshotError, match=said):
        Connector(HttpSettings(tls=options))


def test_settings_of_node_s_environment(authority: trustme.CA, tmp_path: Path) -> None:
    """NODE_EXTRA_CA_CERTS adds authorities, NODE_TLS_REJECT_UNAUTHORIZED=0 switches the check off."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    plain = client_context({}, directory=".", environ={})
    extra = client_context({}, directory=".", environ={"NODE_EXTRA_CA_CERTS": str(tmp_path / "ca.pem")})
    accepting = client_context({}, directory=".", environ={"NODE_TLS_REJECT_UNAUTHORIZED": "0"})

    assert len(extra.get_ca_certs()) == len(plain.get_ca_certs()) + 1
    assert accepting.verify_mode == ssl.CERT_NONE
