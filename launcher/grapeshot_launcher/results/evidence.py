"""How sure one can be that a series of paired differences is not zero (pure statistics).

Leaves to others: what is paired, and how much is enough to matter (baseline).

Theory (Wilcoxon 1945; Hodges and Lehmann 1963). If nothing changed, a difference is as likely to be +x as -x, whatever
x is. So all 2ⁿ ways to give signs to n differences are equally likely, and it can be counted, without any normal
curve, in how many of them the signed ranks come out as lopsided as they did. Turned round, the test gives an interval:
the averages of all pairs of differences, sorted, with equally many cut off from both ends. The middle one is the
estimate. A few wild differences, however wild, move neither: slices of a shared machine have such.

The interval is exact for independent, symmetric differences; ties make it wider, never narrower. Slices near in time
are not independent: what slows one down slows the next. So long series are first averaged in blocks, which are nearly
independent when they are long beside what disturbs them. A short series has no long blocks, and there the interval is
too narrow; how much that costs is measured (docs/baseline.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from statistics import fmean, median

BLOCKS = 10  # there are at least so many, and less than twice as many, where the series is long enough


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A difference, and the interval that holds the true one; without bounds where there are too few to tell."""

    middle: float
    low: float = -math.inf
    high: float = math.inf

    def beyond(self, floor: float) -> bool:
        """Whether the whole interval is further from zero than the floor, on one side."""
        return self.low > floor or self.high < -floor


def estimate(differences: Sequence[float], confidence: float) -> Estimate:
    """Estimate the true difference from at least one, in order of time; `confidence` from 0 to 1."""
    values = in_blocks(differences)
    averages = pair_averages(values)
    cut = cut_off(len(values), confidence)
    if cut is None:
        return Estimate(middle=median(averages))
    return Estimate(middle=median(averages), low=averages[cut], high=averages[-1 - cut])


def in_blocks(values: Sequence[float]) -> list[float]:
    """Average neighbours, equally many in each block but the last, which takes what is left over.

    >>> in_blocks([1.0, 2.0, 3.0]), len(in_blocks([0.0] * 19)), len(in_blocks([0.0] * 20)), len(in_blocks([0.0] * 365))
    ([1.0, 2.0, 3.0], 19, 10, 10)
    """
    length = max(len(values) // BLOCKS, 1)
    count = len(values) // length
    edges = [*range(0, count * length, length), len(values)]
    return [fmean(values[start:end]) for start, end in pairwise(edges)]


def pair_averages(values: Sequence[float]) -> list[float]:
    """Give the averages of all pairs, each value with itself too, ascending.

    >>> pair_averages([4.0, 0.0])
    [0.0, 2.0, 4.0]
    """
    return sorted((one + other) / 2 for i, one in enumerate(values) for other in values[: i + 1])


def cut_off(n: int, confidence: float) -> int | None:
    """Count the pair averages to be cut off each end for an interval of this confidence; None: n is too few.

    >>> cut_off(8, 0.95), cut_off(5, 0.95)
    (3, None)
    """
    share = (1 - confidence) / 2 * 2**n  # of the ways to give signs, what may lie outside on each side
    inside = [rank for rank, ways in enumerate(accumulate(sign_ways(n))) if ways <= share]
    return inside[-1] if inside else None


def least_count(confidence: float) -> int:
    """Give the smallest number of differences that can be evidence: that many of one sign.

    >>> least_count(0.95), least_count(0.99)
    (6, 8)
    """
    return next(n for n in range(1, 64) if cut_off(n, confidence) is not None)


@lru_cache(maxsize=64)
def sign_ways(n: int) -> tuple[int, ...]:
    """Count the ways to give signs to the ranks 1 … n, by the sum of the positive ones.

    >>> sign_ways(3)
    (1, 1, 1, 2, 1, 1, 1)
    """
    ways = [1]
    for rank in range(1, n + 1):
        without, with_it = [*ways, *[0] * rank], [*[0] * rank, *ways]
        ways = [a + b for a, b in zip(without, with_it, strict=True)]
    return tuple(ways)
