"""One 10-second slice of measurements: counters, rates, sketches (pure).

Leaves to others: recording (recorder), folding the slices of a run into a whole (report), sending (messages).

Windows lie on the wall clock (seconds :00, :10, …), so the same window of all workers means the same ten
seconds, and the periods of one window merge into what a single worker would have measured. An event belongs
to the window of its own moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from grapeshot_worker.metrics.packed import PackedSketches
from grapeshot_worker.metrics.sketch import Sketch, SketchSum, half_up

WINDOW_MS = 10_000

_Value = TypeVar("_Value")


class RateCount(NamedTuple):
    """Events of one rate inside a window: how many, and the epoch ms of the first and the last."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody wants here
    first: float
    last: float

    def merge(self, other: RateCount) -> RateCount:
        """Fold two counts of one window."""
        return RateCount(self.count + other.count, min(self.first, other.first), max(self.last, other.last))

    @property
    def per_second(self) -> int:
        """Events a second, rounded half up; what took less than a second counts as one second.

        >>> RateCount(25, 1000.0, 11000.0).per_second, RateCount(3, 1000.0, 1200.0).per_second
        (3, 3)
        """
        return int(half_up(self.count / max((self.last - self.first) / 1000, 1.0)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """What was recorded in the window from `start`, a multiple of 10 000; all moments are epoch ms."""

    start: int
    counters: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, RateCount] = field(default_factory=dict)
    sketches: Mapping[str, Sketch] = field(default_factory=dict)
    first_counter_at: float | None = None
    last_counter_at: float | None = None
    first_histogram_at: float | None = None
    last_histogram_at: float | None = None

    @property
    def end(self) -> int:
        """Epoch ms of the window's end."""
        return self.start + WINDOW_MS

    def merge(self, other: Period) -> Period:
        """Fold two parts of one window (associative, commutative, pure); ValueError for two windows."""
        if self.start != other.start:
            raise ValueError(f"periods of different windows can't be merged: {self.start} and {other.start}")
        both = PeriodSum()
        both.add(self)
        both.add(other)
        return both.period(self.start)

    def to_json(self) -> dict[str, Any]:
        """Give plain data that `from_json` reads back without loss."""
        known = self.sketches
        packed = known if isinstance(known, PackedSketches) else PackedSketches.pack(known)
        return {
            "t": self.start,
            "c": dict(self.counters),
            "r": {name: list(rate) for name, rate in self.rates.items()},
            "s": {name: sketch.to_json() for name, sketch in packed.others.items()},
            "d": packed.block,
            "m": [
                self.first_counter_at,
                self.last_counter_at,
                self.first_histogram_at,
                self.last_histogram_at,
            ],
        }

    @staticmethod
    def from_json(data: Any) -> Period:
        """Read what `to_json` gave; ValueError for anything else."""
        try:
            moments = [_moment(moment) for moment in data["m"]]
            first_counter_at, last_counter_at, first_histogram_at, last_histogram_at = moments
            return Period(
                start=_whole(data["t"]),
                counters={name: _whole(count) for name, count in data["c"].items()},
                rates={name: _rate(*rate) for name, rate in data["r"].items()},
                sketches=PackedSketches(
                    data["d"], {name: Sketch.from_json(sketch) for name, sketch in data["s"].items()}
                ),
                first_counter_at=first_counter_at,
                last_counter_at=last_counter_at,
                first_histogram_at=first_histogram_at,
                last_histogram_at=last_histogram_at,
            )
        except (KeyError, TypeError, AttributeError) as fault:
            raise ValueError(f"not a period: {fault}") from None


class PeriodSum:
    """Adds up what periods hold, in place; of which windows they are, is the caller's business.

    This is the one place where periods are merged. The launcher takes in hundreds of them a second, so a sum changes
    in place, and is copied when somebody asks for it.
    """

    __slots__ = (
        "_counters",
        "_first_counter",
        "_first_histogram",
        "_last_counter",
        "_last_histogram",
        "_rates",
        "_sketches",
    )

    def __init__(self) -> None:
        self._counters: dict[str, int] = {}
        self._rates: dict[str, RateCount] = {}
        self._sketches: dict[str, SketchSum] = {}
        self._first_counter: float | None = None
        self._last_counter: float | None = None
        self._first_histogram: float | None = None
        self._last_histogram: float | None = None

    def add(self, period: Period) -> None:
        """Add a period; it stays as it is. What only one period has is kept, a count of 0 too."""
        counters, sketches = self._counters, self._sketches
        for name, count in period.counters.items():
            counters[name] = counters.get(name, 0) + count
        self._rates = merge_named((self._rates, period.rates), RateCount.merge)
        if isinstance(period.sketches, PackedSketches):
            opened = period.sketches.others
            for name, low, lanes, zeros, total, lowest, highest in period.sketches.lanes():
                if (known := sketches.get(name)) is None:
                    known = sketches[name] = SketchSum()
                known.add_lanes(low, lanes, zeros, total, lowest, highest)
        else:
            opened = period.sketches
        for name, sketch in opened.items():
            if (known := sketches.get(name)) is None:
                known = sketches[name] = SketchSum()
            known.add(sketch)
        self._first_counter = earliest(self._first_counter, period.first_counter_at)
        self._last_counter = latest(self._last_counter, period.last_counter_at)
        self._first_histogram = earliest(self._first_histogram, period.first_histogram_at)
        self._last_histogram = latest(self._last_histogram, period.last_histogram_at)

    def sketch(self, name: str) -> Sketch | None:
        """Give the sum of one name's sketches, if there is one."""
        known = self._sketches.get(name)
        return None if known is None else known.sketch()

    def period(self, start: int) -> Period:
        """Give the sum so far, as the window from `start` (epoch ms)."""
        return Period(
            start=start,
            counters=dict(self._counters),
            rates=dict(self._rates),
            sketches={name: known.sketch() for name, known in self._sketches.items()},
            first_counter_at=self._first_counter,
            last_counter_at=self._last_counter,
            first_histogram_at=self._first_histogram,
            last_histogram_at=self._last_histogram,
        )


def merge_named(
    parts: Iterable[Mapping[str, _Value]], merge: Callable[[_Value, _Value], _Value]
) -> dict[str, _Value]:
    """Fold maps by name; what only one of them has is kept, a count of 0 too."""
    whole: dict[str, _Value] = {}
    for part in parts:
        for name, value in part.items():
            whole[name] = merge(whole[name], value) if name in whole else value
    return whole


def earliest(*moments: float | None) -> float | None:
    """Give the first of the moments that are known."""
    return min((moment for moment in moments if moment is not None), default=None)


def latest(*moments: float | None) -> float | None:
    """Give the last of the moments that are known."""
    return max((moment for moment in moments if moment is not None), default=None)


def by_window(periods: Iterable[Period]) -> tuple[Period, ...]:
    """Merge the parts of each window; one period a window, in chronological order."""
    windows: dict[int, list[Period]] = {}
    for period in periods:
        windows.setdefault(period.start, []).append(period)
    return tuple(_sum(windows[start]) for start in sorted(windows))


def _sum(parts: list[Period]) -> Period:
    if len(parts) == 1:
        return parts[0]
    total = PeriodSum()
    for part in parts:
        total.add(part)
    return total.period(parts[0].start)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"not a period: {value!r} must be a whole number")
    return value


def _moment(value: Any) -> float | None:
    if value is not None and type(value) not in (int, float):
        raise ValueError(f"not a period: {value!r} must be a moment in epoch ms")
    return None if value is None else float(value)


def _rate(count: Any, first: Any, last: Any) -> RateCount:
    start, end = _moment(first), _moment(last)
    if start is None or end is None:
        raise ValueError("not a period: a rate without its first and last moment")
    return RateCount(_whole(count), start, end)
