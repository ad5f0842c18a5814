"""One connection: every framing of a response, what can go wrong, time limits, and when it may be used again."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

import pytest

from exact_server import Handler, SetClock, replying, run, serving, until
from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.traffic.response import Response
from grapeshot_worker.traffic.wire.connection import Connection, Connector
from grapeshot_worker.traffic.wire.network_errors import NetworkError
from grapeshot_worker.traffic.wire.pending import Pending
from grapeshot_worker.traffic.wire.url import Origin

GET = b"GET / HTTP/1.1\r\nhost: t\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def connector(clock: SetClock | None = None) -> Connector:
    return Connector(HttpSettings(), clock=clock) if clock else Connector(HttpSettings())


async def open_to(port: int, via: Connector | None = None) -> Connection:
    return await (via or connector()).connect(Origin("http", "127.0.0.1", port))


async def one_exchange(handler: Handler, *, is_head: bool = False) -> tuple[Response, bool]:
    async with serving(handler) as port:
        connection = await open_to(port)
        try:
            response = await connection.exchange(GET, is_head=is_head)
            return response, connection.reusable
        finally:
            connection.close()


def talk(reply: bytes, *, stay: bool = True, is_head: bool = False) -> tuple[Response, bool]:
    """Give the response to one request and whether the connection may be used again."""
    return run(one_exchange(replying(reply, stay=stay), is_head=is_head))


FRAMINGS: Sequence[tuple[str, bytes, bool, bytes, bool]] = [
    # name, reply, server closes afterwards, body, reusable
    ("length", OK, False, b"ok", True),
    ("length 0", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False, b"", True),
    ("chunked", CHUNKED + b"2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n", False, b"okyes", True),
    ("chunk extensions", CHUNKED + b'2;a=b;c="d"\r\nok\r\n0;last\r\n\r\n', False, b"ok", True),
    ("trailers", CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n", False, b"ok", True),
    ("no chunk", CHUNKED + b"0\r\n\r\n", False, b"", True),
    ("until close", b"HTTP/1.1 200 OK\r\n\r\nall of it", True, b"all of it", False),
    ("until close, empty", b"HTTP/1.1 200 OK\r\n\r\n", True, b"", False),
    ("coded until close", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzip", True, b"zip", False),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", True, b"ok", False),
    (
        "HTTP/1.0 that stays",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        False,
        b"ok",
        True,
    ),
    ("close", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", True, b"ok", False),
    (
        "announced close",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        False,
        b"ok",
        False,
    ),
    ("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", False, b"", True),
    ("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", False, b"", True),
    ("100 before", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, False, b"ok", True),
    (
        "100 and 103 before",
        b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\n" + OK,
        False,
        b"ok",
        True,
    ),
    ("line breaks before", b"\r\n\r\n" + OK, False, b"ok", True),
    ("no reason phrase", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", False, b"ok", True),
    ("101 is final", b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\0\1", False, b"", False),
    ("101 without more", b"HTTP/1.1 101 S\r\n\r\n", False, b"", False),
    ("garbage behind", OK + b"garbage", False, b"ok", False),
    ("half a response behind", OK + b"HTTP/1.1 2", False, b"ok", False),
    ("a whole response behind", OK + OK, False, b"ok", False),
    (
        "data behind close",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok+",
        False,
        b"ok",
        False,
    ),
]


@pytest.mark.parametrize(
    ("reply", "closes", "body", "reusable"), [f[1:] for f in FRAMINGS], ids=[f[0] for f in FRAMINGS]
)
def test_framing(reply: bytes, closes: bool, body: bytes, reusable: bool) -> None:
    """A body ends where its framing says, and the connection is used again if nothing speaks against it."""
    response, used_again = talk(reply, stay=not closes)

    assert (response.body, response.wire_bytes, used_again) == (body, len(body), reusable)


@pytest.mark.parametrize(
    "reply", [f[1] for f in FRAMINGS if not f[2]], ids=[f[0] for f in FRAMINGS if not f[2]]
)
def test_framing_in_single_bytes(reply: bytes) -> None:
    """The same bytes in pieces of one give the same body."""

    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for k in range(len(reply)):
            writer.write(reply[k : k + 1])
            await asyncio.sleep(0)
        await reader.read()

    whole, _ = talk(reply)
    pieces, _ = run(one_exchange(dribble))

    assert (pieces.status, pieces.body) == (whole.status, whole.body)
    assert pieces.head.raw_headers == whole.head.raw_headers


HEADS = [
    ("length", b"HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n", True),
    ("chunked", CHUNKED, True),
    ("no framing", b"HTTP/1.1 200 OK\r\n\r\n", True),
    ("close", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", False),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\n", False),
    ("103 before", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", True),
    ("a body nevertheless", OK, False),
]


@pytest.mark.parametrize(("reply", "reusable"), [h[1:] for h in HEADS], ids=[h[0] for h in HEADS])
def test_head(reply: bytes, reusable: bool) -> None:
    """The response to a HEAD ends with its head, whatever that announces."""
    response, used_again = talk(reply, is_head=True)

    assert (response.status, response.body, used_again) == (200, b"", reusable)


def test_raw_headers() -> None:
    """Headers come in their order with their names as sent; trailers are not among them."""
    response, _ = talk(
        CHUNKED[:-2] + b"X-A: 1\r\nx-a:2\r\nSet-Cookie: c=\xe9\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )

    assert response.head.raw_headers == [
        (b"Transfer-Encoding", b"chunked"),
        (b"X-A", b"1"),
        (b"x-a", b"2"),
        (b"Set-Cookie", b"c=\xe9"),
    ]


FAULTS = [
    ("nothing", b"", True, "ECONNRESET", None),
    ("half a head", b"HTTP/1.1 200 OK\r\nCont", True, "ECONNRESET", None),
    ("body cut short", b"HTTP/1.1 201 OK\r\nContent-Length: 9\r\n\r\nshort", True, "ECONNRESET", 201),
    ("chunks cut short", CHUNKED + b"5\r\nhe", True, "ECONNRESET", 200),
    ("no last chunk", CHUNKED + b"2\r\nok\r\n", True, "ECONNRESET", 200),
    ("only a 100", b"HTTP/1.1 100 Continue\r\n\r\n", True, "ECONNRESET", None),
    ("no HTTP", b"220 mail.example.com ESMTP\r\n", False, "HPE_INVALID_CONSTANT", None),
    ("version", b"HTTP/9.9 200 OK\r\n\r\n", False, "HPE_INVALID_VERSION", None),
    ("status", b"HTTP/1.1 abc OK\r\n\r\n", False, "HPE_INVALID_STATUS", None),
    ("header name", b"HTTP/1.1 200 OK\r\nFo o: 1\r\n\r\n", False, "HPE_INVALID_HEADER_TOKEN", None),
    ("header value", b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", False, "HPE_INVALID_HEADER_TOKEN", None),
    ("length", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", False, "HPE_INVALID_CONTENT_LENGTH", None),
    (
        "two lengths",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        False,
        "HPE_UNEXPECTED_CONTENT_LENGTH",
        None,
    ),
    (
        "length and chunks",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        False,
        "HPE_INVALID_TRANSFER_ENCODING",
        None,
    ),
    ("chunk size", CHUNKED + b"zz\r\nok", False, "HPE_INVALID_CHUNK_SIZE", 200),
    ("chunk end", CHUNKED + b"2\r\nokXX", False, "HPE_LF_EXPECTED", 200),
    ("line feeds alone", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", False, "HPE_CR_EXPECTED", None),
    (
        "many headers",
        b"HTTP/1.1 200 OK\r\n" + b"A: %b\r\n" % (b"b" * 100) * 170,
        False,
        "HPE_HEADER_OVERFLOW",
        None,
    ),
    (
        "a whole head too long",
        b"HTTP/1.1 200 OK\r\nA: %b\r\nContent-Length: 0\r\n\r\n" % (b"b" * 16384),
        False,
        "HPE_HEADER_OVERFLOW",
        None,
    ),
    ("endless header", b"HTTP/1.1 200 OK\r\nA: " + b"b" * 17000, False, "HPE_HEADER_OVERFLOW", None),
]


@pytest.mark.parametrize(
    ("reply", "closes", "name", "status"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_fault(reply: bytes, closes: bool, name: str, status: int | None) -> None:
    """A response that is none fails under Node's name, and tells the status if its head was good."""
    with pytest.raises(NetworkError) as caught:
        talk(reply, stay=not closes)

    assert (caught.value.name, caught.value.status, caught.value.response_started) == (
        name,
        status,
        status is not None,
    )


def test_a_long_head_below_the_limit() -> None:
    """16 KiB of header names and values are refused, one byte less is read."""
    fields = b"A: %b\r\nContent-Length: 0\r\n\r\n" % (b"b" * (16384 - len(b"AContent-Length0") - 1))
    response, _ = talk(b"HTTP/1.1 200 OK\r\n" + fields)

    assert response.status == 200


def test_a_fault_leaves_nothing_behind() -> None:
    """After a fault, a HEAD and a closed exchange, other connections of the engine read as ever."""

    async def main() -> list[bytes]:
        via = connector()
        bodies = []
        for reply, is_head in [(OK + b"HTTP/1.1 2", False), (CHUNKED + b"zz", False), (CHUNKED, True)]:
            async with serving(replying(reply)) as port:
                connection = await open_to(port, via)
                await asyncio.gather(connection.exchange(GET, is_head=is_head), return_exceptions=True)
                connection.close()
            async with serving(replying(OK)) as port:
                connection = await open_to(port, via)
                bodies.append((await connection.exchange(GET)).body)
                connection.close()
        return bodies

    assert run(main()) == [b"ok"] * 3


def test_keep_alive() -> None:
    """One connection carries one exchange after the other."""

    async def main() -> list[bytes]:
        replies = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % k for k in range(5)]
        async with serving(replying(*replies)) as port:
            connection = await open_to(port)
            bodies = [(await connection.exchange(GET)).body for _ in replies]
            connection.close()
            return bodies

    assert run(main()) == [b"0", b"1", b"2", b"3", b"4"]


def test_the_opening_belongs_to_the_first_response() -> None:
    """The first response on a connection carries what its opening took; later ones carry nothing."""

    async def main() -> tuple[Response, Response]:
        async with serving(replying(OK, OK)) as port:
            connection = await open_to(port)
            first, second = await connection.exchange(GET), await connection.exchange(GET)
            connection.close()
            return first, second

    first, second = run(main())

    assert first.opening is not None
    assert first.opening.tcp > 0
    assert first.opening.tls == first.timings["tls"] == 0
    assert second.opening is None
    assert second.timings["tcp"] == 0
    assert first.total > first.opening.tcp


def test_measured_moments() -> None:
    """First byte counts from the request written to the head's first byte; the total goes on to the body's end."""
    clock = SetClock()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        clock.now += 0.25
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await reader.readexactly(1)
        clock.now += 0.5
        writer.write(b"ok")
        await reader.read()

    async def main() -> Response:
        async with serving(handler) as port:
            via = connector(clock)
            connection = await open_to(port, via)
            future = connection.exchange(GET)
            await until(lambda: state_of(via, "has_head"))
            connection.transport.write(b"x")
            response = await future
            connection.close()
            return response

    response = run(main())

    assert response.first_byte == 250
    assert response.total == 750
    assert response.timings["download"] == 500


def test_large_bodies() -> None:
    """Megabytes go out and come back unharmed."""
    body = bytes(range(256)) * 8192

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        received = await reader.readexactly(len(body))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received) + received)
        await reader.read()

    async def main() -> tuple[bytes, bool]:
        async with serving(echo) as port:
            connection = await open_to(port)
            response = await connection.exchange(GET, [body[:1_000_000], body[1_000_000:]])
            reusable = connection.reusable
            connection.close()
            return response.body, reusable

    assert run(main()) == (body, True)


@pytest.mark.parametrize("size", [5, 100_000])
def test_a_body_goes_behind_its_head(size: int) -> None:
    """What the server receives is the head and the body, nothing else."""

    async def main() -> bytes:
        received = bytearray()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.extend(await reader.readexactly(len(GET) + size))
            writer.write(OK)
            await reader.read()

        async with serving(handler) as port:
            connection = await open_to(port)
            await connection.exchange(GET, b"b" * size)
            connection.close()
            return bytes(received)

    assert run(main()) == GET + b"b" * size


def test_an_early_response_ends_the_upload() -> None:
    """A server that refuses before it has read the body is heard, and the connection is not used again."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.Event().wait()

    async def main() -> tuple[Response, bool]:
        async with serving(handler) as port:
            connection = await open_to(port)
            response = await connection.exchange(GET, b"b" * 20_000_000)
            return response, connection.reusable

    response, reusable = run(main())

    assert (response.status, response.first_byte, reusable) == (413, 0, False)


def test_a_connection_closed_while_idle_is_not_picked() -> None:
    """The end of an idle connection makes it unusable, and an exchange on it fails at once."""

    async def main() -> None:
        async with serving(replying(OK, stay=False)) as port:
            connection = await open_to(port)
            await connection.exchange(GET)
            await until(lambda: not connection.reusable)
            await connection.exchange(GET)

    with pytest.raises(NetworkError, match="ECONNRESET"):
        run(main())


def test_bytes_for_an_idle_connection_end_it() -> None:
    """A response nobody asked for would be taken for the next one."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readexactly(1)
        writer.write(OK)
        await reader.read()

    async def main() -> bool:
        async with serving(handler) as port:
            connection = await open_to(port)
            await connection.exchange(GET)
            connection.transport.write(b"x")
            await until(lambda: not connection.reusable)
            return connection.transport is None

    assert run(main())


def test_a_reset() -> None:
    """A reset instead of a response is ECONNRESET."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    with pytest.raises(NetworkError, match="ECONNRESET"):
        run(one_exchange(handler))


def test_close_ends_the_exchange_under_way() -> None:
    """Nobody waits for the response of a connection that we closed ourselves."""

    async def main() -> None:
        async with serving(replying(OK[:-1])) as port:
            connection = await open_to(port)
            future = connection.exchange(GET)
            connection.close()
            await future

    with pytest.raises(NetworkError, match="ECONNRESET"):
        run(main())


def test_nobody_listens() -> None:
    """A refused connection is ECONNREFUSED."""

    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            await open_to(unused.getsockname()[1])

    with pytest.raises(NetworkError, match="ECONNREFUSED"):
        run(main())


def test_no_such_host() -> None:
    """A name that nobody knows is ENOTFOUND."""

    async def main() -> None:
        await connector().connect(Origin("http", "no such host.invalid", 80))

    with pytest.raises(NetworkError, match="ENOTFOUND"):
        run(main())


# ---- time limits ----


def state_of(via: Connector, name: str) -> bool:
    """Tell how far the one exchange under way is."""
    (pending,) = via.deadlines.under_way
    return bool(getattr(pending, name))


async def overdue(
    handler: Handler, clock: SetClock, *, body: bytes = b"", ready: str = "written"
) -> NetworkError:
    """Start an exchange with 3 s to the head and 8 s of silence, step the clock by seconds, give the error."""
    via = connector(clock)
    async with serving(handler) as port:
        connection = await open_to(port, via)
        future = connection.exchange(GET, body, header_timeout=3.0, silence_timeout=8.0)
        await until(lambda: not ready or state_of(via, ready))
        for _ in range(100):
            if future.done():
                break
            clock.now += 1.0
            via.deadlines.sweep(clock.now)
        error = future.exception()
        assert isinstance(error, NetworkError)
        assert not connection.reusable
        assert not via.deadlines.under_way
        return error


def test_no_head_in_time() -> None:
    """A head that does not come within the limit is ETIMEDOUT, counted from the request written."""
    clock = SetClock()
    error = run(overdue(replying(b""), clock))

    assert (error.name, clock.now) == ("ETIMEDOUT", 1003.0)


def test_a_100_is_no_head() -> None:
    """An interim response does not stop the wait for the final one."""
    clock = SetClock()
    error = run(overdue(replying(b"HTTP/1.1 100 C\r\n\r\n"), clock, ready="answered"))

    assert (error.name, clock.now) == ("ETIMEDOUT", 1003.0)


def test_silence_in_the_body() -> None:
    """Once the head is there, only silence ends the wait; the response counts as begun."""
    clock = SetClock()
    error = run(overdue(replying(OK[:-1]), clock, ready="has_head"))

    assert (error.name, clock.now, error.status) == ("ERR_SOCKET_TIMEOUT", 1008.0, 200)


def test_silence_of_a_server_that_does_not_read() -> None:
    """An upload that stands still is ERR_SOCKET_TIMEOUT; the header limit begins when it has left."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    clock = SetClock()
    error = run(overdue(deaf, clock, body=b"b" * 20_000_000, ready=""))

    assert (error.name, error.status) == ("ERR_SOCKET_TIMEOUT", None)


def test_the_sweep_runs_by_itself() -> None:
    """Without anybody calling it, the sweep ends what is overdue, and rests when nothing is under way."""

    async def main() -> tuple[str, bool]:
        via = connector()
        async with serving(replying(b"")) as port:
            connection = await open_to(port, via)
            with pytest.raises(NetworkError) as caught:
                await connection.exchange(GET, header_timeout=0.1, silence_timeout=8.0)
            return caught.value.name, via.deadlines.timer is None

    assert run(main()) == ("ETIMEDOUT", True)


def test_a_user_who_left() -> None:
    """The sweep closes the connection of an exchange that nobody waits for any more."""

    async def main() -> bool:
        via = connector()
        async with serving(replying(b"")) as port:
            connection = await open_to(port, via)
            connection.exchange(GET).cancel()
            via.deadlines.sweep(0.0)
            return connection.transport is None and not via.deadlines.under_way

    assert run(main())


def test_a_connection_that_does_not_open_in_time() -> None:
    """Silence while connecting is ERR_SOCKET_TIMEOUT too."""

    async def main() -> None:
        with socket.socket() as full:  # its queue holds two connections, which nobody accepts
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            origin = Origin("http", "127.0.0.1", full.getsockname()[1])
            opened = []
            try:
                for _ in range(10):
                    connection = await connector().connect(origin, timeout=0.15)
                    opened.append(connection)
            finally:
                for connection in opened:
                    connection.close()

    with pytest.raises(NetworkError, match="ERR_SOCKET_TIMEOUT"):
        run(main())


class SlowLine:
    """A connection whose upload advances by 1 kB each time it is asked, until it has stood still at `stuck_at`."""

    def __init__(self, stuck_at: int) -> None:
        self.left, self.stuck_at, self.failed = 20_000, stuck_at, ""

    def fail(self, name: str) -> None:
        self.failed = name

    def close(self) -> None:
        raise AssertionError("not asked for")

    def unsent(self) -> int:
        self.left = max(self.left - 1000, self.stuck_at)
        return self.left


@pytest.mark.parametrize(("stuck_at", "silent_at"), [(20_000, 1008.0), (15_000, 1013.0)])
def test_a_slow_upload_is_no_silence(stuck_at: int, silent_at: float) -> None:
    """As long as the body gets shorter the server is alive; 8 s after it stopped the exchange ends."""

    async def main() -> float:
        clock = SetClock()
        line, pending = SlowLine(stuck_at), Pending(clock)
        pending.connection, pending.future = line, asyncio.get_running_loop().create_future()
        pending.header_timeout, pending.silence_timeout = 3.0, 8.0
        pending.started, pending.last_sign, pending.unsent = clock.now, clock.now, 20_000
        while not line.failed:
            clock.now += 1.0
            pending.check(clock.now)
        assert line.failed == "ERR_SOCKET_TIMEOUT"
        return clock.now

    assert run(main()) == silent_at


def test_a_used_connection_that_ends_is_not_retried() -> None:
    """A connection that ends when it is used again fails that exchange, as in the reference; nothing is sent twice."""

    async def main() -> list[int]:
        connections: list[int] = []
        once = replying(OK, b"", stay=False)

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(1)
            await once(reader, writer)

        async with serving(handler) as port:
            connection = await open_to(port)
            await connection.exchange(GET)
            with pytest.raises(NetworkError, match="ECONNRESET"):
                await connection.exchange(GET)
        return connections

    assert run(main()) == [1]
