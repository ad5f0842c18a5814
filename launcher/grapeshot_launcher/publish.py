"""The end of a run: its report put together, printed, written to its file; also of one that made no load.

Leaves to others: the parts of a report (results), their words (views), the load (conduct).

The order on the screen is the reference's, and people's eyes rely on it: summary, file, plugins, checks. The books
and the verdict come last, because they say what all of it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import Any

from grapeshot_launcher.conduct import Load
from grapeshot_launcher.crew import Stopper
from grapeshot_launcher.errors import OutputRefused, WorkerFailed, noted, told
from grapeshot_launcher.options.again import without_login
from grapeshot_launcher.prepare import Test
from grapeshot_launcher.results.baseline import compare
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.clocks import clock_warnings
from grapeshot_launcher.results.collect import Collector, WorkerId
from grapeshot_launcher.results.comparable import phases_told
from grapeshot_launcher.results.ensure import CheckOutcome, run_checks
from grapeshot_launcher.results.regions import region_parts
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.verdict import Stopped, Verdict, judge
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.views.comparison import comparison_block
from grapeshot_launcher.views.console import (
    apdex_line,
    books_line,
    checks_block,
    finished_line,
    log_file_line,
    no_load_line,
    plain_lines,
    summary_block,
    verdict_lines,
)
from grapeshot_launcher.views.regions import regions_table
from grapeshot_launcher.views.report_json import report_parts
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.plan import Window

STOPS: dict[Stopper, Stopped] = {
    Signals.SIGINT: "interrupted",
    Signals.SIGTERM: "terminated",
    "asked": "asked",
}  # what its own checks have ended is not stopped, but has failed


def make_report(
    test: Test,
    load: Load,
    collector: Collector,
    *,
    started: float,
    ended: float,
    facts: Mapping[str, Any],
    clocks: Mapping[WorkerId, float] | None = None,
) -> Report:
    """Put the report of a load together; moments are epoch seconds, `facts` what its place tells of itself.

    `clocks`: by how many seconds a worker's clock is ahead, of those of whom it is known.

    Checks of a stopped run are not evaluated: they are about the whole load, which was not made. Of a load that was
    ended by its own checks, those stand as they were then: what they said was true of what there was.
    """
    plugins = test.script.plugins
    periods = collector.periods()
    totals = Totals.of(periods)
    checks: Sequence[CheckOutcome] = ()
    if load.abort is not None:
        checks = load.abort.checks
    elif load.stopped_by is None:
        checks = run_checks(test.checks, totals)
    books = _books(test, load, collector)
    ends = tuple(replace(end, ahead=(clocks or {}).get(end.worker)) for end in collector.ends())
    verdict = judge(
        ends=ends,
        books=books,
        checks=checks,
        failed_expectations=totals.counters.get("plugins.expect.failed", 0),
        stopped=STOPS.get(load.stopped_by) if load.stopped_by else None,
        abort=load.abort,
    )
    report = Report(
        run_id=test.run_id,
        script=test.options.script,
        started_at=started,
        ended_at=ended,
        verdict=verdict,
        totals=totals,
        periods=periods,
        books=books,
        workers=ends,
        regions=region_parts(test.regions, books, collector.by_region()),
        checks=tuple(checks),
        abort=load.abort,
        apdex=None if plugins.apdex is None else Apdex.of(totals, plugins.apdex),
        warnings=(*map(noted, test.warnings), *clock_warnings(ends)),
        suppressed=plugins.suppressed,
        settings=_settings(test, facts),
    )
    return report if test.baseline is None else replace(report, comparison=compare(report, test.baseline))


def _books(test: Test, load: Load, collector: Collector) -> Books:
    """Keep the books over all generations: what a stop left to those not started is dropped, else it is lost."""
    tallies, finished = collector.tallies(), collector.complete()
    left = test.windows[collector.generations :]
    if left and load.stopped_by is None:
        finished = set()
    elif left:
        for index, users in test.planned(Window(left[0].start)).items():
            tallies[index] = tallies.get(index, Tally()) + Tally(planned=users, unstarted=users)
    return Books.of(test.planned(), tallies, finished)


def make_refusal(
    test: Test,
    error: WorkerFailed,
    collector: Collector,
    *,
    started: float,
    ended: float,
    facts: Mapping[str, Any],
) -> Report:
    """Put the report of a run together whose workers did not all get ready: every planned user is lost.

    It lists the workers at fault alone; the others were sent away before they had anything to do.
    """
    books = Books.of(test.planned(), {}, ())
    return Report(
        run_id=test.run_id,
        script=test.options.script,
        started_at=started,
        ended_at=ended,
        verdict=Verdict(kind="invalid", exit_code=error.exit_code, reasons=(error.message,)),
        totals=Totals(),
        periods=(),
        books=books,
        workers=tuple(end for end in collector.ends() if end.worker.index in error.workers),
        regions=region_parts(test.regions, books, {}),
        warnings=tuple(map(noted, test.warnings)),
        settings=_settings(test, facts),
    )


def live_report(
    test: Test,
    *,
    periods: Sequence[Period] = (),
    tallies: Mapping[int, Tally] | None = None,
    started: float,
    now: float,
    facts: Mapping[str, Any],
) -> Report:
    """Put the report of a load that goes on together: what was measured by `now` (epoch seconds), without a verdict.

    Its books are of the users whose moment has come. Checks are about the whole load, so none has been weighed.
    """
    come = {
        index: replace(tally, planned=tally.started + tally.skipped + tally.unstarted)
        for index, tally in (tallies or {}).items()
    }
    return Report(
        run_id=test.run_id,
        script=test.options.script,
        started_at=started,
        ended_at=now,
        verdict=Verdict(kind="running", exit_code=0),
        totals=Totals.of(periods),
        periods=periods,
        books=Books.of({index: tally.planned for index, tally in come.items()}, come, come),
        warnings=tuple(map(noted, test.warnings)),
        settings=_settings(test, facts),
    )


def _settings(test: Test, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "target": without_login(test.script.target),
        "workers": test.workers,
        "name": test.options.name,
        "phases": phases_told(test.script.phases, copies=test.workers if test.copies else 1),
        **({"source": test.shown} if test.shown else {}),
        **facts,
    }


def publish(report: Report, screen: Screen, *, file: Path | None) -> None:
    """Print a report and write its file; OutputRefused, after everything is printed, when that fails."""
    if report.verdict.kind != "stopped" and report.abort is None:
        screen.show(finished_line(report.totals, ended_at=report.ended_at))
    summary = summary_block(
        report.totals, at=report.ended_at, tz=None, columns=screen.columns, suppressed=report.suppressed
    )
    screen.show(summary)
    if report.regions:
        screen.show("\n" + regions_table(report))
    refusal = _write(report, screen, file=file)
    if report.apdex is not None:
        screen.say("\n" + apdex_line(report.apdex))
    if report.checks:
        screen.say("\n" + checks_block(report.checks, colour=screen.colour))
    if report.comparison is not None:
        screen.say("\n" + comparison_block(report.comparison))
    screen.show("\n" + books_line(report.books))
    for warning in clock_warnings(report.workers):
        screen.warn(plain_lines(warning))
    _verdict(report, screen)
    if refusal is not None:
        raise refusal


def publish_refusal(report: Report, screen: Screen, *, file: Path | None) -> None:
    """Print what became of a run that made no load, and write its file; cause and remedy are told elsewhere."""
    refusal = _write(report, screen, file=file)
    screen.show(no_load_line(report.books))
    _verdict(report, screen)
    if refusal is not None:
        screen.warn(plain_lines(told(refusal)))


def _write(report: Report, screen: Screen, *, file: Path | None) -> OutputRefused | None:
    """Write a report's file, if there is to be one; give why it could not be written."""
    if file is None:
        return None
    try:
        with file.open("wb") as out:
            out.writelines(report_parts(report))
    except OSError as error:
        return OutputRefused(f"The report could not be written to {file}", cause=error.strerror or str(error))
    screen.show(log_file_line(str(file)))
    return None


def _verdict(report: Report, screen: Screen) -> None:
    text = verdict_lines(report.verdict, colour=screen.colour)
    if report.verdict.kind == "pass":
        screen.show(text)
    else:
        screen.say(text)  # a bad end is told even to the quiet
