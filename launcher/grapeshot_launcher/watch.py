"""Follows a load as it goes: folds the messages, and shows phases, periods and live numbers at their time.

Leaves to others: folding (results), words (views), waiting (conduct).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Literal

from grapeshot_launcher.platforms import Limits, Line
from grapeshot_launcher.prepare import Test
from grapeshot_launcher.results.abort import Abort, AbortConditions
from grapeshot_launcher.results.collect import Collector, WorkerId
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.views.console import period_block, phase_line, plain_lines
from grapeshot_launcher.views.plan import plural
from grapeshot_worker.arrivals import duration, phase_starts
from grapeshot_worker.messages import Message
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.plan import Plan
from grapeshot_worker.script.model import Phase

LIVING = 3  # generations at work at once: one that ends, one, and one that begins
TOLD_DELAY = 1.0  # s: who waits this long for the start is told of it

Turn = tuple[float, Literal["started", "completed"], Phase]  # seconds from the start


class Watch:
    """The audience of one load; `collector` holds what was measured, `start` the load's moment (epoch seconds).

    `look` is called when a period is complete, with the moment in epoch seconds.
    """

    def __init__(
        self,
        test: Test,
        screen: Screen,
        limits: Limits,
        *,
        look: Callable[[float], object] | None = None,
    ) -> None:
        self.collector = Collector(test.run_id, test.workers, regions=test.regions)
        self.start: float | None = None
        self._total = duration(test.plan)
        self._turns = deque(phase_turns(test.plan))
        self._conditions = AbortConditions(test.checks)
        self._suppressed = test.script.plugins.suppressed
        self._screen, self._limits = screen, limits
        self._look = look
        self._workers = plural(test.workers, "worker")

    def started(self, at: float) -> None:
        """Note the moment of the load; tell of its first phase before any of its users speaks, or of the wait."""
        self.start = at
        if self._limits.start_delay >= TOLD_DELAY:
            self._screen.show(
                f"{self._workers} ready; the load starts in {self._limits.start_delay:.0f} s.\n"
            )
        else:
            self._show_turns(at, at)

    def heard(self, message: Message, now: float) -> None:
        """Fold a message in."""
        self.collector.take(message, now)

    def printed(self, line: Line) -> None:
        """Relay what an author's hook or `log` step printed."""
        self._screen.relay(*line)

    def warned(self, text: str) -> None:
        """Tell a person something at once."""
        self._screen.warn(plain_lines(text))

    def relieved(self, generation: int) -> None:
        """Expect the workers of one more generation."""
        self.collector.relieved(generation)

    def lost(self, worker: WorkerId) -> None:
        """Wait no longer for a worker."""
        self.collector.give_up(worker.index, generation=worker.generation)

    def silent(self, now: float) -> set[WorkerId]:
        """Give the workers that have said nothing for too long; before the start they have nothing to say."""
        if self.start is None or now - self.start <= self._limits.silence:
            return set()
        started = self.collector.generations
        generations = range(max(0, started - LIVING), started)
        return {
            WorkerId(generation, index)
            for generation in generations
            for index in self.collector.silent(now, self._limits.silence, generation=generation)
        }

    def tick(self, now: float) -> Abort | None:
        """Show what has become due by this moment (epoch seconds); say if that has to end the load."""
        if self.start is None:
            return None
        elapsed = now - self.start
        self._show_turns(self.start, now)
        periods = self._show_periods(now)
        aborts = [self._conditions.take(period, elapsed=elapsed) for period in periods]
        if periods and self._look is not None:
            self._look(now)
        self._screen.update(self.collector.live(), elapsed=elapsed, total=self._total)
        return next(filter(None, aborts), None)

    def over(self, now: float, *, stopped: bool) -> None:
        """Show what is still due after the last worker; unless the load was stopped, all its phases are completed."""
        self._screen.still()
        if self.start is not None:
            self._show_turns(self.start, now if stopped else math.inf)
        self._show_periods(math.inf)

    def _show_turns(self, start: float, now: float) -> None:
        while self._turns and start + self._turns[0][0] <= now:
            seconds, change, phase = self._turns.popleft()
            self._screen.show(phase_line(change, phase, at=start + seconds, tz=None))

    def _show_periods(self, now: float) -> list[Period]:
        periods = self.collector.due(now)
        for period in periods:
            block = period_block(period, tz=None, columns=self._screen.columns, suppressed=self._suppressed)
            self._screen.show(block)
        return periods


def phase_turns(plan: Plan) -> list[Turn]:
    """Give the beginning and the end of every phase, in the order they happen."""
    starts = [*phase_starts(plan), duration(plan)]
    turns: list[Turn] = []
    for phase, start, end in zip(plan.phases, starts, starts[1:], strict=False):
        turns += [(start, "started", phase), (end, "completed", phase)]
    return turns
