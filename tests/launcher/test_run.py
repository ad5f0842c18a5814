"""The story of a run, told on a platform in memory: what is said to workers, what is printed, what is returned."""

from __future__ import annotations

import asyncio
import io
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from typing import Any

import pytest
import yaml

from crew_on_paper import NEVER, PaperPlatform, PaperWorker, Said, failed, finished, progress, ready
from grapeshot_launcher.crew import Inbox, Signalled
from grapeshot_launcher.errors import (
    BaselineRefused,
    Interrupted,
    OutputRefused,
    PartFailed,
    SettingsRefused,
    WorkerFailed,
)
from grapeshot_launcher.options import RunOptions
from grapeshot_launcher.prepare import new_run_id, prepare, report_path, threshold_checks, worker_count
from grapeshot_launcher.run import Stage, tell
from grapeshot_launcher.screen import Screen
from grapeshot_worker.errors import ScriptError
from grapeshot_worker.messages import Facts, Go, Stop, Tally
from grapeshot_worker.metrics.period import Period, RateCount
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.plan import Assignment, Share
from virtual_time import run_virtually

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
START = 1_795_435_200.0  # epoch s of the virtual loop's beginning, on a period's boundary
SCRIPT = """
config:
  target: http://127.0.0.1:9
  phases:
    - {duration: 3, arrivalRate: 4, name: warm up}
    - {duration: 2, arrivalCount: 2}
scenarios:
  - flow:
      - get: {url: /}
"""
BEFORE = "before: {flow: [{get: {url: /login}}]}\n"
AFTER = "after: {flow: [{get: {url: /logout}}]}\n"
FAIL = """
  plugins: {ensure: {conditions: [{expression: vusers.created > 1000}]}}
scenarios:"""


@dataclass
class Told:
    code: int
    out: str
    err: str
    platform: PaperPlatform
    report: dict[str, Any] | None


def period(users: int, *, start: float = START) -> Period:
    at = start * 1000
    return Period(
        start=int(at),
        counters={"vusers.created": users, "http.requests": users},
        rates={"http.request_rate": RateCount(users, at, at + 2000)},
        first_counter_at=at,
        last_counter_at=at + 2000,
    )


def good(assignment: Assignment) -> PaperWorker:
    """A worker that starts every user of its share."""
    users = assignment.share.of(14)
    tally = Tally(planned=users, started=users, completed=users)
    said = [
        progress(assignment, 2, after=1.0, at=START + 1, tally=Tally(planned=users, started=1)),
        finished(assignment, 3, after=5.0, tally=tally, facts=Facts(pid=1), periods=[period(users)]),
    ]
    if assignment.part != "load":
        said = [finished(assignment, 2, variables={"token": "t1"} if assignment.part == "before" else {})]
    stopped = Tally(planned=users, started=1, unstarted=users - 1, cut=1)
    return PaperWorker(
        [ready(assignment, planned=users)],
        on_go=said,
        on_stop=[finished(assignment, 9, after=0.1, tally=stopped, periods=[period(1)])],
    )


def run(
    tmp_path: Path,
    part: Callable[[Assignment], PaperWorker] = good,
    *,
    script: str = SCRIPT,
    signals: Mapping[float, Signals] | None = None,
    regions: tuple[str, ...] = (),
    out: io.StringIO | None = None,
    err: io.StringIO | None = None,
    **flags: Any,
) -> Told:
    """Tell a run on virtual time; `signals` come at seconds from its beginning."""
    out, err = out or io.StringIO(), err or io.StringIO()
    path = tmp_path / "script.yml"
    path.write_text(script, encoding="utf-8")
    options = RunOptions(script=str(path), **flags)
    test = prepare(options, environ={"ARTILLERY_TEST_RUN_ID": "t1"}, now=NOON, cpus=2)
    test = replace(test, regions=regions)
    platform = PaperPlatform(part)

    async def main() -> int:
        loop = asyncio.get_running_loop()
        inbox: Inbox = asyncio.Queue()
        for seconds, signal in (signals or {}).items():
            loop.call_later(seconds, inbox.put_nowait, Signalled(signal))
        screen = Screen(out, err, quiet=options.quiet)
        began = loop.time()
        return await tell(test, Stage(platform, screen, inbox, lambda: START + loop.time() - began))

    code = run_virtually(main())
    file = test.report
    report = json.loads(file.read_text(encoding="utf-8")) if file is not None and file.exists() else None
    return Told(code, out.getvalue(), err.getvalue(), platform, report)


def in_order(text: str, *parts: str) -> bool:
    """Whether the parts appear in the text, one after the other."""
    return re.search(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None


def test_a_good_run_passes(tmp_path: Path) -> None:
    """Every planned user is in the books, the verdict is pass, the exit code 0."""
    told = run(tmp_path)

    assert told.code == 0
    assert "Virtual users: 14 planned = 14 started" in told.out
    assert told.out.rstrip().endswith("Verdict: pass")
    assert told.err == ""


def test_everything_is_printed_in_the_reference_s_order(tmp_path: Path) -> None:
    """Id, phases, periods, total time, summary, file, checks; the books and the verdict last."""
    told = run(tmp_path, script=SCRIPT.replace("\nscenarios:", FAIL), output=str(tmp_path / "report.json"))

    assert in_order(
        told.out,
        "Test run id: t1",
        "Plan: 14 virtual users in 5 s, at most 4 a second, from 2 workers.",
        "Phase started: warm up (index: 0, duration: 3s)",
        "Phase completed: warm up (index: 0, duration: 3s)",
        "Phase started: unnamed (index: 1, duration: 2s)",
        "Phase completed: unnamed (index: 1, duration: 2s)",
        "Metrics for period to: ",
        "http.requests: .",
        "All VUs finished. Total time: ",
        "Summary report @ ",
        "http.requests: .",
        "Log file: ",
        "Checks:",
        "fail: vusers.created > 1000",
        "Virtual users: ",
        "Verdict: fail",
    )
    assert told.code == 1


def test_several_regions_are_told_apart(tmp_path: Path) -> None:
    """A table below the summary, and in the file the part of each, which add up to the whole."""
    output = str(tmp_path / "report.json")
    told = run(tmp_path, workers=3, regions=("eu-west-1", "us-east-1"), output=output)

    assert in_order(told.out, "Summary report @", "vusers.created:", "By region", "eu-west-1", "Log file:")
    assert told.report is not None
    parts = told.report["grapeshot"]["regions"]
    assert [(part["region"], part["workers"], part["started"]) for part in parts] == [
        ("eu-west-1", 2, 9),
        ("us-east-1", 1, 5),
    ]
    assert [part["counters"]["vusers.created"] for part in parts] == [9, 5]
    assert told.report["aggregate"]["counters"]["vusers.created"] == 14


def test_regions_of_a_run_that_made_no_load_have_lost_it(tmp_path: Path) -> None:
    """Each with its workers' users, although one worker alone is at fault; the whole's are theirs."""

    def part(assignment: Assignment) -> PaperWorker:
        return PaperWorker([]) if assignment.index == 1 else good(assignment)

    with pytest.raises(WorkerFailed):
        run(tmp_path, part, regions=("a", "b"), workers=2, output=str(tmp_path / "report.json"))
    ours = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["grapeshot"]

    assert [(part["region"], part["planned"], part["lost"]) for part in ours["regions"]] == [
        ("a", 7, 7),
        ("b", 7, 7),
    ]
    assert [worker["region"] for worker in ours["workers"]] == ["b"]


def test_every_worker_gets_its_share(tmp_path: Path) -> None:
    """The assignments of the load differ in their share alone."""
    told = run(tmp_path, workers=3)

    assert [a.share for a in told.platform.assignments] == [Share(0, 3), Share(1, 3), Share(2, 3)]
    assert {a.part for a in told.platform.assignments} == {"load"}
    assert {a.run_id for a in told.platform.assignments} == {"t1"}


def test_before_comes_first_and_its_variables_go_to_all(tmp_path: Path) -> None:
    """One process runs `before`, then the load starts with what it captured, then `after` gets the same."""
    told = run(tmp_path, script=SCRIPT + BEFORE + AFTER)

    assert [(a.part, a.variables) for a in told.platform.assignments] == [
        ("before", {}),
        ("load", {"token": "t1"}),
        ("load", {"token": "t1"}),
        ("after", {"token": "t1"}),
    ]
    assert told.code == 0


def test_a_failed_before_prevents_the_load(tmp_path: Path) -> None:
    """Nothing else is started."""
    started: list[str] = []

    def part(assignment: Assignment) -> PaperWorker:
        started.append(assignment.part)
        return PaperWorker([ready(assignment)], on_go=[failed(assignment, message="no login", exit_code=1)])

    with pytest.raises(PartFailed, match="no login") as caught:
        run(tmp_path, part, script=SCRIPT + BEFORE)

    assert caught.value.exit_code == 1
    assert started == ["before"]


def test_a_failed_after_comes_after_the_report(tmp_path: Path) -> None:
    """The report is printed and written all the same; the exit code is 1."""

    def part(assignment: Assignment) -> PaperWorker:
        if assignment.part == "after":
            return PaperWorker(
                [ready(assignment)], on_go=[failed(assignment, message="no logout", exit_code=1)]
            )
        return good(assignment)

    told = run(tmp_path, part, script=SCRIPT + AFTER, output=str(tmp_path / "report.json"))

    assert told.code == 1
    assert "Summary report @ " in told.out
    assert told.report is not None
    assert told.err == "Error: no logout\n    Cause: A cause.\n"


@pytest.mark.parametrize(("signal", "code"), [(Signals.SIGINT, 130), (Signals.SIGTERM, 143)])
def test_a_stopped_run_is_reported_as_stopped(tmp_path: Path, signal: Signals, code: int) -> None:
    """The load ends at once; what was measured is printed and written, marked; checks are not evaluated."""
    told = run(
        tmp_path,
        script=SCRIPT.replace("\nscenarios:", FAIL),
        signals={2.0: signal},
        output=str(tmp_path / "report.json"),
    )

    assert told.code == code
    assert [type(c) for c in told.platform.workers[0].heard] == [Go, Stop]
    assert {a.part for a in told.platform.assignments} == {"load"}
    assert "Virtual users: 14 planned = 2 started + 12 not started because the run was stopped" in told.out
    assert "Verdict: stopped" in told.out
    assert "Checks:" not in told.out
    assert "Phase completed" not in told.out
    assert "Stopping the load." in told.err
    assert told.report is not None
    assert told.report["grapeshot"]["verdict"] == "stopped"


def test_after_also_runs_when_the_load_was_stopped(tmp_path: Path) -> None:
    """Once, and after the report: who cancels a job gives it seconds."""
    path, there = tmp_path / "report.json", list[bool]()

    def part(assignment: Assignment) -> PaperWorker:
        if assignment.part == "after":
            there.append(path.exists())
        return good(assignment)

    told = run(
        tmp_path, part, script=SCRIPT + BEFORE + AFTER, signals={5.0: Signals.SIGINT}, output=str(path)
    )

    assert [a.part for a in told.platform.assignments] == ["before", "load", "load", "after"]
    assert told.platform.assignments[-1].variables == {"token": "t1"}
    assert there == [True]
    assert in_order(told.out, "Verdict: stopped", "Running `after`, for at most 30 s.")
    assert told.code == 130


ABORTING = SCRIPT.replace("duration: 3", "duration: 60").replace(
    "\nscenarios:",
    """
  plugins:
    ensure:
      thresholds: [{vusers.created: 1}]
      conditions: [{expression: vusers.failed / vusers.created < 0.5, abortOnFail: true, delayAbortEval: 25}]
scenarios:""",
)


def failing(assignment: Assignment) -> PaperWorker:
    """A worker whose users fail from the second period on; it reports each second and answers a stop."""
    if assignment.part != "load":
        return good(assignment)
    users = assignment.share.of(242)

    def said(second: int) -> Said:
        tally = Tally(planned=users, started=second, failed=max(second - 10, 0))
        measured = replace(
            period(1, start=START + second // 10 * 10),
            counters={"vusers.created": 1, "vusers.failed": second > 10},
        )
        return progress(
            assignment, 1 + second, after=second, at=START + second, tally=tally, periods=[measured]
        )

    whole = Tally(planned=users, started=users, failed=users)
    stopped = Tally(planned=users, started=40, unstarted=users - 40, failed=29, cut=1)
    return PaperWorker(
        [ready(assignment, planned=users)],
        on_go=[*map(said, range(1, 60)), finished(assignment, 61, after=61.0, tally=whole)],
        on_stop=[finished(assignment, 32, after=0.1, tally=stopped)],
    )


def test_a_check_ends_the_load_as_soon_as_it_may(tmp_path: Path) -> None:
    """After its grace, with a complete period: told at once, and a failure with the check's values and whole books."""
    told = run(tmp_path, failing, script=ABORTING + AFTER, output=str(tmp_path / "report.json"))
    label = "vusers.failed / vusers.created < 0.5"
    found = f"{label} (vusers.failed = 38, vusers.created = 58)"

    assert told.code == 1
    assert told.err == f"Stopping the load, by its abort condition: {found}\n"
    assert told.report is not None
    ours = told.report["grapeshot"]
    assert (ours["verdict"], ours["exitCode"]) == ("fail", 1)
    assert ours["abort"] == {"after": pytest.approx(30.5, abs=0.6), "checks": [label]}
    assert ours["reasons"] == [
        f"the load was stopped by its abort condition after {ours['abort']['after']:.0f} s: {found}",
        "1 other check was not evaluated: the planned load was not made",
        f"check failed: {label}",
    ]
    assert [each["check"] for each in ours["checks"]] == [label]
    assert ours["books"]["balanced"]
    assert (ours["books"]["planned"], ours["books"]["started"]) == (242, 80)
    assert ours["books"]["dropped"] == {"maxVusers": 0, "stopped": 162}
    assert "All VUs finished" not in told.out
    assert "Phase completed" not in told.out
    assert in_order(told.out, "Verdict: fail", "Running `after`, for at most 30 s.")
    assert [a.part for a in told.platform.assignments] == ["load", "load", "after"]


def test_without_an_abort_condition_the_same_load_goes_on(tmp_path: Path) -> None:
    """To its end, where the same check is evaluated over all of it."""
    script = ABORTING.replace(", abortOnFail: true, delayAbortEval: 25", "")
    told = run(tmp_path, failing, script=script, output=str(tmp_path / "report.json"))

    assert told.code == 1
    assert told.report is not None
    assert told.report["grapeshot"]["abort"] is None
    assert told.report["aggregate"]["counters"]["vusers.created"] == 118
    assert Stop not in {type(c) for worker in told.platform.workers for c in worker.heard}


def test_a_person_stops_before_the_check_may(tmp_path: Path) -> None:
    """Then the run was stopped, and its checks are not evaluated."""
    told = run(tmp_path, failing, script=ABORTING, signals={20.0: Signals.SIGINT})

    assert told.code == 130
    assert "Verdict: stopped" in told.out
    assert "abort condition" not in told.out + told.err


def slow_after(assignment: Assignment) -> PaperWorker:
    """A run whose `after` takes for ever."""
    return PaperWorker([ready(assignment)]) if assignment.part == "after" else good(assignment)


@pytest.mark.parametrize(
    ("part", "signals", "words"),
    [
        (slow_after, {2.0: Signals.SIGINT}, "`after` was not done after 30 s, and was ended."),
        (slow_after, {2.0: Signals.SIGINT, 9.0: Signals.SIGTERM}, "Error: Stopped during `after`."),
    ],
)
def test_after_of_a_stopped_run_has_its_limit(
    tmp_path: Path, part: Callable[[Assignment], PaperWorker], signals: Mapping[float, Signals], words: str
) -> None:
    """Half a minute, or the next signal; the verdict stays, and the exit code is the first signal's."""
    told = run(tmp_path, part, script=SCRIPT + AFTER, signals=signals)

    assert words in told.err
    assert "Verdict: stopped" in told.out
    assert told.platform.workers[-1].killed
    assert told.code == 130


def test_a_failing_after_does_not_hide_a_stop(tmp_path: Path) -> None:
    """It is told, and the exit code is the signal's."""

    def part(assignment: Assignment) -> PaperWorker:
        if assignment.part == "after":
            return PaperWorker(
                [ready(assignment)], on_go=[failed(assignment, message="no logout", exit_code=1)]
            )
        return good(assignment)

    told = run(tmp_path, part, script=SCRIPT + AFTER, signals={2.0: Signals.SIGINT})

    assert "Error: no logout" in told.err
    assert told.code == 130


def test_after_also_runs_when_workers_fail_under_load(tmp_path: Path) -> None:
    """The exit code is the one of their failure."""

    def part(assignment: Assignment) -> PaperWorker:
        if assignment.part == "load" and assignment.share.index == 0:
            return PaperWorker([ready(assignment, planned=7)], on_go=[failed(assignment)])
        return good(assignment)

    told = run(tmp_path, part, script=SCRIPT + BEFORE + AFTER)

    assert [a.part for a in told.platform.assignments] == ["before", "load", "load", "after"]
    assert told.code == 11


@pytest.mark.parametrize(("signals", "kind"), [({}, WorkerFailed), ({3.0: Signals.SIGINT}, Interrupted)])
def test_after_also_runs_when_there_was_no_load(
    tmp_path: Path, signals: Mapping[float, Signals], kind: type[Exception]
) -> None:
    """Workers are not ready, or somebody stops the run before they are: what `before` set up is taken down."""
    parts: list[str] = []

    def part(assignment: Assignment) -> PaperWorker:
        parts.append(assignment.part)
        return PaperWorker(NEVER) if assignment.part == "load" else good(assignment)

    with pytest.raises(kind):
        run(tmp_path, part, script=SCRIPT + BEFORE + AFTER, signals=signals)

    assert parts == ["before", "load", "load", "after"]


def test_a_worker_that_does_not_stop_is_lost(tmp_path: Path) -> None:
    """It is killed after two seconds, and the users it was to start are booked as lost."""

    def part(assignment: Assignment) -> PaperWorker:
        if assignment.share.index == 0:
            return good(assignment)
        return PaperWorker([ready(assignment, planned=7)], on_stop=NEVER)

    told = run(tmp_path, part, signals={2.0: Signals.SIGINT})

    assert told.platform.workers[1].killed
    assert "Worker 2 did not answer the stop" in told.err
    assert "7 lost with worker 2" in told.out
    assert told.code == 130


def test_a_silent_worker_makes_the_run_invalid(tmp_path: Path) -> None:
    """One that says nothing for 30 s is ended; the others' numbers are reported, the verdict is invalid."""

    def part(assignment: Assignment) -> PaperWorker:
        if assignment.share.index == 0:
            return good(assignment)
        return PaperWorker([ready(assignment, planned=7)], on_go=NEVER)

    told = run(tmp_path, part)

    assert told.code == 4
    assert "Worker 2 said nothing for 30 s" in told.err
    assert "7 started + 7 lost with worker 2" in told.out
    assert "Verdict: invalid" in told.out


def test_a_crashed_worker_gives_its_exit_code(tmp_path: Path) -> None:
    """The rest of the load goes on; the failure is told at once, and decides the exit code."""

    def part(assignment: Assignment) -> PaperWorker:
        if assignment.share.index == 0:
            return good(assignment)
        return PaperWorker([ready(assignment, planned=7)], on_go=[failed(assignment, message="killed by 9")])

    told = run(tmp_path, part)

    assert told.code == 11
    assert told.err.startswith("killed by 9\n")
    assert "7 started + 7 lost with worker 2" in told.out


def test_a_worker_that_cannot_start_refuses_the_run(tmp_path: Path) -> None:
    """There was no load: the report says that every user was lost, and names who is to blame."""
    file = tmp_path / "report.json"

    def part(assignment: Assignment) -> PaperWorker:
        if assignment.share.index == 0:
            return good(assignment)
        return PaperWorker([failed(assignment, 1, after=0.2, message="bad hooks")])

    with pytest.raises(WorkerFailed, match="bad hooks"):
        run(tmp_path, part, output=str(file))

    report = json.loads(file.read_text(encoding="utf-8"))["grapeshot"]
    assert (report["verdict"], report["reasons"], report["exitCode"]) == ("invalid", ["bad hooks"], 11)
    assert [(one["index"], one["state"], one["failure"]) for one in report["workers"]] == [
        (1, "failed", "bad hooks")
    ]
    assert (report["books"]["planned"], report["books"]["lost"], report["books"]["balanced"]) == (
        14,
        14,
        True,
    )


def test_a_worker_that_is_never_ready_is_in_the_report(tmp_path: Path) -> None:
    """It is lost; the screen has books and verdict, the error the rest."""
    file, told = tmp_path / "report.json", io.StringIO()

    with pytest.raises(WorkerFailed, match="not ready: 2 of 2"):
        run(tmp_path, lambda a: good(a) if a.index == 0 else PaperWorker([]), output=str(file), out=told)

    report = json.loads(file.read_text(encoding="utf-8"))["grapeshot"]
    assert [(one["index"], one["state"]) for one in report["workers"]] == [(1, "lost")]
    assert in_order(
        told.getvalue(),
        f"Log file: {file}",
        "Virtual users: 14 planned = 14 lost: no load was made",
        "Verdict: invalid",
        "  - After 30 s these workers were not ready: 2 of 2.",
    )


def test_a_refused_run_s_report_that_can_t_be_written_hides_nothing(tmp_path: Path) -> None:
    """Why there was no load is the error; that there is no report is told beside it."""
    file, errors = tmp_path / "out" / "report.json", io.StringIO()
    file.parent.mkdir()

    def part(assignment: Assignment) -> PaperWorker:
        if file.parent.exists():
            file.parent.rmdir()
        return PaperWorker([failed(assignment, 1, after=0.2, message="bad hooks")])

    with pytest.raises(WorkerFailed, match="bad hooks"):
        run(tmp_path, part, output=str(file), err=errors)

    assert f"The report could not be written to {file}" in errors.getvalue()


def test_quiet_leaves_the_id_the_author_s_lines_and_the_checks(tmp_path: Path) -> None:
    """`-q` silences phases, reports, the file's name and a good verdict."""

    def part(assignment: Assignment) -> PaperWorker:
        worker = good(assignment)
        worker.on_go = [*worker.on_go, (0.5, ("stdout", f"hello from {assignment.share.index}"))]
        return worker

    script = SCRIPT.replace("\nscenarios:", FAIL.replace("> 1000", "== 14"))
    told = run(tmp_path, part, script=script, quiet=True, output=str(tmp_path / "report.json"))

    assert sorted(told.out.splitlines()) == sorted(
        [
            "Test run id: t1",
            "hello from 0",
            "hello from 1",
            "",
            "Checks:",
            "ok: vusers.created == 14",
        ]
    )
    assert told.report is not None


def test_relayed_lines_cannot_repaint_the_terminal(tmp_path: Path) -> None:
    """Control characters of a line are shown, tabs are kept; standard error stays standard error."""

    def part(assignment: Assignment) -> PaperWorker:
        worker = good(assignment)
        worker.on_go = [*worker.on_go, (0.5, ("stderr", "a\tb\x1b[2J"))]
        return worker

    told = run(tmp_path, part, workers=1)

    assert told.err == "a\tb\\x1b[2J\n"


def test_the_report_file_holds_every_period(tmp_path: Path) -> None:
    """Its intermediate counters add up to the aggregate's."""
    told = run(tmp_path, output=str(tmp_path / "report.json"))

    assert told.report is not None
    assert told.report["aggregate"]["counters"]["http.requests"] == 14
    assert sum(p["counters"]["http.requests"] for p in told.report["intermediate"]) == 14


def test_a_report_that_cannot_be_written_is_told_last(tmp_path: Path) -> None:
    """The numbers are on the screen before the refusal ends the command."""
    file = tmp_path / "reports" / "report.json"
    file.parent.mkdir()

    def part(assignment: Assignment) -> PaperWorker:
        if file.parent.exists():
            file.parent.rmdir()
        return good(assignment)

    with pytest.raises(OutputRefused, match="could not be written") as caught:
        run(tmp_path, part, output=str(file))

    assert caught.value.exit_code == 1


def test_the_name_of_a_run_is_shown(tmp_path: Path) -> None:
    """`--name` comes below the id."""
    assert in_order(run(tmp_path, name="nightly").out, "Test run id: t1", "Name: nightly")


def test_warnings_do_not_prevent_a_run(tmp_path: Path) -> None:
    """They go to standard error, and into the report file."""
    told = run(tmp_path, environment="nowhere", output=str(tmp_path / "report.json"))

    assert told.code == 0
    assert told.err.startswith("Warning: ")
    assert "nowhere" in told.err
    assert told.report is not None
    assert len(told.report["grapeshot"]["warnings"]) == 1


def test_a_bad_script_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """All its problems are told at once."""
    with pytest.raises(ScriptError) as caught:
        run(
            tmp_path, script="config: {target: http://127.0.0.1:9}\nscenarios:\n  - flow: [{get: {uri: /}}]\n"
        )

    assert caught.value.exit_code == 1


# ---- what is settled before ----


def test_a_report_goes_to_the_named_file(tmp_path: Path) -> None:
    """The file need not exist, its directory must."""
    assert report_path(str(tmp_path / "r.json"), NOON) == tmp_path / "r.json"
    assert report_path(None, NOON) is None


def test_a_directory_gets_a_file_named_by_the_moment(tmp_path: Path) -> None:
    """As in the reference: artillery_report_YYYYMMDD_HHmmSS.json."""
    assert report_path(str(tmp_path), NOON) == tmp_path / "artillery_report_20261123_120000.json"


def test_a_missing_directory_is_refused_before_the_run(tmp_path: Path) -> None:
    """With the reference's words and exit code 1; nothing is started."""
    with pytest.raises(OutputRefused) as caught:
        run(tmp_path, output=str(tmp_path / "missing" / "r.json"))

    assert caught.value.message == f"Path does not exist: {tmp_path / 'missing' / 'r.json'}"
    assert caught.value.exit_code == 1


def test_a_file_that_can_not_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    """With the system's reason; trying it leaves nothing behind."""
    with pytest.raises(OutputRefused) as caught:
        run(tmp_path, output=str(tmp_path / ("n" * 300)))

    assert caught.value.cause == "File name too long"
    assert report_path(str(tmp_path / "new.json"), NOON) == tmp_path / "new.json"
    assert not (tmp_path / "new.json").exists()


def test_plugins_and_checks_stand_apart_from_the_numbers(tmp_path: Path) -> None:
    """As in the reference: `Log file` right below the summary, then a blank line before each block."""
    told = run(tmp_path, script=SCRIPT.replace("\nscenarios:", FAIL), output=str(tmp_path / "report.json"))
    lines = told.out.splitlines()

    assert lines[lines.index("Checks:") - 1] == ""
    assert lines[lines.index("Checks:") - 2].startswith("Log file: ")
    assert lines[lines.index("Checks:") - 3] != ""


@pytest.mark.parametrize(
    ("asked", "cpus", "users", "expected"),
    [
        (None, 8, 1000, 8),
        (4, 8, 1000, 4),
        (16, 8, 1000, 16),
        (None, 8, 3, 3),
        (4, 8, 3, 3),
        (None, 8, 0, 1),
    ],
)
def test_how_many_workers(asked: int | None, cpus: int, users: int, expected: int) -> None:
    """As asked, else one for each CPU; never more than there are users, and at least one."""
    assert worker_count(asked, cpus=cpus, users=users) == expected


def test_a_run_id_has_the_reference_s_form() -> None:
    """`t`, then 4, 29 and 4 letters that can't be mistaken for each other."""
    letters = "[3456789abcdefghjkmnpqrtwxyz]"

    assert re.fullmatch(f"t{letters}{{4}}_{letters}{{29}}_{letters}{{4}}", new_run_id(random.Random(1)))


def test_thresholds_are_checked_after_the_script_s_own(tmp_path: Path) -> None:
    """A check that stands beside the script decides as one inside it does."""
    told = run(
        tmp_path,
        script=SCRIPT.replace("\nscenarios:", FAIL),
        thresholds=("vusers.created == 14", "http.requests < 3"),
        output=str(tmp_path / "report.json"),
    )

    assert told.report is not None
    assert [(check["check"], check["ok"]) for check in told.report["grapeshot"]["checks"]] == [
        ("vusers.created > 1000", False),
        ("vusers.created == 14", True),
        ("http.requests < 3", False),
    ]
    assert told.code == 1


def test_thresholds_that_cannot_be_read_are_refused_together() -> None:
    """All of them are named, and a right one is shown."""
    with pytest.raises(SettingsRefused) as refused:
        threshold_checks(["a <", "vusers.failed == 0", "== 3"])

    assert refused.value.message.count("can't be read") == 2
    assert "http.response_time.p99 < 200" in refused.value.remedy


def test_the_report_shows_the_script_without_its_secrets(tmp_path: Path) -> None:
    """The text lies beside the settings, so a page can show what was run."""
    script = SCRIPT.replace("config:", "config:\n  variables: {apiKey: hush}", 1)
    told = run(tmp_path, script=script, output=str(tmp_path / "report.json"))

    assert told.report is not None
    shown = yaml.safe_load(told.report["grapeshot"]["settings"]["source"])
    assert shown["config"]["variables"] == {"apiKey": "…"}
    assert shown["scenarios"] == yaml.safe_load(SCRIPT)["scenarios"]


def test_the_target_s_login_is_not_in_the_report(tmp_path: Path) -> None:
    """Reports are published."""
    script = SCRIPT.replace("http://127.0.0.1:9", "http://ada:s3cret@127.0.0.1:9")
    told = run(tmp_path, script=script, output=str(tmp_path / "report.json"))

    assert told.report is not None
    assert told.report["grapeshot"]["settings"]["target"] == "http://…@127.0.0.1:9"
    assert "s3cret" not in json.dumps(told.report)


LONG = """
config:
  target: http://127.0.0.1:9
  phases: [{duration: 125, arrivalCount: 14}]
scenarios:
  - flow:
      - get: {url: /}
"""


def answering(milliseconds: float) -> Callable[[Assignment], PaperWorker]:
    """Workers of a target that always takes so long, over twelve windows."""

    def part(assignment: Assignment) -> PaperWorker:
        users = assignment.share.of(14)
        periods = [
            Period(
                start=int(START * 1000) + 10_000 * k,
                counters={"http.requests": 50, "http.responses": 50, "http.codes.200": 50},
                sketches={"http.response_time": Sketch.of({milliseconds: 50})},
                first_counter_at=START * 1000 + 10_000.0 * k,
                last_counter_at=START * 1000 + 10_000.0 * k + 9_000,
            )
            for k in range(12)
        ]
        tally = Tally(planned=users, started=users, completed=users)
        alive = [
            progress(assignment, k, after=10.0 * k, at=START + 10 * k, tally=Tally(planned=users))
            for k in range(2, 12)
        ]
        last = finished(assignment, 12, after=125.0, tally=tally, facts=Facts(pid=1), periods=periods)
        return PaperWorker([ready(assignment, planned=users)], on_go=[*alive, last])

    return part


def test_a_run_is_compared_with_an_earlier_one(tmp_path: Path) -> None:
    """The comparison comes before the books, quiet or not, and goes into the file; the exit code stays."""
    earlier = str(tmp_path / "earlier.json")
    run(tmp_path, answering(80), script=LONG, output=earlier)
    told = run(
        tmp_path,
        answering(120),
        script=LONG,
        output=str(tmp_path / "later.json"),
        baseline=earlier,
        quiet=True,
    )

    assert told.code == 0
    assert in_order(told.out, "Compared with t1", "http.response_time.p95", "worse", "Baseline: regression")
    assert told.report is not None
    comparison = told.report["grapeshot"]["comparison"]
    assert (comparison["verdict"], comparison["cautions"]) == ("regression", [])
    assert comparison["slices"] >= 11


def test_a_run_with_other_phases_is_shown_and_not_judged(tmp_path: Path) -> None:
    """The report tells its phases, so that a changed plan is noticed."""
    earlier = str(tmp_path / "earlier.json")
    run(tmp_path, answering(80), script=LONG, output=earlier)
    told = run(tmp_path, answering(120), script=LONG.replace("14", "15"), baseline=earlier)

    assert "the phases differ" in told.out
    assert "Baseline: no evidence" in told.out


@pytest.mark.parametrize("content", [None, "", '{"aggregate": '])
def test_an_earlier_report_that_cannot_be_used_is_refused_before_the_run(
    tmp_path: Path, content: str | None
) -> None:
    """No such file, an empty one, or half of one: better now than after the load."""
    path = tmp_path / "earlier.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(BaselineRefused, match=re.escape(str(path))) as caught:
        run(tmp_path, baseline=str(path))
    assert caught.value.cause
    assert "--baseline" in caught.value.remedy


def test_a_run_without_a_baseline_is_not_compared(tmp_path: Path) -> None:
    """Nothing is said of a comparison that nobody asked for."""
    told = run(tmp_path, output=str(tmp_path / "report.json"))

    assert "Compared" not in told.out
    assert told.report is not None
    assert told.report["grapeshot"]["comparison"] is None
    assert [phase["rate"] for phase in told.report["grapeshot"]["settings"]["phases"]] == [4, 0]
