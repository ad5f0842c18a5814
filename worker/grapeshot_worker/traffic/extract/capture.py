"""Knows how captures and matches are taken from a response: compiled once for a request, evaluated after
every response.

Leaves to others: JSONPath (json_lookup), XPath and selectors (markup), JavaScript's patterns and equality
(javascript), and what a failure does to the user (steps). A capture that is not optional and finds nothing
spoils the others: none of them is stored.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn, assert_never

from grapeshot_worker.script.model import Capture
from grapeshot_worker.script.template import MISSING, Template, Variables, set_path, to_text
from grapeshot_worker.traffic.extract.javascript import (
    ExpressionError,
    compile_regexp,
    group_name,
    strictly_equal,
)
from grapeshot_worker.traffic.extract.json_lookup import compile_json_path
from grapeshot_worker.traffic.extract.markup import Find, Trees, compile_selector, compile_xpath
from grapeshot_worker.traffic.response import Response

TEMPLATED_EXPRESSIONS = 256  # compiled forms kept of one templated expression


@dataclass(frozen=True, slots=True)
class Failure:
    """A strict capture or match that failed: which one, what it got instead, and the reason in words."""

    capture: Capture
    got: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all captures and matches of one response; ok means that no strict one failed."""

    failures: tuple[Failure, ...] = ()

    def __bool__(self) -> bool:
        return not self.failures

    @property
    def ok(self) -> bool:
        """Whether the captured values were stored."""
        return not self.failures


PASSED: Final = Outcome()

Evaluate = Callable[[Response, Variables], Outcome]
Read = Callable[[Response, Variables, Trees], Any]
Store = Callable[[Variables, Any], None]


def compile_captures(
    captures: Sequence[Capture], matches: Sequence[Capture], rng: random.Random
) -> Evaluate | None:
    """Compile all of a request's captures and matches; None if there are none.

    The result stores into the variables it is given, all values or none. MISSING and "" are failures, null,
    0, false and [] are values. `rng` chooses where a JSONPath has several matches.
    """
    if not captures and not matches:
        return None
    readers = [(capture, _reader(capture, rng), _store(capture)) for capture in captures]
    checks = [(match, _reader(match, rng)) for match in matches]

    def evaluate(response: Response, variables: Variables) -> Outcome:
        trees: Trees = {}
        values: list[tuple[Store, Any]] = []
        failures: list[Failure] = []
        for capture, read, store in readers:
            try:
                value = read(response, variables, trees)
                if (value is MISSING or value == "") and capture.strict:
                    failures.append(Failure(capture, value, "nothing was found"))
            except ExpressionError as error:
                value = MISSING
                if capture.strict:
                    failures.append(Failure(capture, value, str(error)))
            values.append((store, value))
        for match, read in checks:
            failure = _check(match, read, response, variables, trees)
            if failure is not None:
                failures.append(failure)
        if failures:
            return Outcome(tuple(failures))
        for store, value in values:
            store(variables, value)
        return PASSED

    return evaluate


def _check(
    match: Capture, read: Read, response: Response, variables: Variables, trees: Trees
) -> Failure | None:
    if not match.strict:
        return None
    expected = match.expected.render(variables) if match.expected is not None else MISSING
    try:
        got = read(response, variables, trees)
    except ExpressionError as error:
        return Failure(match, MISSING, str(error))
    if strictly_equal(got, expected):
        return None
    return Failure(match, got, f"expected {to_text(expected)}")


def _store(capture: Capture) -> Store:
    path = capture.store or ""
    if "." in path or "[" in path:
        return lambda variables, value: set_path(variables, path, value)

    def store(variables: Variables, value: Any) -> None:
        variables[path] = value

    return store


# ---- one reader for each kind of extractor ----


def _reader(capture: Capture, rng: random.Random) -> Read:
    match capture.kind:
        case "json":
            return _compiled(capture.expression, lambda text: _read_json(text, capture.multiple, rng))
        case "regexp":
            return _compiled(capture.expression, lambda text: _read_regexp(text, capture))
        case "header":
            return _compiled(capture.expression, _read_header)
        case "xpath":
            return _compiled(capture.expression, lambda text: _read_markup(compile_xpath(text)))
        case "selector":
            return _compiled(
                capture.expression,
                lambda text: _read_markup(compile_selector(text, capture.attr, capture.index, rng=rng)),
            )
        case _:
            assert_never(capture.kind)


def _compiled(expression: Template, compile_text: Callable[[str], Read]) -> Read:
    """Compile a constant expression now, a templated one when it is first seen."""

    def compile_or_refuse(text: str) -> Read:
        try:
            return compile_text(text)
        except ExpressionError as error:
            return _refusal(str(error))

    if expression.constant:
        return compile_or_refuse(to_text(expression.render({})))
    compiled = lru_cache(TEMPLATED_EXPRESSIONS)(compile_or_refuse)
    render = expression.render
    return lambda response, variables, trees: compiled(to_text(render(variables)))(response, variables, trees)


def _refusal(reason: str) -> Read:
    def refuse(response: Response, variables: Variables, trees: Trees) -> NoReturn:
        raise ExpressionError(reason)

    return refuse


def _read_json(expression: str, multiple: bool, rng: random.Random) -> Read:
    path = compile_json_path(expression)
    one, every = path.one, path.every

    def read_one(response: Response, variables: Variables, trees: Trees) -> Any:
        document = response.json
        if isinstance(document, (dict, list)):
            return one(document) if one is not None else MISSING
        return _no_document(document)

    def read_some(response: Response, variables: Variables, trees: Trees) -> Any:
        document = response.json
        if not isinstance(document, (dict, list)):
            return _no_document(document)
        found = every(document)
        if not found:
            return MISSING
        if multiple or path.single:
            return found[int(rng.random() * len(found))] if len(found) > 1 else found[0]
        return found  # a list however few there are, so that a loop can go over it

    return read_some if one is None else read_one


def _no_document(document: Any) -> str:
    if document is MISSING:
        raise ExpressionError("the body is not JSON")
    return ""


def _read_regexp(source: str, capture: Capture) -> Read:
    search = compile_regexp(source, capture.flags)
    wanted = capture.group
    group: str | int = 0
    if isinstance(wanted, int) or (isinstance(wanted, str) and wanted.isdecimal()):
        group = int(wanted)
    elif wanted:
        group = group_name(wanted)

    def read(response: Response, variables: Variables, trees: Trees) -> Any:
        found: re.Match[str] | None = search(response.text)
        if found is None:
            return ""
        if isinstance(
            group, int
        ):  # as in the reference: without such a group, or with nothing in it, the whole match
            return (found[group] if group <= len(found.groups()) else "") or found[0]
        try:
            value = found[group]
        except IndexError:
            raise ExpressionError(f"the regular expression /{source}/ has no group {wanted}") from None
        return MISSING if value is None else value

    return read


def _read_header(name: str) -> Read:
    if name == "set-cookie":
        return lambda response, variables, trees: response.set_cookies or ""
    return lambda response, variables, trees: response.headers.get(name, "")


def _read_markup(find: Find) -> Read:
    return lambda response, variables, trees: find(response, trees)
