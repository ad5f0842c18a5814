"""Phases → the moment of the k-th arrival, in closed form (pure).

Leaves to others: waiting for the moment and starting the user (traffic), Share, Window and Plan (plan).

Theory. All moments are whole microseconds inside. A phase is a stack of rows: one row for an even phase,
one row a second for a ramp or a Poisson phase. A row says how many arrivals lie before it (`prefix`) and
where its own are (`moments`, an indexable sequence; of an even row a `range`, which takes no memory). So a
window is two bisections for each phase, a share is a stride, and neither walks over what belongs to others:

    phase        |------ row 0 ------|------ row 1 ------|------ row 2 ------|
    rate 3       |      T     T     T      T     T     T      T     T     T   one row, T = ⌊1e6 / 3⌋
    ramp 1 → 4   |                  T₀     T₁    T₁    T₁   T₂   T₂   T₂   T₂   second i: Tᵢ = ⌊1e6 / nᵢ⌋

A row's moments lie after its start, the last one perhaps exactly at its end. So a phase's first arrival
comes one interval after its start, and its last one may share its moment with the start of the next phase.

Counts are the reference's (Artillery 2) with one thread, whatever the number of workers. They must not
depend on how a binary fraction was rounded, so rates are taken as the decimal numbers that were written:
0.1 is 1/10.

Weak spots, admitted: flooring T makes high rates overshoot a little (3000/s gives 3003/s), as in the
reference. Where a row holds more arrivals than microseconds its moments are a list, not a range.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from itertools import accumulate, repeat
from operator import truediv
from random import Random

from grapeshot_worker.plan import Arrival, Plan, Share, Window
from grapeshot_worker.script.model import Phase

SECOND = 1_000_000  # microseconds
_WHOLE = Share()
_ALWAYS = Window()
_to_arrival = partial(tuple.__new__, Arrival)  # skips the Python-level constructor: twice as fast


@dataclass(frozen=True, slots=True)
class _Rows:
    """A phase as rows: row i spans (i·length, (i+1)·length] µs, and `prefix(i)` arrivals lie before it."""

    rows: int
    length: int
    prefix: Callable[[int], int]
    moments: Callable[[int], Sequence[int]]  # of row i, ascending, in µs from the row's start

    @property
    def count(self) -> int:
        return self.prefix(self.rows)

    def before(self, moment: int) -> int:
        """Count the phase's arrivals earlier than `moment`, in µs from the phase's start."""
        if moment <= 0:
            return 0
        row = (moment - 1) // self.length if self.length else 0
        if row >= self.rows:
            return self.count
        return self.prefix(row) + bisect_left(self.moments(row), moment - row * self.length)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A phase in its place: µs from the test's start, the number of its first arrival in the whole plan."""

    start: int
    first: int
    rows: _Rows


def arrivals(plan: Plan, share: Share = _WHOLE, window: Window = _ALWAYS) -> Iterator[Arrival]:
    """Give the share's arrivals whose moment lies in the window, in order of time, one at a time.

    An arrival may lie exactly at `duration(plan)`, so the last window of a test must end later than that.
    """
    for index, stretch in enumerate(_timeline(plan)):
        first, stop = _span(stretch, window)
        if first < stop:
            yield from _stripe(index, stretch, share, (first, stop))


def planned(plan: Plan, share: Share = _WHOLE, window: Window = _ALWAYS) -> int:
    """Count the share's arrivals in the window without walking through them."""
    total = 0
    for stretch in _timeline(plan):
        first, stop = _span(stretch, window)
        total += share.of(stretch.first + stop) - share.of(stretch.first + first)
    return total


def duration(plan: Plan) -> float:
    """Give the length of all phases together, in seconds."""
    return sum(_length(phase) for phase in plan.phases) / SECOND


def phase_starts(plan: Plan) -> tuple[float, ...]:
    """Give the start of each phase, in seconds from the test's start."""
    lengths = [_length(phase) for phase in plan.phases]
    return tuple(start / SECOND for start in accumulate(lengths, initial=0))[: len(lengths)]


def phase_count(plan: Plan, index: int) -> int:
    """Count the arrivals of one phase of the whole plan."""
    return _timeline(plan)[index].rows.count


def second_count(plan: Plan, phase: int, second: int) -> int:
    """Count the whole plan's arrivals in (second, second + 1] of a phase, in its own seconds from 0."""
    rows = _timeline(plan)[phase].rows
    return rows.before((second + 1) * SECOND + 1) - rows.before(second * SECOND + 1)


def peak_rate(plan: Plan) -> float:
    """Give the highest planned rate of the whole plan, in arrivals a second; of a Poisson phase its mean."""
    return max((_peak(phase) for phase in plan.phases), default=0.0)


def _peak(phase: Phase) -> float:
    match phase.kind:
        case "pause":
            return 0.0
        case "rate":
            return max(phase.rate, 0.0)
        case "count":
            return phase.count / phase.duration if phase.count > 0 and phase.duration > 0 else 0.0
        case "ramp":
            if _length(phase) < 2 * SECOND:
                return max(phase.rate + phase.ramp_to, 0.0) / 2
            return max(phase.rate, phase.ramp_to, 0.0)


def _span(stretch: _Stretch, window: Window) -> tuple[int, int]:
    """Give the range [first, stop) of the phase's own arrival numbers that lie in the window."""
    rows = stretch.rows
    first = rows.before(_ceiling(window.start) - stretch.start) if window.start > 0 else 0
    stop = rows.count if window.end == math.inf else rows.before(_ceiling(window.end) - stretch.start)
    return first, max(first, stop)


def _stripe(index: int, stretch: _Stretch, share: Share, span: tuple[int, int]) -> Iterator[Arrival]:
    """Give the share's arrivals among the phase's own numbers [first, stop), row by row.

    Everything between two rows is C: ranges sliced by the share's stride, divided and zipped.
    """
    rows, count = stretch.rows, share.count
    k, stop = span
    k += (share.index - stretch.first - k) % count
    row = _row_of(rows, k) if k < stop else 0
    before = rows.prefix(row)
    while k < stop:
        moments = rows.moments(row)
        own = moments[k - before : stop - before : count]
        start = stretch.start + row * rows.length
        at = map(truediv, map(start.__add__, own), repeat(SECOND))
        number = stretch.first + k
        yield from map(_to_arrival, zip(at, repeat(index), range(number, number + count * len(own), count)))
        k += count * len(own)
        before += len(moments)
        row += 1


def _row_of(rows: _Rows, k: int) -> int:
    """Find the row of the phase's arrival k: the last row with at most k arrivals before it."""
    return bisect_left(range(rows.rows), k + 1, key=lambda row: rows.prefix(row + 1))


# ---- time ----


def _ceiling(seconds: float) -> int:
    """Give the first whole µs not before a moment, the decimal number taken as written.

    The shortest decimal forms of floats are in the same order: `start <= at < end` holds for the floats, too.
    """
    return math.ceil(Fraction(repr(seconds)) * SECOND)


def _length(phase: Phase) -> int:
    return max(round(Fraction(repr(phase.duration)) * SECOND), 0)


@lru_cache(maxsize=8)
def _timeline(plan: Plan) -> tuple[_Stretch, ...]:
    stretches = []
    start = first = 0
    for index, phase in enumerate(plan.phases):
        rows = _rows(phase, f"{plan.seed}/{index}")
        stretches.append(_Stretch(start, first, rows))
        start += _length(phase)
        first += rows.count
    return tuple(stretches)


# ---- kinds of phases ----


def _rows(phase: Phase, seed: str) -> _Rows:
    length = _length(phase)
    match phase.kind:
        case "rate" if phase.rate > 0 and phase.poisson:
            return _poisson_rows(phase.rate, length, seed)
        case "rate" if phase.rate > 0:
            interval = max(int(SECOND / Fraction(repr(phase.rate))), 1)
            return _even_row(range(interval, length + 1, interval), length)
        case "count" if phase.count > 0:
            return _even_row(_evenly(phase.count, length), length)
        case "ramp":
            return _ramp_rows(phase, length)
        case _:  # a pause, or a rate or count of 0, which the reference drops and we take as a pause
            return _even_row(range(0), length)


def _even_row(moments: Sequence[int], length: int) -> _Rows:
    return _Rows(1, length, lambda row: len(moments) * row, lambda _: moments)


def _evenly(count: int, length: int) -> Sequence[int]:
    """Spread `count` arrivals over (0, length] at whole intervals."""
    interval = length // count if count else 1
    if interval:
        return range(interval, interval * count + 1, interval)
    return [-(-k * length // count) for k in range(1, count + 1)]  # more arrivals than microseconds


def _ramp_rows(phase: Phase, length: int) -> _Rows:
    """Build a ramp: second i of S has round-half-up(R0 + (R1 - R0)·i / (S - 1)) arrivals; of one, the mean.

    Over their common denominator d both rates are integers, and the count is ⌊(slope·i + base) / modulus⌋
    with the half built in. So nothing is rounded in binary, and the sum over many seconds is a closed form.
    A ramp shorter than a second spreads its one row over its own length, so that it ends when it should.
    """
    low, high = (max(Fraction(repr(rate)), Fraction(0)) for rate in (phase.rate, phase.ramp_to))
    seconds = max(length // SECOND, 1)
    if seconds == 1:
        low, high = (low + high) / 2, Fraction(0)
    steps = max(seconds - 1, 1)
    d = math.lcm(low.denominator, high.denominator)
    slope = 2 * int((high - low) * d)
    base = 2 * int(low * d) * steps + d * steps
    modulus = 2 * d * steps
    row_length = min(length, SECOND)
    return _Rows(
        seconds,
        row_length,
        lambda row: floor_sum(row, modulus, slope, base),
        lambda row: _evenly((slope * row + base) // modulus, row_length),
    )


def floor_sum(n: int, modulus: int, slope: int, base: int) -> int:
    """Give Σ ⌊(slope·i + base) / modulus⌋ over 0 ≤ i < n, in O(log modulus) steps.

    The sum counts the lattice points under a line. Whole parts of slope and base are triangles and
    rectangles; what is left is a line of slope below 1, and counting its points by rows instead of columns
    swaps the roles of slope and modulus: Euclid's algorithm.

    >>> floor_sum(4, 3, 2, 1), [(2 * i + 1) // 3 for i in range(4)]
    (4, [0, 1, 1, 2])
    """
    total = 0
    while n:
        total += slope // modulus * (n * (n - 1) // 2) + base // modulus * n
        slope, base = slope % modulus, base % modulus
        n, base = divmod(slope * n + base, modulus)
        slope, modulus = modulus, slope
    return total


# ---- Poisson ----


def _poisson_rows(rate: float, length: int, seed: str) -> _Rows:
    """Build a Poisson process: a second's count is Poisson-distributed, its moments are uniform.

    Counts are drawn for all seconds at once, from a generator seeded by plan and phase; moments second by
    second, each from a generator of its own. So every share draws the same whole stream and takes its
    stripe, a window begins anywhere, and the planned number is known beforehand.
    """
    seconds, rest = divmod(length, SECOND)
    tables = [_poisson_table(rate)] * seconds + [_poisson_table(rate * rest / SECOND)] * bool(rest)
    draw = Random(seed).random
    prefixes = list(accumulate((bisect_right(table, draw()) for table in tables), initial=0))

    def moments(row: int) -> list[int]:
        draw = Random(f"{seed}/{row}").random
        span = min(SECOND, length - row * SECOND)
        return sorted([int(draw() * span) + 1 for _ in range(prefixes[row + 1] - prefixes[row])])

    return _Rows(len(tables), SECOND, prefixes.__getitem__, moments)


@lru_cache(maxsize=16)
def _poisson_table(mean: float) -> Sequence[float]:
    """Give the Poisson distribution function at 0, 1, 2 …, to be bisected for a uniform number.

    Weights go outwards from the mode, by the ratio mean/k, down to 1e-20 of the mode's. Only +, × and ÷ are
    used: they give the same on every machine, so all workers draw the same counts.
    """
    mode = int(mean)
    above, below = [1.0], [1.0]
    while above[-1] > 1e-20:
        above.append(above[-1] * mean / (mode + len(above)))
    while below[-1] > 1e-20 and len(below) <= mode:
        below.append(below[-1] * (mode + 1 - len(below)) / mean)
    weights = [0.0] * (mode + 1 - len(below)) + below[:0:-1] + above
    total = math.fsum(weights)
    return [weight / total for weight in accumulate(weights)]
