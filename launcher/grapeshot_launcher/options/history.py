"""The command for many runs: `history`.

Leaves to others: finding their reports, reading them, and the page.
"""

from __future__ import annotations

from typing import Any

import click

from grapeshot_launcher.options.asked import HistoryOptions
from grapeshot_launcher.options.flags import OnceCommand

EXAMPLES = """\b
Examples:
  grapeshot history reports/
  grapeshot history s3://my-bucket/load-tests/ --region eu-west-1 -o trend.html
"""


@click.command(cls=OnceCommand, epilog=EXAMPLES)
@click.argument("place", metavar="DIR|s3://BUCKET/PREFIX")
@click.option(
    "-o", "--output", metavar="PATH", default="trend.html", show_default=True, help="Write the page here."
)
@click.option(
    "--region", metavar="REGION", help="The region of the bucket. [default: AWS_REGION, else us-east-1]"
)
def history(**flags: Any) -> HistoryOptions:
    """Show how p95 and rate went from commit to commit, as a page.

    Every *.json below the directory or the prefix is read: reports that runs have written with -o. What is none is
    named, and left out.
    """
    return HistoryOptions(**flags)
