"""Carries a worker's mail without ever making the load wait: calls AWS aside, tries again, keeps the order.

Leaves to others: the calls (aws), what they are for (shift).

Nothing here blocks the event loop: each call runs where `aside` puts it, a thread in production. What goes to
the queue waits in line for one sender, which tries each text for RETRY_LIMIT seconds and then drops it: its
measurements are in the totals too, and the launcher sees the gap in the numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeVar

from grapeshot_worker.errors import CloudError

if TYPE_CHECKING:
    from grapeshot_worker.aws import Mailbox

RETRY_LIMIT = 30.0  # seconds from the first try to the last
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two tries: doubled each time, and scattered

T = TypeVar("T")


class Aside(Protocol):
    """Does blocking work where it holds up nobody."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Give the result of `work()`, or raise what it raises."""
        ...


async def at_once(work: Callable[[], T]) -> T:
    """Do it here: an Aside for work that does not block."""
    return work()


class Courier:
    """A Mailbox from an event loop. `dropped`: the error that made the courier drop the latest text, if it did."""

    def __init__(self, mailbox: Mailbox, *, aside: Aside, rng: random.Random) -> None:
        self._mailbox, self._aside, self._rng = mailbox, aside, rng
        self._line: deque[str] = deque()
        self._arrived = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()
        self._sender = asyncio.create_task(self._send_all())
        self.dropped: CloudError | None = None

    async def look(self, key: str) -> bytes | None:
        """Get an object with a single try."""
        return await self._aside(lambda: self._mailbox.get(key))

    async def get(self, key: str) -> bytes | None:
        """Get an object; CloudError when no try succeeds."""
        return await self._try(lambda: self._mailbox.get(key))

    async def put(self, key: str, body: bytes) -> None:
        """Write an object; CloudError when no try succeeds."""
        await self._try(lambda: self._mailbox.put(key, body))

    async def claim(self, key: str, token: bytes) -> bool:
        """Write an object that must be new; False if another's token is there. CloudError when no try succeeds.

        A try whose answer was lost has succeeded all the same: then the next one finds our own token.
        """
        if await self._try(lambda: self._mailbox.put_new(key, token)):
            return True
        return await self.get(key) == token

    def send(self, text: str) -> None:
        """Put a text in line for the queue."""
        self._line.append(text)
        self._done.clear()
        self._arrived.set()

    @property
    def busy(self) -> bool:
        """Whether a text is still in line or on its way."""
        return not self._done.is_set()

    async def drain(self, limit: float) -> bool:
        """Wait until all texts are sent or dropped, at most `limit` seconds; False if some are left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._done.wait()
        return not self.busy

    async def close(self) -> None:
        """End the sender; what is still in line stays there."""
        self._sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sender

    async def _send_all(self) -> None:
        while True:
            await self._arrived.wait()
            while self._line:
                await self._send_one(self._line[0])
                self._line.popleft()
            self._arrived.clear()
            self._done.set()

    async def _send_one(self, text: str) -> None:
        try:
            await self._try(lambda: self._mailbox.send(text))
        except CloudError as error:
            self.dropped = error
        else:
            self.dropped = None

    async def _try(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        end = loop.time() + RETRY_LIMIT
        for tries in count():
            try:
                return await self._aside(work)
            except CloudError as error:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**tries) * self._rng.uniform(0.5, 1.0)
                if not error.passing or loop.time() + pause > end:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("count() never ends")
