"""The `grapeshot` command against the real target: what a user would see, from script to exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from target import Target
from waiting import wait_until

ROOT = Path(__file__).parent.parent
GRAPESHOT = str(Path(sys.executable).with_name("grapeshot"))


def grapeshot(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [GRAPESHOT, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=50, check=False)


def script(tmp_path: Path, text: str, name: str = "script.yml") -> Path:
    """Write a script file."""
    path = tmp_path / name
    path.write_text(text)
    return path


def report_of(path: Path) -> dict[str, Any]:
    """Read a report file."""
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def wait_for_requests(target: Target, more: int) -> None:
    """Wait until the target has answered so many more requests for /json."""
    before = target.stats().get("/json 200", 0)
    wait_until(lambda: target.stats().get("/json 200", 0) >= before + more)


SIMPLE = """
config:
  target: "{target}"
  phases:
    - {{ duration: 2, arrivalRate: 20 }}
scenarios:
  - flow:
      - get: {{ url: "/json" }}
"""


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_load_is_the_same_however_many_workers_make_it(
    target: Target, tmp_path: Path, workers: int
) -> None:
    """Planned and started counts are the plan's; the intermediates add up to the aggregate."""
    out = tmp_path / "r.json"
    done = grapeshot(
        "run", "examples/quickstart.yml", "-t", target.url, "--workers", str(workers), "-o", out, "-q"
    )
    report = report_of(out)
    books, counters = report["grapeshot"]["books"], report["aggregate"]["counters"]
    added: Counter[str] = Counter()
    for period in report["intermediate"]:
        added.update(period["counters"])

    assert done.returncode == 0, done.stdout + done.stderr
    # The ramp 5 → 20 over two seconds is 5 + 20; then 20 a second for 8 s.
    assert (books["planned"], books["started"], books["lost"]) == (185, 185, 0)
    assert counters["vusers.created"] == 185
    assert counters["http.requests"] == counters["http.codes.200"] == 370
    assert dict(added) == counters
    assert len(report["grapeshot"]["workers"]) == workers


def test_a_broken_threshold_exits_with_1_and_names_expression_and_value(
    target: Target, tmp_path: Path
) -> None:
    """The report is printed all the same."""
    path = script(
        tmp_path,
        SIMPLE.format(target=target.url)
        .replace(
            "scenarios:",
            "  plugins: { ensure: { thresholds: [ { http.response_time.p95: 0.001 } ] } }\nscenarios:",
        )
        .replace("/json", "/delay/20"),
    )
    done = grapeshot("run", path)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "fail: http.response_time.p95 < 0.001" in done.stdout
    assert "Summary report @" in done.stdout
    fail_line = next(line for line in done.stdout.splitlines() if line.startswith("fail:"))
    assert (
        float(fail_line.rpartition("= ")[2].rstrip(")")) >= 19
    )  # the value: twenty milliseconds, or what a busy machine makes of them


def test_a_failed_expectation_exits_with_21(target: Target, tmp_path: Path) -> None:
    """Users go on; the counters say which check failed."""
    path = script(
        tmp_path,
        SIMPLE.format(target=target.url)
        .replace("scenarios:", "  plugins: { expect: {} }\nscenarios:")
        .replace('url: "/json" }', 'url: "/json", expect: [ { statusCode: 201 }, { contentType: json } ] }'),
    )
    out = tmp_path / "r.json"
    done = grapeshot("run", path, "-o", out)
    counters = report_of(out)["aggregate"]["counters"]

    assert done.returncode == 21, done.stdout + done.stderr
    assert counters["plugins.expect.failed.statusCode"] == counters["plugins.expect.ok.contentType"] == 40
    assert counters["vusers.completed"] == 40


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_load_within_a_second_and_reports(
    target: Target, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The partial report is printed, written and marked `stopped`; its books balance."""
    path = script(tmp_path, SIMPLE.format(target=target.url).replace("duration: 2", "duration: 60"))
    out = tmp_path / "r.json"
    run = subprocess.Popen(
        [GRAPESHOT, "run", str(path), "-o", str(out)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    while "Phase started" not in run.stdout.readline():
        pass
    wait_for_requests(target, 20)
    run.send_signal(number)
    sent = time.monotonic()
    output, _ = run.communicate(timeout=20)
    took = time.monotonic() - sent
    report = report_of(out)
    books = report["grapeshot"]["books"]

    assert run.returncode == code
    assert took < 3
    assert report["grapeshot"]["verdict"] == "stopped"
    assert "Summary report @" in output
    assert books["planned"] == 1200 == books["started"] + sum(books["dropped"].values()) + books["lost"]
    assert books["started"] >= 20


def test_a_killed_worker_is_lost_by_name_and_the_run_invalid(target: Target, tmp_path: Path) -> None:
    """Its users are counted as lost; the others go on to the end."""
    path = script(tmp_path, SIMPLE.format(target=target.url).replace("duration: 2", "duration: 6"))
    out = tmp_path / "r.json"
    command = [GRAPESHOT, "run", str(path), "-o", str(out), "--workers", "2"]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for_requests(target, 20)
    os.kill(worker_pids(run.pid)[0], signal.SIGKILL)
    output, _ = run.communicate(timeout=40)
    books = report_of(out)["grapeshot"]["books"]

    assert run.returncode == 11, output
    assert report_of(out)["grapeshot"]["verdict"] == "invalid"
    assert books["lost"] > 0
    assert books["planned"] == 120 == books["started"] + sum(books["dropped"].values()) + books["lost"]
    assert "SIGKILL" in output


def worker_pids(parent: int) -> list[int]:
    """Find the engine processes of a run, as the kernel lists its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children]


def test_a_dead_launcher_leaves_no_load_behind(target: Target, tmp_path: Path) -> None:
    """Killed with SIGKILL, it takes its workers along: their pipe closes."""
    path = script(tmp_path, SIMPLE.format(target=target.url).replace("duration: 2", "duration: 60"))
    run = subprocess.Popen([GRAPESHOT, "run", str(path), "-q"], cwd=ROOT)
    wait_for_requests(target, 20)
    workers = worker_pids(run.pid)
    run.kill()
    run.wait(timeout=10)

    assert workers
    wait_until(lambda: all(has_ended(pid) for pid in workers), limit=5)


def has_ended(pid: int) -> bool:
    """Say whether a process is gone, or only waits to be reaped."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def test_before_runs_once_and_its_captures_reach_every_user(target: Target, tmp_path: Path) -> None:
    """Two workers, one log-in; its requests are in no metric."""
    path = script(
        tmp_path,
        f"""
config:
  target: "{target.url}"
  phases: [ {{ duration: 1, arrivalRate: 10 }} ]
before:
  flow:
    - post: {{ url: "/login", json: {{ username: a, password: b }}, capture: {{ json: "$.token", as: token }} }}
after:
  flow:
    - log: "after with {{{{ token }}}}"
scenarios:
  - flow:
      - get: {{ url: "/account", headers: {{ authorization: "Bearer {{{{ token }}}}" }} }}
""",
    )
    out = tmp_path / "r.json"
    logins = target.stats().get("/login 200", 0)
    done = grapeshot("run", path, "-o", out, "--workers", "2")
    counters = report_of(out)["aggregate"]["counters"]

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.stats()["/login 200"] == logins + 1
    assert counters["http.requests"] == counters["http.codes.200"] == 10
    assert "after with " in done.stdout
    assert "{{" not in done.stdout


def test_a_failing_before_starts_no_load(target: Target, tmp_path: Path) -> None:
    """Exit code 1, and the reason."""
    path = script(
        tmp_path,
        SIMPLE.format(target=target.url)
        + 'before:\n  flow:\n    - get: { url: "/json", capture: { json: "$.absent", as: x } }\n',
    )
    done = grapeshot("run", path)

    assert done.returncode == 1
    assert "Failed capture or match" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_modules_in_the_working_directory_are_not_taken_for_ours(target: Target, tmp_path: Path) -> None:
    """An author may have a `yaml.py` or a `worker.py` beside the script."""
    path = script(tmp_path, SIMPLE.format(target=target.url).replace("duration: 2", "duration: 1"))
    for name in ("yaml.py", "uvloop.py", "worker.py", "random.py"):
        (tmp_path / name).write_text("raise RuntimeError('not this one')")
    done = grapeshot("run", path, "-q", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
