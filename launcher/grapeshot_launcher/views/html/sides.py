"""Two runs beside each other: their figures, endpoints and settings (pure).

Leaves to others: whether a difference means anything (results' baseline).
"""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import Endpoint, Times, endpoints
from grapeshot_launcher.views.html.figures import Figure, key_figures
from grapeshot_launcher.views.html.grids import Cell, Grid, counted, grid, text_cell, timed, word
from grapeshot_launcher.views.html.phases import phase_words
from grapeshot_launcher.views.summary.numbers import NONE

_OWN = frozenset({"source", "command", "runUrl", "costByRegion"})  # long, or of its own in every run


def both_figures(before: Report, after: Report) -> Grid:
    """Show the figures that people look at first, of both."""
    sides = [{figure.title: figure for figure in key_figures(run)} for run in (before, after)]
    titles = list(dict.fromkeys(title for side in sides for title in side))
    rows = [(word(title), *(_figure(side.get(title)) for side in sides)) for title in titles]
    return grid("figures", "The whole of both runs", ("Figure", ">Before", ">Now"), rows)


def _figure(figure: Figure | None) -> Cell:
    return Cell(shown=figure.value if figure else Markup(NONE))


def endpoint_sides(before: Report, after: Report) -> Grid:
    """Show p95 and responses of every endpoint of either run, those that got slower first."""
    old, new = endpoints(before.totals), endpoints(after.totals)
    names = sorted(old.keys() | new.keys(), key=lambda name: (-_slower(old.get(name), new.get(name)), name))
    rows = [
        (
            text_cell(name),
            *(_responses(side.get(name)) for side in (old, new)),
            *(timed(_p95(side.get(name))) for side in (old, new)),
            timed(_slower(old.get(name), new.get(name))),
        )
        for name in names
    ]
    titles = ("Endpoint", ">Responses before", ">Now", ">p95 before", ">p95 now", ">Slower by")
    return grid("endpoints", "By endpoint, those that got slower first", titles, rows)


def _responses(endpoint: Endpoint | None) -> Cell:
    return counted(None if endpoint is None else endpoint.codes.total() or endpoint.sketch.count)


def _p95(endpoint: Endpoint | None) -> float | None:
    times = Times.of(endpoint.sketch) if endpoint else None
    return times.p95 if times else None


def _slower(old: Endpoint | None, new: Endpoint | None) -> float:
    before, after = _p95(old), _p95(new)
    return 0.0 if before is None or after is None else after - before


def setting_sides(before: Report, after: Report) -> Grid:
    """Show the settings in which the two differ."""
    keys = sorted((before.settings.keys() | after.settings.keys()) - _OWN)
    rows = [
        (text_cell(key), *(_setting(key, run.settings.get(key)) for run in (before, after)))
        for key in keys
        if before.settings.get(key) != after.settings.get(key)
    ]
    return grid("settings", "Settings that differ", ("Setting", "Before", "Now"), rows)


def _setting(key: str, value: Any) -> Cell:
    if value is None:
        return Cell(shown=Markup(NONE))
    if key == "phases":
        return text_cell(phase_words(value))
    return text_cell(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
