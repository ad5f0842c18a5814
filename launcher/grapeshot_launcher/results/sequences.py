"""Which numbers of a sequence were seen, in any order and any number of times (pure but for its own memory).

Leaves to others: what the numbers are of (collect).

They are kept as ranges; in practice there is one.
"""

from __future__ import annotations

import math
from bisect import bisect_right


class Sequences:
    """Which numbers were seen, as ranges. A worker counts from 1."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []  # ascending, never touching

    def add(self, number: int) -> bool:
        """Note a number; False if it was seen before."""
        at = bisect_right(self._ranges, (number, math.inf))
        low = high = number
        first, last = at, at
        if at and self._ranges[at - 1][1] >= number - 1:
            if self._ranges[at - 1][1] >= number:
                return False
            first, low = at - 1, self._ranges[at - 1][0]
        if at < len(self._ranges) and self._ranges[at][0] == number + 1:
            last, high = at + 1, self._ranges[at][1]
        self._ranges[first:last] = [(low, high)]
        return True

    def covers(self, first: int, last: int) -> bool:
        """Whether every number from `first` to `last` was seen."""
        return any(low <= first and last <= high for low, high in self._ranges)

    def missing(self, last: int = 0) -> int:
        """Count the numbers from 1 to the highest, or to `last` if that is higher, that were not seen."""
        highest = max(last, self._ranges[-1][1] if self._ranges else 0)
        return highest - sum(high - low + 1 for low, high in self._ranges)
