"""The command line: what it reads, and how it answers what it can't."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from grapeshot_launcher.options import (
    COMMANDS_ELSEWHERE,
    ELSEWHERE,
    LambdaOptions,
    RunOptions,
    grapeshot,
    read,
)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(grapeshot, arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-t", "http://a"], {"target": "http://a"}),
        (["--target", "http://a"], {"target": "http://a"}),
        (["--target=http://a"], {"target": "http://a"}),
        (["-c", "base.yml"], {"config": "base.yml"}),
        (["-i", "a.yml", "--input", "b.yml"], {"inputs": ("a.yml", "b.yml")}),
        (["-e", "staging"], {"environment": "staging"}),
        (["--scenario-name", "buy"], {"scenario_name": "buy"}),
        (["-o", "report.json"], {"output": "report.json"}),
        (["--dotenv", ".env"], {"dotenv": ".env"}),
        (["--env-file", ".env"], {"dotenv": ".env"}),
        (["-v", '{"a": 1}'], {"variables": '{"a": 1}'}),
        (["--overrides", "{}"], {"overrides": "{}"}),
        (["-k", "-q", "-s"], {"insecure": True, "quiet": True, "solo": True}),
        (["-kqs"], {"insecure": True, "quiet": True, "solo": True}),
        (["-p", "users.csv"], {"payload": "users.csv"}),
        (["--workers", "3"], {"workers": 3}),
        (["--name", "nightly"], {"name": "nightly"}),
        (["--baseline", "main.json"], {"baseline": "main.json"}),
    ],
)
def test_flags_of_run(arguments: list[str], expected: dict[str, object]) -> None:
    """Each flag of the reference's `run` is read, wherever it stands."""
    assert read(["run", *arguments, "script.yml"]) == RunOptions(script="script.yml", **expected)  # type: ignore[arg-type]
    assert read(["run", "script.yml", *arguments]) == RunOptions(script="script.yml", **expected)  # type: ignore[arg-type]


def test_both_ways_to_run_take_a_baseline() -> None:
    """A run from Lambda is compared as one on this machine is; a check has nothing to compare."""
    asked = read(["run-lambda", "script.yml", "--baseline", "main.json"])

    assert isinstance(asked, LambdaOptions)
    assert asked.run.baseline == "main.json"
    assert invoke("check", "script.yml", "--baseline", "main.json").exit_code == 2


def test_check_is_asked_for() -> None:
    """`check` takes the flags that shape the script."""
    assert read(["check", "script.yml", "-e", "staging"]) == RunOptions(
        script="script.yml", environment="staging", check=True
    )


@pytest.mark.parametrize(
    ("twice", "name"),
    [
        (["-t", "a", "--target", "b"], "--target"),
        (["-k", "-k"], "--insecure"),
        (["-q", "--quiet"], "--quiet"),
        (["--dotenv", "a", "--env-file", "b"], "--env-file"),
        (["-o", "a", "-o", "a"], "--output"),
    ],
)
def test_a_flag_given_twice_is_refused(twice: list[str], name: str) -> None:
    """Of two values one would be ignored, so the line is refused with exit code 2."""
    result = invoke("run", "script.yml", *twice)

    assert result.exit_code == 2
    assert f"{name} was given 2 times" in result.output


@pytest.mark.parametrize("flag", ELSEWHERE)
def test_flags_of_the_reference_s_cloud_get_a_sentence(flag: str) -> None:
    """A flag that has no meaning here says so, instead of `no such option`."""
    result = invoke("run", "script.yml", flag, "3")

    assert result.exit_code == 2
    assert f"Error: {flag} {ELSEWHERE[flag]}." in result.output


@pytest.mark.parametrize("command", COMMANDS_ELSEWHERE)
def test_commands_of_the_reference_get_a_sentence(command: str) -> None:
    """A command that does not exist here says what to do instead."""
    result = invoke(command, "script.yml", "--region", "eu-west-1")

    assert result.exit_code == 2
    assert f"`{command}` {COMMANDS_ELSEWHERE[command]}." in result.output


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["rum", "script.yml"], "Did you mean 'run'?"),
        (["chek", "script.yml"], "Did you mean 'check'?"),
        (["run", "script.yml", "--taget", "x"], "'--target'?)"),
        (["run", "script.yml", "--enviroment", "x"], "'--environment'?)"),
    ],
)
def test_mistyped_words_get_a_suggestion(arguments: list[str], suggestion: str) -> None:
    """A command or flag that is nearly one is answered with it."""
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert suggestion in result.output


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "a.yml", "b.yml"], ["run", "a.yml", "--workers", "0"]]
)
def test_unusable_lines_exit_with_2(arguments: list[str]) -> None:
    """A missing script, a second one, or an impossible number is a usage error."""
    with pytest.raises(click.UsageError) as caught:
        read(arguments)

    assert caught.value.exit_code == 2


def ranges(command: click.Command, *words: str) -> list[tuple[tuple[str, ...], str, Any]]:
    """Give the command, the flag and the type of each flag that takes numbers."""
    found: list[tuple[tuple[str, ...], str, Any]] = [
        (words, parameter.opts[0], parameter.type)
        for parameter in command.params
        if isinstance(parameter.type, (click.IntRange, click.FloatRange))
    ]
    for name, inner in getattr(command, "commands", {}).items():
        found += ranges(inner, *words, name)
    return found


@pytest.mark.parametrize(("words", "flag", "kind"), ranges(grapeshot))
@pytest.mark.parametrize("value", ["x", "-1", "1.5.", "nan"])
def test_a_flag_that_takes_a_number_says_which(
    words: tuple[str, ...], flag: str, kind: Any, value: str
) -> None:
    """Both ends of the range, whatever is wrong with the value."""
    result = invoke(*words, f"{flag}={value}")
    if isinstance(kind, click.IntRange):
        which = f"a whole number from {kind.min} to {kind.max}."
    else:
        which = "a number of dollars, 0 or more."

    assert result.exit_code == 2
    assert f"Invalid value for '{flag}': {value!r} is not {which}" in " ".join(result.output.split())


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"], ["check", "-h"], ["--version"]])
def test_help_and_version_need_nothing_else(arguments: list[str]) -> None:
    """They are answered while reading."""
    assert invoke(*arguments).exit_code == 0
    assert read(arguments) is None


def test_help_shows_examples() -> None:
    """A newcomer finds a line to copy."""
    assert (
        "grapeshot run script.yml -t http://localhost:3000 -o report.json" in invoke("run", "--help").output
    )
