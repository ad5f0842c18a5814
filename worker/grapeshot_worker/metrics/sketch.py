"""A DDSketch: quantiles with a guaranteed relative error of 1 %, merged exactly (pure).

Leaves to others: naming what is measured (recorder) and showing it (the launcher's views).

Theory (Masson, Rim, Lee: "DDSketch", VLDB 2019). With γ = (1+α)/(1-α), bucket k holds the values in (γ^(k-1),
γ^k] and answers with 2γ^k/(γ+1), which is at most α away from both ends, relative to the value. Negative
values are mirrored; zero, and what is too small to have a logarithm worth having, has a bucket of its own.
Merging adds bucket counts, so a merged sketch is the sketch of all the values.

Weak spots: a value that *is* a power of γ may land in either of the two buckets it borders on, because the
logarithm is rounded; both answer with an error of α, so the guarantee holds (to 1e-9). `sum` is a float sum:
merging in another order may change its last digits, nothing else. An estimate may exceed `max` or fall below
`min` by the same 1 %: the reference shows it so.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from operator import mul, truediv
from typing import Any, Final

ACCURACY: Final = 0.01
GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
SMALLEST: Final = 1e-308  # what is nearer to zero counts as zero
# Where counts are digits of one whole number (packed, SketchSum): a digit's bytes, the highest count that is added, and
# how often that goes well before a digit could reach the next one.
LANE: Final = 2
MOST_IN_LANE: Final = 255
LANE_SUMS: Final = 257
LARGEST: Final = 1e300  # leaves room for the sum and for γ^k below the largest float

_LOG_GAMMA: Final = math.log(GAMMA)

SUMMARY_KEYS: Final = ("min", "max", "count", "mean", "p50", "median", "p75", "p90", "p95", "p99", "p999")
_QUANTILES: Final = {
    "p50": 0.5,
    "median": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
    "p999": 0.999,
}


def bucket_index(value: float) -> int:
    """Give the index of a positive value's bucket."""
    return math.ceil(math.log(value) / _LOG_GAMMA)


def bucket_value(index: int) -> float:
    """Give what bucket `index` answers with."""
    return 2 * math.pow(GAMMA, index) / (GAMMA + 1)


def _total(values: Mapping[float, int]) -> float:
    try:
        return math.fsum(map(mul, values, values.values()))
    except (OverflowError, ValueError):  # infinite ones, which are refused by name
        return math.nan


def _count(values: Mapping[float, int]) -> dict[int, int]:
    """Count positive values by bucket, all of it in C: a process that is busy with this starts no users."""
    indices = map(math.ceil, map(truediv, map(math.log, values), repeat(_LOG_GAMMA)))
    if max(values.values()) == 1:
        return dict(Counter(indices))
    bins: dict[int, int] = {}
    for index, times in zip(indices, values.values(), strict=True):
        bins[index] = bins.get(index, 0) + times
    return bins


def _sorted_out(values: Mapping[float, int]) -> tuple[dict[int, int], dict[int, int], int]:
    """Count values of any sign by bucket, and zeros; ValueError for what can't be measured."""
    bins: dict[int, int] = {}
    negative_bins: dict[int, int] = {}
    zeros = 0
    for value, times in values.items():
        size = abs(value)
        if not size <= LARGEST:  # also refuses NaN
            raise ValueError(f"{value!r} can't be measured: not a finite number below {LARGEST:g}")
        if times < 1:
            raise ValueError(f"{value!r} was measured {times} times")
        if size < SMALLEST:
            zeros += times
        else:
            side = bins if value > 0 else negative_bins
            index = bucket_index(size)
            side[index] = side.get(index, 0) + times
    return bins, negative_bins, zeros


def half_up(value: float, decimals: int = 0) -> float:
    """Round half up, as JavaScript's Math.round does; a whole result is an int, to print without `.0`.

    >>> half_up(26.25, 1), half_up(2.5), half_up(-2.5), half_up(26.04, 1)
    (26.3, 3, -2, 26)
    """
    scale: int = 10**decimals
    units: int = math.floor(value * scale + 0.5)
    whole, rest = divmod(units, scale)
    return units / scale if rest else whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Sketch:
    """Bucket counts by index, of positive and of negative values, and the exact side values, 0 at first."""

    bins: Mapping[int, int] = field(default_factory=dict)
    negative_bins: Mapping[int, int] = field(default_factory=dict)
    zeros: int = 0
    count: int = 0
    sum: float = 0.0
    min: float = 0.0
    max: float = 0.0

    @staticmethod
    def of(values: Mapping[float, int]) -> Sketch:
        """Make a sketch of value → how often; ValueError for what is not a finite number below 1e300."""
        if not values:
            return Sketch()
        lowest, highest, total = min(values), max(values), _total(values)
        if lowest >= SMALLEST and highest <= LARGEST and not math.isnan(total) and min(values.values()) > 0:
            bins, negative_bins, zeros = _count(values), dict[int, int](), 0
        else:
            bins, negative_bins, zeros = _sorted_out(values)
        return Sketch(
            bins=bins,
            negative_bins=negative_bins,
            zeros=zeros,
            count=sum(values.values()),
            sum=total,
            min=float(lowest),
            max=float(highest),
        )

    def merge(self, other: Sketch) -> Sketch:
        """Add two sketches (associative, commutative, changes neither)."""
        both = SketchSum()
        both.add(self)
        both.add(other)
        return both.sketch()

    def quantile(self, q: float) -> float:
        """Give the bucket value of the element with 0-based index floor(q·(count-1)), ascending; 0 without
        any.

        >>> Sketch.of({1.0: 17, 4.0: 1}).summary()["p99"]
        1
        """
        rank = q * (self.count - 1)
        seen = 0
        for value, count in self._ascending():
            seen += count
            if seen > rank:
                return value
        return 0.0

    def summary(self) -> dict[str, float]:
        """Give the numbers of a report, rounded half up to 1 decimal, in the order of `SUMMARY_KEYS`."""
        mean = self.sum / self.count if self.count else 0.0
        exact = {"min": self.min, "max": self.max, "count": self.count, "mean": mean}
        quantiles = {name: self.quantile(q) for name, q in _QUANTILES.items()}
        return {name: half_up(value, 1) for name, value in (exact | quantiles).items()}

    def to_json(self) -> dict[str, Any]:
        """Give plain data that `from_json` reads back without loss: b, n = [index, count, …]; z = zeros."""
        return {
            "b": _flat(self.bins),
            "n": _flat(self.negative_bins),
            "z": self.zeros,
            "sum": self.sum,
            "min": self.min,
            "max": self.max,
        }

    @staticmethod
    def from_json(data: Any) -> Sketch:
        """Read what `to_json` gave; ValueError for anything else."""
        try:
            bins, positive = _paired(data["b"])
            negative_bins, negative = _paired(data["n"])
            zeros = data["z"]
            total, lowest, highest = float(data["sum"]), float(data["min"]), float(data["max"])
        except (KeyError, TypeError, IndexError) as fault:
            raise ValueError(f"not a sketch: {fault}") from None
        if type(zeros) is not int or zeros < 0:
            raise ValueError(f"not a sketch: {zeros!r} zeros")
        return Sketch(
            bins=bins,
            negative_bins=negative_bins,
            zeros=zeros,
            count=positive + negative + zeros,
            sum=total,
            min=lowest,
            max=highest,
        )

    def _ascending(self) -> Iterable[tuple[float, int]]:
        for index in sorted(self.negative_bins, reverse=True):
            yield -bucket_value(index), self.negative_bins[index]
        yield 0.0, self.zeros
        for index in sorted(self.bins):
            yield bucket_value(index), self.bins[index]


class SketchSum:
    """Adds up sketches as they come, in place: a thousand of them cost no thousand copies."""

    __slots__ = ("_bins", "_lanes", "_low", "_max", "_min", "_negative_bins", "_room", "_sum", "_zeros")

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self._negative_bins: dict[int, int] = {}
        self._low = self._lanes = (
            0  # what came as lanes and is not in the bins: the counts from bucket `_low` on
        )
        self._room = LANE_SUMS  # how many more of them can be added
        self._zeros = 0
        self._sum = 0.0
        self._min, self._max = math.inf, -math.inf

    def add(self, sketch: Sketch) -> None:
        """Add one; it stays as it is."""
        if not sketch.count:
            return
        _add(self._bins, sketch.bins)
        if sketch.negative_bins:
            _add(self._negative_bins, sketch.negative_bins)
        self._add_sides(sketch.zeros, sketch.sum, sketch.min, sketch.max)

    def add_lanes(
        self, low: int, lanes: int, zeros: int, total: float, lowest: float, highest: float
    ) -> None:
        """Add one whose counts from bucket `low` on, of at most a byte, are the lanes of a whole number."""
        if not self._room:
            self._open_lanes()
        self._room -= 1
        if not self._lanes:
            self._low, self._lanes = low, lanes
        elif low >= self._low:
            self._lanes += lanes << LANE * 8 * (low - self._low)
        else:
            self._low, self._lanes = low, (self._lanes << LANE * 8 * (self._low - low)) + lanes
        self._add_sides(zeros, total, lowest, highest)

    def _add_sides(self, zeros: int, total: float, lowest: float, highest: float) -> None:
        self._zeros += zeros
        self._sum += total
        if lowest < self._min:
            self._min = lowest
        if highest > self._max:
            self._max = highest

    def _open_lanes(self) -> None:
        length = -(-self._lanes.bit_length() // (LANE * 8))
        counts = struct.unpack(f"<{length}H", self._lanes.to_bytes(LANE * length, "little"))
        _add(self._bins, {self._low + place: count for place, count in enumerate(counts) if count})
        self._low, self._lanes, self._room = 0, 0, LANE_SUMS

    def sketch(self) -> Sketch:
        """Give the sum so far."""
        self._open_lanes()
        count = sum(self._bins.values()) + sum(self._negative_bins.values()) + self._zeros
        return Sketch(
            bins=dict(self._bins),
            negative_bins=dict(self._negative_bins),
            zeros=self._zeros,
            count=count,
            sum=self._sum,
            min=float(self._min) if count else 0.0,
            max=float(self._max) if count else 0.0,
        )


def _add(total: dict[int, int], bins: Mapping[int, int]) -> None:
    known = total.get
    for index, count in bins.items():
        total[index] = known(index, 0) + count


def _flat(bins: Mapping[int, int]) -> list[int]:
    return [number for index in sorted(bins) for number in (index, bins[index])]


def _paired(numbers: Any) -> tuple[dict[int, int], int]:
    """Give the buckets of index, count, … and the sum of the counts."""
    if type(numbers) is not list or len(numbers) % 2:
        raise ValueError("not a sketch: buckets must be a list of index, count, …")
    if not numbers:
        return {}, 0
    indices, counts = numbers[::2], numbers[1::2]
    # A launcher reads tens of thousands of these a second: no loop of our own. A sum is an int if all its terms are
    # (or are true and false, which then count as 1 and 0), and can't be made of texts and lists.
    total = sum(counts)
    if type(total) is not int or type(sum(indices)) is not int or min(counts) < 0:
        raise ValueError("not a sketch: buckets must be integers")
    return dict(zip(indices, counts)), total  # noqa: B905 - they are of one length, and `strict` takes its time
