"""Real engine processes and their ends: those that leave something behind, and those that do not go."""

from __future__ import annotations

import asyncio
import os
import platform
import threading
import time
from pathlib import Path

import pytest

from grapeshot_worker.messages import Failed, Finished, Go, Message, Ready
from grapeshot_worker.plan import Assignment, Share
from grapeshot_worker.processes import EXIT_LIMIT, EngineProcess
from grapeshot_worker.script.model import ScriptSource

SCRIPT = {
    "config": {
        "target": "http://127.0.0.1:9",
        "phases": [{"duration": 1, "arrivalCount": 1}],
        "processor": "hooks.py",
    },
    "scenarios": [{"flow": [{"function": "live"}]}],
}
LEAVES = """
import subprocess, sys
def live(context, events):
    code = "import time; time.sleep(100)"
    left = subprocess.Popen([sys.executable, "-c", code], start_new_session=%s)
    print(left.pid, flush=True)
"""
STAYS = """
import os, threading
def live(context, events):
    threading.Thread(target=threading.Event().wait, args=(100,)).start()
"""
FALLS = """
import threading
threading.Thread(target=threading.Event().wait, args=(100,)).start()
raise KeyboardInterrupt("which no handler of ours takes for an error")
"""

COUNTS = """
import resource
def turn():
    return [bytes([number]) * 1_000_000 for number in range(20)]
def live(context, events):
    turn()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        turn()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, flush=True)
"""


def live(tmp_path: Path, hooks: str) -> tuple[list[Message], list[str], float]:
    """Run one engine process to its end: what it said, what it printed, how many seconds that took."""
    (tmp_path / "hooks.py").write_text(hooks, encoding="utf-8")
    path = str(tmp_path / "script.yml")
    source = ScriptSource(document=SCRIPT, path=path, directory=str(tmp_path), test_id="t1")

    async def main() -> tuple[list[Message], list[str]]:
        assignment = Assignment(run_id="t1", source=source, share=Share(0, 1))
        engine = await EngineProcess.start(assignment, environ=dict(os.environ))
        printed: list[str] = []

        async def relay() -> None:
            async for _, line in engine.output():
                printed.append(line)

        relaying = asyncio.create_task(relay())
        said = []
        async for message in engine.messages():
            said.append(message)
            if isinstance(message, Ready):
                engine.send(Go(start_at=time.time()))
        await relaying
        return said, printed

    began = time.monotonic()
    said, printed = asyncio.run(main())
    return said, printed, time.monotonic() - began


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not awaited does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int, limit: float = 5.0) -> bool:
    """Whether a process that was killed goes, in so many seconds."""
    end, pause = time.monotonic() + limit, threading.Event()
    while alive(pid) and time.monotonic() < end:
        pause.wait(0.02)
    return not alive(pid)


def test_what_a_hook_has_started_holds_up_nobody(tmp_path: Path) -> None:
    """It still has the process's standard output, and is ended with it."""
    said, printed, took = live(tmp_path, LEAVES % False)

    assert isinstance(said[-1], Finished)
    assert took < 1 + 3 * EXIT_LIMIT
    assert gone(int(printed[0]))


def test_what_has_left_the_group_holds_up_nobody(tmp_path: Path) -> None:
    """A daemon in a session of its own is left alone, and its output is not awaited."""
    said, printed, took = live(tmp_path, LEAVES % True)

    pid = int(printed[0])
    assert isinstance(said[-1], Finished)
    assert took < 1 + 4 * EXIT_LIMIT
    assert alive(pid)
    os.kill(pid, 9)


def test_a_process_that_does_not_go_is_ended(tmp_path: Path) -> None:
    """A hook's thread keeps it; its last word was said, so nothing is lost."""
    said, _, took = live(tmp_path, STAYS)

    assert isinstance(said[-1], Finished)
    assert took < 1 + 3 * EXIT_LIMIT


def test_a_process_that_falls_and_does_not_go_is_ended(tmp_path: Path) -> None:
    """What it printed at its fall is quoted."""
    said, _, _ = live(tmp_path, FALLS)

    (failed,) = said
    assert isinstance(failed, Failed)
    assert (
        failed.message == "Worker 1 of 1 fell silent and had to be ended after 3 s, before it had finished."
    )
    assert "KeyboardInterrupt" in failed.cause


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_the_memory_of_large_bodies_is_used_again(tmp_path: Path) -> None:
    """Twenty megabytes come and go ten times: given back each time, they would be 49,000 pages to fetch."""
    _, printed, _ = live(tmp_path, COUNTS)

    assert int(printed[0]) < 10_000
