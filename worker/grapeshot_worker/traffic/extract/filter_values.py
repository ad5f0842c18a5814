"""Knows what the operators and methods of JavaScript do that may stand in JSONPath filters.

Leaves to others: reading the expressions (filter_expression), equality, truth and conversions (javascript).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from grapeshot_worker.script.template import MISSING
from grapeshot_worker.traffic.extract.javascript import (
    Search,
    compile_regexp,
    js_string,
    loosely_equal,
    strictly_equal,
    to_number,
    truthy,
)


def member(value: Any, key: Any) -> Any:
    """Give `value[key]` as JavaScript does: own keys, list elements, characters, `length`; MISSING if there
    is none.
    """
    if isinstance(value, dict):
        return value.get(key if isinstance(key, str) else js_string(key), MISSING)
    if not isinstance(value, (list, str)):
        return MISSING
    if key == "length":
        return len(value)
    position = to_number(key)
    return value[int(position)] if 0 <= position < len(value) and position == int(position) else MISSING


def _compare(action: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return action(left, right)
        return action(to_number(left), to_number(right))

    return compare


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, (str, list, dict)) or isinstance(right, (str, list, dict)):
        return _text(left) + _text(right)
    return to_number(left) + to_number(right)


def _text(value: Any) -> str:
    return js_string(value) if value is not MISSING else "undefined"


def _divide(left: Any, right: Any) -> float:
    above, below = to_number(left), to_number(right)
    if below:
        return above / below
    if not above or math.isnan(above):
        return math.nan
    return math.copysign(math.inf, above) * math.copysign(1, below)


def _remainder(left: Any, right: Any) -> float:
    above, below = to_number(left), to_number(right)
    return math.fmod(above, below) if below and not math.isinf(above) else math.nan


def type_name(value: Any) -> str:
    """Give what `typeof` says."""
    if value is MISSING:
        return "undefined"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else "string" if isinstance(value, str) else "object"


def _includes(value: Any, wanted: Any) -> bool:
    if isinstance(value, str):
        return js_string(wanted) in value
    return any(strictly_equal(item, wanted) for item in list.__iter__(value))


def _index_of(value: Any, wanted: Any) -> int:
    if isinstance(value, str):
        return value.find(js_string(wanted))
    return next((i for i, item in enumerate(list.__iter__(value)) if strictly_equal(item, wanted)), -1)


def _match(value: str, wanted: Search | str) -> Any:
    found = (compile_regexp(wanted) if isinstance(wanted, str) else wanted)(str.__str__(value))
    return [found[0], *found.groups()] if found else None


PREFIXES: dict[str, Callable[[Any], Any]] = {
    "!": lambda value: not truthy(value),
    "-": lambda value: -to_number(value),
    "+": to_number,
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "===": strictly_equal,
    "!==": lambda left, right: not strictly_equal(left, right),
    "==": loosely_equal,
    "!=": lambda left, right: not loosely_equal(left, right),
    "<": _compare(operator.lt),
    "<=": _compare(operator.le),
    ">": _compare(operator.gt),
    ">=": _compare(operator.ge),
    "+": _plus,
    "-": lambda left, right: to_number(left) - to_number(right),
    "*": lambda left, right: to_number(left) * to_number(right),
    "/": _divide,
    "%": _remainder,
}
METHODS: dict[str, Callable[..., Any]] = {
    "includes": _includes,
    "indexOf": _index_of,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "toLowerCase": str.lower,
    "toUpperCase": str.upper,
    "trim": str.strip,
    "toString": js_string,
    "match": _match,
    "test": lambda pattern, value: pattern(_text(value)) is not None,
}
