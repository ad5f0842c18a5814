"""Whether two runs can be compared, and what makes it doubtful (pure).

Leaves to others: comparing them (baseline).

What a target is asked for decides how it answers, so runs whose phases differ are shown side by side, but nothing is
concluded from them. The same goes for a run that is worth nothing in itself. All other differences are named: whether
they matter is for the reader to say, who may have made them on purpose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grapeshot_launcher.results.earlier import EarlierRun
from grapeshot_worker.script.model import Phase

# What shapes the numbers of a run beside its phases: the key in `settings`, and what a person calls it.
_SETTINGS: Final[Mapping[str, str]] = {
    "target": "the target",
    "workers": "the number of workers",
    "processes": "the number of processes in a worker",
    "region": "the region",
    "memorySize": "the memory of a worker (MB)",
    "architecture": "the architecture of workers",
    "emulated": "whether AWS is emulated",
}
_FEWER, _MORE = 0.9, 1.1  # as many users: runs of one plan differ by what was dropped, or drawn at random
LATE_MS: Final = 10.0  # what a quiet machine stays below
BUSIER: Final = 3.0  # times as late as the other run
_SPOILED: Final = {
    "invalid": "spoiled its own measurement",
    "stopped": "was stopped before its end",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparability:
    """Whether anything may be concluded, and what the reader should know."""

    sound: bool
    cautions: tuple[str, ...] = ()


def phases_told(phases: Sequence[Phase], *, copies: int = 1) -> list[dict[str, Any]]:
    """Give the phases as a report tells them: their names, and what shapes the load."""
    return [
        {
            **({"name": phase.name} if phase.name else {}),
            "kind": phase.kind,
            "duration": phase.duration,
            "rate": phase.rate,
            "rampTo": phase.ramp_to,
            "count": phase.count,
            "poisson": phase.poisson,
            "maxVusers": phase.max_vusers,
            "copies": copies,
        }
        for phase in phases
    ]


def plan_of(run: EarlierRun) -> str | None:
    """Give what runs must have alike to be told of as one series: phases, script and setting; None if not told."""
    if not run.script or "phases" not in run.settings:
        return None
    setting = {key: run.settings.get(key) for key in ("phases", *_SETTINGS)}
    return json.dumps({"script": _file(run.script), **setting}, sort_keys=True, default=str)


def is_sound(run: EarlierRun) -> bool:
    """Whether a run is worth something in itself: its load was made as planned, and measured."""
    return run.verdict not in _SPOILED and not run.cut_short


def comparability(before: EarlierRun, after: EarlierRun) -> Comparability:
    """Hold the circumstances of two runs against each other.

    >>> run = EarlierRun(run_id="t1", began=0, ended=0, slices=(), settings={"phases": [], "workers": 1})
    >>> comparability(run, run)
    Comparability(sound=True, cautions=())
    """
    obstacles = (*_spoiled(before, "the earlier run"), *_spoiled(after, "this run"), *_plans(before, after))
    cautions = (
        *obstacles,
        *_unknown(before, after),
        *_differences(before, after),
        *_busier(before.lag, after.lag),
    )
    return Comparability(sound=not obstacles, cautions=cautions)


def _spoiled(run: EarlierRun, who: str) -> Iterator[str]:
    if run.verdict in _SPOILED:
        yield f"{who} {_SPOILED[run.verdict]}: nothing is concluded from it"
    elif run.cut_short:
        yield f"{who} was ended by its abort condition: nothing is concluded from it"


def _plans(before: EarlierRun, after: EarlierRun) -> Iterator[str]:
    if _tell_phases(before, after):
        if _shapes(before) != _shapes(after):
            yield "the phases differ, and so does the load: nothing is concluded"
        return
    then, now = (run.counters.get("vusers.created", 0) for run in (before, after))
    if not _FEWER * then <= now <= _MORE * then:
        yield f"{then} users came then, {now} now: the load differs, nothing is concluded"


def _shapes(run: EarlierRun) -> Any:
    """Give a run's phases without their names, which shape nothing; what can't be read stands as it is."""
    told = run.settings["phases"]
    if not isinstance(told, list):
        return told
    return [
        {key: value for key, value in each.items() if key != "name"} if isinstance(each, dict) else each
        for each in told
    ]


def _unknown(before: EarlierRun, after: EarlierRun) -> Iterator[str]:
    if not _tell_phases(before, after):
        yield "the earlier report does not tell its phases; they are taken to be the same"


def _tell_phases(*runs: EarlierRun) -> bool:
    return all("phases" in run.settings for run in runs)


def _differences(before: EarlierRun, after: EarlierRun) -> Iterable[str]:
    if before.script and after.script and _file(before.script) != _file(after.script):
        yield f"the script differs: {before.script} then, {after.script} now"
    for key, name in _SETTINGS.items():
        then, now = before.settings.get(key), after.settings.get(key)
        if before.settings and then != now:  # Artillery tells none
            yield f"{name} differs: {_told(then)} then, {_told(now)} now"


def _busier(then: float | None, now: float | None) -> Iterator[str]:
    """Whoever makes the load also reads the answers: what delays users delays those too."""
    if then is None or now is None or max(then, now) < LATE_MS or max(then, now) < BUSIER * min(then, now):
        return
    when = "then" if then > now else "now"
    yield (
        f"of a hundred users one started {then:.0f} ms late or more then, {now:.0f} ms now:"
        f" the machine that made the load was busier {when}, which prolongs times"
    )


def _file(path: str) -> str:
    """Give a script's file name: the folder may be that of another checkout."""
    return re.split(r"[/\\]", path)[-1]


def _told(value: Any) -> str:
    return "not told" if value is None else str(value)
