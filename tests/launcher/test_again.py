"""The command that makes a run again: it reads back as what was asked for, and gives no secret away."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from grapeshot_launcher.options import LambdaOptions, RunOptions, read
from grapeshot_launcher.options.again import command_line, without_login

RUN = RunOptions(
    script="load tests/a.yml",
    inputs=("b.yml", "c d.yml"),
    config="base.yml",
    target="https://example.com",
    environment="staging",
    scenario_name="buy *",
    payload="users.csv",
    dotenv=".env",
    insecure=True,
    solo=True,
    thresholds=("http.response_time.p95 < 250", "vusers.failed == 0"),
    workers=7,
    name="it's nightly",
)
LAMBDA = LambdaOptions(
    run=replace(RUN, workers=None),
    regions=("eu-west-1", "us-east-1"),
    count=3,
    memory_size=1769,
    architecture="x86_64",
    role_arn="arn:aws:iam::123456789012:role/r",
    security_group_ids=("sg-1", "sg-2"),
    subnet_ids=("subnet-1",),
    aws_tags="a:b c,d:e",
    timeout=300,
    prefix="acme",
    image="sha256:" + "0" * 64,
    repository="workers",
)


@pytest.mark.parametrize(
    "asked",
    [
        RUN,
        RunOptions(script="a.yml"),
        LAMBDA,
        LambdaOptions(run=RUN),
        LambdaOptions(run=RUN, emulate="processes"),
        LambdaOptions(run=RUN, emulate="docker"),
    ],
)
def test_it_reads_back_as_what_was_asked_for(asked: RunOptions | LambdaOptions) -> None:
    """Typed into a shell, it makes the same run."""
    program, *arguments = shlex.split(command_line(asked))

    assert program == "grapeshot"
    assert read(arguments) == asked


def test_where_the_report_goes_and_what_it_is_compared_with_do_not_make_the_run() -> None:
    """Both name files of this machine, and the load is the same without them."""
    assert (
        command_line(RunOptions(script="a.yml", output="b.json", baseline="c.json")) == "grapeshot run a.yml"
    )


def test_secrets_are_named_and_not_shown() -> None:
    """Variables, overrides and logins in addresses are for the shell to fill in."""
    line = command_line(
        RunOptions(
            script="a.yml",
            variables='{"password": "s3cret"}',
            overrides='{"config": {"http": {"key": "s3cret"}}}',
            target="https://ada:s3cret@example.com/path",
        )
    )

    assert "s3cret" not in line
    assert '--variables "$VARIABLES" --overrides "$OVERRIDES"' in line
    assert "example.com/path" in line


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a@b?c=d@e", "https://example.com/a@b?c=d@e"),
        ("https://ada@example.com", "https://…@example.com"),
        ("https://ada:p%40@example.com:8080/x", "https://…@example.com:8080/x"),
        ("/relative", "/relative"),
    ],
)
def test_addresses_lose_their_login_only(url: str, shown: str) -> None:
    """An @ in a path is no login."""
    assert without_login(url) == shown
