"""Knows the JavaScript expressions of JSONPath filters, `[?(@.price > 10 && @.tags.includes("x"))]`: compiles
them to closures.

Leaves to others: paths (json_path, json_walk) and what operators and methods do (filter_values). An
operator-precedence parser over the part of JavaScript the reference evaluates: `@`, `@property`,
`@parentProperty`, `@parent`, `@root`, member access, arithmetic, comparison, logic, `?:`, `typeof`, regular
expressions, and the string and list methods listed in `METHODS`. A member of undefined is undefined, where
JavaScript throws: one odd element must not spoil the others.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from grapeshot_worker.script.template import MISSING
from grapeshot_worker.traffic.extract.filter_values import METHODS, OPERATORS, PREFIXES, member, type_name
from grapeshot_worker.traffic.extract.javascript import ExpressionError, compile_regexp, truthy


class Candidate(NamedTuple):
    """The element a filter is asked about, and where it stands."""

    value: Any
    property: Any  # its key or index
    parent: Any  # the container it is in
    parent_property: Any  # that container's own key or index
    root: Any


Evaluate = Callable[[Candidate], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<name>@?[A-Za-z_$][\w$]*|@)
      | (?P<operator>===|!==|==|!=|<=|>=|&&|\|\||\?\?|[-+*/%<>!?:.,()\[\]]))""",
    re.VERBOSE,
)
_REGEXP = re.compile(r"\s*/(?P<source>(?:[^/\\\[]|\\.|\[(?:[^\]\\]|\\.)*\])+)/(?P<flags>[a-z]*)")
_BINDS = {
    **dict.fromkeys(("||", "??"), 2),
    "&&": 3,
    **dict.fromkeys(("===", "!==", "==", "!="), 4),
    **dict.fromkeys(("<", "<=", ">", ">="), 5),
    **dict.fromkeys(("+", "-"), 6),
    **dict.fromkeys(("*", "/", "%"), 7),
}
_TERNARY, _UNARY = 1, 8
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_WORDS: dict[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": MISSING,
    "NaN": math.nan,
    "Infinity": math.inf,
}
_PLACES: dict[str, Evaluate] = {
    "@": operator.itemgetter(0),
    "@property": operator.itemgetter(1),
    "@parent": operator.itemgetter(2),
    "@parentProperty": operator.itemgetter(3),
    "@root": operator.itemgetter(4),
    "$": operator.itemgetter(4),
}


def compile_filter(source: str) -> Callable[[Candidate], bool]:
    """Compile a filter's expression; ExpressionError names what can't be used."""
    parser = _Parser(source)
    evaluate = parser.expression(0)
    if parser.kind != "end":
        raise parser.refuse()
    return lambda candidate: truthy(evaluate(candidate))


class _Parser:
    """One pass over the text; `kind` and `text` are the token under way."""

    def __init__(self, source: str) -> None:
        self.source, self.at, self.kind, self.text = source, 0, "", ""
        self.advance()

    def refuse(self) -> ExpressionError:
        what = "it ends too early" if self.kind == "end" else f"{self.text!r} is not understood there"
        return ExpressionError(f"the filter ({self.source}) can't be used: {what}")

    def advance(self) -> None:
        token = _TOKEN.match(self.source, self.at)
        if token is not None:
            self.kind, self.text, self.at = str(token.lastgroup), token[str(token.lastgroup)], token.end()
        elif self.source[self.at :].strip():
            self.kind, self.text = "unknown", self.source[self.at :].strip()[:1]
        else:
            self.kind, self.text = "end", ""

    def take(self, text: str) -> bool:
        if self.kind == "operator" and self.text == text:
            self.advance()
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise self.refuse()

    def expression(self, floor: int) -> Evaluate:
        left = self.unary()
        while self.kind == "operator":
            sign = self.text
            if sign == "?" and floor <= _TERNARY:
                self.advance()
                yes = self.expression(0)
                self.expect(":")
                left = _choice(left, yes, self.expression(_TERNARY))
            elif _BINDS.get(sign, -1) > floor:
                self.advance()
                left = _infix(sign, left, self.expression(_BINDS[sign]))
            else:
                break
        return left

    def unary(self) -> Evaluate:
        if self.kind == "name" and self.text == "typeof":
            self.advance()
            return _apply(type_name, self.expression(_UNARY))
        for sign, action in PREFIXES.items():
            if self.take(sign):
                return _apply(action, self.expression(_UNARY))
        return self.postfix(self.primary())

    def primary(self) -> Evaluate:
        kind, text = self.kind, self.text
        if kind == "operator" and text == "/":
            return self.regexp()
        self.advance()
        if kind == "number":
            number = float(text)
            return _constant(int(number) if number.is_integer() else number)
        if kind == "string":
            return _constant(re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1]))
        if kind == "name" and text in _PLACES:
            return _PLACES[text]
        if kind == "name" and text in _WORDS:
            return _constant(_WORDS[text])
        if kind == "operator" and text == "(":
            inner = self.expression(0)
            self.expect(")")
            return inner
        if kind == "operator" and text == "[":
            return _list(self.arguments("]"))
        self.kind, self.text = kind, text
        raise self.refuse()

    def regexp(self) -> Evaluate:
        literal = _REGEXP.match(self.source, self.at - 1)
        if literal is None:
            raise self.refuse()
        self.at = literal.end()
        self.advance()
        return _constant(compile_regexp(literal["source"], literal["flags"]))

    def postfix(self, value: Evaluate) -> Evaluate:
        while True:
            if self.take("."):
                if self.kind != "name":
                    raise self.refuse()
                name = self.text
                self.advance()
                value = self.method(value, name) if self.take("(") else _member(value, _constant(name))
            elif self.take("["):
                key = self.expression(0)
                self.expect("]")
                value = _member(value, key)
            else:
                return value

    def method(self, value: Evaluate, name: str) -> Evaluate:
        arguments = self.arguments(")")
        if name not in METHODS:
            raise ExpressionError(
                f"the filter ({self.source}) can't be used: "
                f"{name}() is not available; there are {', '.join(METHODS)}"
            )
        return _call(METHODS[name], value, arguments)

    def arguments(self, end: str) -> list[Evaluate]:
        found: list[Evaluate] = []
        while not self.take(end):
            found.append(self.expression(0))
            if not self.take(","):
                self.expect(end)
                break
        return found


def _constant(value: Any) -> Evaluate:
    return lambda _: value


def _apply(action: Callable[[Any], Any], operand: Evaluate) -> Evaluate:
    return lambda candidate: action(operand(candidate))


def _choice(condition: Evaluate, yes: Evaluate, no: Evaluate) -> Evaluate:
    return lambda candidate: yes(candidate) if truthy(condition(candidate)) else no(candidate)


def _member(value: Evaluate, key: Evaluate) -> Evaluate:
    return lambda candidate: member(value(candidate), key(candidate))


def _list(items: Sequence[Evaluate]) -> Evaluate:
    return lambda candidate: [item(candidate) for item in items]


def _call(method: Callable[..., Any], value: Evaluate, arguments: Sequence[Evaluate]) -> Evaluate:
    def call(candidate: Candidate) -> Any:
        try:
            return method(value(candidate), *(argument(candidate) for argument in arguments))
        except (TypeError, AttributeError):  # not a value with this method, or too few arguments
            return MISSING

    return call


def _infix(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if sign == "&&":
        return lambda c: right(c) if truthy(value := left(c)) else value
    if sign == "||":
        return lambda c: value if truthy(value := left(c)) else right(c)
    if sign == "??":
        return lambda c: right(c) if (value := left(c)) is None or value is MISSING else value
    action = OPERATORS[sign]
    return lambda c: action(left(c), right(c))
