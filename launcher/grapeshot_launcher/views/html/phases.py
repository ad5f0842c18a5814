"""The phases of a load as spans of time, from what a report tells of them (pure).

Leaves to others: shading them (static/charts.js).

A report may come from a file, so whatever is not as `phases_told` wrote it ends the list: what follows would begin at a
wrong moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import began
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.plan import number, users
from grapeshot_launcher.views.summary.escape import shortened

_NAME: Final = 24  # characters of a phase's name


def phase_spans(report: Report) -> list[dict[str, Any]]:
    """Give each phase's `name`, and its start and end (`from`, `to`) in seconds since the load's start."""
    told = report.settings.get("phases")
    spans: list[dict[str, Any]] = []
    at = report.started_at - began(report)
    for phase in told if isinstance(told, list | tuple) else ():
        duration = _number(phase, "duration")
        if duration is None:
            break
        if duration:
            name = f"{len(spans) + 1}: {_name(phase) or _pace(phase)}"
            spans.append({"name": name, "from": round(at, 3), "to": round(at + duration, 3)})
        at += duration
    return spans


def phase_words(told: Any) -> str:
    """Say in a line what phases do, as a report's settings tell them; nothing for what are none.

    >>> phase_words([{"kind": "ramp", "duration": 60.0, "rate": 1, "rampTo": 9}, {"kind": "pause", "duration": 5}])
    '60 s of 1 → 9/s, 5 s of pause'
    """
    phases = [each for each in told if isinstance(each, Mapping)] if isinstance(told, list | tuple) else []
    return ", ".join(f"{number(_number(each, 'duration') or 0)} s of {_pace(each)}" for each in phases)


def _name(phase: Mapping[str, Any]) -> str:
    """Give what the author calls a phase, short enough to stand above it."""
    name = phase.get("name")
    return shortened(plain(name), _NAME) if isinstance(name, str) else ""


def _pace(phase: Mapping[str, Any]) -> str:
    """Say how the users of a phase arrive, all copies of it together."""
    copies = _number(phase, "copies") or 1
    rate, ramp_to, count = ((_number(phase, key) or 0) * copies for key in ("rate", "rampTo", "count"))
    match phase.get("kind"):
        case "ramp":
            return f"{number(rate)} → {number(ramp_to)}/s"
        case "rate":
            return f"{number(rate)}/s"
        case "count":
            return users(int(count)).replace("virtual user", "user")
        case _:
            return "pause"


def _number(phase: Any, key: str) -> float | None:
    value = phase.get(key) if isinstance(phase, Mapping) else None
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
        else None
    )
