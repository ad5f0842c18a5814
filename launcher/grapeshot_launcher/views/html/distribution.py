"""How response times are distributed, over the whole load and over time, as plain numbers (pure).

Leaves to others: the buckets (buckets), the pieces of time (pieces), drawing (static/charts.js).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from grapeshot_launcher.views.html.buckets import counts, edges
from grapeshot_launcher.views.html.pieces import Piece, thinned
from grapeshot_launcher.views.live import clock_text
from grapeshot_launcher.views.plan import number, plural
from grapeshot_worker.metrics.sketch import Sketch

BARS: Final = 80
COLUMNS: Final = 120
LEVELS: Final = 32
_FEWEST: Final = 8
_MARKS: Final = ("p50", "p95", "p99")
_TABLE: Final = 20, 8  # rows and columns of the table that stands for the heat map


def distribution(whole: Sketch) -> dict[str, Any] | None:
    """Give the buckets of all response times, in ms, with the percentiles to mark; None for no response."""
    if not whole.count:
        return None
    bounds, summary = edges(whole, _as_many(BARS, whole.count)), whole.summary()
    found = counts(whole, bounds)
    marks = {key: summary[key] for key in _MARKS}
    told = ", ".join(f"{key} {number(value)} ms" for key, value in marks.items())
    return {
        "title": "Distribution of response times, ms",
        "about": (
            f"Histogram of {plural(whole.count, 'response time')} on a logarithmic axis, from"
            f" {number(summary['min'])} to {number(summary['max'])} ms: {told}."
        ),
        "edges": [_rounded(edge) for edge in bounds],
        "counts": found,
        "marks": marks,
        "table": {
            "head": ["Response time, ms", "Responses", "Share"],
            "rows": [
                [span, f"{count}", f"{count / whole.count:.2%}"]
                for span, count in zip(_spans(bounds), found, strict=True)
                if count
            ],
        },
    }


def heat(found: Sequence[Piece], whole: Sketch) -> dict[str, Any] | None:
    """Give the cells [column, row, count] of time × response time; None where there is no map to draw."""
    columns = thinned(found, COLUMNS)
    if not whole.count or len(columns) < 2:
        return None
    bounds = edges(whole, _as_many(LEVELS, whole.count // len(columns)))
    cells = [
        [column, row, count]
        for column, piece in enumerate(columns)
        for row, count in enumerate(counts(piece.times, bounds))
        if count
    ]
    return {
        "title": "Response times over time, ms",
        "about": (
            f"Heat map of how many responses took how long, in {plural(len(columns), 'column')} over time and"
            f" {plural(len(bounds) - 1, 'row')} of response times, from {number(whole.min)} to"
            f" {number(whole.max)} ms."
        ),
        "from": [round(piece.start, 3) for piece in columns],
        "to": [round(piece.end, 3) for piece in columns],
        "covered": [round(piece.covered, 3) for piece in columns],
        "edges": [_rounded(edge) for edge in bounds],
        "cells": cells,
        "table": _table(columns, whole),
    }


def _table(columns: Sequence[Piece], whole: Sketch) -> dict[str, Any]:
    rows, levels = _TABLE
    bounds = edges(whole, levels)
    return {
        "head": ["Time", *(f"{span} ms" for span in _spans(bounds))],
        "rows": [
            [f"{clock_text(piece.start)}–{clock_text(piece.end)}", *map(str, counts(piece.times, bounds))]
            for piece in thinned(columns, rows)
        ],
    }


def _as_many(most: int, count: int) -> int:
    """Give as many buckets as so many values fill: of few values in many buckets nothing is seen."""
    return min(most, max(_FEWEST, 2 * math.isqrt(count)))


def _spans(bounds: Sequence[float]) -> list[str]:
    """Name buckets by the whole milliseconds they can hold, where their edges tell these apart."""
    return [f"{_edge(low)}–{_edge(high)}" for low, high in pairwise(bounds)]


def _edge(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
