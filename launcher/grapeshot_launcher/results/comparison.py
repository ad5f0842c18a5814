"""What holding a run against an earlier one has found: metric by metric, with the evidence.

Leaves to others: finding it (baseline), showing it (views), what the exit code makes of it (the action).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Judgement = Literal["better", "worse", "no evidence"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One metric of both runs; `change` and its interval are relative: 0.1 is ten percent more than before.

    Of a share (unit "%") they are differences, 0.01 being a percentage point: from 0 % nothing is so many times more.
    The interval goes to infinity where there are too few slices for one.
    """

    name: str  # as a check names it: `http.response_time.p95`
    unit: str  # "ms", "/s", "%"
    before: float  # the middle slice's, as is `after`
    after: float
    change: float
    low: float  # of the interval that holds the true change, by the stated confidence
    high: float
    judgement: Judgement


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All metrics of two runs; `cautions` name what makes the two hard to compare."""

    baseline: str  # the earlier run's id
    metrics: tuple[Compared, ...]
    cautions: tuple[str, ...] = ()
    slices: int = 0  # of ten seconds, that were held against each other

    @property
    def verdict(self) -> Literal["regression", "improvement", "no evidence"]:
        """One metric that got worse makes a regression, whatever got better."""
        judgements = {metric.judgement for metric in self.metrics}
        if "worse" in judgements:
            return "regression"
        return "improvement" if "better" in judgements else "no evidence"
