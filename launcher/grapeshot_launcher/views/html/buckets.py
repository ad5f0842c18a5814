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
    step = 1
    while len(bounds := _bounds(low, high, step)) >= most:  # up to two buckets more for zeros
        step += 1
    if not sketch.zeros:
        return bounds
    return [*_ZERO, *bounds] if bounds[0] > _ZERO[1] else [bounds[0] / 2, *bounds]


def counts(sketch: Sketch, bounds: Sequence[float]) -> list[int]:
    """Give how many values of a sketch lie in each bucket between the edges."""
    found = [0] * (len(bounds) - 1)
    for index, count in sketch.bins.items():
        found[min(max(bisect_right(bounds, _middle(index)) - 1, 0), len(found) - 1)] += count
    if sketch.zeros:
        found[0] += sketch.zeros
    return found


def _bounds(low: int, high: int, step: int) -> list[float]:
    """Give edges around all bins from low to high, so many bins apart, or one whole millisecond at least."""
    lowest, highest = _middle(low), _middle(high)
    whole = _ZERO[1] <= lowest < _WHOLE_MS
    found = [math.floor(lowest + 0.5) - 0.5 if whole else math.pow(GAMMA, low - 1)]
    while found[-1] <= highest:
        there = _bin_edge(found[-1], step)
        if found[-1] >= _ZERO[1] and there < _WHOLE_MS:
            there = max(math.floor(there - 0.5), math.floor(found[-1]) + 1) + 0.5
        found.append(there)
    return found


def _middle(index: int) -> float:
    """Give a value of a bin, as far from its one end as from the other."""
    return math.pow(GAMMA, index - 0.5)


def _bin_edge(edge: float, step: int) -> float:
    """Give the edge of a bin that is so many bins further."""
    return math.pow(GAMMA, round(math.log(edge) / _LOG_GAMMA) + step)
