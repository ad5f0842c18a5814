"""The story of the GitHub Action: inputs, credentials, the run, and everything that a job shows of it.

Leaves to others: what the inputs mean and what the runner takes (github), the run (run, run_lambda), the words (views).

Whatever happens, the step ends with outputs, annotations and a job summary. Those of a run are written as soon as its
report is there, before AWS is tidied up: a runner that cancels a job gives it ten seconds in all. Only the page comes
after that.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TextIO

import click

from grapeshot_launcher.cloud.oidc import credentials
from grapeshot_launcher.errors import OutputRefused, SettingsRefused, told
from grapeshot_launcher.github.annotations import of_failure, of_report
from grapeshot_launcher.github.comment import CommentFailed, Thread, keep_comment, marker
from grapeshot_launcher.github.inputs import NAMES, Inputs, read_inputs, settled, variable
from grapeshot_launcher.github.outputs import no_outputs, outputs
from grapeshot_launcher.github.runner import Annotation, Runner
from grapeshot_launcher.options import LambdaOptions, RunOptions, read
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.run import Keep, check, run
from grapeshot_launcher.run_lambda import LogIn, run_lambda
from grapeshot_launcher.views.console import plain_lines
from grapeshot_launcher.views.html import html_page
from grapeshot_launcher.views.junit import junit
from grapeshot_launcher.views.report_json import report_parts
from grapeshot_launcher.views.summary import failure_summary, job_summary, sticky_comment
from grapeshot_worker.errors import Exit, GrapeshotError

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.aws import Session

SUMMARY_BUDGET = 900_000  # bytes; GitHub drops the whole of a summary past 1 MiB

# What only this process should know: authors' hooks run in children of it.
KEPT_BACK = {
    "GITHUB_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    *map(variable, NAMES),
}

Asked = RunOptions | LambdaOptions
CarryOut = Callable[[Asked, Mapping[str, str], Keep, LogIn], int]


def carry_out(asked: Asked, environ: Mapping[str, str], keep: Keep, log_in: LogIn) -> int:
    """Make the run and give its exit code; its report is given to `keep`, and `log_in` gives a session of AWS."""
    if isinstance(asked, LambdaOptions):
        return run_lambda(asked, environ=environ, leave=None, keep=keep, log_in=log_in)
    if asked.check:
        return check(asked, environ=environ)
    return run(asked, environ=environ, leave=None, keep=keep)


def act(*, environ: Mapping[str, str], out: TextIO, carry_out: CarryOut = carry_out) -> int:
    """Be the Action once and give the step's exit code; what prevents the run is told in every place that a job has."""
    step = _Step(environ=environ, runner=Runner(environ, out))
    try:
        return step.run(carry_out)
    except KeyboardInterrupt:
        failure = GrapeshotError("Stopped before any load was made.", exit_code=Exit.INTERRUPTED)
    except GrapeshotError as error:
        failure = error
    except click.ClickException as error:
        failure = GrapeshotError(error.format_message(), exit_code=error.exit_code)
    except Exception as error:
        # The command tells it with its traceback; here it is only not to be missing from the job's page.
        told_of = f"A fault of Grapeshot itself: {type(error).__name__}: {error}"
        step.prevented(GrapeshotError(told_of, exit_code=Exit.BUG))
        raise
    step.prevented(failure)
    with step.runner.foreign():  # a message may quote a hook, or the target
        click.echo(plain_lines(told(failure)), file=out)
    return failure.exit_code


def exit_code(report: Report, code: int, fail_on: frozenset[str]) -> int:
    """Give what the step ends with, of a run that ended with `code`, by what `fail-on` says shall fail it.

    A stopped run fails in any case, and so does one that passed until something after it went wrong.
    """
    kind = report.verdict.kind
    if kind in ("fail", "invalid") and kind not in fail_on:
        code = Exit.OK
    worse = report.comparison is not None and report.comparison.verdict == "regression"
    if code == Exit.OK and worse and "regression" in fail_on:
        return Exit.WORSE
    return code


@dataclass(kw_only=True)
class _Step:
    """One step of a job; `report` is the run's, once there is one, with the settings of the job."""

    environ: Mapping[str, str]
    runner: Runner
    inputs: Inputs | None = None
    folder: Path = field(default_factory=Path)
    report: Report | None = None
    page: str = ""  # path of report.html, once it is there

    def run(self, carry_out: CarryOut) -> int:
        self.inputs = inputs = read_inputs(self.environ)
        self.folder = report_folder(inputs.report_dir, self.environ)
        with working_in(inputs.working_directory):
            asked = with_checks(settled(read(inputs.arguments), inputs), inputs.thresholds, self.baseline())
            try:
                with self.runner.foreign():
                    code = carry_out(asked, for_the_run(self.environ), self.keep, partial(self.log_in, asked))
            finally:
                self.make_page()
        if self.report is None:  # `check` makes no load
            self.set_outputs({"exit-code": str(code)})
            return code
        code = exit_code(self.report, code, inputs.fail_on)
        self.set_outputs(self.outputs(code))
        if inputs.comment and self.report.verdict.kind != "stopped":
            self.comment(self.report)
        return code

    def baseline(self) -> str | None:
        """Give the baseline's path; a file that is not there is warned of: before the first run there is none."""
        assert self.inputs is not None
        path = self.inputs.baseline
        if path is not None and not Path(path).exists():
            text = f"There is no baseline {path}: the run is compared with nothing."
            self.runner.annotate(Annotation(level="warning", message=text))
            return None
        return path

    def log_in(self, asked: Asked) -> Session | None:
        """Take on the role that the step names; None where it names none."""
        assert self.inputs is not None
        login = self.inputs.login
        if login is None or not isinstance(asked, LambdaOptions):
            return None

        def warn(text: str) -> None:
            self.runner.annotate(Annotation(level="warning", message=text))

        login = replace(login, region=asked.region)
        return credentials(login, environ=self.environ, mask=self.runner.mask, warn=warn)

    def keep(self, report: Report) -> None:
        """Show a run's report in all the ways of a job."""
        assert self.inputs is not None
        self.report = report
        summary = job_summary(report, budget=SUMMARY_BUDGET)
        for name, content in (
            ("report.json", report_parts(report)),
            ("junit.xml", [junit(report)]),
            ("summary.md", [summary.encode("utf-8", "backslashreplace")]),
        ):
            write(self.folder / name, content)
        self.set_outputs(self.outputs(exit_code(report, report.verdict.exit_code, self.inputs.fail_on)))
        if self.inputs.summary:
            self.runner.summarize(summary)
        for annotation in of_report(report):
            self.runner.annotate(annotation)

    def make_page(self) -> None:
        """Write report.html, after AWS is tidied up: whatever is wrong with it, all else is done by then."""
        if self.report is None:
            return
        page = self.folder / "report.html"
        try:
            write(page, [html_page(self.report)])
        except Exception as error:  # noqa: BLE001  # a page that can't be made is no reason to fail a load test
            why = error.cause if isinstance(error, OutputRefused) else f"{type(error).__name__}: {error}"
            text = f"report.html could not be made: {why}"
            self.runner.annotate(Annotation(level="warning", message=text))
            return
        self.page = str(page)
        self.set_outputs({"report-html": self.page})

    def prevented(self, error: GrapeshotError) -> None:
        """Show what prevented the run; after its report, only beside it."""
        folder = PurePosixPath(self.inputs.working_directory or "") if self.inputs else PurePosixPath()
        if self.report is None or error.message not in self.report.verdict.reasons:
            for annotation in of_failure(error, folder=folder):
                self.runner.annotate(annotation)
        if self.report is not None:
            self.set_outputs({"exit-code": str(int(error.exit_code))})
            return
        self.set_outputs(no_outputs(error.exit_code))
        if self.inputs is None or self.inputs.summary:
            self.runner.summarize(failure_summary(error, budget=SUMMARY_BUDGET))

    def comment(self, report: Report) -> None:
        """Keep the pull request's comment; a fault of it is a warning, for the run is over."""
        names = ("GITHUB_WORKFLOW", "GITHUB_JOB", "GITHUB_ACTION")
        mark = marker(*(self.environ.get(name, "") for name in names), report.script)
        try:
            keep_comment(Thread.of(self.environ), mark, sticky_comment(report))
        except CommentFailed as error:
            for annotation in of_failure(error, folder=PurePosixPath()):
                self.runner.annotate(replace(annotation, level="warning"))

    def outputs(self, code: int) -> Mapping[str, str]:
        assert self.report is not None
        place = str(self.folder / "report.json")
        return outputs(self.report, exit_code=code, report_json=place, report_html=self.page)

    def set_outputs(self, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            self.runner.output(name, value)


def for_the_run(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the environment without what is the step's own."""
    return {name: value for name, value in environ.items() if name not in KEPT_BACK}


def with_checks(asked: Asked, thresholds: Sequence[str], baseline: str | None) -> Asked:
    """Add what the inputs check beyond the command line."""
    run = asked.run if isinstance(asked, LambdaOptions) else asked
    run = replace(
        run,
        thresholds=(*run.thresholds, *thresholds),
        baseline=baseline or run.baseline,
    )
    return replace(asked, run=run) if isinstance(asked, LambdaOptions) else run


def report_folder(asked: str | None, environ: Mapping[str, str]) -> Path:
    """Give the folder of the report's files, which is made; OutputRefused when it can't be."""
    temporary = Path(environ.get("RUNNER_TEMP") or tempfile.gettempdir())
    folder = Path(asked).absolute() if asked else temporary / "grapeshot-report"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(
            f"The folder of the report can't be made: {folder}",
            cause=error.strerror or str(error),
            remedy="Change report-dir.",
        ) from error
    return folder


@contextmanager
def working_in(folder: str | None) -> Iterator[None]:
    """Work in another directory for a while; SettingsRefused when there is no such one."""
    before = Path.cwd()
    try:
        os.chdir(folder or before)
    except OSError as error:
        raise SettingsRefused(
            f"working-directory: {folder} can't be used.",
            cause=error.strerror or str(error),
            remedy="Name a directory of the repository, and check the repository out before this step.",
        ) from error
    try:
        yield
    finally:
        os.chdir(before)


def write(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file of the report; OutputRefused when that fails."""
    try:
        with path.open("wb") as file:
            file.writelines(parts)
    except OSError as error:
        raise OutputRefused(
            f"The report could not be written to {path}", cause=error.strerror or str(error)
        ) from error
