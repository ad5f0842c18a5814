"""The report of a run: everything a view can show, as one frozen value.

Leaves to others: making its parts (collect, books, ensure, verdict) and showing them (views).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.collect import WorkerEnd
from grapeshot_launcher.results.comparison import Comparison
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.regions import RegionPart
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals

# Lower bounds of the score, best first, with the reference's words.
_RANKINGS = ((0.94, "excellent"), (0.85, "good"), (0.7, "fair"), (0.49, "poor"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Apdex:
    """Responses by how long they took: up to T, up to 4 T, longer (apdex.org). `threshold` T in ms."""

    threshold: float
    satisfied: int
    tolerated: int
    frustrated: int

    @staticmethod
    def of(totals: Totals, threshold: float) -> Apdex:
        """Read the counters of the `apdex` plugin."""
        counters = totals.counters
        return Apdex(
            threshold=threshold,
            satisfied=counters.get("apdex.satisfied", 0),
            tolerated=counters.get("apdex.tolerated", 0),
            frustrated=counters.get("apdex.frustrated", 0),
        )

    @property
    def score(self) -> float | None:
        """From 0 to 1; None when there was no response."""
        total = self.satisfied + self.tolerated + self.frustrated
        return (self.satisfied + self.tolerated / 2) / total if total else None

    @property
    def ranking(self) -> str:
        """The score in a word."""
        score = self.score or 0.0
        return next((word for bound, word in _RANKINGS if score >= bound), "unacceptable")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A run that has ended. `started_at`, `ended_at`: epoch seconds; `settings`: JSON-able, without secrets."""

    run_id: str
    script: str
    started_at: float
    ended_at: float
    verdict: Verdict
    totals: Totals
    periods: Sequence[Period]
    books: Books
    workers: tuple[WorkerEnd, ...] = ()
    checks: tuple[CheckOutcome, ...] = ()
    apdex: Apdex | None = None
    warnings: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()  # prefixes of metrics hidden from the console, not from files
    settings: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None  # with an earlier run, where one was given
    regions: tuple[RegionPart, ...] = ()  # its parts, where its workers were in several
    abort: Abort | None = None  # why the load was ended before its time, if its own checks did
    quoted: bool = False  # its percentiles are another tool's: there are no sketches to merge or draw
