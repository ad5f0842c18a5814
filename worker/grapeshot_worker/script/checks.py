"""The checks of `ensure`: what a run's metrics must satisfy, in the order they are defined.

Leaves to others: the language of expressions (expression), and judging a report (the launcher).

Order: thresholds, conditions, the legacy limits on response time, the error rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from grapeshot_worker.errors import Path, dotted
from grapeshot_worker.script.convert import as_mapping, as_number, as_truth
from grapeshot_worker.script.expression import expression_problem
from grapeshot_worker.script.findings import Findings
from grapeshot_worker.script.model import Check

_LEGACY: Final = ("min", "max", "median", "p95", "p99")


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
        for metric, limit in item.items():
            if _is_number(limit, (*at, metric), findings):
                yield Check(label=f"{metric} < {limit}", expression=f"{metric} < {limit}")


def _conditions(options: Mapping[str, Any], path: Path, findings: Findings) -> Iterator[Check]:
    for at, item in _listed(options, "conditions", path, findings):
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
            yield Check(label=text, expression=text, strict=as_truth(item.get("strict")) is not False)


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


def _is_number(value: Any, path: Path, findings: Findings) -> bool:
    if as_number(value) is None:
        findings.error(f'"{dotted(path)}" must be a number', path)
        return False
    return True
