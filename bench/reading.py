"""What a long run's report costs to write, to read back and to merge with another: CPU time, and the most memory.

    python bench/reading.py [--periods 8640] [--names 20]

Each step has a process of its own: the system tells the most memory that a process ever had, and no more.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.merge import merge_reports
from grapeshot_launcher.results.reading import read_report
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.results.windows import Windows
from grapeshot_launcher.views.report_json import report_parts
from grapeshot_worker.metrics.period import WINDOW_MS, Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

START = 1_795_421_580_000
STEPS = ("write", "read", "merge")
VALUES = 300  # different ones, in a histogram of ten seconds


def periods(count: int, names: int) -> Iterator[Period]:
    """Make a run's windows, each with `names` counters and as many histograms."""
    chance = random.Random(7)
    for start in range(START, START + count * WINDOW_MS, WINDOW_MS):
        yield Period(
            start=start,
            counters={f"endpoint {name}": VALUES for name in range(names)},
            sketches={
                f"time {name}": Sketch.of({round(chance.lognormvariate(3, 0.5), 1): 1 for _ in range(VALUES)})
                for name in range(names)
            },
            first_counter_at=float(start),
            last_counter_at=start + 9_999.0,
        )


def write(path: Path, count: int, names: int) -> None:
    """Write the file as a run does: its windows packed, one at a time."""
    windows = Windows(periods(count, names)).periods()
    report = Report(
        run_id="t",
        script="script.yml",
        started_at=START / 1000,
        ended_at=START / 1000 + 10 * count,
        verdict=Verdict(kind="pass", exit_code=0),
        totals=Totals.of(windows),
        periods=windows,
        books=Books.of({}, {}, set()),
    )
    began = time.process_time()
    with path.open("wb") as file:
        file.writelines(report_parts(report))
    tell("write", began)


def tell(step: str, began: float) -> None:
    """Print what a step took, and the most memory this process had."""
    spent, most = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{step:6} {spent:7.1f} s of CPU time  {most / 1024:7,.0f} MB at most", flush=True)


def one_step(step: str, path: Path, count: int, names: int) -> None:
    """Make one step in this process."""
    if step == "write":
        write(path, count, names)
        print(f"file   {path.stat().st_size / 2**20:7,.0f} MB", flush=True)
        return
    began = time.process_time()
    report = read_report(path.read_bytes(), path.name)
    if step == "merge":
        began = time.process_time()
        merge_reports([report, report])
    tell(step, began)


def main() -> None:
    """Make all steps, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--periods", type=int, default=8640)
    parser.add_argument("--names", type=int, default=20)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        one_step(given.step, given.file, given.periods, given.names)
        return
    with tempfile.TemporaryDirectory() as folder:
        for step in STEPS:
            arguments = ["--step", step, "--file", f"{folder}/report.json"]
            sizes = ["--periods", str(given.periods), "--names", str(given.names)]
            subprocess.run([sys.executable, __file__, *arguments, *sizes], check=True, timeout=600)


if __name__ == "__main__":
    main()
