"""`grapeshot report`: files of runs in, views of them out; what is wrong is told, all of it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from grapeshot_launcher.__main__ import answer
from grapeshot_launcher.errors import OutputRefused, ReportRefused, told
from grapeshot_launcher.options import ReportOptions, read
from grapeshot_launcher.reports import VIEWS, report
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.report_json import report_file
from sample_report import report as sample
from sample_report import window
from target import Target

ARTILLERY = {
    "aggregate": {
        "counters": {"http.requests": 9, "vusers.created": 9},
        "summaries": {"http.response_time": {"min": 1, "max": 9, "count": 9, "mean": 4, "p95": 8, "p99": 9}},
        "period": 1_795_421_580_000,
    },
    "intermediate": [],
}


class Terminal(io.BytesIO):
    """A standard input where somebody could type."""

    def isatty(self) -> bool:
        return True


def write(path: Path, shown: Report | None = None) -> str:
    """Write a report's file, and give its path."""
    path.write_bytes(report_file(shown or sample()))
    return str(path)


def make(
    files: Sequence[str], *outputs: Path, compare: bool = False, stdin: bytes = b""
) -> tuple[int, list[str]]:
    """Carry the command out; give its exit code and what it says."""
    asked = ReportOptions(files=tuple(files), outputs=tuple(map(str, outputs)), compare=compare)
    said: list[str] = []
    return report(asked, say=said.append, stdin=io.BytesIO(stdin)), said


def longer(*, time: float, run_id: str) -> Report:
    """A run that is long enough to be compared, whose responses take about `time` ms."""
    periods = [window(number, time=time + number % 3) for number in range(14)]
    return sample(*periods, run_id=run_id)


# ---- the command line ----


def test_the_reference_s_form_works() -> None:
    """Flags before the file, as in its documentation; -o may be given several times."""
    assert read(["report", "--output", "x.html", "file.json"]) == ReportOptions(
        files=("file.json",), outputs=("x.html",)
    )
    assert read(["report", "a.json", "b.json", "-o", "x.html", "-o", "x.csv"]) == ReportOptions(
        files=("a.json", "b.json"), outputs=("x.html", "x.csv")
    )


@pytest.mark.parametrize("files", [[], ["a.json"], ["a.json", "b.json", "c.json"]])
def test_a_comparison_is_of_two(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Any other number is refused before a file is read."""
    assert answer(["report", "--compare", *files]) == 2
    assert "Error: " in capsys.readouterr().err


# ---- one report ----


def test_without_o_a_page_is_made_beside_the_file(tmp_path: Path) -> None:
    """A line for the file, and the verdict."""
    code, said = make([write(tmp_path / "run.json")])

    page = (tmp_path / "report.html").read_bytes()
    assert code == 0
    assert said == [f"Page: {tmp_path / 'report.html'}", "Verdict: pass"]
    assert page.lower().startswith(b"<!doctype html>")
    assert b"load/blitz.yml" in page


def test_each_suffix_has_its_view(tmp_path: Path) -> None:
    """All at once, in the order of -o, in capitals too."""
    outputs = [tmp_path / f"x{suffix}" for suffix in VIEWS] + [tmp_path / "y.CSV"]
    code, said = make([write(tmp_path / "run.json")], *outputs)
    content = {path.suffix: path.read_bytes() for path in outputs}

    assert code == 0
    assert [line.split(": ")[1] for line in said[:-1]] == list(map(str, outputs))
    assert Xml.fromstring(content[".xml"]).tag == "testsuites"
    assert content[".csv"].startswith(b"start,")
    assert content[".CSV"] == content[".csv"]
    assert content[".prom"] == content[".txt"]
    assert content[".txt"].endswith(b"# EOF\n")
    assert content[".md"].startswith("## ✅ Passed".encode())
    assert content[".json"] == (tmp_path / "run.json").read_bytes()


def test_standard_input_is_read_for_a_dash(tmp_path: Path) -> None:
    """As a pipe gives it."""
    code, said = make(["-"], tmp_path / "x.json", stdin=report_file(sample()))

    assert (code, len(said)) == (0, 2)
    assert (tmp_path / "x.json").read_bytes() == report_file(sample())


def test_a_failed_run_makes_no_failed_command(tmp_path: Path) -> None:
    """The verdict is told with its reasons; showing it has worked."""
    from grapeshot_launcher.results.verdict import Verdict

    failed = sample(verdict=Verdict(kind="fail", exit_code=1, reasons=("check failed: p95 < 1",)))
    code, said = make([write(tmp_path / "run.json", failed)], tmp_path / "x.md")

    assert code == 0
    assert said[-1] == "Verdict: fail\n  - check failed: p95 < 1"


def test_a_report_of_artillery_is_shown(tmp_path: Path) -> None:
    """In every form; its percentiles stand as they are."""
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps(ARTILLERY))
    outputs = [tmp_path / f"x{suffix}" for suffix in VIEWS]
    code, said = make([str(file)], *outputs)

    assert (code, said[-1]) == (0, "Verdict: unknown")
    assert 'quantile="0.95",quoted="true"' in (tmp_path / "x.prom").read_text() or (
        'quoted="true",quantile="0.95"' in (tmp_path / "x.prom").read_text()
    )


# ---- several ----


def test_several_runs_are_merged(tmp_path: Path) -> None:
    """What both have counted is added up."""
    files = [write(tmp_path / "a.json"), write(tmp_path / "b.json", sample(run_id="t2"))]
    code, _ = make(files, tmp_path / "both.json", tmp_path / "both.csv")
    both = json.loads((tmp_path / "both.json").read_bytes())["aggregate"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "both.csv").read_text())))

    assert code == 0
    assert both["counters"]["http.requests"] == 600
    assert both["summaries"]["http.response_time"]["count"] == 600
    assert [row["requests"] for row in rows] == ["200"] * 3


def test_artillery_s_files_can_be_merged_and_shown(tmp_path: Path) -> None:
    """Without percentiles, in every form."""
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file in files:
        file.write_text(json.dumps(ARTILLERY))
    outputs = [tmp_path / f"x{suffix}" for suffix in VIEWS]
    code, _ = make([str(file) for file in files], *outputs)
    both = json.loads((tmp_path / "x.json").read_bytes())["aggregate"]

    assert code == 0
    assert both["counters"]["http.requests"] == 18
    assert "p95" not in both["summaries"]["http.response_time"]
    compared = make([str(tmp_path / "x.json"), str(files[0])], tmp_path / "c.html", compare=True)
    assert (compared[0], compared[1][-1]) == (0, "Verdict: unknown")


@pytest.mark.parametrize(("time", "code", "verdict"), [(40.0, 5, "regression"), (20.0, 0, "no evidence")])
def test_two_runs_are_compared(tmp_path: Path, time: float, code: int, verdict: str) -> None:
    """Page, words and exit code; the later run's file holds the comparison."""
    before = write(tmp_path / "before.json", longer(time=20.0, run_id="t1"))
    after = write(tmp_path / "after.json", longer(time=time, run_id="t2"))
    ended, said = make([before, after], tmp_path / "x.html", tmp_path / "x.json", compare=True)
    ours = json.loads((tmp_path / "x.json").read_bytes())["grapeshot"]

    assert ended == code
    assert f"Baseline: {verdict}" in "\n".join(said)
    assert (ours["runId"], ours["comparison"]["verdict"]) == ("t2", verdict)
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "t1" in page
    assert "t2" in page


def test_a_comparison_has_a_page_of_its_own_name(tmp_path: Path) -> None:
    """The page of either run stays as it is."""
    files = [write(tmp_path / "a.json"), write(tmp_path / "b.json", sample(run_id="t2"))]
    (tmp_path / "report.html").write_text("mine")
    code, said = make(files, compare=True)

    assert code == 0
    assert said[0] == f"Page: {tmp_path / 'comparison.html'}"
    assert (tmp_path / "report.html").read_text() == "mine"


# ---- what is wrong ----


def test_all_files_that_can_not_be_read_are_told_at_once(tmp_path: Path) -> None:
    """Each with its cause; nothing is written."""
    (tmp_path / "text.json").write_text("hello")
    files = [str(tmp_path / "none.json"), write(tmp_path / "good.json"), str(tmp_path / "text.json")]
    with pytest.raises(ReportRefused) as refused:
        make(files, tmp_path / "x.html")
    text = told(refused.value)

    assert text.startswith("Error: 2 of 3 files can't be read:\n")
    assert "none.json can't be read: No such file or directory" in text
    assert "text.json is no report" in text
    assert "good.json" not in text
    assert not (tmp_path / "x.html").exists()


def test_a_file_in_no_folder_is_one_that_can_not_be_read(tmp_path: Path) -> None:
    """Not a place that can't be written to, though the page would lie beside it."""
    with pytest.raises(ReportRefused, match=r"run\.json can't be read"):
        make([str(tmp_path / "none" / "run.json")])


def test_all_places_that_can_not_be_written_to_are_told_at_once(tmp_path: Path) -> None:
    """Before anything is read: no suffix, no folder, twice, a report that is read."""
    file = Path(write(tmp_path / "run.json"))
    places = [tmp_path / "x.pdf", tmp_path / "none" / "x.html", tmp_path / "x.csv", tmp_path / "x.csv", file]
    with pytest.raises(OutputRefused) as refused:
        make([str(file), "missing.json"], *places)
    text = told(refused.value)

    assert text.startswith("Error: 4 places can't be written to:\n")
    for word in (
        "x.pdf does not say",
        "x.html is in a folder",
        "x.csv was given twice",
        "run.json is one of the",
    ):
        assert word in text
    assert file.read_bytes() == report_file(sample())
    assert not (tmp_path / "x.csv").exists()


def test_what_can_be_written_is_written(tmp_path: Path) -> None:
    """A place that fails is told after the others."""
    (tmp_path / "x.csv").mkdir()
    said: list[str] = []
    asked = ReportOptions(
        files=(write(tmp_path / "run.json"),), outputs=(str(tmp_path / "x.csv"), str(tmp_path / "x.md"))
    )
    with pytest.raises(OutputRefused) as refused:
        report(asked, say=said.append, stdin=io.BytesIO())

    assert told(refused.value).startswith(f"Error: {tmp_path / 'x.csv'} could not be written")
    assert said == [f"Markdown: {tmp_path / 'x.md'}", "Verdict: pass"]


def test_nobody_waits_for_a_person_to_type_a_report(tmp_path: Path) -> None:
    """A dash at a terminal is refused; so is standard input twice."""
    asked = ReportOptions(files=("-",), outputs=(str(tmp_path / "x.md"),))
    with pytest.raises(ReportRefused, match="terminal"):
        report(asked, say=print, stdin=Terminal())
    with pytest.raises(ReportRefused, match="once"):
        make(["-", "-"], tmp_path / "x.md")


@pytest.mark.parametrize("name", ["a\x00.json", "a\x1b[2J.json", "a\n.json"])
def test_an_odd_name_is_shown_and_not_obeyed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, no control character."""
    code = answer(["report", name, "-o", "x.md"])
    shown = capsys.readouterr().err

    assert code == 1
    assert shown.startswith("Error: a\\")
    assert all(line.isprintable() for line in shown.split("\n"))


# ---- for real ----


def test_a_run_s_file_becomes_every_view(tmp_path: Path, target: Target) -> None:
    """From load on the target to a page; the numbers are the target's."""
    script = tmp_path / "s.yml"
    script.write_text(
        f"config: {{ target: '{target.url}', phases: [{{ duration: 1, arrivalRate: 20 }}] }}\n"
        "scenarios: [{ flow: [{ get: { url: /json } }] }]\n"
    )
    grapeshot = [sys.executable, "-m", "grapeshot_launcher"]
    line = [*grapeshot, "run", str(script), "-o", str(tmp_path / "run.json"), "-q", "--workers", "1"]
    subprocess.run(line, check=True, timeout=40)
    outputs = [word for suffix in VIEWS for word in ("-o", f"x{suffix}")]
    done = subprocess.run(
        [*grapeshot, "report", "run.json", *outputs],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    rows = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        *(f"{word}: x{suffix}" for suffix, (word, _) in VIEWS.items()),
        "Verdict: pass",
    ]
    assert (tmp_path / "x.json").read_bytes() == (tmp_path / "run.json").read_bytes()
    assert sum(int(row["requests"]) for row in rows) == 20
    assert 'grapeshot_http_requests_total{name="http.requests"} 20' in (tmp_path / "x.prom").read_text()
    assert rows[-1]["users_active"] == "0"
