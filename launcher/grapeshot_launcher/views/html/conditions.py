"""Under what conditions a run was made: its facts, settings, phases, script and command (pure).

Leaves to others: knowing them: `Report.settings` is open, and what it doesn't have is not shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import load_seconds
from grapeshot_launcher.views.html.grids import Cell, Grid, counted, grid, named, text_cell, timed, word
from grapeshot_launcher.views.summary.numbers import duration, moment, things
from grapeshot_launcher.views.summary.setting import link

_ELSEWHERE: Final = frozenset(
    {"source", "phases", "command", "runUrl"}
)  # shown, but not in the table of settings
_MONEY: Final = ("costUsd", "estimatedCostUsd", "wouldCostUsd")
_TITLES: Final[Mapping[str, str]] = {
    "name": "name",
    "target": "target",
    "workers": "workers",
    "copies": "each worker makes the whole load",
    "processes": "engine processes in a worker",
    "emulated": "AWS was emulated on this machine",
    "region": "region",
    "memorySize": "memory of a worker, in MB",
    "estimatedCostUsd": "cost expected before, in $",
    "costUsd": "cost (estimate), in $",
    "costByRegion": "cost by region, in $",
    "clockAhead": "seconds that the launcher's clock was ahead of AWS's",
    "ref": "branch or tag",
}


def title(report: Report) -> str:
    """Name the run: by the name it was given, else by its script."""
    name = report.settings.get("name")
    return name if isinstance(name, str) and name.strip() else report.script


def facts(report: Report) -> tuple[tuple[str, Markup], ...]:
    """Say which run this is: title and text of each fact that is known."""
    settings = report.settings
    found: list[tuple[str, Markup]] = []
    if target := settings.get("target"):
        found.append(("Target", named(str(target))))
    found.append(("Started", Markup(moment(report.started_at))))
    found.append(("Lasted", Markup(duration(load_seconds(report)))))
    workers = settings.get("workers") or len(report.workers)
    if isinstance(workers, int) and workers:
        where = settings.get("region")
        place = Markup(" in {}").format(named(str(where))) if where else Markup("")
        found.append(("Load from", Markup(things(workers, "worker")) + place))
    if commit := settings.get("commit"):
        branch = settings.get("ref")
        on = Markup(" on {}").format(named(str(branch))) if branch else Markup("")
        found.append(("Commit", named(str(commit)[:12]) + on))
    if page := link("the run on GitHub", settings.get("runUrl")):
        found.append(("Job", Markup(page)))
    found.append(("Script", named(report.script)))
    found.append(("Run", named(report.run_id)))
    return tuple(found)


def settings_grid(report: Report) -> Grid:
    """Show what is known of the run's conditions, the best known first."""
    known = {
        key: value for key, value in report.settings.items() if key not in _ELSEWHERE and value is not None
    }
    order = [*(key for key in _TITLES if key in known), *sorted(known.keys() - _TITLES.keys())]
    rows = [
        (word(_TITLES[key]) if key in _TITLES else text_cell(key), _value(key, known[key])) for key in order
    ]
    return grid("settings", "Settings", ("Setting", "Value"), rows)


def _value(key: str, value: Any) -> Cell:
    if value is True or value is False:
        return word("yes" if value else "no")
    if key in _MONEY and isinstance(value, int | float):
        return word(f"{value:,.4f}", key=float(value))
    if isinstance(value, str):
        return text_cell(value)
    return text_cell(json.dumps(value, ensure_ascii=False, default=str))


def phase_grid(report: Report) -> Grid:
    """Show the phases of the load in their order, all copies of it together; what is told otherwise is left out."""
    told = report.settings.get("phases")
    phases = [phase for phase in told if isinstance(phase, Mapping)] if isinstance(told, list | tuple) else []
    rows = [_phase(number, phase) for number, phase in enumerate(phases, 1)]
    titles = (
        ">Phase",
        "Name",
        ">Lasts",
        ">Users a second",
        ">Rising to",
        ">Users in all",
        ">At most at a time",
        "Arrivals",
    )
    return grid("phases", "Phases of the load", titles, rows)


def _phase(number: int, phase: Mapping[str, Any]) -> tuple[Cell, ...]:
    copies, kind = _number(phase.get("copies")) or 1, phase.get("kind")
    rate, ramp_to, count, most = (_number(phase.get(key)) for key in ("rate", "rampTo", "count", "maxVusers"))
    return (
        counted(number),
        text_cell(str(phase.get("name") or "–")),
        timed(_number(phase.get("duration")), "s"),
        timed(rate * copies if rate is not None and kind in ("rate", "ramp") else None, "/s"),
        timed(ramp_to * copies if ramp_to is not None and kind == "ramp" else None, "/s"),
        counted(int(count * copies) if count is not None and kind == "count" else None),
        counted(int(most * copies) if most is not None else None),
        word(
            "none: a pause" if kind == "pause" else "at random" if phase.get("poisson") else "evenly spread"
        ),
    )


def _number(value: Any) -> float | None:
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and value < 1e12
        else None
    )
