"""`make bench-startup`: the CPU time that processes take until they are of use.

    python bench/startup.py [--rounds 9]

Each is started anew in every round, in turn, and taken down again at once; that is in the time. A bare Python is the
first of them: what it takes is in all the others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from fresh_process import HANDLER, HELP, NOTHING, cpu_seconds, engine_cpu_seconds

ROWS: dict[str, Callable[[], float]] = {
    "python -c pass": lambda: cpu_seconds(*NOTHING),
    "grapeshot --help": lambda: cpu_seconds(*HELP),
    "an engine process, ready: imports, script compiled": lambda: engine_cpu_seconds()[0],
    "a worker on AWS Lambda: its imports, clients of S3 and SQS": lambda: cpu_seconds(*HANDLER),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time until processes are of use.")
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {name: [] for name in ROWS}
    for start in ROWS.values():
        start()  # its files are in memory then, and compiled
    for _ in range(rounds):
        for name, start in ROWS.items():
            found[name].append(start())
    print("| CPU seconds | median | lowest … highest |\n| --- | ---: | ---: |")
    for name, spent in found.items():
        print(f"| {name} | {median(spent):.3f} | {min(spent):.3f} … {max(spent):.3f} |")


if __name__ == "__main__":
    main()
