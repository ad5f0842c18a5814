"""The steps of a flow, compiled.

Leaves to others: faults of structure (validate), requests (request), running the steps (traffic).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from grapeshot_worker.errors import Path, StepError
from grapeshot_worker.script.convert import as_number
from grapeshot_worker.script.duration import DurationError, parse_think
from grapeshot_worker.script.expression import ExpressionError, compile_expression
from grapeshot_worker.script.findings import Findings, nearest
from grapeshot_worker.script.keys import STEPS, VERBS, kind_of
from grapeshot_worker.script.model import (
    Call,
    Faulty,
    HttpSettings,
    Log,
    Loop,
    Parallel,
    Request,
    Step,
    Think,
)
from grapeshot_worker.script.request import parse_request
from grapeshot_worker.script.template import Functions, Template, compile_template

_LIMIT: Final = 100  # steps of `parallel` under way
_RUN_TIME_ONLY: Final = ("timeout", "retry")  # have an effect only when a function sets them


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """What steps are compiled with: the target, the settings of requests, the functions of templates."""

    target: str
    http: HttpSettings
    functions: Functions
    findings: Findings

    def steps(self, written: list[Any], path: Path) -> tuple[Step, ...]:
        """Compile a valid list of steps; `path` is its own."""
        return tuple(self._step(step, (*path, i)) for i, step in enumerate(written))

    def _step(self, step: Mapping[str, Any], path: Path) -> Step:
        kind = kind_of(step)
        match kind:
            case "loop":
                return self._loop(step, path)
            case "parallel":
                limit = as_number(step.get("limit")) or _LIMIT
                return Parallel(
                    steps=self.steps(step["parallel"], (*path, "parallel")), limit=max(1, int(limit))
                )
            case "think":
                return self._think(step, path)
            case "log":
                return Log(text=self._template(step["log"]))
            case "function":
                return Call(name=self._template(step["function"]))
            case _:
                return self._request(kind, step[kind], (*path, kind))

    def _template(self, source: Any) -> Template:
        return compile_template(source, self.functions)

    def _think(self, step: Mapping[str, Any], path: Path) -> Think:
        duration = self._template(step["think"])
        if duration.constant:
            try:
                parse_think(step["think"])
            except DurationError:
                remedy = (
                    "Users will fail here. Write seconds (2, 0.5) or a number with a unit: '500ms', '1 min'."
                )
                self.findings.warn(f"Invalid think time: {step['think']}", (*path, "think"), remedy=remedy)
        return Think(duration=duration, jitter=step.get("jitter"))

    def _loop(self, step: Mapping[str, Any], path: Path) -> Loop:
        over = step.get("over")
        count = step.get("count")
        return Loop(
            steps=self.steps(step["loop"], (*path, "loop")),
            count=None if count is None else self._template(count),
            over=self._template(over) if isinstance(over, list) else over,
            while_true=step.get("whileTrue"),
            index_variable=step.get("loopValue", "$loopCount"),
            element_variable=step.get("loopElement", "$loopElement"),
        )

    def _request(self, verb: str, written: Any, path: Path) -> Request | Faulty:
        params: dict[str, Any] = dict(written) if isinstance(written, Mapping) else {}
        if not (params.get("url") or params.get("uri")):
            hint = nearest(verb, STEPS) if verb not in VERBS else ""
            what = (
                "a request without a url"
                if verb in VERBS
                else f'"{verb}" is no known step, and no request with a url'
            )
            remedy = hint or f"Users will fail here. Known steps: {', '.join(STEPS)}."
            self.findings.warn(what, path, remedy=remedy)
        self._check_condition(params.get("ifTrue"), (*path, "ifTrue"))
        try:
            return parse_request(
                verb,
                {key: value for key, value in params.items() if key not in _RUN_TIME_ONLY},
                target=self.target,
                http=self.http,
                functions=self.functions,
                place=self.findings.place(path),
            )
        except StepError as error:
            return Faulty(error=error.name)

    def _check_condition(self, written: Any, path: Path) -> None:
        """Warn of an `ifTrue` that can't be read: as in the reference, its request is always sent."""
        try:
            compile_expression(str(written or 0))
        except ExpressionError as error:
            remedy = "The request is always sent. Compare variables by name: 'count > 3', 'name == \"x\"'."
            self.findings.warn(f"the condition {written} can't be read: {error}", path, remedy=remedy)
