"""The whole of a run: all its periods folded into one set of numbers (pure).

Leaves to others: judging them (the launcher's results) and showing them (its views).

Counters and sketches of the whole are those of all its windows together. A rate has no such sum, because idle
time between windows is not part of it: the whole's rate is the mean of the windows' rates, over all windows,
so it only indicates (the reference does the same).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from grapeshot_worker.metrics.period import Period, PeriodSum, RateCount, earliest, latest, merge_named
from grapeshot_worker.metrics.sketch import Sketch, half_up


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Counters summed, sketches merged, rates a second; `latest`: epoch ms of the last window, or None."""

    latest: int | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, int] = field(default_factory=dict)
    sketches: Mapping[str, Sketch] = field(default_factory=dict)
    first_counter_at: float | None = None
    last_counter_at: float | None = None
    first_histogram_at: float | None = None
    last_histogram_at: float | None = None

    @staticmethod
    def of(periods: Iterable[Period]) -> Totals:
        """Fold the periods of any windows and workers, in any order; one at a time is looked at."""
        whole = PeriodSum()
        rates: dict[int, Mapping[str, RateCount]] = {}
        for period in periods:
            whole.add(period)
            rates[period.start] = merge_named((rates.get(period.start, {}), period.rates), RateCount.merge)
        if not rates:
            return Totals()
        all_of_it = whole.period(max(rates))
        return Totals(
            latest=all_of_it.start,
            counters=all_of_it.counters,
            rates=_mean_rates(rates.values()),
            sketches=all_of_it.sketches,
            first_counter_at=all_of_it.first_counter_at,
            last_counter_at=all_of_it.last_counter_at,
            first_histogram_at=all_of_it.first_histogram_at,
            last_histogram_at=all_of_it.last_histogram_at,
        )

    @staticmethod
    def of_window(period: Period) -> Totals:
        """Give one window alone, its rates computed."""
        return Totals.of((period,))

    @property
    def first_at(self) -> float | None:
        """Epoch ms of the first measurement."""
        return earliest(self.first_counter_at, self.first_histogram_at)

    @property
    def last_at(self) -> float | None:
        """Epoch ms of the last measurement."""
        return latest(self.last_counter_at, self.last_histogram_at)

    def summaries(self) -> dict[str, dict[str, float]]:
        """Give the numbers of every sketch, as a report shows them."""
        return {name: sketch.summary() for name, sketch in self.sketches.items()}


def _mean_rates(windows: Collection[Mapping[str, RateCount]]) -> dict[str, int]:
    sums = merge_named(
        ({name: rate.per_second for name, rate in rates.items()} for rates in windows), int.__add__
    )
    return {name: int(half_up(total / len(windows))) for name, total in sums.items()}
