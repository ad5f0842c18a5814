"""What asks a run to stop: Ctrl-C and `kill`, and a word from another machine.

Of signals, the first asks for an orderly stop, the second leaves at once, where somebody is there to want it.

Leaves to others: what an orderly stop is (conduct), and ending the process (`leave`, from `__main__`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from signal import Signals

from grapeshot_launcher.crew import Inbox, Signalled
from grapeshot_worker.errors import GrapeshotError

ASKING = (Signals.SIGINT, Signals.SIGTERM)
LOOK = 1.0  # s between two looks for a word from elsewhere


@contextmanager
def listening(inbox: Inbox, *, leave: Callable[[int], object] | None) -> Iterator[None]:
    """Inside, the first signal goes into the inbox; the second is answered by `leave(128 + signal)`, if given.

    A runner that cancels a job sends its second signal in any case, some seconds after the first and some before it
    kills: there, what is on its way to being stopped and reported had better go on.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def heard(signal: Signals) -> None:
        nonlocal asked
        if asked and leave is not None:
            leave(128 + signal)
        asked = True
        inbox.put_nowait(Signalled(signal))

    for signal in ASKING:
        loop.add_signal_handler(signal, heard, signal)
    try:
        yield
    finally:
        for signal in ASKING:
            loop.remove_signal_handler(signal)


@asynccontextmanager
async def heeding_elsewhere(inbox: Inbox, asked: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """Inside, look every second whether another machine has `asked` for the stop; if so, put it into the inbox.

    A look that fails tells nothing: the next one may succeed, and the run's own calls say what is wrong with AWS.
    """

    async def look() -> None:
        while True:
            with suppress(GrapeshotError):
                if await asked():
                    inbox.put_nowait(Signalled("asked"))
                    return
            await asyncio.sleep(LOOK)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
