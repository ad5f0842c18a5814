"""The command line: which commands there are, and what they read into.

Leaves to others: everything a command does. `read` gives back what was asked for, and `__main__` has it done;
that is why this package imports nothing heavy, and `--help` answers at once.

The flags are those of the reference's `run` and `run-lambda`, so that a line written for it works here. A flag given
twice is refused, as there: of two values one would be ignored in silence. Flags of the reference that belong to its
cloud are refused with a sentence each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from grapeshot_launcher.options.asked import (
    ActionOptions,
    Asked,
    CleanOptions,
    DoctorOptions,
    HistoryOptions,
    ImageOptions,
    LambdaOptions,
    PolicyOptions,
    ReportOptions,
    RunOptions,
    StopOptions,
)
from grapeshot_launcher.options.cloud import iam, image, run_lambda
from grapeshot_launcher.options.flags import (
    COMMANDS_ELSEWHERE,
    ELSEWHERE,
    REPORT_FLAGS,
    SCRIPT_FLAGS,
    Commands,
    OnceCommand,
    Whole,
)
from grapeshot_launcher.options.history import history
from grapeshot_launcher.options.reports import report
from grapeshot_launcher.options.tidy import clean, doctor, stop

__all__ = [
    "COMMANDS_ELSEWHERE",
    "ELSEWHERE",
    "ActionOptions",
    "Asked",
    "CleanOptions",
    "DoctorOptions",
    "HistoryOptions",
    "ImageOptions",
    "LambdaOptions",
    "PolicyOptions",
    "ReportOptions",
    "RunOptions",
    "StopOptions",
    "grapeshot",
    "read",
]

EXAMPLES = """\b
Examples:
  grapeshot run script.yml
  grapeshot run script.yml -t http://localhost:3000 -o report.json
  grapeshot run script.yml -e staging -v '{"user": "ada"}' --quiet
  grapeshot run script.yml --solo          # one virtual user
  grapeshot run-lambda script.yml --region eu-west-1
  grapeshot check script.yml               # problems and plan, no load
  grapeshot report report.json             # the report as a page: report.html
"""


def read(arguments: Sequence[str]) -> Asked | None:
    """Read a command line; None when it was answered already (`--help`, `--version`).

    Raises click.ClickException for one that can't be understood; it shows itself and knows its exit code.
    """
    asked = grapeshot.main(list(arguments), prog_name="grapeshot", standalone_mode=False)
    return asked if isinstance(asked, Asked) else None


@click.group(cls=Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="grapeshot-launcher", prog_name="grapeshot")  # looked up when asked for
def grapeshot() -> None:
    """Load testing with Artillery scripts: exact load, honest numbers.

    The report goes to the screen, and as JSON to the file of -o. The exit code says how it went: 0 fine,
    1 a check failed or the script was refused, 2 wrong flags, 4 the measurement can't be trusted, 11 a worker
    failed, 21 an expectation failed.
    """


WORKERS = click.option(
    "--workers", metavar="N", type=Whole(1, 1024), help="Engine processes. [default: one per CPU]"
)


@grapeshot.command(cls=OnceCommand, epilog=EXAMPLES)
@SCRIPT_FLAGS
@WORKERS
@REPORT_FLAGS
def run(**flags: Any) -> RunOptions:
    """Run SCRIPT on this machine and report.

    The first Ctrl-C stops the load and reports what was measured; the second leaves at once.
    """
    return RunOptions(**flags)


@grapeshot.command(cls=OnceCommand, epilog=EXAMPLES)
@SCRIPT_FLAGS
@WORKERS
def check(**flags: Any) -> RunOptions:
    """Show what SCRIPT would do, and its problems.

    Nothing is sent: the script is read and checked, its processor is loaded, and its phases, arrivals and peak
    rate are printed.
    """
    return RunOptions(**flags, check=True)


@grapeshot.command(cls=OnceCommand)
def action() -> ActionOptions:
    """Be the step of a GitHub workflow.

    The inputs are read from INPUT_… variables, as action.yml sets them; the report becomes the job summary,
    annotations and outputs.
    """
    return ActionOptions()


grapeshot.add_command(report)
grapeshot.add_command(history)
grapeshot.add_command(run_lambda)
grapeshot.add_command(iam)
grapeshot.add_command(image)
grapeshot.add_command(doctor)
grapeshot.add_command(clean)
grapeshot.add_command(stop)
