"""The built-in functions of templates."""

from __future__ import annotations

import random
from typing import Any

import pytest

from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.template import compile_template


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {0, 1}),
        ((3,), {0, 1, 2, 3}),
        ((5, 7), {5, 6, 7}),
        ((7, 5), {5, 6, 7}),
        ((4, 4), {4}),
        (("a",), {0, 1}),
    ],
)
def test_random_number_is_an_integer_between_its_bounds(words: tuple[Any, ...], expected: set[int]) -> None:
    """Both bounds are drawn, nothing beyond them, whatever their order."""
    draw = builtin_functions(random.Random(1))["$randomNumber"]

    assert {draw(*words) for _ in range(200)} == expected


@pytest.mark.parametrize(("words", "length"), [((), 10), ((3,), 3), ((0,), 0), (("x",), 10)])
def test_random_string_has_letters_and_digits(words: tuple[Any, ...], length: int) -> None:
    """A random string has the asked length, 10 by default."""
    text = builtin_functions(random.Random(1))["$randomString"](*words)

    assert len(text) == length
    assert text.isalnum() or not text


def test_equal_seeds_give_equal_values() -> None:
    """What is drawn depends on the generator handed in alone."""
    one, other = builtin_functions(random.Random("s")), builtin_functions(random.Random("s"))

    assert [one["$randomNumber"](0, 10**6) for _ in range(5)] == [
        other["$randomNumber"](0, 10**6) for _ in range(5)
    ]


def test_in_a_template_the_number_is_text() -> None:
    """A whole-value call gives the text of the number."""
    template = compile_template("{{ $randomNumber(4, 4) }}", builtin_functions(random.Random(1)))

    assert template.render({}) == "4"
