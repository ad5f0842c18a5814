"""The checks of `ensure`: what a run's metrics must satisfy, in the order they are defined.

Leaves to others: the language of expressions (expression), and judging a report (the launcher).

Order: thresholds, conditions, the legacy limits on response time, the error rate.

A threshold or condition may end the load when it fails under way: `abortOnFail: true`, and `delayAbortEval` for how
long after the load's start that is not asked yet (both words are k6's). The error rate can't: users under way have not
completed, and it would count them as failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from grapeshot_worker.errors import Path, dotted
from grapeshot_worker.script.convert import as_mapping, as_number, as_truth
from grapeshot_worker.script.duration import DurationError, parse_think
from grapeshot_worker.script.expression import expression_problem
from grapeshot_worker.script.findings import Findings, nearest
from grapeshot_worker.script.model import Check

_LEGACY: Final = ("min", "max", "median", "p95", "p99")
_ABORT: Final = ("abortOnFail", "delayAbortEval")


def parse_checks(options: Mapping[str, Any], path: Path, findings: Findings) -> tuple[Check, ...]:
    """Read the options of `ensure`, which stand at `path`; faults go to `findings`."""
    legacy = [
        Check(label=f"{key} < {value}", expression=f"http.response_time.{key} < {value}")
        for key, value in options.items()
        if key in _LEGACY and _is_number(value, (*path, key), findings)
    ]
    return (
        *_thresholds(options, path, findings),
        *_conditions(options, path, findings),
        *legacy,
        *_error_rate(options, path, findings),
    )


def _thresholds(options: Mapping[str, Any], path: Path, findings: Findings) -> Iterator[Check]:
    for at, item in _listed(options, "thresholds", path, findings):
        abort_after = _abort_after(item, at, findings)
        limits = {metric: limit for metric, limit in item.items() if metric not in _ABORT}
        if item and not limits:
            remedy = "Write the limit beside it, such as: http.response_time.p95: 200."
            findings.error(f'"{dotted(at)}" names no metric', at, remedy=remedy)
        for metric, limit in limits.items():
            if _is_number(limit, (*at, metric), findings, remedy=nearest(str(metric), _ABORT)):
                text = f"{metric} < {limit}"
                yield Check(label=text, expression=text, abort_after=abort_after)


def _conditions(options: Mapping[str, Any], path: Path, findings: Findings) -> Iterator[Check]:
    for at, item in _listed(options, "conditions", path, findings):
        abort_after = _abort_after(item, at, findings)
        strict = as_truth(item.get("strict")) is not False
        if abort_after is not None and not strict:
            remedy = (
                "Remove 'strict: false', for what ends the load also fails the run; or remove abortOnFail."
            )
            findings.error(
                f'"{dotted((*at, "abortOnFail"))}" contradicts "strict: false"',
                (*at, "abortOnFail"),
                remedy=remedy,
            )
        text = item.get("expression")
        if not isinstance(text, str):
            remedy = "Write 'expression: http.codes.200 > 0'."
            findings.error(f'"{dotted((*at, "expression"))}" is required', at, remedy=remedy)
        elif (problem := expression_problem(text)) is not None:
            remedy = (
                "Write a comparison of metrics, such as: http.response_time.p99 < 200 and vusers.failed == 0."
            )
            findings.error(
                f"the expression {text} can't be read: {problem}", (*at, "expression"), remedy=remedy
            )
        else:
            yield Check(label=text, expression=text, strict=strict, abort_after=abort_after)


def _abort_after(item: Mapping[str, Any], at: Path, findings: Findings) -> float | None:
    """Read when an item begins to end the load, in seconds after its start; None where it never does."""
    asked, delayed = ((*at, key) for key in _ABORT)
    abort = as_truth(item.get("abortOnFail", False))
    if abort is None:
        findings.error(f'"{dotted(asked)}" must be a boolean', asked, remedy="Write true or false.")
    if "delayAbortEval" not in item:
        return 0.0 if abort else None
    if "abortOnFail" not in item:
        remedy = "Write 'abortOnFail: true' beside it, or remove it."
        findings.error(f'"{dotted(delayed)}" has no meaning without abortOnFail', delayed, remedy=remedy)
    try:
        seconds = parse_think(item["delayAbortEval"])
    except DurationError as error:
        remedy = "Write seconds (30) or a number with a unit: '30s', '1.5 min'."
        findings.error(f'"{dotted(delayed)}" must be a duration, not {error}', delayed, remedy=remedy)
        return None
    return seconds if abort else None


def _error_rate(options: Mapping[str, Any], path: Path, findings: Findings) -> Iterator[Check]:
    limit = options.get("maxErrorRate")
    if limit is not None and _is_number(limit, (*path, "maxErrorRate"), findings):
        rate = float(as_number(limit) or 0)
        yield Check(label=f"maxErrorRate < {limit}", expression="", max_error_rate=rate)


def _listed(
    options: Mapping[str, Any], key: str, path: Path, findings: Findings
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    written = options.get(key, [])
    if not isinstance(written, list):
        findings.error(f'"{dotted((*path, key))}" must be an array', (*path, key))
        return
    for i, item in enumerate(written):
        if isinstance(item, Mapping):
            yield (*path, key, i), as_mapping(item)
        else:
            findings.error(f'"{dotted((*path, key, i))}" must be of type object', (*path, key, i))


def _is_number(value: Any, path: Path, findings: Findings, *, remedy: str = "") -> bool:
    if as_number(value) is None:
        findings.error(f'"{dotted(path)}" must be a number', path, remedy=remedy)
        return False
    return True
