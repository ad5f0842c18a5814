"""How commands are read: flags given once, words of the reference answered, flags that several commands share.

Leaves to others: the commands themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import click

ELSEWHERE = {
    "--count": "has no meaning on this machine: use --workers N for the number of engine processes",
    "--platform": "is not needed: `grapeshot run` runs on this machine, `grapeshot run-lambda` on AWS Lambda",
    "--platform-opt": "is not needed: `grapeshot run-lambda` has a flag for every setting",
    "--container": "is not needed: workers on AWS Lambda are always containers",
    "--record": "is not part of Grapeshot: there is no dashboard; use -o to keep the report",
    "--key": "is not part of Grapeshot: there is no dashboard to log in to",
    "--tags": "is not part of Grapeshot: there is no dashboard; --name gives the run a name",
    "--note": "is not part of Grapeshot: there is no dashboard; --name gives the run a name",
}
COMMANDS_ELSEWHERE = {
    "run-fargate": "is not part of Grapeshot; `grapeshot run-lambda` makes the load from AWS Lambda",
    "run:fargate": "is not part of Grapeshot; `grapeshot run-lambda` makes the load from AWS Lambda",
    "quick": "is not part of Grapeshot: write a script of a few lines and use `grapeshot run`",
}
ALIASES = {"run:lambda": "run-lambda"}


class Whole(click.IntRange):
    """A whole number from `low` to `high`; whatever else was given is refused by naming both."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(low, high)
        self._low, self._high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number; click.BadParameter for anything else."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number from {self._low} to {self._high}.", param, ctx)


class Dollars(click.FloatRange):
    """A sum of 0 or more."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the sum; click.BadParameter for anything else, NaN too."""
        try:
            dollars = super().convert(value, param, ctx)
        except click.BadParameter:
            dollars = float("nan")
        if dollars != dollars:
            self.fail(f"{value!r} is not a number of dollars, 0 or more.", param, ctx)
        return dollars


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
        if args and args[0] in ALIASES:
            args = [ALIASES[args[0]], *args[1:]]
        return super().resolve_command(ctx, args)


def flags(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make one decorator of several, in the order of `--help`."""

    def apply(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


SCRIPT_FLAGS = flags(
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
        "--threshold",
        "thresholds",
        metavar="EXPR",
        multiple=True,
        help="Check this too, such as 'http.response_time.p95 < 250'; repeatable.",
    ),
)

REPORT_FLAGS = flags(
    click.option(
        "-o",
        "--output",
        metavar="PATH",
        help="Write the report as JSON to this file, or into this directory.",
    ),
    click.option(
        "--baseline", metavar="FILE", help="Compare with an earlier run: the JSON report that it wrote."
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print no reports; log steps and checks stay."),
    click.option("--name", metavar="TEXT", help="A name for the run, shown with its id."),
    click.option(
        "--serve", is_flag=True, help="Show the run as it goes, on a page at a free port of 127.0.0.1."
    ),
    click.option(
        "--serve-port",
        metavar="N",
        type=Whole(1, 65_535),
        help="The same, at this port.",
    ),
)
