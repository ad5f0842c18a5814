"""The fake-data functions."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from grapeshot_worker.script.fake import fake_functions, nearest, option_problems
from grapeshot_worker.script.template import compile_template

NOON = 1_700_000_000.0


def test_every_function_gives_a_plain_value() -> None:
    """Each of more than sixty names gives text, a number or a boolean, with and without a number in the call."""
    functions = fake_functions({}, "seed", now=lambda: NOON)

    assert len(functions) > 120
    for name, function in functions.items():
        assert name.startswith("$")
        assert isinstance(function(), (str, int, float)), name
        assert isinstance(function(3), (str, int, float)), name


def test_equal_seeds_give_equal_values_and_others_differ() -> None:
    """A seed decides what is drawn."""

    def sample(seed: str) -> list[object]:
        functions = fake_functions({}, seed, now=lambda: NOON)
        return [function() for function in functions.values()]

    assert sample("one") == sample("one")
    assert sample("one") != sample("two")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("$internetEmail", r"[^@\s]+@example\.(com|net|org)"),
        ("$randEmail", r"[^@\s]+@example\.(com|net|org)"),
        ("$stringUuid", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("$internetIpv4", r"\d{1,3}(\.\d{1,3}){3}"),
        ("$dateRecent", r"2023-11-1[34]T\d\d:\d\d:\d\d\.\d{3}Z"),
        ("$personFirstName", r"\w+"),
        ("$commercePrice", r"\d+\.\d\d"),
    ],
)
def test_values_look_like_what_they_are_called(name: str, pattern: str) -> None:
    """Values have the form their name promises."""
    value = fake_functions({}, 1, now=lambda: NOON)[name]()

    assert re.fullmatch(pattern, value)


def test_options_of_the_plugin_shape_the_values() -> None:
    """Options stand under the function's name, and a number in the call beats the first of them."""
    options = {
        "numberInt": {"min": 5, "max": 6},
        "stringAlpha": {"length": 4},
        "randEmail": {"firstName": "Bo", "provider": "mail.test"},
    }
    functions = fake_functions(options, 1)

    assert functions["$numberInt"]() in (5, 6)
    assert len(functions["$stringAlpha"]()) == 4
    assert len(functions["$stringAlpha"](9)) == 9
    assert re.fullmatch(r"bo\..*@mail\.test", functions["$randEmail"]())


def test_templates_call_fake_functions() -> None:
    """The functions work inside a template."""
    text = compile_template("<{{ $loremWords(2) }}>", fake_functions({}, 1)).render({})

    assert re.fullmatch(r"<\w+ \w+>", text)


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("$internetMail", "$internetEmail"),
        ("$personfirstname", "$personFirstName"),
        ("$randEmails", "$randEmail"),
        ("$zzz", None),
    ],
)
def test_nearest_suggests_what_was_meant(unknown: str, meant: str | None) -> None:
    """An unknown name finds the one it resembles."""
    assert nearest(unknown) == meant


def test_settings_that_mean_nothing_are_told() -> None:
    """Unknown functions, unknown options and options that are no object are all told at once."""
    problems = list(
        option_problems({"personFirstNam": {}, "randEmail": {"x": 1}, "numberInt": 4, "loremWord": None})
    )

    assert problems == [
        "there is no fake-data function `personFirstNam`; did you mean `personFirstName`?",
        "`randEmail` has no option `x`; it has `provider`, `firstName`, `lastName`, `nameSeparator`, `suffix`",
        "the options of `numberInt` must be an object",
    ]


def test_the_library_is_imported_only_when_asked_for() -> None:
    """Importing the module does not import Faker."""
    code = "import grapeshot_worker.script.fake, sys; sys.exit('faker' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
