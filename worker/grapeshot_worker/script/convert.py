"""Reading a value as the type it is meant to be: the text "5" as a number, "true" as a truth (pure).

Leaves to others: what to say when a value is not of its type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from grapeshot_worker.script.scalars import whole


def as_number(value: Any) -> int | float | None:
    """Give a number, or the number a text is; None for anything else.

    >>> as_number("2.50"), as_number(" 7 "), as_number("1e3"), as_number("five"), as_number(True)
    (2.5, 7, 1000, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value) if isinstance(value, (float, str)) and "_" not in str(value) else math.nan
    except ValueError:
        return None
    return whole(number) if math.isfinite(number) else None


def as_truth(value: Any) -> bool | None:
    """Give a truth, or the truth a text is; None for anything else.

    >>> as_truth(True), as_truth("False"), as_truth("yes")
    (True, False, None)
    """
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def as_texts(value: Any) -> tuple[str, ...]:
    """Give one text, or a list of them, as a tuple; other values are left out."""
    return tuple(part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str))


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Give a mapping, or an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}
