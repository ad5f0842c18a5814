"""How the steps of provisioning make calls: in threads, some of them again, several at a time.

Leaves to others: the calls (aws), and their order (provision).

The SDK blocks, so calls run in threads. A thread can't be cancelled: a CreateQueue that is under way when the person
presses Ctrl-C still makes its queue. A cancelled call therefore first waits for its answer, for a while, and only
then lets the cancellation on: whoever cleans up afterwards sees what there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.errors import AwsError

P = ParamSpec("P")
T = TypeVar("T")

GRACE = 10.0  # s that a cancelled call gets to come to its end
THREADS = 64
UNDO_LIMIT = 30.0  # s for taking one thing away, answers that do not come included
UNDO_WITHIN, UNDO_PAUSE = 6.0, 2.0  # s


class Call(Protocol):
    """A way to make a blocking call from the event loop."""

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Make the call and give its answer."""
        ...


class Threads:
    """Makes calls in threads of its own; asyncio's default has too few for many workers at once."""

    def __init__(self, size: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="aws")

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Make the call; when cancelled, see it to its end first."""
        work = partial(function, *args, **kwargs)
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future], timeout=GRACE)
            if future.done() and not future.cancelled():
                future.exception()  # looked at, so that nobody complains of it
            raise


def nobody(text: str) -> None:
    """Hear it, and keep it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """The account within reach: its calls, how they are made, and where to say what is no failure.

    `tell` hears what was taken away; what was made is among the results.
    """

    aws: Aws
    call: Call
    warn: Callable[[str], None]
    tell: Callable[[str], None] = nobody


async def again(
    attempt: Callable[[], Awaitable[T]], *, on: tuple[type[AwsError], ...], within: float, pause: float
) -> T:
    """Repeat what fails in one of these ways, every `pause` seconds; after `within` seconds let the failure be one."""
    now = asyncio.get_running_loop().time
    deadline = now() + within
    while True:
        try:
            return await attempt()
        except on:
            if now() + pause > deadline:
                raise
        await asyncio.sleep(pause)


async def together(*work: Awaitable[Any]) -> None:
    """Do all of it at the same time; the first failure cancels the rest, and is raised when the rest has ended."""
    tasks = [asyncio.ensure_future(one) for one in work]
    done: set[asyncio.Future[Any]] = set()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if task in done:
            task.result()


async def undone(attempt: Callable[[], Awaitable[None]], *, complain: Callable[[str], None]) -> None:
    """Take something away, in several attempts; what stays is complained of, and nothing is raised."""
    try:
        async with asyncio.timeout(UNDO_LIMIT):
            await again(attempt, on=(AwsError,), within=UNDO_WITHIN, pause=UNDO_PAUSE)
    except AwsError as error:
        complain(error.message)
    except TimeoutError:
        complain(f"AWS did not answer within {UNDO_LIMIT:.0f} s.")
