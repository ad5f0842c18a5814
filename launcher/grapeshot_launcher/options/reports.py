"""The command for reports that are there already: `report`.

Leaves to others: reading the files and writing the views.
"""

from __future__ import annotations

from typing import Any

import click

from grapeshot_launcher.options.asked import ReportOptions
from grapeshot_launcher.options.flags import OnceCommand

EXAMPLES = """\b
Examples:
  grapeshot report report.json                        # report.html beside it
  grapeshot report report.json -o page.html -o periods.csv
  grapeshot report monday.json tuesday.json -o both.html
  grapeshot report --compare before.json after.json
"""


@click.command(cls=OnceCommand, epilog=EXAMPLES)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=str)
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="PATH",
    multiple=True,
    help="Write this file: .html, .xml (JUnit), .csv, .prom or .txt (OpenMetrics), .md or .json; repeatable."
    " [default: report.html beside the first FILE; with --compare, comparison.html]",
)
@click.option(
    "--compare", is_flag=True, help="Compare two FILEs, the earlier one first, instead of merging them."
)
def report(**flags: Any) -> ReportOptions:
    """Show the report in FILE as a page, or in another form.

    FILE is what `-o` of a run has written, Grapeshot's or Artillery's; "-" reads it from standard input. Of several
    files the runs are merged. The exit code is 0; with --compare it is 5 if the later run is worse.
    """
    asked = ReportOptions(**flags)
    if asked.compare and len(asked.files) != 2:
        raise click.UsageError(
            f"--compare takes two files, the earlier run first; {len(asked.files)} given.",
            click.get_current_context(),
        )
    return asked
