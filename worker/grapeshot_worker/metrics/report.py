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
        whole = PartsSum()
        for period in periods:
            whole.add(period)
        return whole.totals()

    @staticmethod
    def of_window(period: Period) -> Totals:
        """Give one window alone, its rates computed."""
        return _totals(period, _rates_a_second(period.rates))

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


class PartsSum:
    """The whole of a run from its parts as they come: of any windows and workers, in any order.

    It takes the memory of one Totals, and that of the rates for each window: some hundred bytes.
    """

    def __init__(self) -> None:
        self._whole = PeriodSum()
        self._rates: dict[int, Mapping[str, RateCount]] = {}  # by window: epoch ms of its start

    def add(self, part: Period) -> None:
        """Add a part of a window."""
        self._whole.add(part)
        known = self._rates.get(part.start, {})
        self._rates[part.start] = merge_named((known, part.rates), RateCount.merge)

    def totals(self) -> Totals:
        """Give the whole so far."""
        if not self._rates:
            return Totals()
        return _totals(self._whole.period(max(self._rates)), _mean_rates(self._rates.values()))


class TotalsSum:
    """The whole of a run that still goes on: its windows go in one at a time, each of them once and complete.

    It takes the memory of one Totals, however many windows there were.
    """

    def __init__(self) -> None:
        self._whole = PeriodSum()
        self._rates: dict[str, int] = {}  # a second, added up over the windows
        self._windows = 0
        self._latest: int | None = None

    def add(self, window: Period) -> None:
        """Add one more window."""
        self._whole.add(window)
        self._rates = merge_named((self._rates, _rates_a_second(window.rates)), int.__add__)
        self._windows += 1
        self._latest = window.start if self._latest is None else max(self._latest, window.start)

    def totals(self) -> Totals:
        """Give the whole so far: what `Totals.of` gives of the same windows."""
        if self._latest is None:
            return Totals()
        return _totals(self._whole.period(self._latest), _means(self._rates, self._windows))


def _totals(whole: Period, rates: Mapping[str, int]) -> Totals:
    return Totals(
        latest=whole.start,
        counters=whole.counters,
        rates=rates,
        sketches=whole.sketches,
        first_counter_at=whole.first_counter_at,
        last_counter_at=whole.last_counter_at,
        first_histogram_at=whole.first_histogram_at,
        last_histogram_at=whole.last_histogram_at,
    )


def _mean_rates(windows: Collection[Mapping[str, RateCount]]) -> dict[str, int]:
    return _means(merge_named(map(_rates_a_second, windows), int.__add__), len(windows))


def _rates_a_second(rates: Mapping[str, RateCount]) -> dict[str, int]:
    return {name: rate.per_second for name, rate in rates.items()}


def _means(sums: Mapping[str, int], windows: int) -> dict[str, int]:
    return {name: int(half_up(total / windows)) for name, total in sums.items()}
