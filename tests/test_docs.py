"""The documentation says what is so: its tests exist, its commands work, its examples run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grapeshot_launcher.results.baseline import FALSE_ALARMS
from grapeshot_worker.errors import Exit
from target import Target

ROOT = Path(__file__).parent.parent
GRAPESHOT = Path(sys.executable).with_name("grapeshot")
DOCS = [ROOT / "README.md", ROOT / ".github/CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.yml"))

TEST_NAMES = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
}


def rows(path: Path) -> list[list[str]]:
    """Give the cells of all table rows of a page, without the heads."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [
        row
        for row, after in zip(cells, [*cells[1:], []], strict=True)
        if not _is_rule(row) and not _is_rule(after)
    ]


def _is_rule(row: list[str]) -> bool:
    return bool(row) and set("".join(row)) <= set("-| :")


def test_every_difference_is_held_by_a_test_that_exists() -> None:
    """The compatibility table names a test in each row."""
    named = [
        cell.strip("`")
        for row in rows(ROOT / "docs/compatibility.md")
        for cell in row
        if cell.startswith("`test_")
    ]

    assert len(named) > 20
    assert set(named) <= TEST_NAMES


def test_every_exit_code_is_on_the_page() -> None:
    """docs/exit-codes.md lists the codes of errors.Exit, all and no others."""
    text = (ROOT / "docs/exit-codes.md").read_text()
    listed = {int(code) for code in re.findall(r"^\| *`?(\d+)`? *\|", text, re.MULTILINE)}

    assert listed == {code.value for code in Exit}


def test_the_rate_of_false_alarms_is_that_of_the_measured_halves() -> None:
    """What a person is told below a verdict is what docs/baseline.md has, neither better nor of both halves at once."""
    told = re.findall(r"[\d.]+ %", FALSE_ALARMS)
    page = rows(ROOT / "docs/baseline.md")
    halves = [row for row in page if row[:2] == ["runs at different times", "240"]]
    alarms = [sum(int(cell.split()[0]) for cell in row[3:5]) / int(row[1]) for row in halves]

    assert sorted(set(told)) == sorted(f"{share * 100:.1f} %" for share in alarms)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_within_the_documentation_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_make_targets_in_the_documentation_exist() -> None:
    """`make x` is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in DOCS for name in re.findall(r"`?\bmake ([a-z-]+)`", page.read_text())}

    assert named
    assert named <= targets


@pytest.mark.timeout(120)  # workers start slowly on a busy machine
def test_the_demo_shows_a_run_from_its_beginning_to_its_clean_up(tmp_path: Path) -> None:
    """What stands in AWS, the workers, the load, live periods, the summary, what was removed; exit code 0."""
    command = [sys.executable, str(ROOT / "tests/demo.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    parts = [
        "$ grapeshot run-lambda --emulate ",
        " - Lambda function: artilleryio-grapeshot-",
        " - Lambda role ARN: arn:aws:iam::",
        " - Bucket: artilleryio-test-data-",
        " - Queue: artilleryio-",
        "3 workers ready; the load starts in ",
        "Phase started: Warm up",
        "Metrics for period to: ",
        "Metrics for period to: ",
        "All VUs finished.",
        "Summary report @ ",
        "Log file: report.json",
        "Virtual users: 185 planned = 185 started",
        "Verdict: pass",
        "Removed: queue artilleryio-",
        "Removed: ",
        "grapeshot's exit code was 0.",
    ]

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(".*".join(map(re.escape, parts)), done.stdout, re.DOTALL), done.stdout
    assert done.stderr == ""
    assert json.loads((tmp_path / "report.json").read_text())["grapeshot"]["verdict"] == "pass"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs(example: Path, target: Target, tmp_path: Path) -> None:
    """Against the test target: no failed user, no failed check, verdict pass."""
    out = tmp_path / "report.json"
    command = [str(GRAPESHOT), "run", str(example.relative_to(ROOT)), "-t", target.url, "-o", str(out), "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    report = json.loads(out.read_text())

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert report["grapeshot"]["verdict"] == "pass"
    assert report["aggregate"]["counters"]["vusers.failed"] == 0
    assert {name for name in report["aggregate"]["counters"] if name.startswith("http.codes.")} <= {
        "http.codes.200",
        "http.codes.201",
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_checked_without_load(example: Path) -> None:
    """`grapeshot check` finds nothing to say against them."""
    command = [str(GRAPESHOT), "check", str(example)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_the_script_in_the_readme_is_valid(tmp_path: Path) -> None:
    """A reader may copy it."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (text,) = (block for block in blocks if "scenarios:" in block)
    path = tmp_path / "readme.yml"
    path.write_text(text)
    done = subprocess.run(
        [str(GRAPESHOT), "check", str(path)], capture_output=True, text=True, timeout=20, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
