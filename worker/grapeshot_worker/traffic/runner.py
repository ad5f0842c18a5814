"""An open model: every arrival of a share starts at its moment, whatever the target does; how late it was is
measured.

Leaves to others: which moments (arrivals), what a user does (steps), numbers (recorder), processes and messages
(processes, engine).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grapeshot_worker.errors import StepError
from grapeshot_worker.messages import Tally
from grapeshot_worker.plan import Arrival, Share
from grapeshot_worker.script.model import Phase
from grapeshot_worker.traffic.hooks import error_name
from grapeshot_worker.traffic.users import Cast, Newcomer

BURST = 100  # arrivals started in one turn of the event loop, so that a burst does not keep answers waiting
EARLY = 0.0005  # seconds; the event loop's timers are whole milliseconds, so half of one early is on time
OUT_OF_FILES = ("EMFILE", "ENFILE")
_CREATED = (("vusers.created", 1),)
_COMPLETED = (("vusers.completed", 1), ("vusers.failed", 0))  # the second exists in every report


@dataclass(slots=True)
class Counts:
    """What has become of the arrivals so far (mutable; `tally` freezes it)."""

    planned: int
    started: int = 0
    skipped: int = 0
    completed: int = 0
    failed: int = 0
    cut: int = 0
    out_of_files: int = 0

    def tally(self, *, active: int, ended: bool) -> Tally:
        """Freeze; once the run has `ended`, what neither started nor was skipped is unstarted."""
        rest = self.planned - self.started - self.skipped
        return Tally(
            planned=self.planned,
            started=self.started,
            skipped=self.skipped,
            unstarted=rest if ended else 0,
            completed=self.completed,
            failed=self.failed,
            cut=self.cut,
            active=active,
        )


class Runner:
    """Runs the arrivals of one share. Make it, `await run(start)`, perhaps `stop()` it from elsewhere.

    `clock` gives the monotonic seconds of `start`. Arrivals come ordered by time.
    """

    def __init__(
        self,
        cast: Cast,
        coming: Iterator[Arrival],
        *,
        planned: int,
        phases: Sequence[Phase],
        share: Share,
        clock: Callable[[], float],
    ) -> None:
        self._cast = cast
        self._coming = coming
        self._next: Arrival | None = next(coming, None)
        self._quota = [None if p.max_vusers is None else share.of(p.max_vusers) for p in phases]
        self._clock = clock
        self._recorder = cast.engine.recorder
        self._users: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._timer: asyncio.Handle | None = None
        self._start = 0.0
        self._out_of_memory: MemoryError | None = None
        self.counts = Counts(planned=planned)
        self.stopped = False

    @property
    def active(self) -> int:
        """Users under way."""
        return len(self._users)

    async def run(self, start: float) -> None:
        """Start every arrival at `start` + its moment; return when the last user has left.

        Raises the MemoryError that a user met: then nobody else is started, and those under way are cut.
        """
        self._start = start
        self._tick()
        await self._over.wait()
        if self._out_of_memory is not None:
            raise self._out_of_memory

    def stop(self) -> None:
        """Start nobody any more and cut short whoever is under way; `run` returns as soon as they have cleaned up."""
        self.stopped = True
        self._next = None
        if self._timer is not None:
            self._timer.cancel()
        for user in self._users:
            user.cancel()
        self._end_if_over()

    # One timer for the next arrival, re-armed after each turn; no timer and no task for each arrival.
    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = self._clock() - self._start
        for _ in range(BURST):
            arrival = self._next
            if arrival is None or arrival.at > now + EARLY:
                break
            self._admit(arrival)
            self._next = next(self._coming, None)
        if self._next is None:
            self._end_if_over()
        else:
            wait = self._next.at - (self._clock() - self._start)
            self._timer = loop.call_later(wait, self._tick) if wait > EARLY else loop.call_soon(self._tick)

    def _admit(self, arrival: Arrival) -> None:
        quota = self._quota[arrival.phase]
        if quota is not None and len(self._users) >= quota:
            self.counts.skipped += 1
            self._recorder.count("vusers.skipped")
            return
        self.counts.started += 1
        user = asyncio.get_running_loop().create_task(self._live(arrival))
        self._users.add(user)
        user.add_done_callback(self._left)

    def _left(self, user: asyncio.Task[None]) -> None:
        self._users.discard(user)
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._next is None and not self._users:
            self._over.set()

    async def _live(self, arrival: Arrival) -> None:
        recorder, began = self._recorder, self._clock()
        lag = max(0.0, began - self._start - arrival.at) * 1000
        try:
            newcomer = self._cast.welcome()
        except Exception as error:  # noqa: BLE001 - no scenario can be picked with this data: it must be seen
            recorder.note(_CREATED, "vusers.start_lag", lag)
            self._fail(error)
            return
        newcomer.user.due = self._start + arrival.at
        recorder.note(((newcomer.created_by_name, 1), *_CREATED), "vusers.start_lag", lag)
        try:
            await newcomer.steps(newcomer.user)
        except asyncio.CancelledError:
            self.counts.cut += 1
            raise
        except Exception as error:  # noqa: BLE001 - whatever ends a user, it must not end the others
            self._fail(error)
        else:
            self.counts.completed += 1
            recorder.note(_COMPLETED, "vusers.session_length", (self._clock() - began) * 1000)
        finally:
            newcomer.user.leave()

    def _fail(self, error: Exception) -> None:
        if isinstance(error, MemoryError):  # what is measured with no memory left is worth nothing
            self._out_of_memory = self._out_of_memory or error
            self.stop()
        name = error.name if isinstance(error, StepError) else error_name(error)
        self.counts.failed += 1
        self.counts.out_of_files += name in OUT_OF_FILES
        self._recorder.count(f"errors.{name}")
        self._recorder.count("vusers.failed")


async def run_once(newcomer: Newcomer) -> dict[str, Any]:
    """Run a `before` or `after` section as one user; give its variables. StepError if it fails."""
    try:
        await newcomer.steps(newcomer.user)
    finally:
        newcomer.user.leave()
    return newcomer.user.variables
