"""The history of runs: what a point tells, which runs make a line, and where it got worse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grapeshot_launcher.errors import OutputRefused, ReportRefused, SettingsRefused
from grapeshot_launcher.options import HistoryOptions, read
from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.baseline import compare_runs
from grapeshot_launcher.results.earlier import read_earlier, seen_later
from grapeshot_launcher.results.figures import Figures
from grapeshot_launcher.results.history import History, compact, history, line
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.trend import MOST_FILES, TOLD, prefix_of, trend
from grapeshot_launcher.views.report_json import report_file
from past_runs import PHASES, past


def seen(*reports: Report) -> History:
    return history((f"r{n}.json", compact(seen_later(each))) for n, each in enumerate(reports))


def test_a_point_tells_what_the_report_shows() -> None:
    """The same numbers as everywhere else, with the commit and the page of its job."""
    report = past(3, settings={"costUsd": 0.25})
    figures = Figures.of(report)
    (point,) = seen(report).points

    assert (point.rate, point.error_rate, point.requests) == (
        figures.rate,
        figures.error_rate,
        figures.requests,
    )
    assert (point.p50, point.p95, point.p99) == (figures.p50, figures.p95, figures.p99)
    assert (point.commit, point.ref, point.url) == (f"{3:040x}", "main", "https://ci.example/runs/3")
    assert (point.script, point.target, point.verdict) == ("blitz.yml", "https://shop.example", "pass")
    assert (point.users, point.cost, point.began) == (1200, 0.25, report.started_at * 1000)


def test_a_file_tells_the_same_as_the_run() -> None:
    """Nothing that a point needs is lost on the way through the file."""
    report = past(1)

    assert history([("x", read_earlier(report_file(report), "x"))]) == history([("x", seen_later(report))])


def test_points_are_in_order_of_time_whatever_the_order_of_files() -> None:
    """The names of files say nothing."""
    points = seen(past(2), past(0), past(1)).points

    assert [point.run_id for point in points] == ["t0", "t1", "t2"]


def test_a_run_in_two_files_counts_once() -> None:
    """A copy is no second measurement; its file is named."""
    both = seen(past(0), past(0))

    assert len(both.points) == 1
    assert both.repeated == ("r1.json",)


def test_a_slower_commit_is_a_regression_and_its_mending_an_improvement() -> None:
    """By the baseline's rules, against the commit before."""
    points = seen(past(0), past(1, ms=80.0), past(2, ms=81.0), past(3)).points

    assert [point.change for point in points] == [None, "regression", "no evidence", "improvement"]
    assert [point.before for point in points] == ["", "t0", "t1", "t2"]
    assert {metric.name for metric in points[1].changed} == {f"http.response_time.p{n}" for n in (50, 95, 99)}


def test_runs_of_one_commit_are_held_against_the_commit_before() -> None:
    """What differs between two runs of a commit is no change of the code."""
    points = seen(past(0), past(1, commit="c"), past(2, commit="c", ms=80.0), past(3, ms=80.0)).points

    assert [point.before for point in points] == ["", "t0", "t0", "t2"]
    assert [point.change for point in points] == [None, "no evidence", "regression", "no evidence"]


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"ref": "other"}},
        {"settings": {"target": "https://other.example"}},
        {"settings": {"workers": 3}},
        {"settings": {"phases": [{**PHASES[0], "rate": 40.0}]}},
        {"script": "other.yml"},
    ],
    ids=["branch", "target", "workers", "phases", "script"],
)
def test_runs_that_differ_as_runs_are_on_lines_of_their_own(change: dict[str, Any]) -> None:
    """Whatever differs, nothing is concluded from one about the other."""
    first, second = seen(past(0), past(1, ms=80.0, **change)).points

    assert first.joined
    assert second.joined
    assert second.change is None
    assert (first.plan, first.ref) != (second.plan, second.ref)


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": Verdict(kind="invalid", exit_code=4)},
        {"verdict": Verdict(kind="stopped", exit_code=0)},
        {"abort": Abort(after=10.0, checks=())},
        {"settings": {"phases": None}},
    ],
    ids=["invalid", "stopped", "ended itself", "no plan"],
)
def test_a_run_that_is_worth_nothing_is_shown_and_not_joined(change: dict[str, Any]) -> None:
    """It is neither a part of the line nor what a later run is held against."""
    points = seen(past(0), past(1, ms=500.0, **change), past(2)).points

    assert [point.joined for point in points] == [True, False, True]
    assert points[2].before == "t0"
    assert [joint.commit for joint in line(points)] == [f"{n:040x}" for n in (0, 2)]


def test_the_line_goes_through_the_middle_of_a_commits_runs() -> None:
    """Three runs of one commit are one joint: their median, not their mean."""
    points = seen(*(past(n, commit="c", ms=ms) for n, ms in enumerate((50.0, 60.0, 500.0)))).points
    (joint,) = line(points)

    assert joint.p95 == points[1].p95
    assert joint.rate == points[1].rate


def test_runs_without_a_commit_are_not_one_commit() -> None:
    """Not to know it is not to have the same."""
    points = seen(past(0, commit=""), past(1, commit="")).points

    assert len(line(points)) == 2
    assert points[1].before == "t0"


def test_what_is_kept_of_a_run_is_enough_to_compare_it() -> None:
    """The comparison of what is kept is that of the whole, errors and all."""
    runs = []
    for number, failed in enumerate((0, 30)):
        report = past(number)
        for each in report.periods:
            assert isinstance(each.counters, dict)
            each.counters.update(
                {"http.codes.200": 100 - failed, "http.codes.404": failed, "errors.mine": 3, "mine": 9}
            )
        report.totals.counters["errors.mine"] = 36  # type: ignore[index]
        runs.append(seen_later(report))
    before, after = runs
    comparison = compare_runs(before, after)

    assert compare_runs(compact(before), compact(after)) == comparison
    assert comparison.verdict == "regression"


class Ear:
    """What the command said, and warned of."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def run(self, place: Path | str, output: Path) -> int:
        options = HistoryOptions(place=str(place), output=str(output))
        return trend(options, environ={}, say=self.said.append, warn=self.warned.append)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Two reports, one of them deeper."""
    folder = tmp_path / "reports"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.json").write_bytes(report_file(past(0)))
    (folder / "b.json").write_bytes(report_file(past(1, ms=80.0)))
    return folder


def test_the_command_reads_a_directory_and_writes_a_page(reports: Path, tmp_path: Path) -> None:
    """Of all levels; and says what it found."""
    ear, output = Ear(), tmp_path / "trend.html"

    assert ear.run(reports, output) == 0
    assert ear.said == [f"Page: {output} (2 runs, 2 commits, 1 branch, 1 regression)"]
    assert ear.warned == []
    assert b"Regression: p50" in output.read_bytes()


def test_what_is_no_report_is_told_in_a_line_and_left_out(reports: Path, tmp_path: Path) -> None:
    """Each with its reason; what doesn't end in .json isn't looked at."""
    (reports / "cut.json").write_bytes(report_file(past(2))[:500])
    (reports / "package.json").write_text("{}", encoding="utf-8")
    (reports / "gone.json").symlink_to(reports / "nowhere")
    (reports / "notes.txt").write_text("no JSON", encoding="utf-8")
    ear = Ear()
    ear.run(reports, tmp_path / "trend.html")

    assert [line.split(": ")[1].rsplit("/")[-1] for line in ear.warned] == [
        "cut.json",
        "gone.json",
        "package.json",
    ]
    assert "cut short" in ear.warned[0]
    assert "no file" in ear.warned[1]
    assert "no report of a run" in ear.warned[2]


def test_many_files_that_are_left_out_are_counted(reports: Path, tmp_path: Path) -> None:
    """A directory of something else does not flood the screen."""
    for number in range(TOLD + 3):
        (reports / f"other-{number}.json").write_text("[]", encoding="utf-8")
    ear = Ear()
    ear.run(reports, tmp_path / "trend.html")

    assert len(ear.warned) == TOLD + 1
    assert ear.warned[-1] == "Left out: 3 more."


def test_more_files_than_can_be_read_are_told(reports: Path, tmp_path: Path) -> None:
    """The bound is a bound, and not in silence."""
    many = tmp_path / "many"
    many.mkdir()
    for number in range(MOST_FILES):
        (many / f"{number:05}.json").touch()
    (many / "z.json").write_bytes(report_file(past(0)))
    ear = Ear()
    with pytest.raises(ReportRefused):
        ear.run(many, tmp_path / "trend.html")

    assert ear.warned[-1] == f"Left out: {MOST_FILES + 1 - TOLD:,} more."


def test_a_place_without_reports_is_refused(tmp_path: Path) -> None:
    """With what to give instead."""
    for place, message in ((tmp_path, "There is no report in"), (tmp_path / "x", "There is no directory")):
        with pytest.raises(ReportRefused, match=message) as refused:
            Ear().run(place, tmp_path / "trend.html")

        assert "s3://BUCKET/PREFIX" in refused.value.remedy


def test_a_page_that_cant_be_written_is_told_before_anything_is_read(tmp_path: Path) -> None:
    """Reading a thousand reports first would be a waste."""
    with pytest.raises(OutputRefused, match="can't be written"):
        Ear().run(tmp_path / "nowhere", tmp_path / "missing" / "trend.html")
    with pytest.raises(OutputRefused, match="can't be written"):
        Ear().run(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize(("place", "region"), [("s3:///reports", None), ("s3://reports/", "Paris")])
def test_a_bucket_or_region_that_cant_be_is_refused(place: str, region: str | None) -> None:
    """Before AWS is asked."""
    with pytest.raises(SettingsRefused):
        prefix_of(place, region, {})


def test_the_command_line() -> None:
    """A place, and where the page goes."""
    assert read(["history", "reports"]) == HistoryOptions(place="reports")
    assert read(["history", "s3://b/p", "-o", "x.html", "--region", "eu-west-1"]) == HistoryOptions(
        place="s3://b/p", output="x.html", region="eu-west-1"
    )


def test_a_report_with_odd_settings_is_a_point_all_the_same(tmp_path: Path) -> None:
    """A file from anywhere: what is no text or number there is not known."""
    value = json.loads(report_file(past(0)))
    value["grapeshot"]["settings"] |= {
        "commit": 7,
        "ref": None,
        "runUrl": ["x"],
        "costUsd": True,
        "target": {},
    }
    (point,) = history([("x", read_earlier(json.dumps(value).encode(), "x"))]).points

    assert (point.commit, point.ref, point.url, point.target, point.cost) == ("", "", "", "", None)
