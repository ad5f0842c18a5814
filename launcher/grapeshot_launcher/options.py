"""The command line: which commands and flags there are, and what they read into.

Leaves to others: everything a command does. `read` gives back what was asked for, and `__main__` has it done;
that is why this module imports nothing heavy, and `--help` answers at once.

The flags are those of the reference's `run`, so that a line written for it works here. A flag given twice is
refused, as there: of two values one would be ignored in silence. Flags of the reference that belong to its
cloud are refused with a sentence each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import click

EXAMPLES = """\b
Examples:
  grapeshot run script.yml
  grapeshot run script.yml -t http://localhost:3000 -o report.json
  grapeshot run script.yml -e staging -v '{"user": "ada"}' --quiet
  grapeshot run script.yml --solo          # one virtual user
  grapeshot check script.yml               # problems and plan, no load
"""

ELSEWHERE = {
    "--count": "has no meaning on this machine: use --workers N for the number of engine processes",
    "--platform": "is not needed: `grapeshot run` always runs on this machine",
    "--platform-opt": "is not needed: `grapeshot run` always runs on this machine",
    "--record": "is not part of Grapeshot: there is no dashboard; use -o to keep the report",
    "--key": "is not part of Grapeshot: there is no dashboard to log in to",
    "--tags": "is not part of a run on this machine; --name gives the run a name",
    "--note": "is not part of a run on this machine; --name gives the run a name",
}
COMMANDS_ELSEWHERE = {
    "run-lambda": "is not in this version: `grapeshot run` makes the load on this machine",
    "run-fargate": "is not part of Grapeshot; `grapeshot run` makes the load on this machine",
    "quick": "is not part of Grapeshot: write a script of a few lines and use `grapeshot run`",
    "report": "is not part of Grapeshot: `grapeshot run -o report.json` keeps the numbers as JSON",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """What was asked of `run` or `check`; paths, and JSON texts, as they were typed."""

    script: str
    inputs: tuple[str, ...] = ()
    config: str | None = None
    target: str | None = None
    environment: str | None = None
    scenario_name: str | None = None
    payload: str | None = None
    variables: str | None = None
    overrides: str | None = None
    dotenv: str | None = None
    insecure: bool = False
    solo: bool = False
    output: str | None = None
    quiet: bool = False
    workers: int | None = None
    name: str | None = None
    check: bool = False  # look only: problems and plan


class OnceCommand(click.Command):
    """A command whose flags can be given once each, but for those that collect."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse a repeated flag, and say where a known one of the reference went; then parse as usual."""
        try:
            _, _, order = self.make_parser(ctx).parse_args(list(args))
        except click.NoSuchOption as error:
            if error.option_name in ELSEWHERE:
                raise click.UsageError(f"{error.option_name} {ELSEWHERE[error.option_name]}.", ctx) from None
            raise
        for parameter, times in Counter(order).items():
            if times > 1 and isinstance(parameter, click.Option) and not parameter.multiple:
                flag = " / ".join(parameter.opts)
                raise click.UsageError(f"{flag} was given {times} times; give it once.", ctx)
        return super().parse_args(ctx, args)


class Commands(click.Group):
    """The commands; a word of the reference that is no command here gets its own answer."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say where a known one went."""
        if args and args[0] in COMMANDS_ELSEWHERE:
            raise click.UsageError(f"`{args[0]}` {COMMANDS_ELSEWHERE[args[0]]}.", ctx)
        return super().resolve_command(ctx, args)


def read(arguments: Sequence[str]) -> RunOptions | None:
    """Read a command line; None when it was answered already (`--help`, `--version`).

    Raises click.ClickException for one that can't be understood; it shows itself and knows its exit code.
    """
    asked = grapeshot.main(list(arguments), prog_name="grapeshot", standalone_mode=False)
    return asked if isinstance(asked, RunOptions) else None


def _flags(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def apply(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


SCRIPT_FLAGS = _flags(
    click.argument("script", type=str),
    click.option("-t", "--target", metavar="URL", help="Use this target instead of the script's."),
    click.option(
        "-c", "--config", metavar="FILE", help="Read more of the script from FILE; its `config` wins."
    ),
    click.option(
        "-i",
        "--input",
        "inputs",
        metavar="FILE",
        multiple=True,
        help="Merge FILE into the script; repeatable.",
    ),
    click.option("-e", "--environment", metavar="NAME", help="Use the settings of config.environments.NAME."),
    click.option("--scenario-name", metavar="NAME", help="Run only this scenario: its name, or a pattern."),
    click.option("-p", "--payload", metavar="CSV", help="Read the script's one payload from this file."),
    click.option("-v", "--variables", metavar="JSON", help='Set variables, such as \'{"user": "ada"}\'.'),
    click.option("--overrides", metavar="JSON", help="Change any part of the script."),
    click.option(
        "--dotenv", "--env-file", "dotenv", metavar="FILE", help="Set environment variables from FILE."
    ),
    click.option("-k", "--insecure", is_flag=True, help="Accept TLS certificates that can't be verified."),
    click.option("-s", "--solo", is_flag=True, help="Run one virtual user, whatever the phases say."),
    click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(1, 1024),
        help="Engine processes. [default: one per CPU]",
    ),
)


@click.group(cls=Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("grapeshot-launcher"), prog_name="grapeshot")
def grapeshot() -> None:
    """Load testing with Artillery scripts: exact load, honest numbers.

    The report goes to the screen, and as JSON to the file of -o. The exit code says how it went: 0 fine,
    1 a check failed or the script was refused, 2 wrong flags, 4 the measurement can't be trusted, 11 a worker
    failed, 21 an expectation failed.
    """


@grapeshot.command(cls=OnceCommand, epilog=EXAMPLES)
@SCRIPT_FLAGS
@click.option(
    "-o", "--output", metavar="PATH", help="Write the report as JSON to this file, or into this directory."
)
@click.option("-q", "--quiet", is_flag=True, help="Print no reports; log steps and checks stay.")
@click.option("--name", metavar="TEXT", help="A name for the run, shown with its id.")
def run(**flags: Any) -> RunOptions:
    """Run SCRIPT on this machine and report.

    The first Ctrl-C stops the load and reports what was measured; the second leaves at once.
    """
    return RunOptions(**flags)


@grapeshot.command(cls=OnceCommand, epilog=EXAMPLES)
@SCRIPT_FLAGS
def check(**flags: Any) -> RunOptions:
    """Show what SCRIPT would do, and its problems.

    Nothing is sent: the script is read and checked, its processor is loaded, and its phases, arrivals and peak
    rate are printed.
    """
    return RunOptions(**flags, check=True)
