"""One request under way and the response that is arriving: what the HTTP parser tells, and the moments.

Leaves to others: the socket (connection) and when to look for overdue ones (deadlines).

This is the hot path. A Pending and its parser weigh a kilobyte, so a connection has one only while it waits for a
response; between requests they lie in a stock (a list) that all connections of the engine share. Made once, used for
millions of requests: nothing is built per request but the future, the list of headers and the Response.

What the parser leaves to us: it can't be told that a HEAD has no body, knows no limit for the head, does not say that
bytes followed the message, and never hears of the end of the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from httptools import HttpResponseParser

from grapeshot_worker.traffic.response import Head, Response
from grapeshot_worker.traffic.wire.deadlines import Deadlines
from grapeshot_worker.traffic.wire.heads import Heads
from grapeshot_worker.traffic.wire.network_errors import NetworkError

Headers = list[tuple[bytes, bytes]]

HEAD_LIMIT = 16 * 1024  # bytes of names and values, as in Node


class HeadOverflow(Exception):
    """The head of a response is longer than HEAD_LIMIT."""


class Line(Protocol):
    """The connection that an exchange goes over, as far as its limits need it."""

    def fail(self, name: str) -> None:
        """End the exchange with an error."""

    def close(self) -> None:
        """Close at once."""

    def unsent(self) -> int:
        """Count the bytes of the request that have not left."""


class Stock:
    """The Pendings that are not in use, the deadlines for those that are, and the heads they have seen."""

    __slots__ = ("deadlines", "heads", "spares")

    def __init__(self, deadlines: Deadlines) -> None:
        self.deadlines = deadlines
        self.heads = Heads()
        self.spares: list[Pending] = []

    def take_back(self, pending: Pending) -> None:
        """Make `pending` ready for its next exchange, on whatever connection."""
        self.deadlines.under_way.discard(pending)
        if pending.keep_alive and not pending.excess and not pending.is_head:
            pending.reset()
        else:
            pending.renew()
        self.spares.append(pending)


class Pending:
    """The state of one exchange; `written` is 0 until the request has left, `answered` until the head begins."""

    __slots__ = (
        "_chunks",
        "_headers",
        "answered",
        "arrived",
        "clock",
        "complete",
        "connection",
        "excess",
        "future",
        "has_head",
        "head_bytes",
        "header_timeout",
        "is_head",
        "keep_alive",
        "last_sign",
        "parser",
        "raw_headers",
        "silence_timeout",
        "started",
        "unsent",
        "written",
    )

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.connection: Line | None
        self.future: asyncio.Future[Response] | None
        self.arrived: Response | None
        self.is_head = False
        self.header_timeout = self.silence_timeout = 0.0
        self.started = self.last_sign = 0.0
        self.raw_headers: Headers = []
        self.renew()

    def renew(self) -> None:
        """Drop what has arrived and take a new parser, because the old one is in the middle of something."""
        self._headers: Headers = []
        self._chunks: list[bytes] = []
        self.parser = HttpResponseParser(self)
        self.reset()

    def reset(self) -> None:
        """Be ready for the next exchange."""
        self.connection = self.future = self.arrived = None
        self.answered = self.written = 0.0
        self.head_bytes = self.unsent = 0
        self.has_head = self.complete = self.excess = self.keep_alive = False

    # ---- what the parser calls ----

    def on_message_begin(self) -> None:
        """Note the moment of the first byte; a second message was never asked for."""
        if self.complete:
            self.excess = True
        else:
            self.answered = self.clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, or a trailer, which is dropped later."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the head; a HEAD's response ends here."""
        if self.complete:
            return
        headers = self._headers
        if self.head_bytes > HEAD_LIMIT and _size(headers) >= HEAD_LIMIT:
            raise HeadOverflow
        self._headers = []
        self.raw_headers, self.has_head = headers, True
        if self.is_head:
            status = self.parser.get_status_code()
            if status >= 200 or status == 101:
                self.finish(status, keep_alive=_keeps_alive(self.parser.get_http_version(), headers))

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        if self.complete:
            self.excess = True
        else:
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        """Take the response, unless it is one of those that announce another (100, 103)."""
        if self.complete:
            return
        status = self.parser.get_status_code()
        if status < 200 and status != 101:
            self.has_head = False
            return
        self.finish(status, keep_alive=self.parser.should_keep_alive())

    # ---- how it ends ----

    def finish(self, status: int, *, keep_alive: bool) -> None:
        """Make the Response of what has arrived."""
        chunks = self._chunks
        if len(chunks) == 1:
            body = chunks[0]
            chunks.clear()
        elif chunks:
            body = b"".join(chunks)
            chunks.clear()
        else:
            body = b""
        if self._headers:
            self._headers = []  # trailers
        self.complete = True
        self.keep_alive = keep_alive
        answered = self.answered
        written = self.written or answered  # answered before all was sent
        head = Head(status, self.raw_headers)
        self.arrived = Response(head, body, self.started, written, answered, self.clock())

    def ends_with_stream(self) -> bool:
        """Tell whether the end of the stream is the end of the body: neither a length nor chunks were announced."""
        if not self.has_head or self.is_head or self.parser.get_status_code() in (204, 304):
            return False
        fields = [(name.lower(), value.lower()) for name, value in self.raw_headers]
        codings = b",".join(value for name, value in fields if name == b"transfer-encoding")
        if codings:
            return codings.rpartition(b",")[2].strip() != b"chunked"
        return all(name != b"content-length" for name, _ in fields)

    def error(self, name: str) -> NetworkError:
        """Give the error to fail with; it carries the head of the response if that had come."""
        if not self.has_head:
            return NetworkError(name)
        first_byte = max(0.0, self.answered - (self.written or self.answered)) * 1000
        status = self.parser.get_status_code()
        return NetworkError(
            name,
            status=status,
            raw_headers=self.raw_headers,
            first_byte_ms=first_byte,
            answered=self.answered,
        )

    def head_overflows(self) -> bool:
        """Tell whether a head that is still incomplete is too long already."""
        # Four bytes of each line are not part of its name and value.
        return not self.has_head and self.head_bytes - 4 * len(self._headers) > HEAD_LIMIT

    def check(self, now: float) -> None:
        """Fail if overdue: the head after `header_timeout`, any sign of life after `silence_timeout`."""
        connection, future = self.connection, self.future
        if connection is None or future is None:
            return
        if future.done():  # the user was cancelled
            connection.close()
            return
        if not self.written:
            self._note_sending(connection, now)
        silent_at = self.last_sign + self.silence_timeout
        if (
            self.written
            and not self.has_head
            and (late_at := self.written + self.header_timeout) <= silent_at
        ):
            if now >= late_at:
                connection.fail("ETIMEDOUT")
        elif now >= silent_at:
            connection.fail("ERR_SOCKET_TIMEOUT")

    def _note_sending(self, connection: Line, now: float) -> None:
        # Sending a long body is a sign of life too, though nothing comes back.
        unsent = connection.unsent()
        if unsent != self.unsent:
            self.unsent = unsent
            self.last_sign = now


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _keeps_alive(version: str, headers: Headers) -> bool:
    options = b",".join(
        value for name, value in headers if name.lower() in (b"connection", b"proxy-connection")
    ).lower()
    tokens = {token.strip() for token in options.split(b",")}
    return b"close" not in tokens and (version == "1.1" or b"keep-alive" in tokens)
