"""The commands around AWS: `run-lambda`, `iam policy`, `image build` and `image publish`.

Leaves to others: what they do, and everything that only AWS knows (regions, roles, tags).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click

from grapeshot_launcher.options.asked import ImageOptions, LambdaOptions, PolicyOptions, RunOptions
from grapeshot_launcher.options.flags import (
    REPORT_FLAGS,
    SCRIPT_FLAGS,
    Commands,
    Dollars,
    OnceCommand,
    Whole,
    flags,
)

EXAMPLES = """\b
Examples:
  grapeshot run-lambda blitz.yml --region eu-west-1
  grapeshot run-lambda blitz.yml --region eu-west-1,us-east-1
  grapeshot run-lambda blitz.yml --workers 20           # the script's load, divided
  grapeshot run-lambda blitz.yml --count 20             # 20 times the script's load
  grapeshot run-lambda --emulate blitz.yml              # the same, on this machine
"""

MANY = Whole(1, 10_000)
ARCHITECTURE = click.option(
    "--architecture",
    type=click.Choice(["arm64", "x86_64"]),
    default="arm64",
    show_default=True,
    help="Processor of the workers.",
)
PREFIX = click.option(
    "--prefix",
    metavar="NAME",
    default="artilleryio",
    show_default=True,
    help="What the names of bucket, role, function and queue begin with.",
)
REPOSITORY = click.option(
    "--repository",
    metavar="NAME",
    default="grapeshot-worker",
    show_default=True,
    help="The ECR repository of the worker image.",
)

LAMBDA_FLAGS = flags(
    click.option(
        "--region",
        "regions",
        metavar="REGIONS",
        default="us-east-1",
        show_default=True,
        help="Where the workers run; of several regions, comma-separated, they take turns.",
    ),
    click.option(
        "--count", metavar="N", type=MANY, help="N workers that make the script's whole load each: N times."
    ),
    click.option(
        "--workers",
        metavar="N",
        type=MANY,
        help="N workers that share the script's load. [default: by the script's rate and users]",
    ),
    click.option(
        "--memory-size",
        metavar="MB",
        type=Whole(128, 10_240),
        default=4096,
        show_default=True,
        help="Memory of a worker; its CPU grows with it, 1,769 MB to a vCPU.",
    ),
    ARCHITECTURE,
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=Whole(60, 900),
        default=900,
        show_default=True,
        help="Time limit of a worker, start-up included.",
    ),
    click.option(
        "--lambda-role-arn", "role_arn", metavar="ARN", help="The workers' role, in place of the default one."
    ),
    click.option("--security-group-ids", metavar="IDS", help="For workers in a VPC; comma-separated."),
    click.option("--subnet-ids", metavar="IDS", help="For workers in a VPC; comma-separated."),
    click.option("--aws-tags", metavar="TAGS", help="Tags of function and queue: key:value,key2:value2."),
    PREFIX,
    click.option("--image", metavar="IMAGE", help="The worker image: its address in ECR, or its digest."),
    REPOSITORY,
    click.option(
        "--publish", is_flag=True, help="Build and publish the worker image first, if the region lacks it."
    ),
    click.option(
        "--max-cost",
        metavar="USD",
        type=Dollars(),
        help="Refuse a run whose expected cost is higher, before AWS is touched.",
    ),
    click.option(
        "--emulate",
        type=click.Choice(["processes", "docker"]),
        metavar="[=docker]",
        help="Use an AWS on this machine: workers are processes, or containers of the image.",
    ),
)


class LambdaCommand(OnceCommand):
    """`run-lambda`: `--emulate` can stand alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Complete a bare `--emulate`: its value never is the next word, which may be the script."""
        return super().parse_args(ctx, ["--emulate=processes" if a == "--emulate" else a for a in args])


@click.command("run-lambda", cls=LambdaCommand, epilog=EXAMPLES)
@SCRIPT_FLAGS
@LAMBDA_FLAGS
@REPORT_FLAGS
def run_lambda(**flags: Any) -> LambdaOptions:
    """Run SCRIPT from AWS Lambda and report.

    What is needed in AWS is created on the way: a bucket, a role, a function, a queue. The queue goes away again. The
    worker image must be in the region's registry: `grapeshot image publish` puts it there.

    The first Ctrl-C stops the load and reports what was measured; the second leaves at once.
    """
    if flags["count"] is not None and flags["workers"] is not None:
        raise click.UsageError(
            "--count and --workers exclude each other: --count N makes the script's load N times,"
            " --workers N divides it."
        )
    groups, subnets = _ids(flags.pop("security_group_ids")), _ids(flags.pop("subnet_ids"))
    regions = _ids(flags.pop("regions"))
    if not regions or len(set(regions)) < len(regions):
        raise click.UsageError("--region names one region, or several different ones, comma-separated.")
    if bool(groups) != bool(subnets):
        raise click.UsageError(
            "--security-group-ids and --subnet-ids belong together: give both, or neither."
        )
    common = {field.name for field in fields(RunOptions)} & flags.keys()
    run = RunOptions(**{name: flags.pop(name) for name in sorted(common)})
    return LambdaOptions(run=run, regions=regions, security_group_ids=groups, subnet_ids=subnets, **flags)


def _ids(written: str | None) -> tuple[str, ...]:
    return tuple(one for one in (part.strip() for part in (written or "").split(",")) if one)


@click.group(cls=Commands)
def iam() -> None:
    """Show what AWS must allow."""


@iam.command(cls=OnceCommand)
@click.option("--account", metavar="ID", help="The account's number. [default: an example's]")
@click.option("--region", metavar="REGION", help="Allow one region only. [default: all of them]")
@PREFIX
@click.option("--publish", is_flag=True, help="Add what `grapeshot image publish` needs.")
@click.option("--extras", is_flag=True, help="Add what a run makes use of when it may.")
def policy(**flags: Any) -> PolicyOptions:
    """Print the IAM policy of whoever runs tests from AWS Lambda."""
    return PolicyOptions(**flags)


@click.group(cls=Commands)
def image() -> None:
    """Make the worker image, and put it where AWS Lambda finds it."""


_BUILD_FLAGS = flags(
    ARCHITECTURE,
    click.option("--base-image", metavar="IMAGE", help="Build on this image in place of the default one."),
    click.option("--network", metavar="NAME", help="Docker network of the build, such as `host`."),
)


@image.command(cls=OnceCommand)
@_BUILD_FLAGS
def build(**flags: Any) -> ImageOptions:
    """Build the worker image on this machine's docker engine."""
    return ImageOptions(**flags)


@image.command(cls=OnceCommand)
@click.option(
    "--region",
    metavar="REGIONS",
    required=True,
    help="The region whose workers use it; several are comma-separated.",
)
@_BUILD_FLAGS
@REPOSITORY
@PREFIX
def publish(**flags: Any) -> ImageOptions:
    """Build the worker image and put it into ECR, unless it is there already."""
    return ImageOptions(**flags)
