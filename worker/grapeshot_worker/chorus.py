"""Makes one conversation of what several engine processes say (pure but for its memory).

Leaves to others: the processes (shift), and the launcher's folding of many workers (its results).

A worker speaks with one voice. The processes' shares are parts of the worker's share, so their tallies add up to
its books, and their periods merge into what one process would have measured. A worker is ready when all are; it has
reported up to the moment that the slowest of them has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import count
from typing import Any, assert_never

from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.messages import Facts, Failed, Finished, Message, Progress, Ready, Tally
from grapeshot_worker.metrics.period import Period, by_window

_LAG = "vusers.start_lag"


class Chorus:
    """Hears `voices` processes of worker `index`; `told` is all that the messages have told."""

    def __init__(self, *, run_id: str, generation: int, index: int, voices: int) -> None:
        self._origin = {"run_id": run_id, "generation": generation, "index": index}
        self._numbers = count(1)
        self._ready: set[int] = set()
        self._tallies = [Tally()] * voices
        self._reported = [0.0] * voices  # epoch seconds: nothing before it will come from this voice
        self._facts: dict[int, Facts] = {}
        self._variables: dict[str, Any] = {}
        self._new: list[Period] = []
        self.told: tuple[Period, ...] = ()

    def hear(self, voice: int, message: Message) -> None:
        """Take in what a process says."""
        match message:
            case Ready():
                self._ready.add(voice)
                self._tallies[voice] = Tally(planned=message.planned)
            case Progress():
                self._new += message.periods
                self._tallies[voice] = message.tally
                self._reported[voice] = max(self._reported[voice], message.at)
            case Finished():
                self._new += message.periods
                self._tallies[voice] = message.tally
                self._reported[voice] = math.inf
                self._facts[voice] = message.facts
                self._variables |= message.variables
            case Failed():
                pass  # what it means for the worker is decided elsewhere
            case _:
                assert_never(message)

    @property
    def all_ready(self) -> bool:
        """Whether every process has said Ready."""
        return len(self._ready) == len(self._tallies)

    @property
    def all_finished(self) -> bool:
        """Whether every process has said Finished."""
        return len(self._facts) == len(self._tallies)

    @property
    def unstarted(self) -> int:
        """How many users were due and not started, as far as the processes have told."""
        return self._tally().unstarted

    @property
    def news(self) -> bool:
        """Whether something was measured that no message has told."""
        return bool(self._new)

    def number(self) -> int:
        """Give the next sequence number."""
        return next(self._numbers)

    def ready(self) -> Ready:
        """Give the worker's Ready."""
        return Ready(**self._stamp(), planned=self._tally().planned)

    def progress(self, *, full: bool = False) -> Progress:
        """Give what was measured since the last message; with `full`, windows that still fill wait for the next one."""
        at = min(self._reported)
        if math.isinf(
            at
        ):  # all have finished: there is no later moment to speak of than the last window's end
            at = max((period.end for period in self._new), default=0) / 1000
        waiting = [period for period in self._new if full and period.end > at * 1000]
        self._new = [period for period in self._new if not full or period.end <= at * 1000]
        periods, self._new = self._tell(), waiting
        at = min([at, *(period.start / 1000 for period in waiting)])
        return Progress(**self._stamp(), periods=periods, tally=self._tally(), at=at)

    def finished(self) -> Finished:
        """Give the last message: what was measured since the one before."""
        periods = self._tell()
        facts = merged_facts(self._facts.values(), self.told)
        return Finished(
            **self._stamp(), periods=periods, tally=self._tally(), facts=facts, variables=self._variables
        )

    def failed(self, error: GrapeshotError) -> Failed:
        """Give the last message of a worker that can't go on."""
        return Failed(
            **self._stamp(),
            message=error.message,
            cause=error.cause,
            remedy=error.remedy,
            exit_code=error.exit_code,
        )

    def _tell(self) -> tuple[Period, ...]:
        news = by_window(self._new)
        self._new.clear()
        self.told = by_window((*self.told, *news))
        return news

    def _tally(self) -> Tally:
        return sum(self._tallies, Tally())

    def _stamp(self) -> dict[str, Any]:
        return {**self._origin, "sequence": self.number()}


def merged_facts(facts: Iterable[Facts], periods: Iterable[Period]) -> Facts:
    """Say how a worker of several processes fared: the most strained process counts; lag is that of all users.

    CPU shares are of one core each, so they are not added: `cpu` is their mean, `busiest_cpu` the highest.
    """
    each = tuple(facts)
    if not each:
        return Facts()
    lags = [period.sketches[_LAG] for period in periods if _LAG in period.sketches]
    lag = lags[0] if lags else None
    for other in lags[1:]:
        lag = other if lag is None else lag.merge(other)
    return Facts(
        pid=each[0].pid,
        cpu=round(sum(one.cpu for one in each) / len(each), 3),
        busiest_cpu=max(one.busiest_cpu for one in each),
        lag_p99=round(lag.quantile(0.99), 3) if lag else max(one.lag_p99 for one in each),
        lag_max=max(one.lag_max for one in each),
        peak_memory=sum(one.peak_memory for one in each),
        open_files_limit=min(one.open_files_limit for one in each),
        out_of_files=sum(one.out_of_files for one in each),
        python=each[0].python,
        version=each[0].version,
    )
