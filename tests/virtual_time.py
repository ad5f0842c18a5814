"""An event loop whose clock jumps: whenever nothing is ready, time moves to the next timer at once.

Leaves to others: real input and output. There is none on this loop: code under test gets in-memory partners.

Nothing waits here: a deadline of 30 s is tested in microseconds, and the order of events is always the same. A
loop that has neither a ready callback nor a timer would wait for ever: it raises `Deadlock` instead.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(Exception):
    """Every task waits for another one."""


class _Jump(selectors.SelectSelector):
    """A selector that never waits; what it should have waited for is added to `passed`."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if timeout is None:
            raise Deadlock("every task waits for another one")
        self.passed += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which starts at 1000 s."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return 1000.0 + self._jump.passed


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on virtual time; `asyncio.get_running_loop().time()` tells it."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
