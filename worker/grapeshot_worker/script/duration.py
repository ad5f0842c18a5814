"""Durations as authors write them: `60`, "1.5s", "10 min" (pure).

Leaves to others: what a duration is for, and the words for one that is wrong.
"""

from __future__ import annotations

import re
from typing import Any, Final

_UNITS: Final = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), 31557600.0),  # 365.25 days
    "": 0.001,
}
_INTEGER = re.compile(r"[-+]?\d+")
_DURATION = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)) *([a-z]*)", re.IGNORECASE)


class DurationError(ValueError):
    """A value that is no duration."""


def parse_duration(value: Any) -> float:
    """Give a phase's duration in seconds.

    A whole number, also as a text, is seconds; a text with a unit is what it says; a text with a fraction
    and no unit is milliseconds. Raises DurationError for anything else, for zero and below, and for a
    fractional number.

    >>> parse_duration(60), parse_duration("0.5 min"), parse_duration("250ms")
    (60.0, 30.0, 0.25)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _positive(float(value), value)
    if isinstance(value, str):
        return _positive(_seconds(value), value)
    raise DurationError(value)


def parse_think(value: Any) -> float:
    """Give a pause's length in seconds: read like a phase's duration, but zero is one, a bare number seconds.

    >>> parse_think(2), parse_think("0.5"), parse_think("500ms")
    (2.0, 0.5, 0.5)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _seconds(value, bare=1.0)
    else:
        raise DurationError(value)
    if not 0 <= seconds < float("inf"):
        raise DurationError(value)
    return seconds


def _seconds(text: str, *, bare: float = _UNITS[""]) -> float:
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return float(text)
    match = _DURATION.fullmatch(text)
    unit = match[2].lower() if match else ""
    if match is None or unit not in _UNITS:
        raise DurationError(text)
    return float(match[1]) * (_UNITS[unit] if unit else bare)


def _positive(seconds: float, value: Any) -> float:
    if not 0 < seconds < float("inf"):
        raise DurationError(value)
    return seconds
