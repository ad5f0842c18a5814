"""Scenarios: which are run, under which names, and their flows compiled.

Leaves to others: the steps of a flow (steps), choosing one for each user (traffic).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from grapeshot_worker.errors import Exit, Path
from grapeshot_worker.script.convert import as_number, as_texts
from grapeshot_worker.script.findings import Findings
from grapeshot_worker.script.model import Scenario
from grapeshot_worker.script.steps import Flow
from grapeshot_worker.script.template import Template, compile_template

_SUPPORTED: Final = ("http",)
_NOT_YET: Final = {
    "ws": "WebSocket scenarios can't be run yet",
    "websocket": "WebSocket scenarios can't be run yet",
    "socketio": "Socket.IO scenarios can't be run yet",
}


def select(
    written: list[Mapping[str, Any]], name: str | None, findings: Findings
) -> list[tuple[int, Mapping[str, Any]]]:
    """Give the scenarios to run with their positions: all, or the one that `--scenario-name` names or matches."""
    numbered = list(enumerate(written))
    if name is None:
        return numbered
    found = [(i, one) for i, one in numbered if one.get("name") == name]
    if not found:
        found = [(i, one) for i, one in numbered if _matches(name, one.get("name"))]
    if len(found) == 1:
        return found
    names = ", ".join(str(one["name"]) for _, one in found or numbered if "name" in one) or "none has a name"
    if not found:
        message = f"Scenario {name} not found in script"
        remedy = f"Names in the script: {names}."
    else:
        message, remedy = (
            f"Multiple scenarios for {name} found in script",
            f"It matches: {names}. Name one exactly.",
        )
    findings.error(message, ("scenarios",), remedy=remedy, exit_code=Exit.WORKER)
    return []


def _matches(pattern: str, name: Any) -> bool:
    try:
        return isinstance(name, str) and re.search(pattern, name) is not None
    except re.error:
        return False


def refuse_engine(scenario: Mapping[str, Any], path: Path, findings: Findings, *, default: str) -> None:
    """Refuse a scenario whose engine is not here."""
    engine = scenario.get("engine", default)
    if engine in _SUPPORTED:
        return
    message = _NOT_YET.get(str(engine), f"unknown engine {engine}")
    remedy = "Take it out of this script, or choose an HTTP scenario with --scenario-name."
    where = (*path, "engine") if "engine" in scenario else ("config", "engine")
    findings.error(f"{message} (engine: {engine})", where, remedy=remedy, exit_code=Exit.WORKER)


def check_weights(written: Sequence[Mapping[str, Any]], findings: Findings) -> None:
    """Refuse scenarios none of which can ever be picked; warn of weights that are none."""
    weights = [one.get("weight", 1) for one in written]
    for i, weight in enumerate(weights):
        number = as_number(weight)
        if (number is None and "{{" not in str(weight)) or (number is not None and number < 0):
            remedy = "It counts as 0: the scenario never runs. Write a whole number."
            findings.warn(f"the weight {weight} is no weight", ("scenarios", i, "weight"), remedy=remedy)
    if weights and all("{{" not in str(weight) and (as_number(weight) or 0) < 1 for weight in weights):
        remedy = "Give at least one scenario a weight of 1 or more."
        message = "no scenario can ever run: all weights are below 1"
        findings.error(message, ("scenarios",), remedy=remedy)


def compile_scenario(
    written: Mapping[str, Any], path: Path, flow: Flow, *, index: int, name: str | None, only: bool = False
) -> Scenario:
    """Compile a valid scenario, `before` or `after`; the `only` one that is run needs no weight."""

    def functions(key: str) -> tuple[Template, ...]:
        return tuple(compile_template(one, flow.functions) for one in as_texts(written.get(key)))

    return Scenario(
        index=index,
        name=name,
        metric_name=str(index) if name is None else name,
        steps=flow.steps(written.get("flow", []), (*path, "flow")),
        weight=compile_template(1 if only else written.get("weight", 1), flow.functions),
        before_scenario=functions("beforeScenario"),
        after_scenario=functions("afterScenario"),
        before_request=functions("beforeRequest"),
        after_response=functions("afterResponse"),
        on_error=functions("onError"),
        document=written,
    )
