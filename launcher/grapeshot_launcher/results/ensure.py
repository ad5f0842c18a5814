"""The thresholds of a script, weighed against the whole of a run.

Leaves to others: reading them from the script (the worker's `script`), their language (its `expression`), printing
(views), the exit code (verdict).

A check sees what the report shows: counters and rates by name, of every histogram `<name>.p95` and the like, rounded as
printed. A metric that was never emitted fails its check, even `http.codes.500 == 0`: that is the reference's rule, and
the outcome names the metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.script.expression import evaluate_check
from grapeshot_worker.script.model import Check
from grapeshot_worker.script.values import to_text


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOutcome:
    """What became of one check: the `values` it used, the metrics nobody emitted, a fault of its text."""

    label: str
    strict: bool
    ok: bool
    values: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def found(self) -> str:
        """What a failed check found: the values it used, the metrics nobody emitted, what is wrong with it."""
        said = [f"{name} = {to_text(value)}" for name, value in self.values.items()]
        said += [f"{name} was never emitted" for name in self.missing]
        if self.problem:
            said.append(self.problem)
        return ", ".join(said) or "false"


def run_checks(checks: Sequence[Check], totals: Totals) -> tuple[CheckOutcome, ...]:
    """Evaluate checks in definition order."""
    values = check_values(totals)
    return tuple(_outcome(check, values) for check in checks)


def check_values(totals: Totals) -> dict[str, float]:
    """Give every number a check can name."""
    values: dict[str, float] = {**totals.counters, **totals.rates}
    for name, summary in totals.summaries().items():
        values |= {f"{name}.{key}": value for key, value in summary.items()}
    return values


def _outcome(check: Check, values: Mapping[str, float]) -> CheckOutcome:
    if check.max_error_rate is not None:
        return _error_rate(check, values, check.max_error_rate)
    result = evaluate_check(check.expression, values)
    return CheckOutcome(
        label=check.label,
        strict=check.strict,
        ok=result.ok,
        values=result.values,
        missing=result.missing,
        problem=result.problem,
    )


def _error_rate(check: Check, values: Mapping[str, float], limit: float) -> CheckOutcome:
    """Users that did not complete, in percent of those created, must be at most the limit."""
    created = values.get("vusers.created", 0)
    if not created:
        return CheckOutcome(label=check.label, strict=check.strict, ok=False, missing=("vusers.created",))
    rate = (created - values.get("vusers.completed", 0)) / created * 100
    return CheckOutcome(label=check.label, strict=check.strict, ok=rate <= limit, values={"error rate": rate})
