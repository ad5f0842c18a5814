"""The `grapeshot` command in unfriendly places: streams closed, nobody reading, a stop at the wrong moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from target import Target

GRAPESHOT = str(Path(sys.executable).with_name("grapeshot"))
SCRIPT = """
config:
  target: "{target}"
  phases: [ {{ duration: 100ms, arrivalRate: 50 }} ]
scenarios:
  - flow: [ {{ get: {{ url: "/json" }} }}, {{ log: "said é" }} ]
"""
FOREVER = SCRIPT.replace(
    '[ {{ get: {{ url: "/json" }} }}, {{ log: "said é" }} ]', "[ {{ loop: [ {{ think: 0.01 }} ] }} ]"
)


def write(folder: Path, text: str, target: Target | None = None) -> Path:
    path = folder / "s.yml"
    path.write_text(text.format(target=target.url if target else "http://127.0.0.1:9"))
    return path


def shell(line: str, script: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in the script's folder; `grapeshot` is $G."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=script.parent,
        env={**os.environ, "G": GRAPESHOT, **environ},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$G run s.yml <&-", 0),
        ("$G run s.yml >&-", 0),
        ("$G run s.yml 2>&-", 0),
        ("$G run s.yml -q <&- >&- 2>&-", 0),
        ("$G check missing.yml 2>&-", 1),
        ("$G run s.yml | head -1; exit ${PIPESTATUS[0]}", 141),
        ("$G run s.yml > /dev/full", 1),
        ("env -u HOME $G run s.yml", 0),
        ("env -i $G run s.yml", 0),
        ("PYTHONIOENCODING=ascii $G run s.yml --name né", 0),
        ("TERM=dumb NO_COLOR=1 CI=true $G run s.yml", 0),
    ],
)
def test_a_strange_surrounding_is_no_fault(line: str, code: int, target: Target, tmp_path: Path) -> None:
    """The run does what it can, and its exit code says what became of it; never a traceback."""
    done = shell(line, write(tmp_path, SCRIPT, target))

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "fault of Grapeshot" not in done.stderr


def test_a_target_that_is_down_ends_the_run_in_time(tmp_path: Path) -> None:
    """Every user fails, as its error says; the run itself is fine, as in the reference."""
    done = shell("$G run s.yml -o r.json", write(tmp_path, SCRIPT))
    counters = json.loads((tmp_path / "r.json").read_text())["aggregate"]["counters"]

    assert done.returncode == 0, done.stderr
    assert counters["errors.ECONNREFUSED"] == counters["vusers.failed"] == 5


@pytest.mark.parametrize("phases", ["[]", "[ {{ duration: 1, arrivalRate: 0 }} ]"])
def test_a_run_without_arrivals_ends_and_says_so(phases: str, tmp_path: Path) -> None:
    """Nothing is planned, nothing measured, nothing wrong."""
    text = SCRIPT.replace("[ {{ duration: 100ms, arrivalRate: 50 }} ]", phases)
    done = shell("$G run s.yml", write(tmp_path, text))

    assert done.returncode == 0, done.stderr
    assert "No measurements recorded during this period" in done.stdout


def test_a_pause_at_the_end_is_waited_for(target: Target, tmp_path: Path) -> None:
    """The last phase lasts to its end, although no user is left."""
    text = SCRIPT.replace("arrivalRate: 50 }}", "arrivalRate: 50 }}, {{ pause: 1 }}")
    script = write(tmp_path, text, target)
    began = time.monotonic()
    done = shell("$G run s.yml", script)

    assert time.monotonic() - began > 1.1
    assert done.returncode == 0, done.stderr


def test_a_user_for_whom_there_is_no_scenario_is_counted_as_failed(tmp_path: Path) -> None:
    """Weights may come from data; when all of them are 0 the books still hold, and the reason is an error."""
    text = SCRIPT.replace(
        "scenarios:\n  - flow", "  variables: {{ w: 0 }}\nscenarios:\n  - weight: '{{{{ w }}}}'\n    flow"
    )
    done = shell("$G run s.yml -o r.json", write(tmp_path, text))
    counters = json.loads((tmp_path / "r.json").read_text())["aggregate"]["counters"]

    assert "Traceback" not in done.stderr
    assert counters["errors.No scenario can ever run: all weights are 0."] == 5
    assert counters["vusers.created"] == counters["vusers.failed"] == 5


def test_a_header_that_can_not_be_sent_fails_its_user_alone(tmp_path: Path) -> None:
    """It is warned of before; the worker lives."""
    text = SCRIPT.replace('url: "/json"', 'url: "/json", headers: {{ "a b": x }}')
    done = shell("$G run s.yml -o r.json", write(tmp_path, text))
    counters = json.loads((tmp_path / "r.json").read_text())["aggregate"]["counters"]

    assert done.returncode == 0, done.stderr
    assert "the header 'a b' can't be sent" in done.stderr
    assert counters["errors.ERR_INVALID_HTTP_TOKEN"] == counters["vusers.failed"] == 5


@pytest.mark.parametrize(
    ("text", "until", "number", "code"),
    [
        (FOREVER, "Phase completed", signal.SIGINT, 130),
        (FOREVER, "Phase completed", signal.SIGTERM, 143),
        (SCRIPT + "before: {{ flow: [ think: 60 ] }}\n", "Plan:", signal.SIGINT, 130),
        (SCRIPT.replace("scenarios:", "  processor: slow.py\nscenarios:"), "Plan:", signal.SIGINT, 130),
    ],
    ids=["users without end", "users without end, SIGTERM", "during before", "while hooks load"],
)
def test_a_stop_is_obeyed_at_any_moment(
    text: str, until: str, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """Within two seconds, with the signal's exit code."""
    script = write(tmp_path, text)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(30)\n")
    run = subprocess.Popen(
        [GRAPESHOT, "run", str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    while until not in run.stdout.readline():
        assert run.poll() is None
    run.send_signal(number)
    sent = time.monotonic()
    _, errors = run.communicate(timeout=15)

    assert run.returncode == code
    assert time.monotonic() - sent < 2.5
    assert "Traceback" not in errors


def test_names_of_the_script_are_as_in_the_reference(tmp_path: Path) -> None:
    """`$scenarioFile` is absolute, `$dirname` the folder as typed; with --config, that one's in full."""
    text = SCRIPT.replace('log: "said é"', 'log: "at {{{{ $scenarioFile }}}} in {{{{ $dirname }}}}"')
    script = write(tmp_path, text.replace('{{ get: {{ url: "/json" }} }}, ', ""))
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "c.yml").write_text("config: {}\n")

    assert f"at {script} in .\n" in shell("$G run s.yml -q", script).stdout
    assert f"at {script} in {tmp_path / 'conf'}\n" in shell("$G run s.yml -q -c conf/c.yml", script).stdout
