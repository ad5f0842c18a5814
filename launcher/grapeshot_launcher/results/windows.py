"""The windows of a run as they fill, and packed away once they are full (pure but for its own memory).

Leaves to others: when a window is full (collect), what its numbers mean (the worker's metrics).

A day has 8,640 windows, and one of 200 names is half a megabyte of Python objects, but 30 kB packed. So only
those that still fill are kept open, and those that are asked for again are opened one at a time. What was packed here
is read here alone, so pickle is safe; unlike JSON it keeps everything, half a surrogate pair in a name too.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Sequence
from typing import overload

from grapeshot_worker.metrics.period import Period, PeriodSum
from grapeshot_worker.metrics.sketch import Sketch


class PackedPeriods(Sequence[Period]):
    """Periods in chronological order, each opened when it is asked for."""

    def __init__(self, packed: Iterable[bytes]) -> None:
        self._packed = tuple(packed)

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, at: int) -> Period: ...

    @overload
    def __getitem__(self, at: slice) -> PackedPeriods: ...

    def __getitem__(self, at: int | slice) -> Period | PackedPeriods:
        if isinstance(at, slice):
            return PackedPeriods(self._packed[at])
        return _opened(self._packed[at])


class Windows:
    """All windows of a run, by the epoch ms of their start."""

    def __init__(self, periods: Iterable[Period] = ()) -> None:
        self._open: dict[int, PeriodSum] = {}
        self._packed: dict[int, bytes] = {}
        self._newest: int | None = None
        for period in periods:
            self.add(period)
            self.pack(period.start - 1)

    def add(self, period: Period) -> None:
        """Add a part of a window, whenever it comes."""
        start = period.start
        known = self._open.get(start)
        if known is None:
            known = self._open[start] = PeriodSum()
            if start in self._packed:
                known.add(_opened(self._packed.pop(start)))
            self._newest = start if self._newest is None else max(self._newest, start)
        known.add(period)

    def pack(self, until: float) -> None:
        """Pack the open windows that start until then; not the newest, which is looked at again and again."""
        for start in [start for start in self._open if start <= until and start != self._newest]:
            self._packed[start] = _packed(self._open.pop(start).period(start))

    def after(self, start: int) -> list[int]:
        """Give the starts of the windows after one, in chronological order."""
        return sorted(each for each in (*self._open, *self._packed) if each > start)

    def period(self, start: int) -> Period:
        """Give what a window holds so far."""
        return self._open[start].period(start) if start in self._open else _opened(self._packed[start])

    def newest(self, name: str) -> Sketch | None:
        """Give a sketch of the newest window, if it has one of that name."""
        return None if self._newest is None else self._open[self._newest].sketch(name)

    def periods(self) -> PackedPeriods:
        """Give all windows with everything that came."""
        open_ones = {start: _packed(total.period(start)) for start, total in self._open.items()}
        both = self._packed | open_ones
        return PackedPeriods(both[start] for start in sorted(both))


def _packed(period: Period) -> bytes:
    # The quickest level: the next ones take twice the time for a tenth of the size.
    return zlib.compress(pickle.dumps(period), 1)


def _opened(packed: bytes) -> Period:
    period: Period = pickle.loads(zlib.decompress(packed))
    return period
