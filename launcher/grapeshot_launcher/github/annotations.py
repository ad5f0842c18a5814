"""What GitHub shows beside a run and at the lines of its files: a run's faults, or what prevented it (pure).

Leaves to others: writing it (runner), the whole story (the job summary).

GitHub keeps ten errors and ten warnings of a step and drops the rest without a word; so the last of ten says how
many more there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from grapeshot_launcher.github.runner import Annotation, Level
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.comparison import change_words
from grapeshot_worker.errors import GrapeshotError, Problem, ScriptError

MOST: Final = 10  # of a level, in a step
LONGEST: Final = 2000  # characters of a message


def of_report(report: Report) -> list[Annotation]:
    """Give the annotations of a run that was made; none for one that passed without a warning."""
    found = [
        Annotation(level="error", title="Threshold", message=_check(check))
        for check in report.checks
        if check.strict and not check.ok
    ]
    checks = {f"check failed: {check.label}" for check in report.checks}
    title = {"invalid": "The measurement is invalid", "stopped": "Stopped"}.get(report.verdict.kind, "Failed")
    found += [
        Annotation(level="error", title=title, message=reason)
        for reason in report.verdict.reasons
        if reason not in checks
    ]
    if report.comparison is not None and report.comparison.verdict == "regression":
        worse = [each for each in report.comparison.metrics if each.judgement == "worse"]
        text = ", ".join(f"{each.name} {change_words(each)}" for each in worse)
        found.append(Annotation(level="error", title="Worse than the baseline", message=text))
    found += [Annotation(level="warning", message=warning) for warning in report.warnings]
    return limited(found)


def of_failure(error: GrapeshotError, *, folder: PurePosixPath) -> list[Annotation]:
    """Give the annotations of a run that was not made; `folder`: where it was started, from the repository's root."""
    if isinstance(error, ScriptError):
        return limited([_of_problem(problem, folder) for problem in error.problems])
    rest = "\n".join(text for text in (error.cause, error.remedy) if text)
    return [Annotation(level="error", message=f"{error.message}\n{rest}".rstrip()[:LONGEST])]


def limited(found: Sequence[Annotation]) -> list[Annotation]:
    """Keep what GitHub shows; the last of each level says how many were left out."""
    kept: list[Annotation] = []
    levels: tuple[Level, ...] = ("error", "warning", "notice")
    for level in levels:
        some = [_shortened(each) for each in found if each.level == level]
        if len(some) > MOST:
            more = f"… and {len(some) - MOST + 1} more; the job summary has all of them."
            some = [*some[: MOST - 1], Annotation(level=level, message=more)]
        kept += some
    return kept


def _check(check: CheckOutcome) -> str:
    values = ", ".join(f"{name} = {value:g}" for name, value in check.values.items())
    missing = ", ".join(f"{name} was never measured" for name in check.missing)
    details = "; ".join(text for text in (values, missing, check.problem) if text)
    return f"{check.label} does not hold" + (f": {details}" if details else "")


def _of_problem(problem: Problem, folder: PurePosixPath) -> Annotation:
    message = f"{problem.message}\n{problem.remedy}".rstrip()
    if problem.place is None:
        return Annotation(level=problem.severity, message=message)
    if problem.place.path:
        message = f"{problem.place.path}: {message}"
    return Annotation(
        level=problem.severity,
        message=message,
        file=str(folder / problem.place.file),
        line=problem.place.line,
    )


def _shortened(each: Annotation) -> Annotation:
    if len(each.message) <= LONGEST:
        return each
    return replace(each, message=each.message[: LONGEST - 1] + "…")
