"""How late users start: `vusers.start_lag` at parts of what one engine process can do.

    python bench/lateness.py [--part 0.25 --part 0.5 …] [--seconds 8]

nginx runs pinned to one core; the engine process and the launcher where the system likes. Users make one request each,
over a new connection. What the engine can do is found first: more users than it can serve are due within a second, and
it takes what it takes. Then they come at each part of that rate. Lateness and books are what the report says; requests
are counted by nginx.

Before and after each load, a process that only keeps time, and takes as much CPU time for each user, tells how late
the machine makes it; the larger p99 of the two stands in the table.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nginx
from run import pin

from grapeshot_worker.metrics.sketch import Sketch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from timekeeper import machine_s_own

BURST = 12_000  # users in a second: no engine process keeps up
LIMIT = 60.0  # seconds a run may take beyond its load
COLUMNS = (
    *("part", "users/s", "p50", "p99", "the machine's own p99", "p99.9", "max"),
    *("planned", "started", "requests at nginx", "verdict"),
)


@dataclass(frozen=True)
class Load:
    """One run: what its report says, and how many requests nginx has answered meanwhile."""

    report: dict[str, Any]
    requests: int

    @property
    def seconds(self) -> float:
        """From the first measurement to the last."""
        aggregate = self.report["aggregate"]
        return float(aggregate["lastMetricAt"] - aggregate["firstMetricAt"]) / 1000

    @property
    def started(self) -> int:
        return int(self.report["grapeshot"]["books"]["started"])

    @property
    def cpu_of_a_user(self) -> float:
        """CPU seconds that the engine process takes for each."""
        (worker,) = self.report["grapeshot"]["workers"]
        return float(worker["cpu"]) * self.seconds / self.started

    def row(self, part: float, rate: int, own: float) -> list[str]:
        """Give a row of the table; lateness in ms, `own` the machine's."""
        ours = self.report["grapeshot"]
        lag = Sketch.from_json(ours["sketches"]["vusers.start_lag"])
        late = (lag.quantile(0.5), lag.quantile(0.99), own, lag.quantile(0.999), lag.max)
        counts = [f"{number:,}" for number in (ours["books"]["planned"], self.started, self.requests)]
        return [f"{part:.0%}", f"{rate:,}", *(f"{ms:.2f}" for ms in late), *counts, ours["verdict"]]


def measure(server: nginx.Nginx, folder: Path, phase: dict[str, float]) -> Load:
    """Run one phase of users who make one request each."""
    script, out = folder / "script.yml", folder / "report.json"
    config = {"target": server.url, "phases": [phase]}
    flow = [{"get": {"url": "/items/{{ $randomNumber(1, 100000) }}"}}]
    script.write_text(json.dumps({"config": config, "scenarios": [{"flow": flow}]}), encoding="utf-8")
    before = server.counters().requests
    program = str(Path(sys.executable).with_name("grapeshot"))
    command = [program, "run", str(script), "-q", "--workers", "1", "-o", str(out)]
    # A run whose generator was late is `invalid` and says so by its exit code: a result like any other.
    subprocess.run(command, timeout=phase["duration"] + LIMIT, check=False, stdout=subprocess.DEVNULL)
    return Load(json.loads(out.read_text(encoding="utf-8")), server.counters().requests - before - 1)


def main() -> None:
    # Ended from outside, it ends its client and its server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    parser = argparse.ArgumentParser(description="How late users start, at parts of one engine's capacity.")
    parser.add_argument(
        "--part", type=float, action="append", help="of the capacity (default: 0.25 0.5 0.75)"
    )
    parser.add_argument("--seconds", type=float, default=8, help="of each load (default: 8)")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="grapeshot-bench-") as name,
        nginx.running(Path(name), pin(1)) as server,
    ):
        burst = measure(server, Path(name), {"duration": 1, "arrivalCount": BURST})
        capacity, busy = burst.started / burst.seconds, burst.cpu_of_a_user
        print(f"Capacity: {capacity:,.0f} users/s. Lateness in ms:\n")
        print(f"| {' | '.join(COLUMNS)} |\n| {' | '.join(['---', *['---:'] * (len(COLUMNS) - 1)])} |")
        for part in chosen.part or (0.25, 0.5, 0.75):
            rate = round(capacity * part)
            (before,) = machine_s_own(rate, busy, [0.99])
            load = measure(server, Path(name), {"duration": chosen.seconds, "arrivalRate": rate})
            (after,) = machine_s_own(rate, busy, [0.99])
            print(f"| {' | '.join(load.row(part, rate, max(before, after)))} |", flush=True)


if __name__ == "__main__":
    main()
