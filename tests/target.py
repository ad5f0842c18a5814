"""The real HTTP server that tests, demo and benchmarks make load against.

Leaves to others: what is answered (target_routes).

    python tests/target.py [--port N] [--tls CERT KEY]       prints `listening http://127.0.0.1:PORT`
    with serve() as target: …                                in a thread; target.requests is what it received
    with serve_process() as target: …                        in a process of its own: for load

Besides the routes of target_routes there is `/stats`: how often each route was answered, by status (DELETE
sets it to zero); and `/record`, of a server that was told to keep one: the moments of each request. The server ends
when it is told so (SIGINT, SIGTERM, the end of the `with`), and one in a process of its own also when its parent is
gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import resource
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, cast

import httptools

from target_routes import Reply, Request, answer, as_json

HOST = "127.0.0.1"
Certificate = tuple[str, str]  # files of the certificate chain and its key


class Moments(NamedTuple):
    """What the server itself knows of a request: seconds of the monotonic clock, which all processes share."""

    target: str  # the request line's: path and query
    received: float  # the whole request was here
    answered: float  # just before the first byte of its answer was sent
    ended: float  # after the last byte of its answer was sent

    @property
    def wait(self) -> float:
        """Milliseconds from the request to the first byte of the answer."""
        return (self.answered - self.received) * 1000


class Record(NamedTuple):
    """Every request in the order of their answers, and from when to when the server stood still."""

    requests: list[Moments]
    freezes: list[tuple[float, float]]

    def of(self, path: str) -> list[Moments]:
        """Give the requests whose target starts like this."""
        return [each for each in self.requests if each.target.startswith(path)]


@dataclass
class Target:
    """A running server. `requests` fills up in order of arrival; a server in a process keeps none."""

    url: str
    requests: list[Request] = field(default_factory=list)
    pid: int | None = None  # of a server in a process of its own

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stats(self) -> dict[str, int]:
        """Ask the server for its counts: `{"/items 200": 3}`; status 0 means no answer."""
        counts: dict[str, int] = json.loads(self._ask("GET", "/stats"))
        return counts

    def record(self) -> Record:
        """Ask a server with a record for all of it."""
        requests, freezes = json.loads(self._ask("GET", "/record"))
        return Record([Moments(*each) for each in requests], [(began, ended) for began, ended in freezes])

    def freeze(self, seconds: float) -> None:
        """Let the server stand still for so many seconds, beginning at once."""
        self._ask("POST", f"/freeze?seconds={seconds}")

    def _ask(self, method: str, path: str) -> bytes:
        connection: http.client.HTTPConnection
        if self.url.startswith("https:"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(HOST, self.port, timeout=10, context=context)
        else:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path)
            return connection.getresponse().read()


class Service:
    """What the connections of one server share."""

    def __init__(self, record: list[Request] | None = None, *, moments: bool = False) -> None:
        self.record = record
        self.moments: list[Moments] | None = [] if moments else None
        self.freezes: list[tuple[float, float]] = []
        self.counts: Counter[tuple[str, int]] = Counter()
        self.open: set[Connection] = set()
        self.accepted = 0
        self.empty = asyncio.Event()  # no connection is open any more

    def answer(self, request: Request) -> Reply:
        if self.record is not None:
            self.record.append(request)
        if request.path == "/stats":
            if request.method == "DELETE":
                self.counts.clear()
            return as_json({f"{route} {status}": n for (route, status), n in sorted(self.counts.items())})
        if request.path == "/record" and self.moments is not None:
            return as_json([self.moments, self.freezes])
        route, reply = answer(request)
        if reply.counted:
            self.counts[route, 0 if reply.framing == "nothing" else reply.status] += 1
        return reply

    def stand_still(self, seconds: float) -> None:
        """Neither read nor send anything for so long."""
        began = time.monotonic()
        select.select([], [], [], seconds)
        self.freezes.append((began, time.monotonic()))


class Connection(asyncio.Protocol):
    """One client's connection: requests are answered in their order, one at a time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Request, bool]] = deque()  # the flag: keep the connection afterwards
        self._sending: asyncio.Task[None] | None = None
        self._current: Request | None = None
        self._answered = 0.0

    # ---- asyncio ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self._parser = httptools.HttpRequestParser(self)
        self._service.open.add(self)
        self._service.accepted += 1
        self._number = self._service.accepted

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.open.discard(self)
        if not self._service.open:
            self._service.empty.set()
        if self._sending is not None:
            self._sending.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._send(as_json({"error": f"not HTTP/1.1: {error}"}, 400, ending="close"), "GET", False)

    def abort(self) -> None:
        self._transport.abort()

    # ---- httptools ----

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        request = Request(
            self._parser.get_method().decode(),
            self._url.decode("latin-1"),
            self._headers,
            b"".join(self._body),
            time.monotonic(),
            self._number,
        )
        self._waiting.append((request, self._parser.should_keep_alive()))
        self._next()

    # ---- answering ----

    def _next(self) -> None:
        while self._waiting and self._sending is None and not self._transport.is_closing():
            request, keep = self._waiting.popleft()
            self._current = request
            self._send(self._service.answer(request), request.method, keep)

    def _send(self, reply: Reply, method: str, keep: bool) -> None:
        if reply.delay or reply.pause:
            self._sending = self._loop.create_task(self._send_slowly(reply, method, keep))
            return
        if reply.framing != "nothing":
            body = b"" if method == "HEAD" else _framed(reply)
            self._answered = time.monotonic()
            self._transport.write(_head(reply, keep) + body)
        self._end(reply, keep)

    async def _send_slowly(self, reply: Reply, method: str, keep: bool) -> None:
        await asyncio.sleep(reply.delay)
        self._answered = time.monotonic()
        self._transport.write(_head(reply, keep))
        for piece in () if method == "HEAD" else reply.pieces or (reply.body,):
            await asyncio.sleep(reply.pause)
            self._transport.write(piece)
        self._sending = None
        self._end(reply, keep)
        self._next()

    def _end(self, reply: Reply, keep: bool) -> None:
        moments, request = self._service.moments, self._current
        if moments is not None and request is not None and reply.framing != "nothing":
            moments.append(Moments(request.target, request.at, self._answered, time.monotonic()))
        if reply.freeze:  # when this round's replies are out, and before it reads the next requests
            self._loop.call_soon(self._service.stand_still, reply.freeze)
        if reply.ending == "reset":
            linger = struct.pack("ii", 1, 0)  # closing drops what is unsent and tells the peer by RST
            client: socket.socket = self._transport.get_extra_info("socket")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        elif reply.ending == "close" or not keep:
            self._transport.close()


def _framed(reply: Reply) -> bytes:
    pieces = (reply.body,) if reply.pieces is None else reply.pieces
    if reply.framing == "chunked":
        return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return b"".join(pieces)


_PHRASES = {int(status): status.phrase for status in HTTPStatus}


def _head(reply: Reply, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Unknown')}"]
    if reply.status not in (204, 304):
        lines.append(f"content-type: {reply.content_type}")
        size = len(reply.body) if reply.pieces is None else sum(map(len, reply.pieces))
        match reply.framing:
            case "length":
                lines.append(f"content-length: {size}")
            case "too short":
                lines.append(f"content-length: {size * 2}")
            case "chunked":
                lines.append("transfer-encoding: chunked")
            case _:
                pass
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if reply.ending == "close" or not keep:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


# ---- running ----


@contextlib.asynccontextmanager
async def _listening(service: Service, port: int, tls: Certificate | None) -> Any:
    context = None
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(service), HOST, port, ssl=context, backlog=4096
    )
    try:
        number = server.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://{HOST}:{number}"
    finally:
        server.close()
        service.empty.clear()
        for connection in service.open:
            connection.abort()
        if service.open:
            await service.empty.wait()
        await server.wait_closed()


def _runner() -> asyncio.Runner:
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


@contextlib.contextmanager
def serve(*, port: int = 0, tls: Certificate | None = None) -> Iterator[Target]:
    """Run a server in a thread, with a loop of its own; OSError when the port is taken."""
    target = Target("")
    ready = threading.Event()
    failed: list[BaseException] = []
    stop: list[Any] = []

    async def main() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        async with _listening(Service(target.requests), port, tls) as target.url:
            ready.set()
            await over.wait()

    def run() -> None:
        try:
            with _runner() as runner:
                runner.run(main())
        except OSError as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="target")
    thread.start()
    ready.wait()
    try:
        if failed:
            raise failed[0]
        yield target
    finally:
        if not failed:
            stop[0]()
        thread.join()


@contextlib.contextmanager
def serve_process(*, port: int = 0, tls: Certificate | None = None, record: bool = False) -> Iterator[Target]:
    """Run a server in a process of its own; it ends with the `with`, or with this process."""
    command = [sys.executable, str(Path(__file__)), "--port", str(port), "--until-eof"]
    command += ["--tls", *tls] if tls else []
    command += ["--record"] if record else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        if word != "listening":
            raise OSError(f"the target did not start; it left with exit code {process.wait()}")
        try:
            yield Target(url, pid=process.pid)
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:  # frozen, perhaps
                process.kill()


async def _until_told(service: Service, port: int, tls: Certificate | None, until_eof: bool) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), over.set)  # nothing is ever written there: readable means closed
    async with _listening(service, port, tls) as url:
        sys.stdout.write(f"listening {url}\n")
        sys.stdout.flush()
        await over.wait()
    if until_eof:
        loop.remove_reader(sys.stdin.fileno())


def main() -> None:
    parser = argparse.ArgumentParser(description="A web server to make load against, on 127.0.0.1 only.")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="serve HTTPS")
    parser.add_argument("--record", action="store_true", help="keep the moments of each request for /record")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input is closed")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tls = tuple(options.tls) if options.tls else None
    try:
        with _runner() as runner:
            runner.run(_until_told(Service(moments=options.record), options.port, tls, options.until_eof))
    except OSError as error:
        sys.exit(
            f"The target can't listen on port {options.port}: {error}. Try --port 0, which takes a free one."
        )


if __name__ == "__main__":
    main()
