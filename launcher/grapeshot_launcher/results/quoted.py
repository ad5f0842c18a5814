"""Percentiles that another tool wrote: they can be shown, and neither merged nor drawn (pure).

Leaves to others: finding them in a file (reading), saying so to a reader (views).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from grapeshot_worker.metrics.sketch import SUMMARY_KEYS, Sketch

EXACT: Final = ("min", "max", "count", "mean")  # what is exact of several, even without a sketch
_KNOWN: Final = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True, kw_only=True, slots=True)
class Quoted(Sketch):
    """A distribution of which only the numbers of a summary are known; `told` has them by key, in ms."""

    told: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def from_summary(told: Mapping[str, float]) -> Quoted:
        """Take a summary as it stands; keys that no report of ours has are left out."""
        known = {key: told[key] for key in SUMMARY_KEYS if key in told}
        count, mean = int(known.get("count", 0)), known.get("mean", 0.0)
        return Quoted(
            count=count,
            sum=count * mean,
            min=known.get("min", 0.0),
            max=known.get("max", 0.0),
            told=known,
        )

    @property
    def exact(self) -> dict[str, float]:
        """What is exact of it and was told; early versions of Artillery tell no mean."""
        return {key: self.told[key] for key in EXACT if key in self.told}

    def summary(self) -> dict[str, float]:
        """Give what was told."""
        return dict(self.told)

    def quantile(self, q: float) -> float:
        """Give the lowest percentile told that is not below this one; the highest value above them all."""
        return next(
            (self.told[key] for key, known in _KNOWN.items() if known >= q and key in self.told), self.max
        )

    def merge(self, other: Sketch) -> Sketch:
        """Raise ValueError: percentiles can't be merged."""
        raise ValueError("quoted percentiles can't be merged")
