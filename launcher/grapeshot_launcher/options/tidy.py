"""The commands for what runs in AWS, or has been left there: `stop` and `clean`; and `doctor`, before anything runs.

Leaves to others: what they do.
"""

from __future__ import annotations

from typing import Any

import click

from grapeshot_launcher.options.asked import CleanOptions, DoctorOptions, StopOptions
from grapeshot_launcher.options.cloud import ARCHITECTURE, MANY, PREFIX, REPOSITORY
from grapeshot_launcher.options.flags import OnceCommand

_REGION = click.option(
    "--region", metavar="REGIONS", required=True, help="The region of the runs; several are comma-separated."
)


@click.command(cls=OnceCommand)
@_REGION
@PREFIX
@click.option("--yes", is_flag=True, help="Remove it; else it is only listed.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also what later runs would use again: functions, archives, bucket.",
)
def clean(**flags: Any) -> CleanOptions:
    """List what runs have left behind in AWS, and remove it with --yes.

    A run that is alive is named, and left alone.
    """
    return CleanOptions(**flags)


@click.command(cls=OnceCommand)
@click.argument("run_id", metavar="RUN-ID")
@_REGION
@PREFIX
def stop(**flags: Any) -> StopOptions:
    """Stop a run from another machine.

    Its workers end the load within 3 s, and its launcher reports what was measured, as after Ctrl-C. The id of a run
    is the first line that it prints.
    """
    return StopOptions(**flags)


@click.command(cls=OnceCommand)
@click.option(
    "--region",
    metavar="REGIONS",
    default="us-east-1",
    show_default=True,
    help="Where workers are to run; several are comma-separated.",
)
@click.option("--workers", metavar="N", type=MANY, help="So many are wanted at once.")
@ARCHITECTURE
@click.option(
    "--lambda-role-arn", "role_arn", metavar="ARN", help="The workers' role, if not the default one."
)
@PREFIX
@click.option("--image", metavar="IMAGE", help="The worker image, if not this version's.")
@REPOSITORY
def doctor(**flags: Any) -> DoctorOptions:
    """Look whether runs on AWS can work: credentials, region, clock, permissions, quota, image, role.

    Nothing is changed. Each line is ok, not ok, or can't tell; the exit code is 1 if one is not ok.
    """
    return DoctorOptions(**flags)
