"""A load that ends itself, by the command and against the real target: on this machine, and in the emulated Lambda."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from target import Target

GRAPESHOT = str(Path(sys.executable).with_name("grapeshot"))
USERS = 600
LABEL = "http.codes.503 / http.responses < 0.1"
SCRIPT = f"""
config:
  target: "{{target}}"
  phases: [{{{{duration: 60, arrivalRate: 10}}}}]
  plugins:
    ensure:
      maxErrorRate: 1
      conditions:
        - expression: {LABEL}
          abortOnFail: true
          delayAbortEval: 1s
scenarios:
  - flow: [get: {{{{url: /status/503}}}}]
after:
  flow: [get: {{{{url: /items}}}}]
"""
PAUSE = threading.Event()  # which nobody sets: a wait of so many seconds


@dataclass
class Ended:
    """A run that has ended; `late` counts requests of its users after 3 s from when the abort was told."""

    code: int
    out: str
    told: str
    took: float  # seconds from the first request to the word
    late: int
    after: int  # requests of `after`
    ours: dict[str, Any]
    counters: dict[str, int]


def served(target: Target, path: str = "/status/503 503") -> int:
    return target.stats().get(path, 0)


def ended(target: Target, folder: Path, *command: str) -> Ended:
    """Run the script to its early end, and count what the target sees."""
    script, report = folder / "script.yml", folder / "report.json"
    script.write_text(SCRIPT.format(target=target.url), encoding="utf-8")
    before, items = served(target), served(target, "/items 200")
    run = subprocess.Popen(
        [GRAPESHOT, *command, str(script), "-o", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )
    try:
        assert run.stderr is not None
        while served(target) == before and run.poll() is None:
            PAUSE.wait(0.05)
        began = time.monotonic()
        told = next(line for line in run.stderr if line.startswith("Stopping the load"))
        heard = time.monotonic()
        PAUSE.wait(3.0)
        at_the_limit = served(target)
        out, _ = run.communicate(timeout=40)
    finally:
        if run.poll() is None:
            run.kill()
            run.communicate()
    file = json.loads(report.read_text(encoding="utf-8"))
    return Ended(
        code=run.returncode,
        out=out,
        told=told,
        took=heard - began,
        late=served(target) - at_the_limit,
        after=served(target, "/items 200") - items,
        ours=file["grapeshot"],
        counters=file["aggregate"]["counters"],
    )


def holds(run: Ended) -> None:
    """Whatever the place of the workers: a failure by the check, no late request, and books that balance."""
    books = run.ours["books"]

    assert run.late == 0
    assert run.after == 1
    assert run.code == 1, run.out
    assert (run.ours["verdict"], run.ours["exitCode"]) == ("fail", 1)
    assert run.ours["abort"]["checks"] == [LABEL]
    assert run.ours["abort"]["after"] >= 1
    assert f"Stopping the load, by its abort condition: {LABEL} (http.codes.503 = " in run.told
    assert f"check failed: {LABEL}" in run.ours["reasons"]
    assert "the load was stopped by its abort condition after " in run.out
    assert "1 other check was not evaluated" in run.out
    assert books["balanced"]
    assert books["planned"] == USERS == books["started"] + books["dropped"]["stopped"]
    assert books["lost"] == 0
    assert books["started"] == run.counters["vusers.created"] < USERS / 2


@pytest.mark.timeout(40)
def test_a_load_on_this_machine_ends_itself(target: Target, tmp_path: Path) -> None:
    """With the first complete period after the grace: at most 10 s, and what reports take."""
    run = ended(target, tmp_path, "run", "--workers", "2")

    holds(run)
    assert run.took < 15


@pytest.mark.timeout(90)
def test_a_load_from_lambda_ends_itself(target: Target, tmp_path: Path) -> None:
    """The workers learn of it as of a person's stop."""
    pytest.importorskip("moto")
    run = ended(target, tmp_path, "run-lambda", "--emulate", "--workers", "2", "--memory-size", "1769")

    holds(run)
    assert run.took < 25
