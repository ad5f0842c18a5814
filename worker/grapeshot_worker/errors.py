"""What can go wrong, in words for a person: what happened, the likely cause, what to do.

Leaves to others: finding the faults (script, traffic) and printing them (the launcher's command line).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

Path = tuple[str | int, ...]

# What to do when an engine process has run out of memory.
MORE_MEMORY = (
    "Use more workers (--workers), on AWS Lambda with more memory each (--memory-size); keep less in hooks and"
    " CSV files."
)


class Exit(IntEnum):
    """Every exit code of `grapeshot`; docs/exit-codes.md explains them."""

    OK = 0
    FAILED = 1  # a strict ensure check failed, or the input was refused
    USAGE = 2  # the command line could not be understood
    INVALID = 4  # the generator spoiled its own measurement
    WORSE = 5  # worse than the baseline, where that was asked to count
    WORKER = 11  # a worker could not start or crashed
    EXPECT = 21  # at least one `expect` failed
    BUG = 70  # a fault of Grapeshot itself
    INTERRUPTED = 130  # SIGINT
    PIPE = 141  # the reader of the output closed it
    TERMINATED = 143  # SIGTERM


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where in the input a problem sits: file, 1-based line, path in the document (`scenarios[0].flow[1]`)."""

    file: str
    line: int | None = None
    path: str = ""

    def __str__(self) -> str:
        line = f":{self.line}" if self.line is not None else ""
        return f"{self.file}{line}" + (f" ({self.path})" if self.path else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One fault of an input: what happened, where, and what to do about it."""

    message: str
    place: Place | None = None
    remedy: str = ""
    severity: Literal["error", "warning"] = "error"
    exit_code: int = Exit.FAILED

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.message}" + (f"\n    {self.remedy}" if self.remedy else "")


class GrapeshotError(Exception):
    """A failure that is told to a person and ends the run with `exit_code`."""

    def __init__(
        self, message: str, *, cause: str = "", remedy: str = "", exit_code: int = Exit.FAILED
    ) -> None:
        super().__init__(message)
        self.message, self.cause, self.remedy, self.exit_code = message, cause, remedy, exit_code


class ScriptError(GrapeshotError):
    """A script with problems; carries all of them. Exit code: the lowest of its errors' (validation comes first)."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        codes = [p.exit_code for p in self.problems if p.severity == "error"]
        super().__init__("\n".join(str(p) for p in self.problems), exit_code=min(codes, default=Exit.FAILED))


class CloudError(GrapeshotError):
    """A call to AWS that failed; `passing`: the same call may work a little later."""

    def __init__(self, message: str, *, cause: str = "", remedy: str = "", passing: bool = False) -> None:
        super().__init__(message, cause=cause, remedy=remedy, exit_code=Exit.WORKER)
        self.passing = passing


class MessageTooLarge(GrapeshotError):
    """A message that the queue would not take."""


class StepError(Exception):
    """What ends a virtual user; `name` is counted as `errors.<name>`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def dotted(path: Path) -> str:
    """Write a path as the script's author reads it.

    >>> dotted(("scenarios", 0, "flow", 1, "get", "url"))
    'scenarios[0].flow[1].get.url'
    """
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
