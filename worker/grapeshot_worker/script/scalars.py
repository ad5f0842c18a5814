"""The meaning of a plain (unquoted) YAML word, in the dialect the reference reads.

Knows words and numbers only; leaves structure, keys and positions to `source`.

The dialect is YAML 1.1 with a narrower idea of truth: `yes`, `no`, `on`, `off` are texts. Every number of
the reference is a double, so `1.0` and `1e3` are the whole numbers 1 and 1000 here; whole numbers too long
for a double keep all their digits, because an identifier in a JSON body is meant as written.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SPECIAL = {"inf": math.inf, "nan": math.nan}

# No number ends in an underscore; a leading zero is octal or no number at all (`089` is a text).
_INTEGER = re.compile(
    r"""(?P<sign>[-+]?)(?:
        0b(?P<binary>[01_]*[01]) | 0x(?P<hex>[0-9a-fA-F_]*[0-9a-fA-F]) | 0(?P<octal>[0-7_]*[0-7])
      | (?P<sixties>[1-9][0-9_]*(?::[0-5]?[0-9])+) | (?P<decimal>0|[1-9](?:[0-9_]*[0-9])?)
    )""",
    re.VERBOSE,
)
_FLOAT = re.compile(
    r"""[-+]?(?:
        (?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)? | \.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
    )""",
    re.VERBOSE,
)
_SIXTIES_FLOAT = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*")
_SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DATE = re.compile(
    r"""(\d{4})-(\d\d?)-(\d\d?)
        (?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(?:(Z)|([-+])(\d\d?)(?::(\d\d))?))?)?""",
    re.VERBOSE,
)


def read_scalar(word: str) -> Any:
    """Give the value of a plain word: None, a bool, a number, a date's text, or the word itself.

    >>> read_scalar("010"), read_scalar("1:30"), read_scalar("1e3"), read_scalar("yes")
    (8, 90, 1000, 'yes')
    """
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in "0123456789+-.":
        return word
    if match := _INTEGER.fullmatch(word):
        return _integer(match)
    if word[-1] != "_" and _FLOAT.fullmatch(word):
        return whole(float(word.replace("_", "")))
    if match := _SPECIAL_FLOAT.fullmatch(word):
        return -math.inf if match[1] == "-" else _SPECIAL[(match[2] or match[3]).lower()]
    if word[-1] != "_" and _SIXTIES_FLOAT.fullmatch(word):
        return whole(_sixties(word.lstrip("+-")) * (-1 if word[0] == "-" else 1))
    if match := _DATE.fullmatch(word):
        return _date(word, match)
    return word


def whole(value: float) -> int | float:
    """Give a float without fraction as an int, as the reference would print it.

    >>> whole(3.0), whole(0.5)
    (3, 0.5)
    """
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _integer(match: re.Match[str]) -> int:
    kind = str(match.lastgroup)
    digits = match[kind].replace("_", "")
    if kind == "sixties":
        size = int(_sixties(digits))
    else:
        size = int(digits, {"binary": 2, "hex": 16, "octal": 8, "decimal": 10}[kind])
    return -size if match["sign"] == "-" else size


def _sixties(text: str) -> float:
    total = 0.0
    for part in text.replace("_", "").split(":"):
        total = total * 60 + float(part)
    return total


def _date(word: str, match: re.Match[str]) -> str:
    """Write a date as the reference serialises it: UTC, milliseconds, `Z`."""
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    offset = timedelta(hours=int(match[10] or 0), minutes=int(match[11] or 0))
    zone = -offset if match[9] == "-" else offset
    microsecond = int((match[7] or "0").ljust(3, "0")[:3]) * 1000
    try:
        local = datetime(year, month, day, hour, minute, second, microsecond, timezone(zone))
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError):
        return word  # no such day or time: the text as written
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
