"""TLS between two buffers: whatever way the records come, what breaks, and what has to wait."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from exact_server import run
from grapeshot_worker.traffic.wire.secure import SecureTransport, secured

NAME = "server.example"


class Wire(asyncio.Transport):
    """A plain transport on paper: keeps what is written; while `holding`, nothing leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.left = bytearray()
        self.kept = bytearray()
        self.holding = False
        self.closed = ""
        self.protocol: asyncio.Protocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        (self.kept if self.holding else self.left).extend(data)
        if self.kept and self.protocol is not None:
            self.protocol.pause_writing()

    def let_go(self) -> None:
        """Let everything leave, and tell of it."""
        self.left += self.kept
        self.kept.clear()
        assert self.protocol is not None
        self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return len(self.kept)

    def abort(self) -> None:
        self.closed = self.closed or "aborted"

    def close(self) -> None:
        self.closed = self.closed or "closed"

    def take(self) -> bytes:
        """Give what has left since the last call."""
        left = bytes(self.left)
        self.left.clear()
        return left


class Above(asyncio.Protocol):
    """The protocol above: notes what it is told."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.told: list[str] = []
        self.fault: Exception | None = None
        self.abort_at = b"never"
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.text += data
        if data == self.abort_at:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()

    def eof_received(self) -> None:
        self.told.append("end")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")
        self.fault = exc

    def pause_writing(self) -> None:
        if self.told[-1:] != ["paused"]:
            self.told.append("paused")

    def resume_writing(self) -> None:
        self.told.append("resumed")


class Server:
    """The other side: Python's TLS between buffers."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.text = bytearray()
        self._stands = False

    def take(self, data: bytes) -> bytes:
        """Take bytes and give the answer."""
        self._incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            if not self._stands:
                self.tls.do_handshake()
                self._stands = True
            while text := self.tls.read(1 << 16):
                self.text += text
        return self._outgoing.read()

    def say(self, *texts: bytes) -> bytes:
        """Give a record for each of the texts."""
        for text in texts:
            self.tls.write(text)
        return self._outgoing.read()

    def part(self) -> bytes:
        """Give the farewell."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self._outgoing.read()


class Pair:
    """A client's transport and a server, with what is on its way between them."""

    def __init__(self, contexts: tuple[ssl.SSLContext, ssl.SSLContext], name: str = NAME) -> None:
        client, server = contexts
        self.wire, self.above, self.server = Wire(), Above(), Server(server)
        self.transport = SecureTransport(self.wire, self.above, client, name)
        self.wire.set_protocol(self.transport)

    def feed(self, data: bytes, size: int = 1 << 20) -> None:
        for start in range(0, len(data), size):
            self.transport.data_received(data[start : start + size])

    def shake_hands(self, size: int = 1 << 20) -> asyncio.Future[None]:
        """Let TLS begin; everything from the server comes in pieces of `size` bytes."""
        standing = self.transport.begin()
        self.settle(size)
        return standing

    def settle(self, size: int = 1 << 20) -> None:
        """Carry what has left to the server, and what it answers back, in pieces of `size` bytes."""
        while data := self.wire.take():
            self.feed(self.server.take(data), size)


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own; making keys takes a moment."""
    return trustme.CA()


@pytest.fixture(scope="module", params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def contexts(request: pytest.FixtureRequest, authority: trustme.CA) -> Contexts:
    """Contexts for both sides, of each version."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert(NAME).configure_cert(server)
    client.minimum_version = client.maximum_version = request.param
    return client, server


def standing(contexts: Contexts) -> Pair:
    """Give a pair after its handshake."""

    async def main() -> Pair:
        pair = Pair(contexts)
        await pair.shake_hands()
        return pair

    return run(main())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 1 << 20])
def test_a_handshake_in_pieces(contexts: Contexts, size: int) -> None:
    """However its bytes come, and whatever follows it at once."""

    async def main() -> Pair:
        pair = Pair(contexts)
        await pair.shake_hands(size)
        pair.feed(pair.server.say(b"hello"), size)
        return pair

    pair = run(main())

    assert pair.above.told == ["made"]
    assert pair.above.text == b"hello"


def test_a_record_broken_at_every_byte(contexts: Contexts) -> None:
    """In two pieces, wherever it is cut; nothing is asked for that is not there, nothing is left."""
    pair = standing(contexts)
    for cut in range(200):
        record = pair.server.say(b"%03d" % cut * 40)
        pair.feed(record[:cut])
        pair.feed(record[cut:])

    assert pair.above.text == b"".join(b"%03d" % cut * 40 for cut in range(200))


@given(
    texts=st.lists(st.binary(min_size=1, max_size=40_000), max_size=6), sizes=st.lists(st.integers(1, 70_000))
)
def test_records_cut_anywhere(contexts: Contexts, texts: list[bytes], sizes: list[int]) -> None:
    """Many records in many pieces: all the text, in its order."""
    pair = standing(contexts)
    data = pair.server.say(*texts)
    for size in sizes:
        pair.feed(data[:size])
        data = data[size:]
    pair.feed(data)

    assert pair.above.text == b"".join(texts)


def test_several_records_in_one_piece(contexts: Contexts) -> None:
    """All are handed on at once."""
    pair = standing(contexts)

    pair.feed(pair.server.say(*(b"a" * 300 for _ in range(50))))

    assert len(pair.above.text) == 15_000


def test_a_megabyte_comes(contexts: Contexts) -> None:
    """In one piece that holds many records."""
    pair = standing(contexts)

    pair.feed(pair.server.say(bytes(1 << 20)))

    assert pair.above.text == bytes(1 << 20)


@given(texts=st.lists(st.binary(max_size=100_000), max_size=5), together=st.booleans(), held=st.booleans())
def test_what_is_written(contexts: Contexts, texts: list[bytes], together: bool, held: bool) -> None:
    """Arrives in its order, alone or together, whether it leaves at once or not."""
    pair = standing(contexts)
    pair.wire.holding = held
    if together:
        pair.transport.writelines(texts)
    else:
        for text in texts:
            pair.transport.write(text)
    for _ in range(50):
        pair.wire.let_go()
        pair.settle()

    assert pair.server.text == b"".join(texts)
    assert pair.transport.get_write_buffer_size() == 0


def test_a_long_body_is_encrypted_as_it_leaves(contexts: Contexts) -> None:
    """A piece at a time; the protocol above is told when all has left, and how much hasn't."""
    pair = standing(contexts)
    pair.wire.holding = True

    pair.transport.write(bytes(1 << 20))
    sizes = [pair.transport.get_write_buffer_size()]
    most = len(pair.wire.kept)
    while pair.wire.kept:
        assert pair.above.told == ["made", "paused"]
        pair.wire.let_go()
        pair.settle()
        sizes.append(pair.transport.get_write_buffer_size())
        most = max(most, len(pair.wire.kept))

    assert most < 1 << 16
    assert sizes == sorted(set(sizes), reverse=True)
    assert pair.above.told == ["made", "paused", "resumed"]
    assert pair.server.text == bytes(1 << 20)


def test_a_farewell(contexts: Contexts) -> None:
    """It is the end of the stream; it is answered, the connection closed, and what follows is not read."""
    pair = standing(contexts)
    pair.feed(pair.server.say(b"last") + pair.server.part() + b"more")
    pair.feed(b"more")
    pair.transport.connection_lost(None)

    assert pair.above.text == b"last"
    assert pair.above.told == ["made", "end", "lost"]
    assert pair.above.fault is None
    assert pair.wire.closed == "closed"
    with pytest.raises(ssl.SSLZeroReturnError):
        pair.server.take(pair.wire.take())


def test_an_end_without_farewell(contexts: Contexts) -> None:
    """It is the end of the stream too."""
    pair = standing(contexts)

    assert pair.transport.eof_received() is False
    pair.transport.connection_lost(None)
    assert pair.above.told == ["made", "end", "lost"]
    assert pair.above.fault is None


def test_a_forged_record(contexts: Contexts) -> None:
    """The connection ends with OpenSSL's error; an alert leaves, nothing after it is decrypted or sent."""
    pair = standing(contexts)
    record = bytearray(pair.server.say(b"true"))
    record[-1] ^= 1
    pair.feed(bytes(record))
    pair.feed(pair.server.say(b"more"))
    pair.transport.write(b"more")
    pair.transport.connection_lost(None)

    assert pair.above.text == b""
    assert pair.wire.closed == "aborted"
    assert isinstance(pair.above.fault, ssl.SSLError)
    assert pair.above.fault.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    with pytest.raises(ssl.SSLError, match=r"(?i)alert bad record mac"):
        pair.server.take(pair.wire.take())


def test_closed_in_the_middle(contexts: Contexts) -> None:
    """Whoever closes while being told of a record hears of no other one, and says nothing more."""
    pair = standing(contexts)
    pair.above.abort_at = b"stop"
    pair.feed(pair.server.say(b"stop", b"more"))
    pair.transport.write(b"late")

    assert pair.above.text == b"stop"
    assert pair.wire.closed == "aborted"
    assert not pair.wire.left


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_handshake_that_fails(contexts: Contexts, size: int) -> None:
    """The certificate's fault is what is raised; an alert leaves, and the protocol above hears of nothing."""

    async def main() -> Pair:
        pair = Pair(contexts, "other.example")
        failed = pair.transport.begin()
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            pair.settle(size)
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await failed
        pair.transport.connection_lost(None)
        assert caught.value.verify_code == 62
        return pair

    pair = run(main())

    assert pair.wire.closed == "aborted"
    assert pair.above.told == []


def test_lost_in_the_handshake(contexts: Contexts) -> None:
    """A connection that ends before TLS stands was reset; its error, if it has one, is raised."""

    async def main(fault: Exception | None) -> None:
        pair = Pair(contexts)
        failed = pair.transport.begin()
        pair.transport.eof_received()
        pair.transport.connection_lost(fault)
        await failed

    with pytest.raises(ConnectionResetError):
        run(main(None))
    with pytest.raises(BrokenPipeError):
        run(main(BrokenPipeError()))


def test_nobody_waits_any_more(contexts: Contexts) -> None:
    """Who gave the handshake up is not told of its failure, nor of its success."""

    async def main(fails: bool) -> Pair:
        pair = Pair(contexts)
        task = asyncio.ensure_future(secured(pair.wire, pair.above, contexts[0], NAME))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert pair.wire.protocol is not None
        if fails:
            pair.wire.protocol.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        else:
            pair.wire.protocol.data_received(pair.server.take(pair.wire.take()))
        pair.wire.protocol.connection_lost(None)
        return pair

    assert run(main(fails=True)).wire.closed == "aborted"
    assert run(main(fails=False)).above.text == b""


class OpenSsl:
    """`openssl s_server`: what is written to its input it sends, but for the letters that are its commands."""

    def __init__(self, certificate: Path, version: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(certificate), version]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.said = self._until(b"ACCEPT")
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def command(self, text: bytes) -> None:
        """Give it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(text + b"\n")
        self.process.stdin.flush()

    def heard(self, text: bytes) -> bool:
        """Wait until it has printed a text."""
        return text in self._until(text)

    def _until(self, text: bytes) -> bytes:
        assert self.process.stdout is not None
        lines = b""
        for line in self.process.stdout:
            lines += line
            if text in line:
                break
        return lines

    def close(self) -> None:
        self.socket.close()
        self.process.kill()
        self.process.communicate(timeout=10)


class Talk:
    """Our transport and `openssl s_server`; what is on its way is carried by hand."""

    def __init__(self, server: OpenSsl, context: ssl.SSLContext) -> None:
        self.server, self.wire, self.above = server, Wire(), Above()
        self.transport = SecureTransport(self.wire, self.above, context, NAME)
        self.wire.set_protocol(self.transport)

    def carry(self) -> None:
        """Carry what has left."""
        self.server.socket.sendall(self.wire.take())

    def receive(self, until: bytes = b"") -> None:
        """Bring what the server sends: once, or until a text has come; what leaves meanwhile is carried."""
        self.transport.data_received(self.server.socket.recv(1 << 16))
        while until not in self.above.text:
            self.carry()
            self.transport.data_received(self.server.socket.recv(1 << 16))


@pytest.fixture
def talk(request: pytest.FixtureRequest, authority: trustme.CA, tmp_path: Path) -> Iterator[Talk]:
    """A talk of a version, after the handshake and a word each way."""
    leaf = authority.issue_cert(NAME)
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    server = OpenSsl(tmp_path / "server.pem", request.param)

    async def begin() -> Talk:
        talk = Talk(server, context)
        standing = talk.transport.begin()
        while not standing.done():
            talk.carry()
            talk.receive()
        talk.carry()
        return talk

    try:
        begun = run(begin())
        begun.server.command(b"welcome")
        begun.receive(b"welcome\n")
        begun.transport.write(b"thanks\n")
        begun.carry()
        assert server.heard(b"thanks")
        yield begun
    finally:
        server.close()


NEEDS_OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl plays the server")


@NEEDS_OPENSSL
@pytest.mark.parametrize("talk", ["-tls1_2"], indirect=True)
@pytest.mark.parametrize("texts", [[b"one\n"], [b"one\n", b"two\n"], [bytes(100_000), b"\nend\n"]])
def test_another_handshake(talk: Talk, texts: Sequence[bytes]) -> None:
    """The server begins one; what is written meanwhile waits, and arrives when it is over."""
    talk.server.command(b"r")
    talk.receive()
    for text in texts:
        talk.transport.write(text)
    assert talk.above.told == ["made", "paused"]
    assert talk.transport.get_write_buffer_size() == sum(map(len, texts))
    talk.carry()
    while talk.transport.get_write_buffer_size():
        talk.receive()
        talk.carry()

    assert talk.above.told == ["made", "paused", "resumed"]
    assert talk.server.heard(texts[-1].strip())
    talk.server.command(b"after")
    talk.receive(b"after\n")


@NEEDS_OPENSSL
@pytest.mark.parametrize("talk", ["-tls1_3"], indirect=True)
@pytest.mark.parametrize("letter", [b"k", b"K"])
def test_new_keys(talk: Talk, letter: bytes) -> None:
    """The server changes its keys, or both sides': everything goes on."""
    talk.server.command(letter)
    talk.receive()  # its word of it: a line that came with the letter would be part of the command
    talk.carry()
    talk.server.command(b"with new keys")
    talk.receive(b"with new keys\n")
    talk.carry()
    talk.transport.write(b"ours too\n")
    records = count_records(talk.wire.left)
    talk.carry()

    assert records == (2 if letter == b"K" else 1)  # OpenSSL sends ours before the next text
    assert talk.server.heard(b"ours too")


def count_records(data: bytes | bytearray) -> int:
    """Count records by their heads: type, version, length."""
    count = start = 0
    while start < len(data):
        start += 5 + int.from_bytes(data[start + 3 : start + 5])
        count += 1
    return count
