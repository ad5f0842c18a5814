"""Who does what, and when: Share, Window, Arrival, Plan, and the Assignment one process is given (pure).

Leaves to others: the moments of the arrivals (arrivals), reading the script (script), carrying an Assignment.

A share is two integers. Item k of anything divisible (arrivals, CSV rows, the quota of users) belongs to
share `k % count`. So the script states the total load, no remainder is ever lost, and the whole is
Share(0, 1): there is no second code path for one process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from grapeshot_worker.errors import Place, Problem
from grapeshot_worker.script.model import Phase, ScriptSource


@dataclass(frozen=True, slots=True)
class Share:
    """Item k of anything divisible belongs to worker `k % count`; Share(0, 1) is the whole."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"there is no share {self.index} of {self.count}")

    def of(self, total: int) -> int:
        """Count the items k < total that belong to this share.

        >>> [Share(index, 3).of(10) for index in range(3)]
        [4, 3, 3]
        """
        return (total - self.index + self.count - 1) // self.count

    def part(self, index: int, count: int) -> Share:
        """Give part `index` of `count` of this share: what process p of P does inside worker i of n.

        >>> Share(1, 3).part(0, 2), Share(1, 3).part(1, 2)
        (Share(index=1, count=6), Share(index=4, count=6))
        """
        if not 0 <= index < count:
            raise ValueError(f"there is no part {index} of {count}")
        return Share(self.index + self.count * index, self.count * count)


@dataclass(frozen=True, slots=True)
class Window:
    """A slice [start, end) of the test's timeline, in seconds from its start."""

    start: float = 0.0
    end: float = math.inf


class Arrival(NamedTuple):
    """One virtual user's moment: seconds from the test's start, its phase, its number in the whole plan."""

    at: float
    phase: int
    number: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The phases of a test and the seed of what is random in them (Poisson gaps)."""

    phases: tuple[Phase, ...]
    seed: str = ""


Part = Literal["before", "load", "after"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What one engine process is told: which script, which part of the test, which share and slice of it."""

    run_id: str
    source: ScriptSource
    share: Share = Share()
    copy: int | None = (
        None  # which of several copies of the whole load; None: there is one load, and it is shared
    )
    process: Share = Share()  # which of its worker's engine processes it is
    window: Window = Window()
    generation: int = 0
    part: Part = "load"
    variables: dict[str, Any] = field(default_factory=dict)  # captured by `before`
    flush_interval: float = 1.0  # seconds between Progress messages

    @property
    def index(self) -> int:
        """The number of the worker among those of its part of the run."""
        return self.share.index if self.copy is None else self.copy

    @property
    def seed(self) -> str:
        """The seed of what is random: the same for all shares of a load, another for each of its copies."""
        return copy_seed(self.run_id, self.copy)

    def to_json(self) -> str:
        """Give one line of JSON, by Python's `json`: NaN and Infinity survive, where other encoders lose them.

        The source's `marks` stay behind: they serve the messages about faulty scripts, which come earlier.
        """
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        parts = {
            "source": source_to_json(self.source),
            "share": [self.share.index, self.share.count],
            "process": [self.process.index, self.process.count],
            "window": [self.window.start, self.window.end],
        }
        return json.dumps(plain | parts)

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        """Read back what `to_json` gave; ValueError for anything else."""
        data = json.loads(text)
        try:
            parts = {
                "source": source_from_json(data["source"]),
                "share": Share(*data["share"]),
                "process": Share(*data["process"]),
                "window": Window(*data["window"]),
            }
            return cls(**{**data, **parts})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no assignment: {type(error).__name__}: {error}") from error


def copy_seed(run_id: str, copy: int | None) -> str:
    """Give the seed of a run's plan, or of one of its copies: the first copy is the run without copies.

    >>> copy_seed("t1", None), copy_seed("t1", 0), copy_seed("t1", 2)
    ('t1', 't1', 't1/copy 2')
    """
    return f"{run_id}/copy {copy}" if copy else run_id


def source_to_json(source: ScriptSource) -> dict[str, Any]:
    """Give a resolved script as plain data, without its `marks`."""
    plain = {f.name: getattr(source, f.name) for f in fields(source) if f.name != "marks"}
    return plain | {"warnings": [_problem_to_json(problem) for problem in source.warnings]}


def source_from_json(data: Mapping[str, Any]) -> ScriptSource:
    """Read back what `source_to_json` gave; KeyError or TypeError for anything else."""
    warnings = tuple(_problem_from_json(problem) for problem in data["warnings"])
    return ScriptSource(**{**data, "warnings": warnings})


def _problem_to_json(problem: Problem) -> dict[str, Any]:
    place = problem.place
    plain = {f.name: getattr(problem, f.name) for f in fields(problem)}
    return plain | {
        "exit_code": int(problem.exit_code),
        "place": place and {f.name: getattr(place, f.name) for f in fields(place)},
    }


def _problem_from_json(data: Mapping[str, Any]) -> Problem:
    place = data["place"]
    return Problem(**{**data, "place": place and Place(**place)})
