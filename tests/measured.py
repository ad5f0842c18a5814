"""Runs of the `grapeshot` command, and what they say they measured: to be held against the target's own record.

Leaves to others: the target (target), what must hold (the tests).
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from grapeshot_worker.metrics.sketch import ACCURACY, Sketch
from target import Target, serve_process

GRAPESHOT = str(Path(sys.executable).with_name("grapeshot"))
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
ROUNDED = 0.5  # ms: HTTP times are whole milliseconds
ATTEMPTS = 3
LOOPBACK = 10.0  # ms: the way there and back, on a machine that lets both processes work at once

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """What came of a run."""

    code: int
    report: Mapping[str, Any]
    output: str

    @property
    def books(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.report["grapeshot"]["books"]
        return found

    @property
    def counters(self) -> Mapping[str, int]:
        found: Mapping[str, int] = self.report["aggregate"]["counters"]
        return found

    @property
    def start(self) -> float:
        """The moment of the load's start, to a millisecond: seconds of the monotonic clock."""
        return float(self.report["grapeshot"]["startedAt"] / 1000 - time.time() + time.monotonic())

    def sketch(self, name: str) -> Sketch:
        return Sketch.from_json(self.report["grapeshot"]["sketches"][name])


class Running:
    """A run under way."""

    def __init__(self, process: subprocess.Popen[str], out: Path) -> None:
        self._process, self._out = process, out

    def end(self) -> Measured:
        """Wait for its end."""
        output, _ = self._process.communicate(timeout=50)
        assert self._out.exists(), output
        return Measured(self._process.returncode, json.loads(self._out.read_text()), output)


@contextmanager
def running(
    folder: Path, script: str, files: Mapping[str, str] | None = None, workers: int = 1
) -> Iterator[Running]:
    """Start a script (YAML); it is killed at the end if it still runs."""
    (folder / "script.yml").write_text(textwrap.dedent(script), encoding="utf-8")
    for name, content in (files or {}).items():
        (folder / name).write_text(textwrap.dedent(content), encoding="utf-8")
    out = folder / "report.json"
    out.unlink(missing_ok=True)
    command = [GRAPESHOT, "run", "script.yml", "-q", "--workers", str(workers), "-o", str(out)]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield Running(process, out)
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def recording() -> Iterator[Target]:
    """Have a target in a process of its own that keeps a record."""
    with serve_process(record=True) as target:
        yield target


def numbered(count: int) -> str:
    """Give the CSV by which the k-th arrival of a run with one worker knows that it is: k, from 1 on."""
    return "k\n" + "\n".join(str(k) for k in range(1, count + 1)) + "\n"


def exact(values: Sequence[float], q: float) -> float:
    """Give the quantile by the rule of the sketches: the element with 0-based index floor(q·(n-1))."""
    return sorted(values)[int(q * (len(values) - 1))]


def excess(sketch: Sketch, true: Sequence[float], slack: float = 0.0) -> float:
    """Give by how many ms a distribution of times (ms) exceeds the true one at most, at any quantile and its maximum.

    What a sketch may be off, and the rounding to whole milliseconds, is not counted. AssertionError when it says less
    than the truth, at any of them, by more than `slack` ms.
    """
    assert sketch.count == len(true)
    pairs = [(sketch.quantile(q), exact(true, q), ACCURACY) for q in QUANTILES]
    pairs.append((sketch.max, max(true), 0.0))
    for reported, truth, accuracy in pairs:
        assert reported >= truth * (1 - accuracy) - ROUNDED - slack, (pairs, "says less than the truth")
    return max((reported - ROUNDED) / (1 + accuracy) - truth for reported, truth, accuracy in pairs)


def best(attempt: Callable[[], tuple[T, float]], limit: float) -> T:
    """Give what an attempt found when the number beside it is at most `limit`; the best of three attempts counts.

    The number is what a busy machine makes larger and never smaller, such as the way over loopback, so a fault of ours
    shows in every attempt, and a hiccup of the machine in one or two.
    """
    seen = []
    for _ in range(ATTEMPTS):
        found, number = attempt()
        if number <= limit:
            return found
        seen.append(round(number, 2))
    raise AssertionError(f"{seen} are all above {limit}")


def best_way(attempt: Callable[[], tuple[T, float]]) -> tuple[T, float]:
    """Give what an attempt found, and how many ms the way over loopback may take: LOOPBACK, and what the machine adds.

    That is how late it let this process work at worst meanwhile, though it does nothing: once for the target, and once
    for the engine. The best of three attempts counts.
    """

    def allowed() -> tuple[tuple[T, float], float]:
        with idling() as machine:
            found, number = attempt()
        return (found, LOOPBACK + 2 * machine.late), number - 2 * machine.late

    return best(allowed, LOOPBACK)


@dataclass
class Machine:
    """How late a process that only waits was woken at worst, in ms."""

    late: float = 0.0


@contextmanager
def idling() -> Iterator[Machine]:
    """Look how late the machine wakes this process, again and again, until the end of the `with`."""
    machine, over, pause = Machine(), threading.Event(), 0.004

    def look() -> None:
        began = time.perf_counter()
        while not over.wait(pause):
            now = time.perf_counter()
            machine.late = max(machine.late, (now - began - pause) * 1000)
            began = time.perf_counter()

    thread = threading.Thread(target=look, name="idling")
    thread.start()
    try:
        yield machine
    finally:
        over.set()
        thread.join()
