"""How JavaScript sees values: what is missing, their string form, their number, their truth.

Leaves to others: where the values come from (path) and where they go (template, expression).

Scripts were written for a JavaScript tool, so a value put into a text or a comparison must look as it does
there: `3.0` is `3`, an object is compact JSON, an empty list is true. The one departure: integers keep all
their digits, where JavaScript would round them beyond 2^53.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final


class Missing:
    """The value of what is not there (JavaScript's undefined): falsy, its own value, never None."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"

    def __copy__(self) -> Missing:
        return self

    def __deepcopy__(self, memo: object) -> Missing:
        return self

    def __reduce__(self) -> str:
        return "MISSING"  # unpickled and copied as the one instance: `is MISSING` must hold


MISSING: Final = Missing()

# What JavaScript's \s matches, for a [class] of a pattern.
SPACE: Final = "\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_NUMBER = re.compile(
    rf"[{SPACE}]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Infinity|)[{SPACE}]*", re.ASCII
)
_RADIX = re.compile(rf"[{SPACE}]*(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+)[{SPACE}]*")
_quote = json.JSONEncoder(ensure_ascii=False).encode


def to_text(value: Any) -> str:
    """Give JavaScript's string form: compact JSON for containers, `true`, `null`, `undefined`, 3 for 3.0."""
    form = _TEXTS.get(value.__class__)
    return form(value) if form is not None else _text_of_other(value)


def number_text(number: float) -> str:
    """Write a float as JavaScript does: shortest digits, plain from 1e-6 up to 1e21, else an exponent."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"  # also for -0.0
    text = repr(number)
    if "e" not in text:
        return text.removesuffix(".0")
    if 1e-6 <= abs(number) < 1e21:
        return format(Decimal(text), "f")
    mantissa, exponent = text.split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def json_text(value: Any) -> str:
    """Write compact JSON as JSON.stringify does: no missing members; `null` for missing elements and NaN."""
    if isinstance(value, str):
        return _quote(value)
    if value is MISSING or (isinstance(value, float) and not math.isfinite(value)):
        return "null"
    if value is None or isinstance(value, (bool, int, float)):
        return to_text(value)
    if isinstance(value, (dict, Mapping)):
        members = (f"{_quote(to_text(key))}:{json_text(v)}" for key, v in value.items() if v is not MISSING)
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(json_text, value)) + "]"
    return _quote(to_text(value))


def to_number(value: Any) -> int | float:
    """Give the number JavaScript's `Number(value)` gives; NaN for what is none."""
    if isinstance(value, (int, float)):
        return value
    if value is None:
        return 0
    if not isinstance(value, str):
        return math.nan
    if radix := _RADIX.fullmatch(value):
        return int(radix[1], 0)
    match = _NUMBER.fullmatch(value)
    if match is None:
        return math.nan
    return float(match[1] or 0)


def truthy(value: Any) -> bool:
    """Say whether JavaScript takes the value for true: even empty containers are; "", 0 and NaN are not."""
    if isinstance(value, (str, int, float)):
        return bool(value) and value == value  # NaN is the one value unequal to itself
    return value is not None and value is not MISSING


def _text_of_other(value: Any) -> str:
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, (Mapping, list, tuple)):
        return json_text(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


_TEXTS: Mapping[type, Callable[[Any], str]] = {
    str: str,
    int: int.__repr__,
    float: number_text,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
    Missing: lambda _: "undefined",
    dict: json_text,
    list: json_text,
    tuple: json_text,
}
