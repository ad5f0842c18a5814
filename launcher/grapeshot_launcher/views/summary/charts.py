"""Throughput and p95 over time, as charts that GitHub draws (Mermaid's `xychart-beta`) (pure).

Leaves to others: where they stand. Nothing in a chart comes from outside but numbers.

A chart has at most 60 points: of a longer run several periods make one point, and its p95 is that of their merged
sketches. Throughput is requests over the time a slice covers, so the first and the last, which the load enters and
leaves in the middle of a period, are no dips; what covers less than half a slice goes to its neighbour.

Weak spots: Mermaid spreads points evenly, so those between the first and the last may sit half a slice beside their
moment; and it knows no gap, so where there was no response the p95 is drawn as 0, which the caption says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import Final

from grapeshot_launcher.results.figures import RESPONSE_TIME
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import began, over
from grapeshot_launcher.views.summary.escape import Html
from grapeshot_launcher.views.summary.numbers import measured
from grapeshot_launcher.views.summary.tables import paragraph
from grapeshot_worker.metrics.period import WINDOW_MS
from grapeshot_worker.metrics.sketch import Sketch

POINTS: Final = 60

# Seen well on white and on black.
_BLUE, _ORANGE = "#2f81f7", "#db6d28"
_SIZE: Final = {"width": 900, "height": 280, "titleFontSize": 16}
_ENDS: Final = (1, 1.6, 2, 3.5, 4, 5, 8, 10, 16)  # the last one for a logarithm rounded down


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """A piece of the load, in seconds since its start: requests sent, times of the responses that came."""

    start: float
    end: float
    requests: int
    sketch: Sketch

    @property
    def middle(self) -> float:
        """Its middle, in seconds since the start."""
        return (self.start + self.end) / 2

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / max(self.end - self.start, 1.0)

    def joined(self, later: Slice) -> Slice:
        """Make one of two neighbours."""
        return Slice(
            start=self.start,
            end=later.end,
            requests=self.requests + later.requests,
            sketch=self.sketch.merge(later.sketch),
        )


def slices(report: Report, most: int = POINTS) -> list[Slice]:
    """Cut the load into at most so many slices of as many periods each, those without a measurement too."""
    if not report.periods:
        return []
    first, last = report.periods[0].start, report.periods[-1].start
    width = math.ceil(((last - first) // WINDOW_MS + 1) / most) * WINDOW_MS
    start, end = began(report), over(report)
    by_slice = groupby(report.periods, key=lambda period: (period.start - first) // width)
    measured_in = {index: list(periods) for index, periods in by_slice}
    found = []
    for index in range((last - first) // width + 1):
        periods = measured_in.get(index, [])
        opens = (first + index * width) / 1000
        sketches = [period.sketches[RESPONSE_TIME] for period in periods if RESPONSE_TIME in period.sketches]
        found.append(
            Slice(
                start=max(opens, start) - start,
                end=max(min(opens + width / 1000, end), opens, start) - start,
                requests=sum(period.counters.get("http.requests", 0) for period in periods),
                sketch=reduce(Sketch.merge, sketches, Sketch()),
            )
        )
    return _without_stumps(found, width / 1000)


def _without_stumps(found: list[Slice], width: float) -> list[Slice]:
    if len(found) > 1 and found[0].end - found[0].start < width / 2:
        found[:2] = [found[0].joined(found[1])]
    if len(found) > 1 and found[-1].end - found[-1].start < width / 2:
        found[-2:] = [found[-2].joined(found[-1])]
    return found


def charts(report: Report) -> str:
    """Draw both charts, or say why there is none."""
    pieces = slices(report)
    if not any(piece.requests for piece in pieces):
        return paragraph(Html("No chart: no request was sent."))
    if len(pieces) < 2:
        return paragraph(Html("No chart: the load was over within one period of 10 seconds."))
    middles = (pieces[0].middle, pieces[-1].middle)
    gaps = any(not piece.sketch.count for piece in pieces)
    drawn = [_chart("Requests per second", "requests/s", [piece.rate for piece in pieces], middles, _BLUE)]
    if any(piece.sketch.count for piece in pieces):
        p95 = [piece.sketch.quantile(0.95) for piece in pieces]
        drawn.append(_chart("Response time, p95", "ms", p95, middles, _ORANGE))
    typical = sorted(piece.end - piece.start for piece in pieces)[len(pieces) // 2]
    caption = f"Each point stands for about {measured(round(typical), 's')}." + (
        " p95 is drawn as 0 where nothing answered." if gaps else ""
    )
    return "\n\n".join(["### Over time", *drawn, paragraph(Html(f"<sub>{caption}</sub>"))])


def _chart(title: str, unit: str, values: Sequence[float], across: tuple[float, float], colour: str) -> str:
    low, high = min(0.0, *values), max(values)
    settings = json.dumps(
        {
            "xyChart": _SIZE,
            "themeVariables": {"xyChart": {"backgroundColor": "transparent", "plotColorPalette": colour}},
        },
        separators=(",", ":"),
    )
    return "\n".join(
        [
            "```mermaid",
            f"%%{{init: {settings}}}%%",
            "xychart-beta",
            f'  title "{title}"',
            f'  x-axis "seconds since the start" {_number(across[0])} --> {_number(across[1])}',
            f'  y-axis "{unit}" {_number(low)} --> {_number(_top(high))}',
            f"  line [{', '.join(map(_number, values))}]",
            "```",
        ]
    )


def _top(value: float) -> float:
    """Give the end of an axis, above a value: one that the renderer (d3's ticks) divides into 7 to 10 steps."""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * part for part in _ENDS if power * part >= value)


def _number(value: float) -> str:
    """Write a number without an exponent, which the charts' language doesn't know."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
