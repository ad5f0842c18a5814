"""What can end a run early, and how any failure is told to a person.

Leaves to others: deciding that something failed, and printing (`__main__`).
"""

from __future__ import annotations

from collections.abc import Iterable

from grapeshot_worker.errors import Exit, GrapeshotError, Problem, ScriptError


class OutputRefused(GrapeshotError):
    """The place given with `-o` can't take a report; found before any load is made."""


class BaselineRefused(GrapeshotError):
    """The file of `--baseline` is no report that a run could be compared with; found before any load is made."""


class ReportRefused(GrapeshotError):
    """A file is no report, or it can't be used for what was asked."""


class WorkerFailed(GrapeshotError):
    """A worker could not start, or not in time; `workers` are the indices of those known to be at fault."""

    def __init__(
        self,
        message: str,
        *,
        cause: str = "",
        remedy: str = "",
        exit_code: int = Exit.WORKER,
        workers: Iterable[int] = (),
    ) -> None:
        super().__init__(message, cause=cause, remedy=remedy, exit_code=exit_code)
        self.workers = frozenset(workers)


class SettingsRefused(GrapeshotError):
    """Flags that can't be used; found before AWS is touched, or before anything is made there."""


class PartFailed(GrapeshotError):
    """The `before` or the `after` section of the script failed."""


class ImageFailed(GrapeshotError):
    """The worker image could not be built or published."""


class ImageUnpublished(ImageFailed):
    """The region's registry does not have the worker image yet."""


class Interrupted(GrapeshotError):
    """The person asked to stop before there was anything to report; the exit code is the signal's."""


def told(error: GrapeshotError) -> str:
    """Write a failure in full: what happened, its cause, what to do; of a script, all of its problems."""
    if isinstance(error, ScriptError):
        faults = sum(problem.severity == "error" for problem in error.problems)
        total = "1 error was" if faults == 1 else f"{faults} errors were"
        return "\n".join([*map(noted, error.problems), f"{total} found in the script; nothing was run."])
    lines = [f"Error: {error.message}"]
    if error.cause:
        lines.append(f"    Cause: {error.cause}")
    if error.remedy:
        lines.append(f"    What to do: {error.remedy}")
    return "\n".join(lines)


def noted(problem: Problem) -> str:
    """Write one problem of an input, as an error or a warning."""
    return f"{problem.severity.capitalize()}: {problem}"
