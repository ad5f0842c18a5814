"""The page that the Action writes: after everything else, and never at its cost."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from composite import read_outputs
from grapeshot_launcher.action import Asked, act
from grapeshot_launcher.errors import WorkerFailed
from grapeshot_launcher.run import Keep
from grapeshot_launcher.run_lambda import LogIn
from sample_report import report


def act_once(tmp_path: Path, after: Callable[[Path], int]) -> tuple[int, Mapping[str, str], str]:
    """Be the Action with a run whose report is there before `after`, told its folder, ends it: code, outputs, log."""
    folder, log = tmp_path / "out", io.StringIO()
    environ = {
        "INPUT_COMMAND": "run load.yml",
        "INPUT_REPORT_DIR": str(folder),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }

    def carry_out(asked: Asked, environ: Mapping[str, str], keep: Keep, log_in: LogIn) -> int:
        keep(report())
        return after(folder)

    code = act(environ=environ, out=log, carry_out=carry_out)
    return code, read_outputs((tmp_path / "outputs").read_text(encoding="utf-8")), log.getvalue()


def test_the_page_lies_beside_the_report(tmp_path: Path) -> None:
    """Its path is an output."""
    code, outputs, _ = act_once(tmp_path, lambda folder: 0)

    assert code == 0
    assert outputs["report-html"] == str(tmp_path / "out" / "report.html")
    assert outputs["report-json"] == str(tmp_path / "out" / "report.json")
    assert b"load/blitz.yml" in Path(outputs["report-html"]).read_bytes()


def test_the_page_comes_last(tmp_path: Path) -> None:
    """When AWS is tidied up, report, summary and outputs are there, and nothing waits for the page."""
    there: list[set[str]] = []

    def tidy(folder: Path) -> int:
        there.append({path.name for path in folder.iterdir()})
        assert "verdict" in read_outputs((tmp_path / "outputs").read_text(encoding="utf-8"))
        return 0

    act_once(tmp_path, tidy)

    assert there == [{"report.json", "junit.xml", "summary.md"}]


@pytest.mark.parametrize("error", [WorkerFailed("No worker.", exit_code=11), KeyboardInterrupt()])
def test_a_run_that_ends_badly_has_its_page(tmp_path: Path, error: BaseException) -> None:
    """What was measured is shown, whatever came after it."""

    def fail(folder: Path) -> int:
        raise error

    code, outputs, _ = act_once(tmp_path, fail)

    assert code == int(outputs["exit-code"]) != 0
    assert Path(outputs["report-html"]).stat().st_size > 1000


def test_a_page_that_can_not_be_written_is_a_warning(tmp_path: Path) -> None:
    """The step ends as it would; the output is empty."""

    def block(folder: Path) -> int:
        (folder / "report.html").mkdir()
        return 0

    code, outputs, log = act_once(tmp_path, block)

    assert (code, outputs["verdict"], outputs["report-html"]) == (0, "pass", "")
    assert "::warning::report.html could not be made: Is a directory" in log
    assert (tmp_path / "out" / "report.json").stat().st_size > 1000
