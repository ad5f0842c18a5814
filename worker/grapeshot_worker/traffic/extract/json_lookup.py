"""Knows how a JSONPath is compiled: chains of names, indexes and `*` to direct look-ups, all others to a
walk.

Leaves to others: reading a path (json_path), the walk (json_walk), parsing bodies and choosing among several
matches (capture). Most captures are such chains, and they are on the path of every request: following one
here takes a fraction of a microsecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grapeshot_worker.script.template import MISSING
from grapeshot_worker.traffic.extract.json_path import Step, key, parse_json_path
from grapeshot_worker.traffic.extract.json_walk import child, compile_walk

_SINGLE = ("name", "parent", "property")  # kinds of steps that lead to one place at most

One = Callable[[Any], Any]
Every = Callable[[Any], list[Any]]


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path: `every` gives all matches; `one`, set where at most one is possible, it or MISSING.

    `single` tells that the path as written speaks of one place.
    """

    every: Every
    one: One | None = None
    single: bool = False


def compile_json_path(expression: str) -> JsonPath:
    """Compile a path; ExpressionError says what in it can't be used."""
    steps = parse_json_path(expression)
    single = all(step.kind in _SINGLE for step in steps)
    if any(step.kind not in ("name", "all") for step in steps):
        return JsonPath(compile_walk(steps), single=single)
    if all(step.kind == "name" for step in steps):
        one = _follow([key(step.text) for step in steps])

        def at_most_one(document: Any) -> list[Any]:
            value = one(document)
            return [] if value is MISSING else [value]

        return JsonPath(at_most_one, one, single=True)
    return JsonPath(_spread(steps))


def _follow(keys: Sequence[str | int]) -> One:
    def follow(document: Any) -> Any:
        value = document
        try:
            for step in keys:
                value = value[step]
        except (KeyError, IndexError, TypeError):
            return _follow_slowly(document, keys)
        return value

    return follow


def _follow_slowly(document: Any, keys: Sequence[str | int]) -> Any:
    """Follow where `[]` failed: `.length`, numbers that are names, or nothing there."""
    value = document
    for step in keys:
        value = child(value, step)
        if value is MISSING:
            break
    return value


def _spread(steps: Sequence[Step]) -> Every:
    runs: list[One | None] = []  # None: all children
    keys: list[str | int] = []
    for step in steps:
        if step.kind == "name":
            keys.append(key(step.text))
            continue
        if keys:
            runs.append(_follow(keys))
        runs.append(None)
        keys = []
    if keys:
        runs.append(_follow(keys))

    def every(document: Any) -> list[Any]:
        values = [document]
        for run in runs:
            if run is None:
                values = [inner for value in values for inner in _children(value)]
            else:
                values = [found for value in values if (found := run(value)) is not MISSING]
        return values

    return every


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
