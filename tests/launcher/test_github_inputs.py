"""The inputs of the Action: what they become, and what is refused, all of it at once."""

from __future__ import annotations

import pytest

from grapeshot_launcher.cloud.oidc import Login
from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.github.inputs import Inputs, read_inputs, settled, variable
from grapeshot_launcher.options import LambdaOptions, RunOptions, read


def inputs(**given: str) -> Inputs:
    return read_inputs({variable(name.replace("_", "-")): value for name, value in given.items()})


def refused(**given: str) -> list[str]:
    with pytest.raises(SettingsRefused) as error:
        inputs(**given)
    return error.value.message.splitlines()


def test_a_script_and_a_region_are_enough() -> None:
    """Everything else has a default."""
    found = inputs(script="tests/load.yml", region="eu-west-1")

    assert found == Inputs(
        arguments=("run-lambda", "--region=eu-west-1", "--publish", "--", "tests/load.yml"),
        working_directory=None,
        login=None,
        thresholds=(),
        baseline=None,
        fail_on=frozenset({"fail", "invalid", "regression"}),
        report_dir=None,
        summary=True,
        comment=False,
    )
    assert read(found.arguments) == LambdaOptions(
        run=RunOptions(script="tests/load.yml"), regions=("eu-west-1",), publish=True
    )


def test_every_input_that_shapes_a_run_becomes_its_flag() -> None:
    """Values pass untouched, whatever is in them; a path that looks like a flag is a path."""
    found = inputs(
        script="-v.yml",
        region="eu-west-1,us-east-1",
        workers="20",
        environment="staging",
        target="https://example.com/?a=b c",
        variables='{"user": "--ada"}',
        overrides='{"config": {}}',
        insecure="true",
        dotenv=".env",
        memory_size="1769",
        architecture="x86_64",
        image="sha256:" + "0" * 64,
        repository="workers",
        subnet_ids="subnet-1, subnet-2",
        security_group_ids="sg-1",
        aws_tags="team:load",
    )

    assert read(found.arguments) == LambdaOptions(
        run=RunOptions(
            script="-v.yml",
            workers=20,
            environment="staging",
            target="https://example.com/?a=b c",
            variables='{"user": "--ada"}',
            overrides='{"config": {}}',
            insecure=True,
            dotenv=".env",
        ),
        regions=("eu-west-1", "us-east-1"),
        memory_size=1769,
        architecture="x86_64",
        image="sha256:" + "0" * 64,
        repository="workers",
        subnet_ids=("subnet-1", "subnet-2"),
        security_group_ids=("sg-1",),
        aws_tags="team:load",
    )


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_of_an_earlier_step_is_used(name: str) -> None:
    """configure-aws-credentials sets both."""
    found = read_inputs({"INPUT_SCRIPT": "a.yml", name: "eu-north-1"})

    assert "--region=eu-north-1" in found.arguments


def test_the_emulator_needs_no_region() -> None:
    """It is inside the runner."""
    assert inputs(script="a.yml", emulate="true").arguments == ("run-lambda", "--emulate", "--", "a.yml")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("run ./test.yml", ("run", "./test.yml")),
        ("run 'a b.yml' --output \"./my report.json\"", ("run", "a b.yml", "--output", "./my report.json")),
        ("artillery run-lambda --region eu-west-1 a.yml", ("run-lambda", "--region", "eu-west-1", "a.yml")),
        ("grapeshot check a.yml", ("check", "a.yml")),
        ("run a.yml \\\n  --quiet", ("run", "a.yml", "--quiet")),
        ("""run -v '{"a": "b c"}' a.yml""", ("run", "-v", '{"a": "b c"}', "a.yml")),
    ],
)
def test_a_command_is_split_with_its_quotes(command: str, arguments: tuple[str, ...]) -> None:
    """As a shell would, so that arguments may hold blanks."""
    assert inputs(command=command).arguments == arguments


def test_what_is_not_about_the_run_goes_with_a_command() -> None:
    """Login, thresholds, baseline and the report are the step's own."""
    found = inputs(
        command="run a.yml",
        role_to_assume="arn:aws:iam::123456789012:role/r",
        role_session_name="me",
        role_duration="7200",
        audience="other",
        mask_aws_account_id="TRUE",
        thresholds="\n  a < 1\n\n  b < 2\n",
        baseline="old.json",
        fail_on="invalid, regression",
        report_dir="out",
        summary="false",
        comment_pr="true",
        working_directory="sub",
    )

    assert found.login == Login(
        role="arn:aws:iam::123456789012:role/r",
        region="",
        session_name="me",
        duration=7200,
        audience="other",
        mask_account=True,
    )
    assert (found.thresholds, found.baseline, found.report_dir) == (("a < 1", "b < 2"), "old.json", "out")
    assert found.fail_on == {"invalid", "regression"}
    assert (found.summary, found.comment, found.working_directory) == (False, True, "sub")


def test_never_fails_on_nothing() -> None:
    """The verdict is shown, and the step stays green."""
    assert inputs(script="a.yml", region="r", fail_on="never").fail_on == frozenset()


def test_all_problems_are_named_at_once() -> None:
    """One run of the workflow shows them all."""
    assert refused(
        role_duration="60", summary="yes", comment_pr="1", fail_on="fail, slow", insecure="no", region=" "
    ) == [
        "script is missing: the path of the test script in the repository.",
        "role-duration: 60 is not a number of seconds from 900 to 43200.",
        "fail-on: slow is none of fail, invalid, regression; or it is `never`, alone.",
        "summary: yes is neither true nor false.",
        "comment-pr: 1 is neither true nor false.",
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"script": "a.yml"}, "region is missing: the AWS region that the load comes from."),
        (
            {"script": "a.yml", "command": "run b.yml", "region": "r"},
            "script and command exclude each other: the command names its own script.",
        ),
        (
            {"command": "run a.yml", "workers": "3"},
            "workers can't stand beside command: write --workers into the command.",
        ),
        (
            {"command": "run 'a.yml"},
            "command: run 'a.yml can't be split into words: No closing quotation.",
        ),
        ({"script": "a.yml", "region": "r", "emulate": "maybe"}, "emulate: maybe is neither true nor false."),
    ],
)
def test_one_problem_at_a_time(given: dict[str, str], problem: str) -> None:
    """Each says which input, and what to do."""
    assert refused(**given) == [problem]


@pytest.mark.parametrize("command", ["iam policy", "image build", "--version", "action"])
def test_a_command_that_runs_no_test_is_refused(command: str) -> None:
    """The step is about a test."""
    found = inputs(command=command)

    with pytest.raises(SettingsRefused, match="runs no test"):
        settled(read(found.arguments), found)
