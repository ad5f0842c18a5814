"""The phases of arrivals: what each line of `config.phases` asks for.

Leaves to others: the moments of the arrivals (arrivals).

A phase is what the first of `pause`, `arrivalCount`, `arrivalRate` in it says; `rampTo` makes a rate a
ramp, from 0 if it stands alone. A rate or count of zero is a pause of the phase's duration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

from grapeshot_worker.errors import Exit, Path, dotted
from grapeshot_worker.script.convert import as_number
from grapeshot_worker.script.duration import DurationError, parse_duration
from grapeshot_worker.script.findings import Findings
from grapeshot_worker.script.model import Phase

Kind = Literal["pause", "rate", "count", "ramp"]

_KINDS: Final[dict[str, Kind]] = {
    "pause": "pause",
    "arrivalCount": "count",
    "arrivalRate": "rate",
    "rampTo": "ramp",
}
_WITHOUT_EFFECT: Final[dict[Kind, tuple[str, ...]]] = {
    "pause": ("duration", "arrivalCount", "arrivalRate", "rampTo", "maxVusers"),
    "count": ("arrivalRate", "rampTo"),
    "rate": (),
    "ramp": (),
}
_EXAMPLES: Final = "Write seconds (60) or a number with a unit: '90s', '1.5 min', '2h'; at the most a year."
_LONGEST: Final = 366 * 86_400.0  # s; more is a mistake, and a float of it no longer knows milliseconds
_FASTEST: Final = (
    1_000_000  # users a second: one for each microsecond, which is as fine as arrivals are planned
)
_ONE: Final[Mapping[str, Any]] = {"duration": 1, "arrivalCount": 1}


def parse_phases(config: Mapping[str, Any], findings: Findings) -> tuple[Phase, ...]:
    """Read all phases; without any written, one with one arrival. Faults go to `findings`."""
    written = config.get("phases", [_ONE])
    if not isinstance(written, list):
        return ()  # told by validate
    mode = config.get("mode", "uniform")
    _check_mode(mode, ("config", "mode"), findings)
    phases: list[Phase] = []
    for i, phase in enumerate(written):
        path: Path = ("config", "phases", i)
        if not isinstance(phase, Mapping):
            findings.error(
                f'"{dotted(path)}" must be of type object', path, remedy="Write '- duration: 60' …"
            )
        elif (parsed := _phase(phase, i, findings=findings, mode=phase.get("mode", mode))) is not None:
            phases.append(parsed)
    return tuple(phases)


def _phase(phase: Mapping[str, Any], index: int, *, findings: Findings, mode: Any) -> Phase | None:
    path: Path = ("config", "phases", index)
    key = next((key for key in _KINDS if phase.get(key) is not None), None)
    if key is None:
        remedy = "Write one of arrivalRate, arrivalCount, rampTo or pause."
        findings.error(f'"{dotted(path)}" says nothing about arrivals', path, remedy=remedy)
        return None
    kind = _KINDS[key]
    if kind == "rate" and phase.get("rampTo") is not None:
        kind = "ramp"
    for other in _WITHOUT_EFFECT[kind]:
        if phase.get(other) is not None:
            findings.warn(f'"{other}" has no effect beside "{key}"', (*path, other), remedy="Use two phases.")
    if "mode" in phase:
        _check_mode(mode, (*path, "mode"), findings)
    rate, ramp_to, count, limit = (
        _amount(phase, name, path, findings)
        for name in ("arrivalRate", "rampTo", "arrivalCount", "maxVusers")
    )
    if limit == 0:
        findings.warn("no user is ever started: maxVusers is 0", (*path, "maxVusers"), remedy="Raise it.")
    if (kind == "rate" and rate == 0) or (kind == "count" and count == 0):
        kind = "pause"
    written = phase.get("pause") if key == "pause" else phase.get("duration", 1 if kind == "ramp" else None)
    duration = _duration(written, (*path, "pause" if key == "pause" else "duration"), findings)
    busiest = max(rate or 0, ramp_to or 0) if kind != "count" else (count or 0) / (duration or math.inf)
    if busiest > _FASTEST:
        remedy = f"No machine makes more than {_FASTEST:,} a second."
        findings.error(f'"{dotted(path)}" asks for too many arrivals', (*path, key), remedy=remedy)
    name = phase.get("name")
    return Phase(
        index=index,
        kind=kind,
        duration=duration,
        written_duration=written if isinstance(written, (int, float)) else str(written),
        name=None if name is None else str(name),
        rate=float(rate or 0) if kind in ("rate", "ramp") else 0.0,
        ramp_to=float(ramp_to or 0) if kind == "ramp" else 0.0,
        count=int(count or 0) if kind == "count" else 0,
        poisson=kind == "rate" and mode == "poisson",
        max_vusers=None if limit is None else int(limit),
    )


def _check_mode(mode: Any, path: Path, findings: Findings) -> None:
    if mode not in ("uniform", "poisson"):
        findings.warn(f"unknown arrival mode {mode}", path, remedy="Known: uniform, poisson.")


def _amount(phase: Mapping[str, Any], key: str, path: Path, findings: Findings) -> int | float | None:
    """Read a number that is not negative; of users, a whole one."""
    value = phase.get(key)
    if value is None:
        return None
    number = as_number(value)
    at = (*path, key)
    if number is None:
        findings.error(f'"{dotted(at)}" must be a number', at)
    elif number < 0:
        findings.error(f'"{dotted(at)}" must be greater than or equal to 0', at)
    elif key in ("arrivalCount", "maxVusers") and not isinstance(number, int):
        findings.error(f'"{dotted(at)}" must be an integer', at)
    return number


def _duration(value: Any, path: Path, findings: Findings) -> float:
    try:
        seconds = parse_duration(value)
        if seconds > _LONGEST:
            raise DurationError(value)
        return seconds
    except DurationError:
        text = "undefined" if value is None else value
        findings.error(f"Invalid duration for phase: {text}", path, remedy=_EXAMPLES, exit_code=Exit.WORKER)
        return 0.0
