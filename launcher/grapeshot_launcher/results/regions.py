"""A run's parts by region: which worker is where, and what was measured there (pure but for its own memory).

Leaves to others: running workers there (platforms), the whole (collect, books).

Workers take turns: the first is in the first region, the second in the second, and after the last region comes the
first again. So each worker's region follows from its index, in every generation.

The whole is kept by window. Of a region only the sum is kept, because nothing asks for its windows: those of a day,
packed, would be as large as the whole's, for each region again. Without several regions there is the whole alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.windows import Windows
from grapeshot_worker.metrics.period import Period, PeriodSum
from grapeshot_worker.metrics.report import PartsSum, Totals


def region_of(index: int, regions: Sequence[str]) -> str:
    """Say where a worker is.

    >>> [region_of(index, ("eu-west-1", "us-east-1")) for index in range(3)]
    ['eu-west-1', 'us-east-1', 'eu-west-1']
    """
    return regions[index % len(regions)]


def workers_in(regions: Sequence[str], workers: int) -> Mapping[str, int]:
    """Count the workers of each region, of so many in all.

    >>> workers_in(("eu-west-1", "us-east-1"), 5)
    {'eu-west-1': 3, 'us-east-1': 2}
    """
    return {region: len(range(place, workers, len(regions))) for place, region in enumerate(regions)}


class Measured:
    """What the workers have measured: the whole, and the sum of each of several `regions`."""

    def __init__(self, regions: Sequence[str] = ()) -> None:
        self._whole = Windows()
        self._regions = tuple(regions)
        self._parts = {region: PartsSum() for region in regions} if len(regions) > 1 else {}
        self._waiting: dict[tuple[str, int], PeriodSum] = {}  # by region and window

    def add(self, index: int, period: Period) -> None:
        """Add a part of a window that a worker measured, whenever it comes."""
        if not self._parts:
            self._whole.add(period)
            return
        key = region_of(index, self._regions), period.start
        known = self._waiting.get(key)
        if known is None:
            known = self._waiting[key] = PeriodSum()
        known.add(period)

    @property
    def whole(self) -> Windows:
        """The windows, with everything that came."""
        self._fold()
        return self._whole

    def by_region(self) -> dict[str, Totals]:
        """Give all that came from each region, in the order of the regions; nothing where there are not several."""
        self._fold()
        return {region: part.totals() for region, part in self._parts.items()}

    def _fold(self) -> None:
        """Add what waits to both sums. Adding is what costs, so it is done twice for a region, not for each message."""
        for (region, start), total in self._waiting.items():
            part = total.period(start)
            self._whole.add(part)
            self._parts[region].add(part)
        self._waiting.clear()


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionPart:
    """The part of a run that was made in one region: the books of its shares, and what was measured there."""

    region: str
    books: Books
    totals: Totals

    @property
    def workers(self) -> int:
        """How many there were at a time."""
        return len(self.books.rows)


def region_parts(
    regions: Sequence[str], books: Books, measured: Mapping[str, Totals]
) -> tuple[RegionPart, ...]:
    """Take a run's books apart by region, beside what was measured in each; nothing where there are not several.

    A region that was given no worker is there too, with nothing in it.
    """
    if len(regions) < 2:
        return ()
    return tuple(
        RegionPart(
            region=region,
            books=Books.of_rows(row for row in books.rows if region_of(row.index, regions) == region),
            totals=measured.get(region, Totals()),
        )
        for region in dict.fromkeys(regions)
    )


def regions_of_workers(parts: Sequence[RegionPart]) -> dict[int, str]:
    """Say for each worker's index in which region it was; nothing where there are not several."""
    return {row.index: part.region for part in parts for row in part.books.rows}
