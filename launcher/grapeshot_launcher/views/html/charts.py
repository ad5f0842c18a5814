"""What the charts of a report show, as plain numbers, and the same in tables (pure).

Leaves to others: cutting the load into pieces (pieces), how times are distributed (distribution), drawing
(static/charts.js).

Time is in seconds since the load's start. Every chart over time has one value for each point; None is a gap in the
line. All values are rounded to what a chart can show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import methodcaller
from statistics import mode
from typing import Any, Final

from grapeshot_launcher.results.figures import RESPONSE_TIME
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import began, load_seconds
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.html.distribution import distribution, heat
from grapeshot_launcher.views.html.phases import phase_spans
from grapeshot_launcher.views.html.pieces import QUANTILES, Piece, gaps, pieces, thinned
from grapeshot_launcher.views.live import clock_text
from grapeshot_launcher.views.plan import number, plural
from grapeshot_worker.metrics.period import WINDOW_MS
from grapeshot_worker.metrics.sketch import Sketch

POINTS: Final = 360
ROWS: Final = 40  # of the table that stands for a chart
_ERRORS: Final = 6  # that have a line of their own
_NAME: Final = 80  # characters of an error's name that are shown
_QUOTED: Final = (
    "The percentiles are those the file quotes. Where a point stands for several periods it shows the highest of"
    " theirs: percentiles can't be merged."
)

_Values = list[float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """One series: what it is called, and its value at a piece."""

    name: str
    values: _Values


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chart:
    """One chart over time."""

    id: str
    title: str
    unit: str
    lines: tuple[_Line, ...]
    stacked: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give plain data, with the sentence for who can't see it."""
        return {
            "id": self.id,
            "title": self.title,
            "unit": self.unit,
            "stacked": self.stacked,
            "about": _about(self),
            "series": [{"name": line.name, "values": line.values} for line in self.lines],
        }


def chart_data(report: Report) -> dict[str, Any]:
    """Give everything the charts draw, JSON-able; `charts` is empty where nothing was measured."""
    found = pieces(report, POINTS)
    whole = Sketch() if report.quoted else report.totals.sketches.get(RESPONSE_TIME, Sketch())
    coarse = {chart.id: chart for chart in _charts(thinned(found, ROWS))}
    spread, map_ = distribution(whole), heat(found, whole)
    return {
        "start": round(began(report) * 1000),
        "seconds": round(max(load_seconds(report), found[-1].end if found else 0.0), 3),
        "note": _note(report, found),
        "points": {
            "from": [round(piece.start, 3) for piece in found],
            "to": [round(piece.end, 3) for piece in found],
            "covered": [round(piece.covered, 3) for piece in found],
            "gaps": gaps(found),
        },
        "phases": phase_spans(report),
        "charts": [
            chart.to_json() | {"table": _table(coarse[chart.id], thinned(found, ROWS))}
            for chart in _charts(found)
        ],
        "distribution": spread,
        "heat": map_,
    }


def _charts(found: Sequence[Piece]) -> list[_Chart]:
    sums: Counter[str] = Counter()
    for piece in found:
        sums.update(piece.counters)
    charts = (
        _Chart(id="users", title="Users at work", unit="users", lines=_active(found, sums)),
        _Chart(
            id="arrivals",
            title="Users per second",
            unit="users/s",
            lines=_rates(
                found,
                sums,
                {"started": "vusers.created", "completed": "vusers.completed", "failed": "vusers.failed"},
            ),
        ),
        _Chart(
            id="requests",
            title="Requests per second",
            unit="requests/s",
            lines=_rates(found, sums, {"requests": "http.requests", "responses": "http.responses"}),
        ),
        _Chart(id="times", title="Response time, ms", unit="ms", lines=_percentiles(found)),
        _Chart(
            id="errors", title="Errors per second", unit="errors/s", lines=_errors(found, sums), stacked=True
        ),
        _Chart(
            id="codes", title="Status codes per second", unit="responses/s", lines=_codes(found, sums), stacked=True
        ),
    )  # fmt: skip
    return [chart for chart in charts if chart.lines]


def _active(found: Sequence[Piece], sums: Mapping[str, int]) -> tuple[_Line, ...]:
    """Give how many users had started and not ended at the end of each piece."""
    if not sums.get("vusers.created"):
        return ()
    changes = (
        piece.count("vusers.created") - piece.count("vusers.completed") - piece.count("vusers.failed")
        for piece in found
    )
    return (_Line(name="active", values=list(accumulate(changes))),)


def _rates(found: Sequence[Piece], sums: Mapping[str, int], names: Mapping[str, str]) -> tuple[_Line, ...]:
    return tuple(
        _line(found, name, methodcaller("count", counter))
        for name, counter in names.items()
        if sums.get(counter)
    )


def _errors(found: Sequence[Piece], sums: Mapping[str, int]) -> tuple[_Line, ...]:
    """Give the most frequent errors, and the sum of the others."""
    errors = Counter({name: n for name, n in sums.items() if name.startswith("errors.")})
    ranked = sorted(errors, key=lambda name: (-errors[name], name))
    own, others = ranked[:_ERRORS], ranked[_ERRORS:]
    lines = [_line(found, _shown(name.removeprefix("errors.")), methodcaller("count", name)) for name in own]
    if others:
        title = plural(len(others), "other name")
        lines.append(_line(found, title, lambda piece: sum(map(piece.count, others))))
    return tuple(lines)


def _codes(found: Sequence[Piece], sums: Mapping[str, int]) -> tuple[_Line, ...]:
    prefix = "http.codes."
    names = sorted(name for name, n in sums.items() if name.startswith(prefix) and n)
    return _rates(found, sums, {_shown(name.removeprefix(prefix)): name for name in names})


def _line(found: Sequence[Piece], name: str, count: Callable[[Piece], int]) -> _Line:
    return _Line(name=name, values=[round(piece.rate(count(piece)), 3) for piece in found])


def _percentiles(found: Sequence[Piece]) -> tuple[_Line, ...]:
    known = [piece.percentiles for piece in found]
    return tuple(
        _Line(name=key, values=[each.get(key) for each in known])
        for key in QUANTILES
        if any(key in each for each in known)
    )


def _table(chart: _Chart, found: Sequence[Piece]) -> dict[str, Any]:
    """Give a chart's numbers as texts: a row for each piece, a column for each line."""
    rows = [
        [
            f"{clock_text(piece.start)}–{clock_text(piece.end)}",
            *(
                "–" if line.values[place] is None else number(line.values[place] or 0.0)
                for line in chart.lines
            ),
        ]
        for place, piece in enumerate(found)
    ]
    return {"head": ["Time", *(line.name for line in chart.lines)], "rows": rows}


def _about(chart: _Chart) -> str:
    """Say a chart in a sentence."""
    parts = []
    for line in chart.lines:
        known = [value for value in line.values if value is not None]
        low, high = number(min(known)), number(max(known))
        parts.append(f"{line.name} {low}" if low == high else f"{line.name} from {low} to {high}")
    title = chart.title.removesuffix(f", {chart.unit}")
    return f"{title} over time, in {chart.unit}: {', '.join(parts)}."


def _note(report: Report, found: Sequence[Piece]) -> str:
    if not found:
        return "Nothing was measured, so there is nothing to draw."
    seconds = mode(piece.last - piece.first + 1 for piece in found) * WINDOW_MS // 1000
    sentences = [
        f"Each point stands for {number(seconds)} seconds of the load. A rate is over the time that was measured,"
        " which at the first and the last point may be less or more.",
        *(["Nothing was measured where a line has a gap."] if gaps(found) else []),
        *([_QUOTED] if report.quoted else []),
    ]
    return " ".join(sentences)


def _shown(name: str) -> str:
    text = plain(name)
    return text if len(text) <= _NAME else text[: _NAME - 1] + "…"
