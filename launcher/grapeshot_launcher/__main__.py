"""The command `grapeshot`: has a command line carried out, and turns whatever happens into an exit code.

Leaves to others: flags (options) and the run itself (run). This file alone ends the process.

Failures of three kinds reach a person here: bad input is told with its remedy and without a traceback; a reader
that closed our output (`grapeshot … | head`) ends the run like any other program; what nobody expected is a fault
of Grapeshot, and its traceback goes to a file that a report can quote.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NoReturn, TypeVar

import click

from grapeshot_launcher.errors import OutputRefused, told
from grapeshot_launcher.options import (
    ActionOptions,
    Asked,
    CleanOptions,
    DoctorOptions,
    HistoryOptions,
    ImageOptions,
    LambdaOptions,
    PolicyOptions,
    ReportOptions,
    StopOptions,
    read,
)
from grapeshot_worker.errors import Exit, GrapeshotError

Somewhere = TypeVar("Somewhere", CleanOptions, DoctorOptions, ImageOptions)


def main() -> NoReturn:
    """Answer this process's command line."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without é gets \\xe9, not a fault
    sys.exit(answer(sys.argv[1:]))


def answer(arguments: Sequence[str], *, carry_out: Callable[[Asked], int] | None = None) -> int:
    """Carry out a command line and give its exit code; `docs/exit-codes.md` lists them."""
    try:
        options = read(arguments)
        code = Exit.OK if options is None else (carry_out or _carry_out)(options)
        sys.stdout.flush()
        return int(code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except GrapeshotError as error:
        # Imported late, and at hand by now: nothing but a run fails like this.
        from grapeshot_launcher.views.console import plain_lines

        click.echo(plain_lines(told(error)), err=True)
        if isinstance(error, OutputRefused):
            _silence_stdout()  # it may be standard output itself that takes no more
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("\nInterrupted.", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return Exit.PIPE
    except Exception as error:  # noqa: BLE001  # the last place where it can be told to a person
        click.echo(_confess(error), err=True)
        return Exit.BUG


def _carry_out(asked: Asked) -> int:
    # Imported late: `--help` and a mistyped flag are answered before anything heavy is loaded.
    match asked:
        case LambdaOptions():
            from grapeshot_launcher.run_lambda import run_lambda

            return run_lambda(asked, environ=dict(os.environ), leave=os._exit)
        case ActionOptions():
            from grapeshot_launcher.action import act

            return act(environ=dict(os.environ), out=sys.stdout)
        case PolicyOptions():
            from grapeshot_launcher.errands import print_policy

            return print_policy(asked, say=click.echo)
        case ImageOptions():
            from grapeshot_launcher.errands import make_image

            return everywhere(asked, partial(make_image, say=click.echo))
        case CleanOptions():
            from grapeshot_launcher.clean import clean

            return everywhere(asked, partial(clean, say=click.echo))
        case StopOptions():
            from grapeshot_launcher.stop import stop

            first, *_ = asked.region.split(",")  # the launcher looks in every region of a run
            return stop(replace(asked, region=first.strip()), say=click.echo)
        case ReportOptions():
            from grapeshot_launcher.reports import report

            return report(asked, say=click.echo, stdin=sys.stdin.buffer)
        case HistoryOptions():
            from grapeshot_launcher.trend import trend

            return trend(asked, environ=os.environ, say=click.echo, warn=partial(click.echo, err=True))
        case DoctorOptions():
            from grapeshot_launcher.doctor import examine

            return everywhere(asked, partial(examine, environ=os.environ, say=click.echo))
        case _:
            from grapeshot_launcher.run import check, run

            if asked.check:
                return check(asked, environ=os.environ)
            return run(asked, environ=os.environ, leave=os._exit)


def everywhere(asked: Somewhere, carry_out: Callable[[Somewhere], int]) -> int:
    """Carry out what was asked in each region, of several that are comma-separated; give the worst code."""
    regions = asked.region.split(",") if asked.region else []
    each = [replace(asked, region=region.strip()) for region in regions] or [asked]
    return max(map(carry_out, each))


def _open_closed_streams() -> None:
    """Point streams that our parent has closed (`>&-`) nowhere: else the next file opened would take their place."""
    for number, mode in enumerate(("r", "w", "w")):
        try:
            os.fstat(number)
        except OSError:
            stream = open(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8")  # noqa: SIM115
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)


def _silence_stdout() -> None:
    """Point standard output nowhere: Python flushes it once more at its end, into the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _confess(error: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="grapeshot-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exception(error, file=file)
    return (
        f"Error: this is a fault of Grapeshot, not of your script: {type(error).__name__}: {error}\n"
        f"    What to do: report it with the traceback in {file.name}"
    )


if __name__ == "__main__":
    main()
