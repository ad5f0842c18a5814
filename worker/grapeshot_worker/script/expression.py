"""The little language of `ifTrue` and of `ensure` conditions: text compiled once into closures.

Leaves to others: what a false `ifTrue` skips (traffic) and which metrics there are (the launcher's results).

The language is filtrex, which the reference uses. From loose to tight:

    c ? a : b  ·  or  ·  and  ·  in, not in  ·  == != ~=  ·  < <= > >=  ·  + -  ·  * / %  ·  not, -  ·  ^  ·
    x of y

Names are letters, digits, `_ $` and dots (`o.a` is the name "o.a", not a path), or anything in single quotes;
texts stand in double quotes. There are no words for true, false and null: they would be names. Comparisons
and arithmetic coerce as JavaScript's loose operators do, and a name that is not there is undefined.

In an `ensure` condition a metric's name may hold any character, blanks and operators too. So where a value
may begin, the longest known metric name that stands there is taken, if no further name character follows it.
Failing that, what stands there up to the next comparison, or operator between blanks, names a metric that was
never emitted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grapeshot_worker.script.operators import FUNCTIONS, LEVELS, VARIADIC, ExpressionError, Operation, power
from grapeshot_worker.script.path import compile_path
from grapeshot_worker.script.values import MISSING, to_number, truthy

__all__ = ["CheckResult", "ExpressionError", "compile_expression", "evaluate_check", "expression_problem"]

Node = Callable[[Mapping[str, Any]], Any]

_DEEPEST = 50  # parentheses and signs inside one another
_LONGEST = 200  # operators of one level in a row


def compile_expression(text: str, *, rng: random.Random | None = None) -> Node:
    """Compile an `ifTrue` expression over top-level variables; `rng` feeds its `random()`.

    Raises ExpressionError; so does calling the result, for a bad regular expression alone. The reference
    runs the request in both cases.
    """
    return _Parser(text, rng=rng or random.Random()).whole()


# ---- the parser ----

_BLANK = re.compile(r"\s*")
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w$.])")
_TEXT = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_QUOTED_NAME = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_$][\w$.]*")
_NOT_IN = re.compile(r"not\s+in(?![\w$.])")
_CALL = re.compile(r"([A-Za-z_$][\w$]*)\s*\(")
_WORDS = ("and", "or", "not", "in", "of")
_NAME_CHARACTER = re.compile(r"[\w$.]")


class _Parser:
    """Recursive descent over the text itself: only the place tells a metric's name from an operator."""

    def __init__(self, text: str, *, rng: random.Random | None = None) -> None:
        self.text, self.position, self.depth, self.rng = text, 0, 0, rng
        self.used: list[str] = []

    def whole(self) -> Node:
        node = self.choice()
        if self.rest():
            raise self.error("an operator or the end")
        return node

    def error(self, expected: str) -> ExpressionError:
        found = f"`{self.rest()[:20]}`" if self.rest() else "the end"
        return ExpressionError(f"expected {expected}, found {found}", self.position)

    def rest(self) -> str:
        if match := _BLANK.match(self.text, self.position):
            self.position = match.end()
        return self.text[self.position :]

    def take(self, *symbols: str) -> str | None:
        """Step over the first of these symbols or words that stands here."""
        rest = self.rest()
        if "not in" in symbols and (match := _NOT_IN.match(rest)):
            self.position += match.end()
            return "not in"
        for symbol in sorted(symbols, key=len, reverse=True):
            end = len(symbol)
            if rest.startswith(symbol) and not (
                symbol.isalpha() and _NAME_CHARACTER.match(rest[end : end + 1])
            ):
                self.position += end
                return symbol
        return None

    def demand(self, symbol: str) -> None:
        if not self.take(symbol):
            raise self.error(f"`{symbol}`")

    def choice(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ExpressionError("too many parentheses inside one another", self.position)
        condition = self.any_of()
        if self.take("?"):
            then = self.choice()
            self.demand(":")
            otherwise = self.choice()
            result: Node = lambda v: then(v) if truthy(condition(v)) else otherwise(v)  # noqa: E731
        else:
            result = condition
        self.depth -= 1
        return result

    def any_of(self) -> Node:
        nodes = [self.all_of()]
        while self.take("or"):
            nodes.append(self.all_of())
        return nodes[0] if len(nodes) == 1 else lambda v: any(truthy(node(v)) for node in nodes)

    def all_of(self) -> Node:
        nodes = [self.level(0)]
        while self.take("and"):
            nodes.append(self.level(0))
        return nodes[0] if len(nodes) == 1 else lambda v: all(truthy(node(v)) for node in nodes)

    def level(self, index: int) -> Node:
        """Parse the left-associative operators of one level."""
        if index == len(LEVELS):
            return self.sign()
        node = self.level(index + 1)
        for _ in range(_LONGEST):
            if not (symbol := self.take(*LEVELS[index])):
                return node
            node = _applied(LEVELS[index][symbol], node, self.level(index + 1))
        raise ExpressionError(f"more than {_LONGEST} operators in a row", self.position)

    def sign(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ExpressionError("too many signs in a row", self.position)
        # A known name beats the word or sign it begins with.
        if not self.known() and self.take("not"):
            inner = self.sign()
            result: Node = lambda v: not truthy(inner(v))  # noqa: E731
        elif not self.known() and self.take("-"):
            inner = self.sign()
            result = lambda v: -to_number(inner(v))  # noqa: E731
        else:
            result = self.power()
        self.depth -= 1
        return result

    def power(self) -> Node:
        base = self.member()
        if self.take("^"):
            return _applied(power, base, self.sign())
        return base

    def member(self) -> Node:
        self.rest()
        start, known = self.position, len(self.used)
        node = self.operand()
        end = self.position
        if not self.take("of"):
            return node
        del self.used[known:]  # a property's name is no variable
        get, owner = compile_path(self.text[start:end].strip().strip("'\"")), self.member()
        return lambda v: get(owner(v))

    def known(self) -> str | None:
        """Say which name known beforehand stands here."""
        return None

    def operand(self) -> Node:
        if name := self.known():
            return self.variable(name, len(name))
        if self.take("("):
            return self.group()
        rest = self.rest()
        if match := _NUMBER.match(rest):
            self.position += match.end()
            number = float(match[0])
            return lambda _: number
        if match := _TEXT.match(rest):
            self.position += match.end()
            text = re.sub(r"\\(.)", r"\1", match[1])
            return lambda _: text
        if (match := _CALL.match(rest)) and match[1] not in _WORDS:
            return self.call(match[1], match.end())
        if match := _QUOTED_NAME.match(rest):
            return self.variable(re.sub(r"\\(.)", r"\1", match[1]), match.end())
        return self.name()

    def name(self) -> Node:
        if (match := _NAME.match(self.rest())) and match[0] not in _WORDS:
            return self.variable(match[0], match.end())
        raise self.error("a value")

    def variable(self, name: str, length: int) -> Node:
        if not name:
            raise self.error("a value")
        self.used.append(name)
        self.position += length
        return lambda v: v.get(name, MISSING)

    def group(self) -> Node:
        """Parse `(a)`, which is a, or `(a, b)`, which is a list."""
        nodes = self.arguments()
        if not nodes:
            raise self.error("a value")
        return nodes[0] if len(nodes) == 1 else lambda v: [node(v) for node in nodes]

    def arguments(self) -> list[Node]:
        nodes: list[Node] = []
        if self.take(")"):
            return nodes
        nodes.append(self.choice())
        while self.take(","):
            nodes.append(self.choice())
        self.demand(")")
        return nodes

    def call(self, name: str, length: int) -> Node:
        start = self.position
        self.position += length
        arguments = self.arguments()
        if name == "random" and self.rng is not None:
            draw = self.rng.random
            return lambda _: draw()
        function = FUNCTIONS.get(name)
        if function is None:
            known = ", ".join((*FUNCTIONS, "random"))
            raise ExpressionError(f"there is no function {name}(); there are {known}", start)
        if name not in VARIADIC:
            arguments = arguments[:1] or [lambda _: MISSING]  # JavaScript ignores the rest
        return lambda v: function(*(to_number(argument(v)) for argument in arguments))


def _applied(operation: Operation, left: Node, right: Node) -> Node:
    return lambda v: operation(left(v), right(v))


# ---- checks over metrics ----


_COMPARISON = re.compile(r"[<>]=?|[=!~]=")
# A word stops a name only where the name can't go on: "errors.Failed capture or match" is one.
_STOP = re.compile(r"[<>]=?|[=!~]=|[(),]|\s(?:[-+*/%^?:=]|&&|\|\|)\s|\s(and|or|not\s+in|in)\s|$")

_NEVER_FIRST = tuple("=<>!~&|*^?%+")


class _CheckParser(_Parser):
    """The same language over metrics, whose names may hold any character."""

    def __init__(self, text: str, names: Iterable[str]) -> None:
        super().__init__(text)
        usable = (n for n in names if n in text and n not in _WORDS and not _NUMBER.fullmatch(n))
        self.names = sorted(usable, key=len, reverse=True)

    def known(self) -> str | None:
        rest = self.rest()
        for name in self.names:
            after = rest[len(name) : len(name) + 1]
            if rest.startswith(name) and not (
                _NAME_CHARACTER.match(name[-1]) and _NAME_CHARACTER.match(after)
            ):
                return name
        return None

    def name(self) -> Node:
        """Take an unknown name: up to the next stop, or as far as a word that can't be part of it."""
        rest = self.rest()
        if rest[:1] in _NEVER_FIRST:
            raise self.error("a value")
        compared = self.text[: self.position].rstrip().endswith(("<", ">", "=", "~"))
        for stop in _STOP.finditer(rest):
            following = _CheckParser(rest[stop.end() :], self.names).known()
            if stop[1] is None or compared or following:
                return self.variable(rest[: stop.start()].rstrip(), stop.start())
        return self.variable(rest.rstrip(), len(rest))


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """What became of one check: `missing` metrics were never emitted, `problem` is a fault of its text.

    `values` are the metrics it used. With something missing or wrong, `ok` is False.
    """

    ok: bool
    missing: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


def evaluate_check(text: str, values: Mapping[str, float]) -> CheckResult:
    """Evaluate an `ensure` condition over the metrics of a report; every metric it names must be there."""
    parser = _CheckParser(text, values)
    verdict, problem = False, ""
    try:
        verdict = truthy(parser.whole()(values))
    except ExpressionError as error:
        problem = f"{error.message} (at character {error.position + 1})"
    used = dict.fromkeys(parser.used)
    missing = tuple(name for name in used if name not in values)
    return CheckResult(
        ok=verdict and not missing,
        missing=missing,
        values={name: values[name] for name in used if name in values},
        problem=problem,
    )


_FOREIGN = {"===": "==", "!==": "!=", "&&": "and", "||": "or", "=": "==", "!": "not"}


def expression_problem(text: str) -> str | None:
    """Say why an `ensure` condition can't be read whatever the metrics are; None when it might be.

    Lenient: a metric's name may look like anything but an operator.
    """
    parser = _CheckParser(text, ())
    try:
        parser.whole()
    except ExpressionError as error:
        start = max(0, error.position - 2)  # `==` was read of `===`
        for foreign, ours in _FOREIGN.items():
            if text[error.position :].startswith(foreign) or text[start:].startswith(foreign):
                return f"`{foreign}` is not part of the language: write `{ours}`"
        at_edge = not parser.rest() or _COMPARISON.match(parser.rest()) is not None
        if at_edge or text.count("(") != text.count(")"):
            return error.message
    return None
