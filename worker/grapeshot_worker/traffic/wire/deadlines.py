"""Ends the exchanges that take too long: one look at all of them every 50 ms instead of a timer for each.

Leaves to others: what an exchange's limits are and how it fails (exchange).

A timer for each request would cost more than the request's own bookkeeping; a set costs two operations. The price is
that a limit strikes up to one interval late. The timer runs only while something is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Protocol


class Limited(Protocol):
    """Something under way that has limits."""

    def check(self, now: float) -> None:
        """End it if it is overdue at `now`, a reading of the clock in seconds."""


class Deadlines:
    """Everything under way that must end one day; `clock` gives seconds and never goes back."""

    def __init__(self, *, interval: float = 0.05, clock: Callable[[], float] = perf_counter) -> None:
        self.under_way: set[Limited] = set()
        self.clock = clock
        self.timer: asyncio.TimerHandle | None = None
        self._interval = interval

    def watch(self, limited: Limited) -> None:
        """Check something until it is discarded from `under_way`."""
        self.under_way.add(limited)
        if self.timer is None:
            self.start()

    def start(self) -> None:
        """Look again in one interval; call it when `timer` is None and something was added."""
        self.timer = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def _tick(self) -> None:
        self.timer = None
        self.sweep(self.clock())
        if self.under_way and self.timer is None:
            self.start()

    def sweep(self, now: float) -> None:
        """Check everything under way."""
        for limited in tuple(self.under_way):
            limited.check(now)


class Attempt:
    """Something that the current task tries until `late_at`, a reading of the clock; then the task is cancelled once.

    As asyncio.timeout, but watched with everything else instead of by a timer of its own.
    """

    __slots__ = ("_before", "_expired", "_task", "late_at")

    def __init__(self, late_at: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        self._expired = False
        self.late_at = late_at

    def check(self, now: float) -> None:
        """Cancel the task if it is overdue."""
        if now >= self.late_at and not self._expired:
            self._expired = True
            self._task.cancel()

    def end(self) -> bool:
        """Take back what was cancelled; tell whether it was, and nobody else cancelled the task too."""
        expired, self._expired = self._expired, False
        return expired and self._task.uncancel() <= self._before
