"""A plan in words: the phases with their arrivals, and the whole with its highest rate (pure).

Leaves to others: computing them (the worker's `arrivals`), printing.
"""

from __future__ import annotations

from grapeshot_worker.arrivals import duration, peak_rate, phase_count, planned
from grapeshot_worker.plan import Plan
from grapeshot_worker.script.model import Phase, TestScript


def plan_line(plan: Plan, *, workers: int, copies: bool = False) -> str:
    """Say a plan in one line; each of `copies` makes the whole of it."""
    at_most = f", at most {number(peak_rate(plan))} a second" if planned(plan) else ""
    whole = f"{users(planned(plan))} in {number(duration(plan))} s"
    if copies and workers > 1:
        return f"Plan: {whole}{at_most}, from each of {plural(workers, 'worker')}."
    return f"Plan: {whole}{at_most}, from {plural(workers, 'worker')}."


def plan_table(script: TestScript, plan: Plan, *, workers: int) -> str:
    """Show what a script would do: target, scenarios, one line for each phase, the whole."""
    names = ", ".join(s.name if s.name is not None else f"unnamed ({s.index})" for s in script.scenarios)
    lines = [f"Target: {script.target}", f"Scenarios: {names}", "Phases:"]
    titles = [f"  {phase.index}. {phase.name or 'unnamed'}" for phase in script.phases]
    width = max(map(len, titles), default=0)
    for title, phase in zip(titles, script.phases, strict=True):
        count = users(phase_count(plan, phase.index))
        limit = f", at most {phase.max_vusers} at a time" if phase.max_vusers is not None else ""
        lines.append(f"{title:<{width}}  {number(phase.duration)} s  {pace(phase)}  ({count}{limit})")
    return "\n".join([*lines, plan_line(plan, workers=workers)])


def pace(phase: Phase) -> str:
    """Say how the users of a phase arrive."""
    mode = ", at random" if phase.poisson else ""
    match phase.kind:
        case "pause":
            return "pause"
        case "rate":
            return f"{number(phase.rate)} a second{mode}"
        case "count":
            return f"{users(phase.count)} evenly"
        case "ramp":
            return f"{number(phase.rate)} to {number(phase.ramp_to)} a second"


def users(count: int) -> str:
    """Count virtual users in words."""
    return plural(count, "virtual user")


def plural(count: int, thing: str) -> str:
    """Count things in words: `1 worker`, `2 workers`."""
    return f"{count} {thing}" + ("" if count == 1 else "s")


def number(value: float) -> str:
    """Write a number as briefly as it allows: `5`, `0.5`, `33.33`."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
