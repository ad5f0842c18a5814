"""Knows how JSONPath is written in scripts (the jsonpath-plus dialect): reads a path into its steps.

Leaves to others: following them (json_lookup, json_walk) and what stands in filters (filter_expression).
Names may hold any character but `. [ ] ^ ~`, and be quoted; a leading `$` is optional; unions need no
brackets. Computed names other than `(@.length-1)`, and type selectors such as `@number()`, are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from grapeshot_worker.traffic.extract.javascript import ExpressionError


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: `text` is the name, the slice or the filter as written; `parts` those of a union."""

    kind: Literal["name", "all", "descent", "slice", "filter", "union", "parent", "property"]
    text: str = ""
    parts: tuple[Step, ...] = ()


_SLICE = re.compile(r"-?\d*\s*:\s*-?\d*\s*(?::\s*-?\d*)?")
_INDEX = re.compile(r"-?\d+")
_FROM_END = re.compile(r"\(\s*@\.length\s*-\s*(\d+)\s*\)")
_DOT_NAME = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^.\[]+|[^.\[\]^~]+")
_TYPE_SELECTOR = re.compile(r"@\w+\(\)")


def key(name: str) -> str | int:
    """Give a name of a path as a key: an index where it is a whole number."""
    return int(name) if _INDEX.fullmatch(name) and name == str(int(name)) else name


def parse_json_path(expression: str) -> tuple[Step, ...]:
    """Read a path into its steps; a leading `$` and `$.` are optional."""
    text = expression.strip()
    at = 1 if text.startswith("$") and (len(text) == 1 or text[1] in ".[^~") else 0
    steps: list[Step] = []
    expect_name = at == 0 and not text.startswith(("[", "."))
    while at < len(text) or expect_name:
        if expect_name:
            step, at = _dot_step(expression, text, at)
            steps.append(step)
            expect_name = False
        elif text.startswith("..", at):
            steps.append(Step("descent"))
            at += 2
            expect_name = not text.startswith("[", at)
        elif text[at] == ".":
            at += 1
            expect_name = not text.startswith("[", at)
        elif text[at] == "[":
            end = _closing(expression, text, at)
            steps.append(_bracket_step(expression, text[at + 1 : end].strip()))
            at = end + 1
        elif text[at] in "^~":
            steps.append(Step("parent" if text[at] == "^" else "property"))
            at += 1
        else:
            raise refuse(expression, f"{text[at:]!r} is not understood there")
    return tuple(steps)


def refuse(expression: str, reason: str) -> ExpressionError:
    """Make the error that names the path and what is wrong with it."""
    return ExpressionError(f"the JSONPath {expression} can't be used: {reason}")


def _dot_step(expression: str, text: str, at: int) -> tuple[Step, int]:
    found = _DOT_NAME.match(text, at)
    if found is None:
        raise refuse(
            expression, "a name is missing" + (f" before {text[at:]!r}" if at < len(text) else " at its end")
        )
    name = found[0]
    if _TYPE_SELECTOR.fullmatch(name):
        raise refuse(expression, f"{name} is not available; use a filter with typeof")
    if name[0] in "'\"`":
        return Step("name", name[1:] if name[0] == "`" else _unquote(name)), found.end()
    return _plain_step(expression, name.strip()), found.end()


def _plain_step(expression: str, text: str) -> Step:
    """Read one selector: what follows a dot, or stands in brackets."""
    if text == "*":
        return Step("all")
    if text.startswith("?"):
        return Step("filter", text[1:].strip())
    if found := _FROM_END.fullmatch(text):
        return Step("name", str(-int(found[1])))
    if text.startswith("("):
        raise refuse(
            expression, f"of computed names only (@.length-1) and its like are available, not {text}"
        )
    if len(parts := _split(text)) > 1:
        return Step("union", text, tuple(_plain_step(expression, part.strip()) for part in parts))
    if _SLICE.fullmatch(text):
        return Step("slice", text)
    return Step("name", _unquote(text) if text[:1] in ("'", '"') and text[-1] == text[0] else text)


def _bracket_step(expression: str, text: str) -> Step:
    if not text:
        raise refuse(expression, "[] is empty")
    return _plain_step(expression, text)


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _closing(expression: str, text: str, at: int) -> int:
    """Find the bracket that closes the one at `at`, minding quotes and brackets inside."""
    depth, quote = 0, ""
    while at < len(text):
        sign = text[at]
        if quote:
            if sign == "\\":
                at += 1
            elif sign == quote:
                quote = ""
        elif sign in "'\"":
            quote = sign
        elif sign in "[(":
            depth += 1
        elif sign in ")]":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise refuse(expression, "a [ is not closed")


def _split(text: str) -> list[str]:
    """Split a union at its commas, minding quotes."""
    return re.findall(r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^,])+", text)
