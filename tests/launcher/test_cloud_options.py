"""The commands around AWS: what they read, and what they refuse before anything is done."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner, Result

from grapeshot_launcher.clean import clean
from grapeshot_launcher.errands import print_policy
from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.options import (
    CleanOptions,
    DoctorOptions,
    ImageOptions,
    LambdaOptions,
    PolicyOptions,
    RunOptions,
    StopOptions,
    grapeshot,
    read,
)

SCRIPT = RunOptions(script="s.yml")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(grapeshot, arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--region", "eu-west-1"], {"regions": ("eu-west-1",)}),
        (["--region", "eu-west-1, us-east-1"], {"regions": ("eu-west-1", "us-east-1")}),
        (["--count", "51"], {"count": 51}),
        (["--memory-size", "10240"], {"memory_size": 10240}),
        (["--architecture", "x86_64"], {"architecture": "x86_64"}),
        (["--lambda-role-arn", "arn:x"], {"role_arn": "arn:x"}),
        (
            ["--security-group-ids", "sg-1, sg-2", "--subnet-ids", "subnet-1"],
            {"security_group_ids": ("sg-1", "sg-2"), "subnet_ids": ("subnet-1",)},
        ),
        (["--aws-tags", "a:b,c:d"], {"aws_tags": "a:b,c:d"}),
        (["--timeout", "300"], {"timeout": 300}),
        (["--prefix", "team"], {"prefix": "team"}),
        (["--image", "sha256:00"], {"image": "sha256:00"}),
        (["--repository", "mine"], {"repository": "mine"}),
        (["--emulate"], {"emulate": "processes"}),
        (["--emulate=docker"], {"emulate": "docker"}),
    ],
)
def test_flags_of_run_lambda(arguments: list[str], expected: dict[str, object]) -> None:
    """Each is read, wherever it stands; a bare `--emulate` does not swallow the script."""
    wanted = LambdaOptions(run=SCRIPT, **expected)  # type: ignore[arg-type]

    assert read(["run-lambda", *arguments, "s.yml"]) == wanted
    assert read(["run-lambda", "s.yml", *arguments]) == wanted
    assert read(["run:lambda", "s.yml", *arguments]) == wanted


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-t", "http://a"], {"target": "http://a"}),
        (["-k", "-s", "-q"], {"insecure": True, "solo": True, "quiet": True}),
        (["-p", "users.csv"], {"payload": "users.csv"}),
        (["-c", "c.yml", "-i", "a.yml", "-e", "one"], {"config": "c.yml", "inputs": ("a.yml",), "environment": "one"}),
        (["-v", "{}", "--overrides", "{}"], {"variables": "{}", "overrides": "{}"}),
        (["--dotenv", ".env"], {"dotenv": ".env"}),
        (["--scenario-name", "buy", "--name", "x", "-o", "r"], {"scenario_name": "buy", "name": "x", "output": "r"}),
        (["--workers", "2000"], {"workers": 2000}),
    ],
)  # fmt: skip
def test_all_flags_of_run_go_along(arguments: list[str], expected: dict[str, object]) -> None:
    """The reference does not forward `-k` and `-p`."""
    run = RunOptions(script="s.yml", **expected)  # type: ignore[arg-type]

    assert read(["run-lambda", *arguments, "s.yml"]) == LambdaOptions(run=run)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--count", "2", "--workers", "3"], "exclude each other"),
        (["--count", "0"], "--count"),
        (["--count", "many"], "--count"),
        (["--subnet-ids", "subnet-1"], "give both, or neither"),
        (["--security-group-ids", "sg-1"], "give both, or neither"),
        (["--memory-size", "64"], "--memory-size"),
        (["--timeout", "3600"], "--timeout"),
        (["--architecture", "mips"], "--architecture"),
        (["--emulate=cloud"], "--emulate"),
        (["--container"], "always containers"),
        (["--record"], "no dashboard"),
        (["--tags", "a:b"], "no dashboard"),
        (["--region", "a", "--region", "b"], "2 times"),
    ],
)
def test_what_is_refused(arguments: list[str], word: str) -> None:
    """With a sentence, and exit code 2."""
    result = invoke("run-lambda", "s.yml", *arguments)

    assert result.exit_code == 2
    assert word in result.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["iam", "policy"], PolicyOptions()),
        (
            ["iam", "policy", "--account", "1", "--region", "r", "--prefix", "p", "--publish", "--extras"],
            PolicyOptions(account="1", region="r", prefix="p", publish=True, extras=True),
        ),
        (["image", "build"], ImageOptions()),
        (
            ["image", "build", "--architecture", "x86_64", "--base-image", "b", "--network", "host"],
            ImageOptions(architecture="x86_64", base_image="b", network="host"),
        ),
        (
            ["image", "publish", "--region", "eu-west-1", "--repository", "mine"],
            ImageOptions(region="eu-west-1", repository="mine"),
        ),
        (["clean", "--region", "eu-west-1"], CleanOptions(region="eu-west-1")),
        (["doctor"], DoctorOptions()),
        (
            [*("doctor", "--region", "r", "--workers", "9", "--architecture", "x86_64"), *("--image", "i")],
            DoctorOptions(region="r", workers=9, architecture="x86_64", image="i"),
        ),
        (
            ["stop", "t1", "--region", "r", "--prefix", "p"],
            StopOptions(run_id="t1", region="r", prefix="p"),
        ),
        (
            ["clean", "--region", "r", "--prefix", "p", "--all", "--yes"],
            CleanOptions(region="r", prefix="p", everything=True, yes=True),
        ),
    ],
)
def test_commands_beside_the_run(arguments: list[str], expected: object) -> None:
    """They read into values of their own."""
    assert read(arguments) == expected


def test_publishing_needs_a_region() -> None:
    """An image is of use in its own region only: none is assumed."""
    with pytest.raises(click.UsageError, match="region"):
        read(["image", "publish"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["clean"], "--region"),
        (["stop", "--region", "r"], "RUN-ID"),
        (["doctor", "--workers", "many"], "--workers"),
        (["doctor", "blitz.yml"], "unexpected extra argument"),
        (["stop", "t1"], "--region"),
        (["stop", "t1", "t2", "--region", "r"], "unexpected extra argument"),
        (["clean", "t1", "--region", "r"], "unexpected extra argument"),
        (["clean", "--region", "r", "--force"], "--force"),
        (["clean", "--region", "r", "--yes", "--yes"], "2 times"),
    ],
)
def test_a_mistyped_command_is_answered(arguments: list[str], word: str) -> None:
    """With what is wrong with it, and exit code 2."""
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert word in result.output


@pytest.mark.parametrize(
    "flags", [["--region", "Frankfurt"], ["--region", "eu-west-1", "--prefix", "No Bucket"]]
)
def test_a_place_that_can_t_be_is_refused_before_aws(flags: list[str]) -> None:
    """In a sentence, as for a run."""
    asked = read(["clean", *flags])
    assert isinstance(asked, CleanOptions)

    with pytest.raises(SettingsRefused, match=r"Frankfurt|No Bucket"):
        clean(asked, say=print)


def test_the_policy_is_printed_as_json() -> None:
    """For the account that was named."""
    said: list[str] = []

    code = print_policy(PolicyOptions(account="210987654321"), say=said.append)

    assert code == 0
    assert json.loads("\n".join(said))["Statement"]
    assert "210987654321" in said[0]
