"""JavaScript's loose operators and the functions of the expression language, as plain functions.

Leaves to others: reading expressions (expression) and what a value is as a number, a text or a truth
(values).

Operators coerce: "5" == 5, undefined is not less than anything, 1/0 is Infinity. Nothing here raises but `~=`
with a bad pattern.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from grapeshot_worker.script.values import MISSING, to_number, to_text

Operation = Callable[[Any, Any], Any]


class ExpressionError(Exception):
    """An expression that can't be understood or evaluated; `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message, self.position = message, position


def _loosely_equal(left: Any, right: Any) -> bool:
    if left is None or left is MISSING or right is None or right is MISSING:
        return (left is None or left is MISSING) and (right is None or right is MISSING)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, (dict, list, tuple)) or isinstance(right, (dict, list, tuple)):
        return left is right or to_text(left) == to_text(right)
    return to_number(left) == to_number(right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Operation:
    def apply(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return compare(left, right)
        return compare(to_number(left), to_number(right))

    return apply


def _numeric(compute: Callable[[float, float], float]) -> Operation:
    def apply(left: Any, right: Any) -> float:
        try:
            return compute(to_number(left), to_number(right))
        except (ValueError, ZeroDivisionError):
            return math.nan
        except OverflowError:
            return math.inf

    return apply


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    return left * math.copysign(math.inf, right)  # 0/0 is NaN, as 0 · ∞ is


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, (str, dict, list, tuple)) or isinstance(right, (str, dict, list, tuple)):
        return to_text(left) + to_text(right)
    return to_number(left) + to_number(right)


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ExpressionError(f"{text!r} is no regular expression: {error}", 0) from None


def _matches(text: Any, pattern: Any) -> bool:
    return _pattern(to_text(pattern)).search(to_text(text)) is not None


def _among(value: Any, choices: Any) -> bool:
    return any(
        _loosely_equal(value, c) for c in (choices if isinstance(choices, (list, tuple)) else [choices])
    )


LEVELS: Sequence[Mapping[str, Operation]] = (  # loose to tight; `or`, `and` and the signs have methods
    {"in": _among, "not in": lambda value, choices: not _among(value, choices)},
    {"==": _loosely_equal, "!=": lambda left, right: not _loosely_equal(left, right), "~=": _matches},
    {
        "<": _ordered(operator.lt),
        "<=": _ordered(operator.le),
        ">": _ordered(operator.gt),
        ">=": _ordered(operator.ge),
    },
    {"+": _add, "-": _numeric(operator.sub)},
    {"*": _numeric(operator.mul), "/": _numeric(_divide), "%": _numeric(math.fmod)},
)


def _whole_number(compute: Callable[[float], float]) -> Callable[[float], float]:
    return lambda number: compute(number) if math.isfinite(number) else number


def _extreme(choose: Callable[[Iterable[float]], float], of_nothing: float) -> Callable[..., float]:
    def apply(*numbers: float) -> float:
        return math.nan if any(map(math.isnan, numbers)) else choose((*numbers, of_nothing))

    return apply


FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": _whole_number(math.ceil),
    "floor": _whole_number(math.floor),
    "log": lambda number: math.log(number) if number > 0 else -math.inf if number == 0 else math.nan,
    "max": _extreme(max, -math.inf),
    "min": _extreme(min, math.inf),
    "round": _whole_number(lambda number: math.floor(number + 0.5)),  # JavaScript rounds halves up
    "sqrt": lambda number: math.sqrt(number) if number >= 0 else math.nan,
}
VARIADIC = ("max", "min")

power = _numeric(math.pow)
