"""One keep-alive connection, one exchange at a time; and the Connector that opens them.

Leaves to others: what a response says (pending), names and addresses (resolver), certificates (tls), proxies (proxy),
who may use which connection (lanes, pool), and the bytes of a request's head (exchange).

Nothing here waits for a timer of its own but the opening; exchanges are watched by Deadlines. A connection that is not
`reusable` after an exchange has closed itself.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade

from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.traffic.response import Head, Opening, Response
from grapeshot_worker.traffic.wire.deadlines import Attempt, Deadlines
from grapeshot_worker.traffic.wire.network_errors import NetworkError, name_of, parser_fault
from grapeshot_worker.traffic.wire.pending import HeadOverflow, Pending, Stock
from grapeshot_worker.traffic.wire.proxy import Proxies, Proxy, connect_head, through_proxy
from grapeshot_worker.traffic.wire.resolver import Resolver, is_address
from grapeshot_worker.traffic.wire.secure import secured
from grapeshot_worker.traffic.wire.tls import client_context
from grapeshot_worker.traffic.wire.url import Origin

__all__ = ["Connection", "Connector", "NetworkError"]

SILENCE_TIMEOUT = 8.0  # seconds; the least, whatever is configured
NEXT_ADDRESS = 0.25  # seconds until the next address of a name is tried, as in Node
# A body up to this size is copied behind its head, which is cheaper than a second buffer.
_JOIN_LIMIT = 64 * 1024


class Connection(asyncio.Protocol):
    """A TCP or TLS connection to `origin`; small while idle."""

    __slots__ = ("_loop", "_pending", "_stock", "_transport", "opening", "origin", "reusable")

    def __init__(self, origin: Origin, stock: Stock, loop: asyncio.AbstractEventLoop) -> None:
        self.origin = origin
        # May be used for another exchange: nothing under way, not closed, nothing unexpected came.
        self.reusable = False
        self.opening: Opening | None = None  # None once the first response has taken it over
        self._stock = stock
        self._loop = loop
        self._transport: Any = None
        self._pending: Pending | None = None

    def exchange(
        self,
        head: bytes,
        body: bytes | Sequence[bytes] | None = None,
        is_head: bool = False,
        header_timeout: float = math.inf,
        silence_timeout: float = math.inf,
    ) -> asyncio.Future[Response]:
        """Send a request (`head` with its blank line) and give the future response; NetworkError if it fails.

        Seconds: `header_timeout` from the request written to the response's head (ETIMEDOUT), `silence_timeout` without
        a byte either way (ERR_SOCKET_TIMEOUT). Who cancels the future closes the connection.
        """
        if not self.reusable:
            raise NetworkError("ECONNRESET")
        self.reusable = False
        stock = self._stock
        deadlines = stock.deadlines
        clock = deadlines.clock
        pending = stock.spares.pop() if stock.spares else Pending(clock)
        self._pending = pending
        pending.connection = self
        pending.future = future = self._loop.create_future()
        pending.is_head = is_head
        pending.header_timeout = header_timeout
        pending.silence_timeout = silence_timeout
        deadlines.under_way.add(pending)
        if deadlines.timer is None:
            deadlines.start()
        pending.started = pending.last_sign = clock()
        if not body:
            self._transport.write(head)
        elif not isinstance(body, bytes):
            self._transport.writelines((head, *body))
        elif len(body) <= _JOIN_LIMIT:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        if not pending.unsent:
            # Taken at once. The moment before the call, not after: on a busy machine the target may be at work long
            # before it returns, and the response time would be less than the target's own.
            pending.written = pending.started
        return future

    def close(self) -> None:
        """Close at once; an exchange under way fails with ECONNRESET."""
        self.reusable = False
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        if self._pending is not None:
            self.fail("ECONNRESET")

    # ---- for the parts of the engine that watch or wrap a connection ----

    def fail(self, name: str) -> None:
        """End the exchange under way with an error."""
        pending = self._pending
        if pending is None:
            return
        self._pending = None
        error, future = pending.error(name), pending.future
        pending.keep_alive = False
        self._stock.take_back(pending)
        self.close()
        if future is not None and not future.done():
            future.set_exception(error)

    def unsent(self) -> int:
        """Count the bytes of the request that have not left."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def use(self, transport: Any) -> None:
        """Go on over another transport (TLS)."""
        # The least there is: resume_writing then tells the moment at which a request has been fully written.
        transport.set_write_buffer_limits(high=1, low=0)
        self._transport = transport
        self.reusable = True

    @property
    def transport(self) -> Any:
        """What the bytes go through; None when closed."""
        return self._transport

    # ---- what the event loop calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self.use(transport)

    def data_received(self, data: bytes) -> None:
        """Parse; bytes that nobody asked for end the connection."""
        pending = self._pending
        if pending is None:
            self.close()
            return
        if not pending.head_bytes and not pending.is_head:
            heads = self._stock.heads
            end = heads.usual
            known = heads.get(data[:end])
            if known is None and (found := data.find(b"\r\n\r\n") + 4) != end:
                end = heads.usual = found
                known = heads.get(data[:end])
            if known is not None and known[1] == len(data):
                self._take(pending, known[0], data[end:])
                return
        pending.head_bytes += len(data)
        try:
            pending.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._stumble(pending, error)
            return
        if pending.complete:
            self._finish(pending, data)
            return
        pending.last_sign = pending.clock()
        if pending.head_overflows():
            self.fail("HPE_HEADER_OVERFLOW")

    def eof_received(self) -> bool:
        """Take the end of the stream; the transport may close."""
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection."""
        self._end(exc)
        self._transport = None

    def pause_writing(self) -> None:
        """Note that the request has not left yet."""
        if self._pending is not None:
            self._pending.unsent = self.unsent() or 1

    def resume_writing(self) -> None:
        """Note the moment at which the request has left."""
        pending = self._pending
        if pending is not None and not pending.written:
            pending.unsent = 0
            pending.written = pending.last_sign = pending.clock()

    # ---- how an exchange ends ----

    def _take(self, pending: Pending, head: Head, body: bytes) -> None:
        # As `_finish`, for a whole response of which the parser has seen nothing: the pending is as good as new.
        now, future, stock = pending.clock(), pending.future, self._stock
        response = Response(head, body, pending.started, pending.written or now, now, now)
        if self.opening is not None:
            response.opening, self.opening = self.opening, None
        self._pending = None
        if pending.unsent:
            pending.unsent = 0
            self.close()
        else:
            self.reusable = True
        stock.deadlines.under_way.discard(pending)
        pending.connection = pending.future = None
        pending.written = 0.0
        stock.spares.append(pending)
        if future is not None and not future.done():
            future.set_result(response)

    def _finish(self, pending: Pending, last: bytes = b"") -> None:
        future, response = pending.future, pending.arrived
        assert response is not None
        if self.opening is not None:
            response.opening, self.opening = self.opening, None
        reusable = pending.keep_alive and not pending.excess and not pending.unsent
        if reusable and pending.head_bytes == len(last) and not pending.is_head:
            self._stock.heads.learn(last, response)
        self._pending = None
        self._stock.take_back(pending)
        if reusable:
            self.reusable = True
        else:
            self.close()
        if future is not None and not future.done():
            future.set_result(response)

    def _stumble(self, pending: Pending, error: HttpParserError | HttpParserUpgrade) -> None:
        if pending.complete:  # the response is fine, what follows it is not (or it was a 101)
            pending.excess = True
            self._finish(pending)
        elif not isinstance(error, HttpParserCallbackError):
            self.fail(parser_fault(str(error)))
        elif isinstance(error.__context__, HeadOverflow):
            self.fail("HPE_HEADER_OVERFLOW")
        else:
            self.fail("HPE_USER")
            raise error

    def _end(self, error: Exception | None) -> None:
        self.reusable = False
        pending = self._pending
        if pending is None:
            return
        if error is None and pending.ends_with_stream():
            pending.finish(pending.parser.get_status_code(), keep_alive=False)
            self._finish(pending)
        else:
            self.fail(name_of(error))


class ProxiedConnection(Connection):
    """A connection to a proxy that passes plain http on: requests name the origin in absolute form."""

    __slots__ = ("_proxy",)

    def __init__(self, origin: Origin, stock: Stock, loop: asyncio.AbstractEventLoop, proxy: Proxy) -> None:
        super().__init__(origin, stock, loop)
        self._proxy = proxy

    def exchange(
        self,
        head: bytes,
        body: bytes | Sequence[bytes] | None = None,
        is_head: bool = False,
        header_timeout: float = math.inf,
        silence_timeout: float = math.inf,
    ) -> asyncio.Future[Response]:
        """Send a request as `Connection.exchange` does, worded for the proxy."""
        worded = through_proxy(head, self.origin, self._proxy)
        return super().exchange(worded, body, is_head, header_timeout, silence_timeout)


class Connector:
    """Opens connections as the script's settings say; one for all users of an engine process.

    `environ` is asked for proxies, `directory` is where relative certificate files are. GrapeshotError when a setting
    of TLS or a proxy can't be used.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        environ: Mapping[str, str] | None = None,
        directory: str = ".",
        resolver: Resolver | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._environ = environ or {}
        self._directory = directory
        self._tls = settings.tls
        self._server_name = str(settings.tls.get("servername") or "")
        self.silence_timeout = max(SILENCE_TIMEOUT, settings.timeout or 0.0)
        self._clock = clock
        self._proxies = Proxies(self._environ)
        self._resolver = resolver or Resolver(clock=clock)
        self.deadlines = Deadlines(clock=clock)
        self._stock = Stock(self.deadlines)
        # Reading the system's certificates takes a moment: without settings, not before an https URL is met.
        self._context = self._make_context() if settings.tls else None

    def _make_context(self) -> ssl.SSLContext:
        return client_context(self._tls, directory=self._directory, environ=self._environ)

    async def connect(self, origin: Origin, *, timeout: float | None = None) -> Connection:
        """Open a connection; NetworkError. `timeout`: seconds for each of TCP (with the name) and TLS."""
        seconds = timeout if timeout is not None else self.silence_timeout
        attempt = Attempt(self._clock() + seconds)
        self.deadlines.watch(attempt)
        try:
            return await self._open(origin, seconds, attempt)
        except asyncio.CancelledError:
            if not attempt.end():
                raise
            raise NetworkError("ERR_SOCKET_TIMEOUT") from None
        except OSError as error:
            raise NetworkError(name_of(error)) from error
        finally:
            self.deadlines.under_way.discard(attempt)
            attempt.end()

    async def _open(self, origin: Origin, seconds: float, limit: Attempt) -> Connection:
        loop = asyncio.get_running_loop()
        proxy = self._proxies.for_origin(origin)
        began = self._clock()
        host, port = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
        addresses = (host,) if is_address(host) else await self._resolver.resolve(host)
        resolved = self._clock()
        make: Callable[[], Connection] = partial(Connection, origin, self._stock, loop)
        if proxy is not None and origin.scheme == "http":
            make = partial(ProxiedConnection, origin, self._stock, loop, proxy)
        connection = await self._reach(addresses, port, make)
        reached = secured = self._clock()
        if origin.scheme == "https":
            try:
                limit.late_at = self._clock() + seconds
                if proxy is not None:
                    await _open_tunnel(connection, proxy, seconds)
                await self._secure(connection)
                secured = self._clock()
            except BaseException:
                connection.close()
                raise
        connection.opening = Opening(
            (resolved - began) * 1e3, (reached - resolved) * 1e3, (secured - reached) * 1e3
        )
        return connection

    async def _reach(self, addresses: Sequence[str], port: int, make: Callable[[], Connection]) -> Connection:
        # Tries one address after the other, as Node does; its error is the first of theirs.
        loop = asyncio.get_running_loop()
        first_error: OSError | None = None
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(NEXT_ADDRESS):
                    return (await loop.create_connection(make, address, port))[1]
            except OSError as error:
                first_error = first_error or (error if error.errno else TimeoutError(110, "timed out"))
        try:
            return (await loop.create_connection(make, addresses[-1], port))[1]
        except OSError as error:
            raise first_error or error from None

    async def _secure(self, connection: Connection) -> None:
        if self._context is None:
            self._context = self._make_context()
        plain = connection.transport
        if plain is None:
            raise ConnectionResetError
        await secured(plain, connection, self._context, self._server_name or connection.origin.host)


async def _open_tunnel(connection: Connection, proxy: Proxy, seconds: float) -> None:
    # A 2xx to CONNECT has no body whatever its head says, just like the response to a HEAD.
    response = await connection.exchange(
        connect_head(connection.origin, proxy), is_head=True, silence_timeout=seconds
    )
    if not 200 <= response.status < 300:
        raise NetworkError(f"Bad response: {response.status}")
    if connection.transport is None:
        raise NetworkError("ECONNRESET")
