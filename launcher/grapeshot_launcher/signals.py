"""Ctrl-C and `kill`: the first asks for an orderly stop, the second leaves at once, where somebody is there to want it.

Leaves to others: what an orderly stop is (conduct), and ending the process (`leave`, from `__main__`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import Signals

from grapeshot_launcher.crew import Inbox, Signalled

ASKING = (Signals.SIGINT, Signals.SIGTERM)


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
