"""One of a worker's two engine processes runs out of memory under load, on the embedded AWS: killed, or in words.

One user of all is the one: rows of a CSV file go round, so it comes to one process, at a known moment.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("moto")

from crowd import Crowd, Told, nothing_is_left
from target import Target

WORKERS, PROCESSES, USERS_EACH, SECONDS = 3, 2, 40, 8
MEMORY = 1769 * PROCESSES  # MB: a process for each vCPU
FATAL = 61  # the user of this row, at half time
VICTIM = FATAL % WORKERS
PLANNED = WORKERS * USERS_EACH
SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: {seconds}, arrivalCount: {users}}}]
  processor: hooks.py
  payload: {{path: rows.csv, fields: [fate], order: sequence}}
scenarios:
  - flow:
      - get: {{url: /items}}
      - function: live
"""
HOOKS = """
import os, signal

def live(context, events):
    if context.vars["fate"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if context.vars["fate"] == "greedy":
        bytearray(1 << 62)
"""
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def crowd(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Runs from a few workers against the test target."""
    return Crowd(target, tmp_path, monkeypatch)


def run(crowd: Crowd, fate: str) -> Told:
    (crowd.folder / "hooks.py").write_text(HOOKS, encoding="utf-8")
    rows = ["good"] * PLANNED
    rows[FATAL] = fate
    (crowd.folder / "rows.csv").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return crowd.run(
        WORKERS, silence=60.0, seconds=SECONDS, users_each=USERS_EACH, text=SCRIPT, memory_size=MEMORY
    )


def only_its_worker_is_lost(told: Told) -> bool:
    """Whether the others made all of their load, the report names the one, and the books are whole."""
    rows = {row["index"]: row for row in told.books["workers"]}
    row = rows.pop(VICTIM)
    others = {index: "finished" for index in range(WORKERS) if index != VICTIM}
    assert told.code == 11, told.out + told.err
    assert told.report["grapeshot"]["verdict"] == "invalid"
    assert told.states == {**others, VICTIM: "failed"}
    assert f"worker {VICTIM + 1} failed: " in told.out
    assert "--memory-size" in told.err
    assert [other["started"] for other in rows.values()] == [USERS_EACH] * len(rows)
    assert 0 < row["started"] < USERS_EACH
    assert row["lost"] > 0
    assert told.books["balanced"]
    dropped = sum(told.books["dropped"].values())
    assert told.books["planned"] == PLANNED == told.books["started"] + dropped + told.books["lost"]
    return True


def test_a_killed_engine_process_fails_its_worker(crowd: Crowd) -> None:
    """By signal, with the likely cause; what its users did since its last word nobody can tell."""
    told = run(crowd, "killed")

    name = f"Engine process 1 of {PROCESSES} in worker {VICTIM + 1}"
    assert only_its_worker_is_lost(told)
    assert f"{name} was killed by signal 9 (SIGKILL) before it had finished." in told.err
    assert "memory has run out" in told.err
    assert told.books["started"] <= told.counted <= PLANNED
    assert nothing_is_left(told)


def test_an_engine_process_without_memory_fails_its_worker(crowd: Crowd) -> None:
    """With the place in the author's code; all that it did until then is told."""
    told = run(crowd, "greedy")

    assert only_its_worker_is_lost(told)
    assert "An engine process ran out of memory at hooks.py:8." in told.err
    assert told.counted <= told.books["started"]
    assert told.report["aggregate"]["counters"]["errors.MemoryError"] == 1
    assert nothing_is_left(told)
