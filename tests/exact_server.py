"""Servers on 127.0.0.1 that send exactly the bytes a test gives them, and clients' side of the same tests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
T = TypeVar("T")


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a test on the loop that the engine uses; what is closed at its end is let go before the loop ends."""

    async def whole() -> T:
        try:
            async with asyncio.timeout(10):  # the client's own limits are off in most tests
                return await main
        finally:
            for _ in range(5):
                await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop work until something is so; there is nobody to tell us."""
    while not condition():  # noqa: ASYNC110 - the engine has no event for what tests look at
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serving(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve every connection with `handler`, which may simply return; gives the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await handler(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            tasks.discard(task)

    def wrap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Coroutine[Any, Any, None]:
        return handle(reader, writer)

    server = await asyncio.start_server(wrap, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def replying(*replies: bytes, stay: bool = True) -> Handler:
    """Answer the n-th request head of a connection with the n-th reply; then stay until the client goes, or close."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
        await writer.drain()
        if stay:
            await reader.read()

    return handler
