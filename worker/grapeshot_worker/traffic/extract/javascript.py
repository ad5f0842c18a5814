"""Knows JavaScript's ideas of values: truth, numbers, text, equality; and its regular expressions in Python's
words.

Leaves to others: what is compared with what (captures, expectations, JSONPath filters). Scripts were written
for a tool in JavaScript, so `42` against `"42"`, an empty list in a condition or `\\d` in a pattern must mean
here what they mean there. undefined is MISSING.

Weak spots of the translated patterns: a back-reference to a group that did not take part fails instead of
matching nothing; look-behind must have a fixed width; `\\p{…}` classes do not exist. The last two are refused
with a message when the pattern is compiled.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from grapeshot_worker.script.template import MISSING


class ExpressionError(ValueError):
    """An expression of the script that can't be used, or a body it can't be used on; says why in a sentence."""


Search = Callable[[str], "re.Match[str] | None"]

_SPACE = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_LINE_ENDS = r"\n\r\u2028\u2029"
_OUTSIDE = {  # what an escape outside of a class becomes; others are kept, or lose their backslash
    "s": f"[{_SPACE}]",
    "S": f"[^{_SPACE}]",
    "0": r"\x00",
}
_FIXED = {"any": r"[\s\S]", "none": "(?!)", "brace": r"\{"}
_FLAGGED = {  # without and with the flag: s for the dot, m for the anchors
    "dot": (f"[^{_LINE_ENDS}]", r"[\s\S]"),
    "start": (r"\A", rf"(?:\A|(?<=[{_LINE_ENDS}]))"),
    "end": (r"\Z", rf"(?=[{_LINE_ENDS}]|\Z)"),
}
_KEPT_ESCAPES = "dDwWbBfnrtvxu123456789"
_TOKEN = re.compile(
    r"""\\k<(?P<back>[^>]+)> | \\u\{(?P<point>[0-9A-Fa-f]+)\} | \\c(?P<control>[A-Za-z])
      | \\(?P<property>[pP])(?=\{) | \\(?P<escape>[\s\S]) | \(\?<(?P<name>[^=!>][^>]*)>
      | (?P<any>\[\^\]) | (?P<none>\[\]) | (?P<open>\[\^?) | (?P<dot>\.) | (?P<start>\^) | (?P<end>\$)
      | (?P<brace>\{(?=,)) | (?P<plain>[\s\S])""",
    re.VERBOSE,
)
_CLASS_TOKEN = re.compile(
    r"\\u\{(?P<point>[0-9A-Fa-f]+)\}|\\(?P<property>[pP])(?=\{)|\\(?P<escape>[\s\S])|(?P<end>\])"
    r"|(?P<dashes>(?<=-)-)|(?P<special>[\[&|~])|(?P<plain>[\s\S])"
)


def truthy(value: Any) -> bool:
    """Tell what JavaScript's `if` makes of a value: empty lists and objects are true, NaN is false."""
    if isinstance(value, (list, dict)):
        return True
    return bool(value) and bool(value == value)  # NaN alone differs from itself


def to_number(value: Any) -> float:
    """Convert as `Number(value)` does; NaN for what is no number."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if value is None:
        return 0.0
    if isinstance(value, list):
        return to_number(js_string(value))
    if not isinstance(value, str):
        return math.nan
    text = value.strip()
    try:
        if text[:2].lower() in ("0x", "0b", "0o"):
            return float(int(text, 0))
        if text.lstrip("+-") == "Infinity":
            return float(text)
        return (
            float(text)
            if text and text[-1] not in "fnyFNY" and "_" not in text
            else 0.0
            if not text
            else math.nan
        )
    except ValueError:
        return math.nan


def number_text(value: float) -> str:
    """Write a number as JavaScript does: 3 for 3.0, NaN, Infinity.

    >>> number_text(3.0), number_text(0.5), number_text(1e21)
    ('3', '0.5', '1e+21')
    """
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def js_string(value: Any) -> str:
    """Convert as `String(value)` does: `1,2` for a list, `[object Object]` for an object."""
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, (list, tuple)):
        return ",".join("" if item is None or item is MISSING else js_string(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def strictly_equal(left: Any, right: Any) -> bool:
    """Compare as `===` does (42 is not "42", true is not 1, 1 is 1.0), but containers by what they hold."""
    if left is right:
        return bool(left == left)
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(strictly_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(strictly_equal(left[key], right[key]) for key in left)
    return bool(left == right)


def loosely_equal(left: Any, right: Any) -> bool:
    """Compare as `==` does: null is undefined, and unlike scalars are compared as numbers."""
    if left is None or left is MISSING or right is None or right is MISSING:
        return (left is None or left is MISSING) and (right is None or right is MISSING)
    if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
        return left is right
    if isinstance(left, (list, dict)):
        return loosely_equal(js_string(left), right)
    if isinstance(right, (list, dict)):
        return loosely_equal(left, js_string(right))
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return to_number(left) == to_number(right)


def group_name(name: str) -> str:
    """Give the name a group has in the translated pattern: JavaScript allows `$` in names, Python doesn't."""
    return name.replace("$", "_dollar_")


def compile_regexp(source: str, flags: str = "") -> Search:
    """Compile a JavaScript regular expression; ExpressionError if it is none, or uses what Python lacks.

    Of the flags, i m s count; y anchors at the start; g, u, d and v change nothing when one match is looked
    for.
    """
    unknown = set(flags) - set("dgimsuvy")
    if unknown:
        raise ExpressionError(
            f"unknown flag {''.join(sorted(unknown))!r} of the regular expression /{source}/"
        )
    # ASCII makes \d, \w and \b those of JavaScript; it must go where case is folded beyond ASCII.
    options = re.IGNORECASE if "i" in flags else re.NOFLAG
    if "i" not in flags or source.isascii():
        options |= re.ASCII
    try:
        pattern = re.compile(translate_regexp(source, flags), options)
    except (re.error, OverflowError, ValueError) as error:
        raise ExpressionError(f"the regular expression /{source}/ can't be used: {error}") from error
    return pattern.match if "y" in flags else pattern.search


def translate_regexp(source: str, flags: str = "") -> str:
    r"""Rewrite a JavaScript pattern for Python's `re`.

    >>> translate_regexp(r"(?<id>\d+)\/$")
    '(?P<id>\\d+)/\\Z'
    """
    out: list[str] = []
    at = 0
    while at < len(source):
        token = _TOKEN.match(source, at)
        if token is None:  # a lone backslash at the end
            raise ExpressionError(f"the regular expression /{source}/ can't be used: it ends in a backslash")
        at = token.end()
        kind, text = str(token.lastgroup), token[str(token.lastgroup)]
        if kind == "open":
            body, at = _translate_class(source, at)
            out.append(f"{text}{body}]")
        else:
            out.append(_translate_token(kind, text, flags))
    return "".join(out)


def _translate_token(kind: str, text: str, flags: str) -> str:
    match kind:
        case "back":
            return f"(?P={group_name(text)})"
        case "name":
            return f"(?P<{group_name(text)}>"
        case "point":
            return re.escape(chr(int(text, 16)))
        case "control":
            return re.escape(chr(ord(text) % 32))
        case "property":
            raise ExpressionError(f"the class \\{text}{{…}} is not available: list the characters instead")
        case "escape":
            if text in _OUTSIDE:
                return _OUTSIDE[text]
            return f"\\{text}" if text in _KEPT_ESCAPES else text if text == "/" else re.escape(text)
        case "dot" | "start" | "end":
            return _FLAGGED[kind]["s" in flags if kind == "dot" else "m" in flags]
        case _:
            return _FIXED.get(kind, text)


def _translate_class(source: str, at: int) -> tuple[str, int]:
    """Rewrite the inside of `[…]` from `at`; also give the index behind its end."""
    out: list[str] = []
    while token := _CLASS_TOKEN.match(source, at):
        at = token.end()
        kind, text = str(token.lastgroup), token[str(token.lastgroup)]
        if kind == "end":
            return "".join(out), at
        if kind == "property":
            raise ExpressionError(f"the class \\{text}{{…}} is not available: list the characters instead")
        if kind == "point":
            out.append(re.escape(chr(int(text, 16))))
        elif kind == "escape":
            out.append(_class_escape(text))
        else:
            out.append(text if kind == "plain" else f"\\{text}")
    raise ExpressionError(f"the regular expression /{source}/ can't be used: a [ is not closed")


def _class_escape(text: str) -> str:
    if text == "s":
        return _SPACE
    if text == "0":
        return r"\x00"
    return f"\\{text}" if text in "dDwWSbfnrtvxu" or not text.isalnum() else text
