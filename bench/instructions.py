"""How many instructions a request costs the client: a number that other programs on the machine do not change.

    python bench/instructions.py [--kind get …] [--requests 1000]

Counts what the process itself executes, not the kernel: with `perf` where the machine has counters for it, else with
valgrind, which needs none. A run is counted twice, with so many requests and with three times as many; the difference
is free of start-up. What happens once a second (flushing) and every 50 ms (limits) weighs more under valgrind, which is
some fifty times slower.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from closed_loops import KINDS  # noqa: E402 - the tests' own module

PROGRAM = str(TESTS / "closed_loops.py")
TITLES = {
    "get": "GET, kept alive, templated URL",
    "varied": "the same, each response with a header of its own",
    "capture": "GET with a JSON capture",
    "check": "GET with a JSON capture and three checks",
    "connect": "one new connection per user",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Instructions per request, in user mode.")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="default: all")
    parser.add_argument("--requests", type=int, default=1000, help="of the shorter run (default: 1000)")
    chosen = parser.parse_args()
    counter = find_counter()
    print(f"Python {sys.version.split()[0]}, counted with {counter[0]}\n")
    print("| user-mode instructions per request | engine | bare loop | ratio |\n| --- | ---: | ---: | ---: |")
    with subprocess.Popen(
        [sys.executable, PROGRAM, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().decode().strip()
        for kind in chosen.kind or KINDS:
            engine, bare = (
                per_request(counter, [what, kind, port], chosen.requests) for what in ("engine", "bare")
            )
            print(f"| {TITLES[kind]} | {engine:,.0f} | {bare:,.0f} | {engine / bare:.1f} |", flush=True)
        server.stdin.close()


def find_counter() -> list[str]:
    """Give the command that counts; its report comes on standard error."""
    perf = ["perf", "stat", "-x,", "-e", "instructions:u"]
    if shutil.which("perf"):
        told = subprocess.run([*perf, "true"], capture_output=True, text=True, check=False).stderr
        if re.match(r"\d+,", told):
            return perf
    if shutil.which("valgrind"):
        return ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    sys.exit(
        "Instructions can't be counted: neither perf's counters nor valgrind are there. Try: apt-get install valgrind"
    )


def per_request(counter: list[str], words: list[str], requests: int) -> float:
    """Count two runs and divide their difference."""
    few, many = (count([*counter, sys.executable, PROGRAM, *words, str(n)]) for n in (requests, 3 * requests))
    return (many - few) / (2 * requests)


def count(command: list[str]) -> int:
    """Run a command and give the instructions that it took."""
    # The same hashes each time, and nothing compiled for the first run that the second would find.
    environ = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stderr
    found = re.search(r"^(\d+),|I\s+refs:\s+([\d,]+)", told, re.MULTILINE)
    assert found is not None, told
    return int((found[1] or found[2]).replace(",", ""))


if __name__ == "__main__":
    main()
