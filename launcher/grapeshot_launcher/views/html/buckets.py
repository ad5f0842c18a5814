"""Response times in buckets of equal width on a logarithmic axis, at most as many as can be seen (pure).

Leaves to others: drawing them (charts).

A bucket is made of whole bins of a sketch, so nothing is guessed. Times are whole milliseconds, and near the left end
of the axis a bucket would hold one of them and its neighbour none. So up to 50 ms, where a bin is narrower than a
millisecond, a bucket ends half-way between two whole milliseconds, and holds at least one. Buckets are then of unequal
width: what is drawn is their area.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from grapeshot_worker.metrics.sketch import GAMMA, Sketch

_LOG_GAMMA: Final = math.log(GAMMA)
_WHOLE_MS: Final = 50.0  # below, a bin (2 %) holds at most one whole millisecond
_ZERO: Final = 0.25, 0.5  # ms: where what was less than half a millisecond, and so counts as 0, is drawn


def edges(sketch: Sketch, most: int) -> list[float]:
    """Give the edges, in ms and ascending, of at most so many buckets that hold all values; none for no value."""
    if not sketch.bins:
        return list(_ZERO) if sketch.zeros else []
    low, high = min(sketch.bins), max(sketch.bins)
    first = _index(math.floor(GAMMA**low + 0.5) - 0.5) if 1 <= GAMMA**low < _WHOLE_MS else low - 1
    first = min(first, low - 1)
    step = 1
    while len(found := _indices(first, high, step)) >= most:  # up to two buckets more for zeros
        step += 1
    bounds = [GAMMA**index for index in found]
    if not sketch.zeros:
        return bounds
    return [*_ZERO, *bounds] if bounds[0] > _ZERO[1] * GAMMA else [bounds[0] / 2, *bounds]


def counts(sketch: Sketch, bounds: Sequence[float]) -> list[int]:
    """Give how many values of a sketch lie in each bucket between the edges."""
    found = [0] * (len(bounds) - 1)
    for index, count in sketch.bins.items():
        middle = GAMMA ** (index - 0.5)
        found[min(max(bisect_right(bounds, middle) - 1, 0), len(found) - 1)] += count
    if sketch.zeros:
        found[0] += sketch.zeros
    return found


def _index(value: float) -> int:
    return round(math.log(value) / _LOG_GAMMA)


def _indices(first: int, high: int, step: int) -> list[int]:
    found = [first]
    while found[-1] < high:
        here, there = GAMMA ** found[-1], GAMMA ** (found[-1] + step)
        if here > 0.4 and there < _WHOLE_MS:
            half = max(math.floor(there - 0.5), round(here + 0.5)) + 0.5
            found.append(max(_index(half), found[-1] + 1))
        else:
            found.append(found[-1] + step)
    return found
