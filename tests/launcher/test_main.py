"""The command as a whole: every failure becomes a few lines and an exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from grapeshot_launcher.__main__ import answer, everywhere
from grapeshot_launcher.options import CleanOptions, ImageOptions, RunOptions
from grapeshot_worker.errors import Exit, GrapeshotError, Place, Problem, ScriptError

LINE = ["run", "script.yml"]


def failing(error: BaseException) -> object:
    def carry_out(options: RunOptions) -> NoReturn:
        raise error

    return carry_out


@pytest.mark.parametrize("code", [0, 1, 4, 21])
def test_the_run_s_exit_code_is_the_command_s(code: int) -> None:
    """What the run says goes out unchanged."""
    assert answer(LINE, carry_out=lambda options: code) == code


def test_a_failure_is_told_with_cause_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    """What happened, why, what to do; on standard error; no traceback."""
    error = GrapeshotError("No worker.", cause="No memory.", remedy="Buy some.", exit_code=11)

    code = answer(LINE, carry_out=failing(error))  # type: ignore[arg-type]

    shown = capsys.readouterr()
    assert code == 11
    assert shown.out == ""
    assert shown.err == "Error: No worker.\n    Cause: No memory.\n    What to do: Buy some.\n"


def test_all_problems_of_a_script_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with file, line, path and remedy."""
    place = Place(file="s.yml", line=3, path="config.target")
    error = ScriptError(
        [Problem(message="is empty", place=place, remedy="Fill it."), Problem(message="no flow")]
    )

    code = answer(LINE, carry_out=failing(error))  # type: ignore[arg-type]

    assert code == 1
    assert capsys.readouterr().err.splitlines() == [
        "Error: s.yml:3 (config.target): is empty",
        "    Fill it.",
        "Error: no flow",
        "2 errors were found in the script; nothing was run.",
    ]


def test_ctrl_c_before_the_run_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupt while the script is read ends the command quietly."""
    assert answer(LINE, carry_out=failing(KeyboardInterrupt())) == Exit.INTERRUPTED  # type: ignore[arg-type]
    assert "Traceback" not in capsys.readouterr().err


def test_our_own_fault_is_written_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected exception is short on the screen, and whole in the file it names."""
    code = answer(LINE, carry_out=failing(ZeroDivisionError("oops")))  # type: ignore[arg-type]

    shown = capsys.readouterr().err
    file = Path(shown.strip().rsplit(" ", 1)[1])
    text = file.read_text(encoding="utf-8")
    file.unlink()
    assert code == Exit.BUG
    assert "a fault of Grapeshot" in shown
    assert "Traceback" not in shown
    assert "Traceback" in text
    assert "ZeroDivisionError: oops" in text


def test_a_usage_error_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The usage line and the fault go to standard error."""
    assert answer(["run"]) == Exit.USAGE
    assert "Missing argument 'SCRIPT'" in capsys.readouterr().err


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "grapeshot_launcher", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)


def test_the_module_is_the_command() -> None:
    """`python -m grapeshot_launcher` works as `grapeshot`."""
    shown = command("--version")

    assert shown.returncode == 0
    assert shown.stdout.startswith("grapeshot, version ")


def test_a_closed_output_ends_quietly() -> None:
    """`grapeshot --help | true` prints no traceback and exits with 141, as a pipe's writer does."""
    program = (
        "import os, sys; from grapeshot_launcher.__main__ import answer\n"
        "def carry_out(options):\n"
        "    print('x' * 100_000, flush=True)\n"
        "    return 0\n"
        "sys.exit(answer(['run', 'script.yml'], carry_out=carry_out))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()

    assert process.wait(timeout=20) == Exit.PIPE
    assert errors == ""


def test_an_errand_is_done_in_each_region() -> None:
    """Of several that are comma-separated; the worst code counts."""
    seen: list[CleanOptions] = []

    def carry_out(asked: CleanOptions) -> int:
        seen.append(asked)
        return 1 if asked.region == "b" else 0

    assert everywhere(CleanOptions(region="a, b,c", yes=True), carry_out) == 1
    assert seen == [CleanOptions(region=region, yes=True) for region in "abc"]


def test_an_errand_without_a_region_is_done_once() -> None:
    """`image build` makes the image on this machine."""
    asked = ImageOptions()

    assert everywhere(asked, lambda options: 7 if options is asked else 0) == 7
