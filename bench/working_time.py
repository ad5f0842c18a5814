"""An event loop whose clock is work: it runs with this process's CPU time, and jumps over every wait.

Leaves to others: real input and output; there is none on this loop.

So a long run takes as long as its work, and the delays in it are those of a machine whose one core belongs to this
process, whatever else the real one does meanwhile. Work of the benchmark itself is left out: `aside`.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """A selector that never waits; what it should have waited for is added to `passed`."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if timeout is None:
            raise RuntimeError("every task waits for another one")
        self.passed += max(timeout, 0.0)
        return []


class WorkingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0 and is CPU seconds plus what was jumped over."""

    def __init__(self) -> None:
        self._jump = _Jump()
        self._began, self._aside = time.process_time(), 0.0
        super().__init__(self._jump)

    @property
    def worked(self) -> float:
        """CPU seconds of what is measured."""
        return time.process_time() - self._began - self._aside

    def time(self) -> float:
        return self.worked + self._jump.passed

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Let the clock stand still."""
        began = time.process_time()
        try:
            yield
        finally:
            self._aside += time.process_time() - began


def run_working(loop: WorkingLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
