"""TLS over a plain connection: bytes in, records out, and back, between two buffers of OpenSSL.

Leaves to others: certificates and versions (tls), the limit in time (connection), the names of faults (network_errors).

The event loop's own TLS has 256 kB of buffer for each connection, which long responses fill for good. Here a piece that
comes is decrypted and handed on in one call, a request is encrypted and leaves in one, and nothing is asked of OpenSSL
that is known already: when it has given a record's text and no byte waits, there is none left.

The buffers grow with what is put into them and never shrink, so they are given a little at a time: a parked user's
connection is as small as OpenSSL lets it be. For the same reason a long body is encrypted only as fast as it leaves.

After the handshake the server may still speak of the connection itself (tickets, new keys, another handshake). OpenSSL
answers by itself whenever it reads; what it wants to send is sent, and a request that has to wait for it waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Any

_RECORD = 16 * 1024  # bytes of text that a record holds at most
_PIECE = 32 * 1024  # bytes that are given to OpenSSL at once
_HANDSHAKE_PIECE = (
    1024  # the same, while certificates come: the largest thing that most connections ever receive
)


async def secured(
    plain: Any, above: asyncio.Protocol, context: ssl.SSLContext, server_name: str
) -> SecureTransport:
    """Begin TLS on the transport `plain` and give the transport that `above`, its protocol, goes on with.

    `server_name` is asked for and, if the context says so, has to be in the certificate. ssl.SSLError, or another
    OSError when the connection ends before TLS stands. Waits as long as the server takes.
    """
    transport = SecureTransport(plain, above, context, server_name)
    plain.set_protocol(transport)
    await transport.begin()
    return transport


class SecureTransport(asyncio.Transport, asyncio.Protocol):
    """A transport to the protocol above, and the protocol of the plain transport below."""

    __slots__ = (
        "_above",
        "_backlog",
        "_ended",
        "_fault",
        "_incoming",
        "_outgoing",
        "_paused",
        "_plain",
        "_standing",
        "_tls",
    )

    def __init__(
        self, plain: Any, above: asyncio.Protocol, context: ssl.SSLContext, server_name: str
    ) -> None:
        self._plain = plain
        self._above = above
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._standing: asyncio.Future[None] | None = None  # None but in the handshake
        self._backlog: list[memoryview] = []  # text that is not encrypted yet
        self._paused = False  # what was encrypted has not left yet
        self._ended = False  # nothing is read or written any more
        self._fault: Exception | None = None  # what the protocol above is told in the end

    def begin(self) -> asyncio.Future[None]:
        """Send the first message; the future is done when TLS stands, or has failed."""
        standing = self._standing = asyncio.get_running_loop().create_future()
        self._shake_hands()
        return standing

    # ---- what the protocol above calls ----

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; what can't leave yet is kept."""
        if self._backlog or self._ended or len(data) > _PIECE:
            self.writelines((data,))
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self.writelines((data,))
        else:
            self._plain.write(self._outgoing.read())

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Do what `write` does, with several pieces."""
        waiting = bool(self._backlog)
        self._backlog.extend(memoryview(data) for data in list_of_data if data)
        if not waiting:
            self._send()

    def get_write_buffer_size(self) -> int:
        """Count the bytes that have not left."""
        return int(self._plain.get_write_buffer_size()) + sum(len(text) for text in self._backlog)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say at how many bytes `pause_writing` and `resume_writing` are called."""
        self._plain.set_write_buffer_limits(high=high, low=low)

    def abort(self) -> None:
        """Close at once, without a word."""
        self._ended = True
        self._plain.abort()

    # ---- what the event loop calls ----

    def data_received(self, data: bytes | memoryview) -> None:
        """Decrypt and hand on."""
        piece = _PIECE if self._standing is None else _HANDSHAKE_PIECE
        if len(data) > piece:
            view = memoryview(data)
            for start in range(0, len(data), piece):
                self.data_received(view[start : start + piece])
        elif not self._ended:
            self._incoming.write(data)
            if self._standing is None:
                self._read()
            else:
                self._shake_hands()

    def eof_received(self) -> bool:
        """Take the end of the stream; a server that did not announce it is forgiven, as everywhere."""
        if not self._ended and self._standing is None:
            self._above.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection."""
        self._ended = True
        fault = self._fault or exc
        if self._standing is None:
            self._above.connection_lost(fault)
        elif not self._standing.done():
            self._standing.set_exception(fault or ConnectionResetError())

    def pause_writing(self) -> None:
        """Encrypt no more for now."""
        self._paused = True
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """Encrypt what has waited."""
        self._paused = False
        self._send()
        if not self._backlog and not self._paused:
            self._above.resume_writing()

    # ---- between the two ----

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._break(error)
            return
        standing, self._standing = self._standing, None
        self._flush()
        self._above.connection_made(self)
        if standing is not None and not standing.done():
            standing.set_result(None)
        if self._incoming.pending:  # tickets
            self._read()

    def _read(self) -> None:
        incoming, tls, above = self._incoming, self._tls, self._above
        try:
            while text := tls.read(_RECORD):
                above.data_received(text)
                if not incoming.pending or self._ended:
                    break
            else:
                self._part()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._break(error)
        if self._outgoing.pending:
            self._flush()
        if self._backlog and not self._paused:  # another handshake was in the way
            self.resume_writing()

    def _send(self) -> None:
        backlog, outgoing = self._backlog, self._outgoing
        try:
            while backlog and not self._paused and not self._ended:
                while backlog and outgoing.pending < _PIECE:
                    text = backlog[0]
                    self._tls.write(text[:_PIECE])
                    if len(text) > _PIECE:
                        backlog[0] = text[_PIECE:]
                    else:
                        del backlog[0]
                self._flush()
        except ssl.SSLWantReadError:  # the server has begun another handshake
            self._flush()
            self._above.pause_writing()
        except ssl.SSLError as error:
            self._break(error)

    def _flush(self) -> None:
        if self._outgoing.pending and not self._ended:
            self._plain.write(self._outgoing.read())

    def _part(self) -> None:
        # The server has said good-bye.
        self._above.eof_received()
        if self._ended:
            return
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        self._ended = True
        self._plain.close()

    def _break(self, error: ssl.SSLError) -> None:
        # Whoever is above hears of it from the loop: it may be in the middle of a write. OpenSSL's alert still leaves.
        self._flush()
        self._fault = error
        if self._standing is not None and not self._standing.done():
            self._standing.set_exception(error)
        self.abort()
