"""The commands for what runs in AWS, or has been left there: `clean`.

Leaves to others: what they do.
"""

from __future__ import annotations

from typing import Any

import click

from grapeshot_launcher.options.asked import CleanOptions
from grapeshot_launcher.options.cloud import PREFIX
from grapeshot_launcher.options.flags import OnceCommand

_REGION = click.option("--region", metavar="REGION", required=True, help="The region of the runs.")


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
