"""The load cut into pieces of time, each with what was counted in it: the points of every chart over time (pure).

Leaves to others: what is drawn of a piece (charts), the buckets of times (buckets).

A piece is one window of 10 seconds; of a longer run several neighbours make one, their sketches merged without loss, so
a percentile is that of all their responses. Percentiles that are only quoted can't be merged: a longer piece then shows
the highest of its windows', which that of all responses never exceeds.

The load enters its first window and leaves its last one somewhere in the middle. So a rate is what was counted, divided
by the seconds that the windows have in common with the load. What covers less than a quarter of what a piece could
cover joins its neighbour: a rate over a tenth of a second would be noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby, pairwise
from typing import Final

from grapeshot_launcher.results.figures import RESPONSE_TIME
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import began, over
from grapeshot_worker.metrics.period import WINDOW_MS, Period
from grapeshot_worker.metrics.sketch import Sketch

QUANTILES: Final = ("p50", "p95", "p99", "max")
_KNOWN: Final = ("http.requests", "http.responses", "vusers.", "http.codes.", "errors.")
_SHORTEST: Final = 1.0  # seconds that a rate is over, at least


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """From `start` to `end`, in seconds since the load's start; `covered`: how many of these were measured.

    `first` and `last` are the numbers of its windows. `quoted`: percentiles that were told, instead of `times`.
    """

    first: int
    last: int
    start: float
    end: float
    covered: float
    counters: Mapping[str, int] = field(default_factory=dict)
    times: Sketch = field(default_factory=Sketch)
    quoted: Mapping[str, float] = field(default_factory=dict)

    def count(self, name: str) -> int:
        """Give a counter; 0 where nothing was counted."""
        return self.counters.get(name, 0)

    def rate(self, count: int) -> float:
        """Give how much of a count there was a second, as long as the piece was measured."""
        return count / max(self.covered, _SHORTEST)

    @property
    def percentiles(self) -> Mapping[str, float]:
        """The percentiles of its responses, in ms; none where nothing answered."""
        if not self.times.count:
            return self.quoted
        summary = self.times.summary()
        return {key: summary[key] for key in QUANTILES}

    def joined(self, later: Piece) -> Piece:
        """Make one of two."""
        keys = [key for key in QUANTILES if key in self.quoted or key in later.quoted]
        return Piece(
            first=self.first,
            last=later.last,
            start=self.start,
            end=later.end,
            covered=self.covered + later.covered,
            counters=Counter(self.counters) + Counter(later.counters),
            times=self.times.merge(later.times),
            quoted={key: max(self.quoted.get(key, 0.0), later.quoted.get(key, 0.0)) for key in keys},
        )


def pieces(report: Report, most: int) -> list[Piece]:
    """Cut the load into at most so many pieces of as many windows each; where nothing was measured there is none."""
    if not report.periods:
        return []
    first = report.periods[0].start
    windows = (report.periods[-1].start - first) // WINDOW_MS + 1
    width = -(-windows // most)
    start, end = began(report), over(report)
    single = (
        _piece(period, (period.start - first) // WINDOW_MS, start, end, quoted=report.quoted)
        for period in report.periods
    )
    return _without_stumps(_thinned(single, width), width * WINDOW_MS / 1000)


def thinned(found: Sequence[Piece], most: int) -> list[Piece]:
    """Merge neighbours until there are at most so many."""
    if not found:
        return []
    width = -(-(found[-1].last - found[0].first + 1) // most)
    return _thinned(found, width)


def gaps(found: Sequence[Piece]) -> list[int]:
    """Give the places in a list of pieces before which windows are missing."""
    return [place for place, (one, next_) in enumerate(pairwise(found), 1) if one.last + 1 < next_.first]


def _piece(period: Period, number: int, start: float, end: float, *, quoted: bool) -> Piece:
    opens, closes = max(period.start / 1000, start), min(period.end / 1000, max(end, start))
    sketch = period.sketches.get(RESPONSE_TIME, Sketch())
    told = sketch.summary() if quoted else {}
    return Piece(
        first=number,
        last=number,
        start=opens - start,
        end=max(closes, opens) - start,
        covered=max(closes - opens, 0.0),
        counters={name: n for name, n in period.counters.items() if n and name.startswith(_KNOWN)},
        times=Sketch() if quoted else sketch,
        quoted={key: told[key] for key in QUANTILES if key in told},
    )


def _thinned(found: Iterable[Piece], width: int) -> list[Piece]:
    by_place = groupby(found, key=lambda piece: piece.first // width)
    return [reduce(Piece.joined, neighbours) for _, neighbours in by_place]


def _without_stumps(found: list[Piece], width: float) -> list[Piece]:
    if len(found) > 1 and found[0].covered < width / 4 and 1 not in gaps(found):
        found[:2] = [found[0].joined(found[1])]
    if len(found) > 1 and found[-1].covered < width / 4 and len(found) - 1 not in gaps(found):
        found[-2:] = [found[-2].joined(found[-1])]
    return found
