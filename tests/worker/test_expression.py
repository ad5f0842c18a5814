"""The expressions of `ifTrue` and of `ensure` conditions."""

from __future__ import annotations

import contextlib
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_worker.script.expression import (
    ExpressionError,
    compile_expression,
    evaluate_check,
    expression_problem,
)
from grapeshot_worker.script.values import MISSING, truthy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("7 % 4 - 10 / 4", 0.5),
        ("1 / 0", math.inf),
        ("1.5e2 + .5", 150.5),
        ("n - -1", 4),
        ("text + 1", "abc1"),
        ("max(1, n, 2) + min(4, 5) + abs(-1)", 8),
        ("round(2.5) + ceil(0.1) + floor(1.9) + sqrt(9)", 8),
        ("log(1)", 0),
        ('n > 2 ? "big" : "small"', "big"),
        ('no ? 1 : no ? 2 : "three"', "three"),
        ("n < 4 and not no", True),
        ("no or empty or n", True),
        ("not n == 0", True),  # `not` holds tighter than `==`: false == 0
        ("n == three", True),
        ('n != "3"', False),
        ("nothing == undefinedName", True),
        ("nothing == 0", False),
        ("undefinedName < 5 or undefinedName >= 5", False),
        ('"10" < "9"', True),
        ('10 < "9"', False),
        ('text ~= "^a.c$"', True),
        ("n in (1, 2, 3)", True),
        ("n not in (1, 2)", True),
        ("n in list", True),
        ('text in ("x", "abc")', True),
        ("name of user", "Ada"),
        ("name of 'pet of' of user", "Rex"),
        ("o.a", "dotted"),
        ("'odd name' + 1", 6),
        ("order + android", 3),
        ("list", [3]),
    ],
)
def test_expressions_give_javascripts_values(text: str, expected: Any) -> None:
    """Operators, precedence and coercion are those of the language the reference uses."""
    variables = {
        "n": 3,
        "three": "3",
        "text": "abc",
        "no": False,
        "empty": "",
        "nothing": None,
        "list": [3],
        "user": {"name": "Ada", "pet of": {"name": "Rex"}},
        "o.a": "dotted",
        "odd name": 5,
        "order": 1,
        "android": 2,
    }

    assert compile_expression(text)(variables) == expected


def test_a_name_that_is_not_there_is_falsy() -> None:
    """An undefined variable is MISSING, and false."""
    value = compile_expression("loggedIn")({})

    assert value is MISSING
    assert not truthy(value)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a === 3", 4),
        ("{{ a }}", 0),
        ("a b", 2),
        ("1 +", 3),
        ("", 0),
        ("(1", 2),
        ("a == 'x", 5),
        ("nope(1)", 0),
        ("a && b", 2),
        ("not", 3),
        ("()", 2),
        ("1 ? 2", 5),
    ],
)
def test_what_can_not_be_understood_is_an_error_with_its_place(text: str, position: int) -> None:
    """A text outside the language raises, and says where it went wrong."""
    with pytest.raises(ExpressionError) as error:
        compile_expression(text)

    assert error.value.position == position


@pytest.mark.parametrize(
    "text", ["(" * 5000, "-" * 5000 + "1", "not " * 5000 + "a", "1" + "+1" * 5000, "a?" * 5000]
)
def test_endless_expressions_are_refused(text: str) -> None:
    """Nesting and length are bounded: an error, not a crash."""
    with pytest.raises(ExpressionError):
        compile_expression(text)


def test_a_bad_pattern_is_an_error_when_it_is_used() -> None:
    """A regular expression that can't be compiled raises at evaluation."""
    with pytest.raises(ExpressionError, match="no regular expression"):
        compile_expression('a ~= "("')({"a": "x"})


def test_random_draws_from_the_generator_given() -> None:
    """`random()` depends on the generator handed in."""
    drawn = compile_expression("random()", rng=random.Random(5))({})

    assert drawn == random.Random(5).random()


@settings(deadline=None)
@given(st.text(alphabet="ab1 .'\"()<>=+-*/%^?:,~notandri", max_size=30))
def test_no_text_makes_anything_but_a_value_or_an_expression_error(text: str) -> None:
    """Whatever is written, compiling, evaluating and checking never fail otherwise."""
    with contextlib.suppress(ExpressionError):
        compile_expression(text)({"a": 1, "b": "x"})
    evaluate_check(text, {"a": 1, "b.r": 2, "and or": 3})
    expression_problem(text)


# ---- checks ----

METRICS = {
    "http.response_time.p99": 100.0,
    "http.response_time.p999": 300.0,
    "http.codes.200": 50.0,
    "http.requests": 51.0,
    "vusers.failed": 0.0,
    "errors.Failed capture or match": 2.0,
    "plugins.metrics-by-endpoint.response_time./pets/{{ id }}?a=1 x.p95": 7.0,
    "it's 100% (ok), really": 1.0,
    "5": 1.0,
}


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("http.response_time.p99 < 200", True),
        ("http.response_time.p999 < 200", False),
        ("http.response_time.p99<200 and http.response_time.p999<400", True),
        ("vusers.failed == 0", True),
        ("errors.Failed capture or match < 2 or vusers.failed > 0", False),
        ("errors.Failed capture or match == 2 and vusers.failed == 0", True),
        ("plugins.metrics-by-endpoint.response_time./pets/{{ id }}?a=1 x.p95 < 8", True),
        ("it's 100% (ok), really == 1", True),
        ("http.codes.200 / http.requests > 0.9", True),
        ("max(http.response_time.p99, vusers.failed) == 100", True),
        ("'vusers.failed' == 0", True),
        ("vusers.failed < 5", True),
        ("not vusers.failed", True),
    ],
)
def test_checks_find_the_longest_metric_name(text: str, ok: bool) -> None:
    """DEVIATION: the reference takes `p99` inside `p999`; the longest name is taken here."""
    result = evaluate_check(text, METRICS)

    assert result.ok is ok
    assert not result.missing
    assert not result.problem


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("http.codes.500 == 0", ("http.codes.500",)),
        ("http.response_time.p9 < 5", ("http.response_time.p9",)),
        ("errors.Failed foo or match == 0", ("errors.Failed foo or match",)),
        ("vusers.failed == 0 or http.codes.500 > 0", ("http.codes.500",)),
        ("http.codes.500 / http.requests < 0.1", ("http.codes.500",)),
        ("my-metric < 5 and other metric > my-metric", ("my-metric", "other metric")),
        ("http.codes.500 or vusers.failed", ("http.codes.500",)),
        ("max(http.codes.500, http.codes.503) == 0", ("http.codes.500", "http.codes.503")),
    ],
)
def test_a_metric_that_was_never_emitted_fails_the_check(text: str, missing: tuple[str, ...]) -> None:
    """The check fails whatever it says, and tells which names it did not find."""
    result = evaluate_check(text, METRICS)

    assert not result.ok
    assert result.missing == missing


def test_a_check_tells_the_values_it_used() -> None:
    """The metrics used come back with their values."""
    assert evaluate_check("vusers.failed < 1 and http.requests > 0", METRICS).values == {
        "vusers.failed": 0.0,
        "http.requests": 51.0,
    }


@pytest.mark.parametrize("text", ["vusers.failed <", "vusers.failed == 0 )", "vusers.failed === 0", ""])
def test_a_check_that_can_not_be_read_fails_with_its_problem(text: str) -> None:
    """A faulty text fails the check and says where."""
    result = evaluate_check(text, METRICS)

    assert not result.ok
    assert "character" in result.problem


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "expected a value"),
        ("p99 <", "expected a value"),
        ("< 200", "expected a value"),
        ("(p99 < 200", "expected `)`"),
        ("p99 === 200", "write `==`"),
        ("p99 = 200", "write `==`"),
        ("p99 < 200 && max < 500", "write `and`"),
        ("p99 < 200 || max < 500", "write `or`"),
        ("p99 < < 200", "expected a value"),
    ],
)
def test_faults_are_found_before_the_run(text: str, part: str) -> None:
    """An expression that can't be read whatever the metrics is told, with what to write instead."""
    problem = expression_problem(text)

    assert problem is not None
    assert part in problem


@pytest.mark.parametrize(
    "text", [*METRICS, "http.codes.500 == 0", "errors.a-b c/d == 0", "errors.connect (x) y == 0"]
)
def test_any_name_may_be_a_metric(text: str) -> None:
    """Before the run the metrics are not known, so odd names are no fault."""
    assert expression_problem(text) is None
