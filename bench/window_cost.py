"""What one window costs the launcher: reading it from a message, adding it up, packing it away, opening it again.

    python bench/window_cost.py [--requests 5000] [--workers 1000]

The parts of `bench/intake.py`, one by one, over the same measurements of 200 names. CPU time; medians.
"""

from __future__ import annotations

import argparse
import random
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import orjson
from swarm import VARIANTS, measured, names

from grapeshot_launcher.results.windows import Windows
from grapeshot_worker.metrics.period import WINDOW_MS, Period, PeriodSum

TIMES = 20  # each part is done, for its median


def main() -> None:
    parser = argparse.ArgumentParser(description="What a window costs the launcher.")
    parser.add_argument("--requests", type=int, default=5000, help="of a worker's window (default: 5000)")
    parser.add_argument("--workers", type=int, default=1000, help="whose windows are one (default: 1000)")
    chosen = parser.parse_args()
    rng = random.Random(1)
    made = [measured(chosen.requests, rng) for _ in range(VARIANTS)]
    texts = [orjson.dumps(period.to_json()) for period in made]
    read = [Period.from_json(orjson.loads(text)) for text in texts]

    windows = Windows()
    for worker in range(chosen.workers):
        windows.add(read[worker % VARIANTS])
    total = windows.period(read[0].start)
    packed = Windows([total]).periods()
    rows = (
        ("names, of them sketches", f"{names(made[0])}, {len(made[0].sketches)}"),
        ("reading a worker's window: JSON, µs", micros(lambda: orjson.loads(texts[0]))),
        ("reading a worker's window: the rest, µs", micros(reading(texts[0]))),
        ("adding it to the window of all, µs", micros(adding(read))),
        ("packing the window of all away, µs", micros(lambda: Windows([total]).periods())),
        ("opening it again, µs", micros(lambda: packed[0])),
        ("memory of a window that is packed, kB", f"{kept(total) / 1000:.0f}"),
        ("of the window of all in the report's file, kB", f"{len(orjson.dumps(total.to_json())) / 1000:.0f}"),
    )
    print("| a window | |\n| --- | ---: |")
    print("\n".join(f"| {name} | {value} |" for name, value in rows))


def reading(text: bytes) -> Callable[[], object]:
    plain = orjson.loads(text)
    return lambda: Period.from_json(plain)


def adding(periods: list[Period]) -> Callable[[], object]:
    total = PeriodSum()
    for period in periods:
        total.add(period)
    return lambda: total.add(periods[0])


def kept(window: Period) -> float:
    """Give the bytes of a window that is packed."""
    tracemalloc.start()
    first, _ = tracemalloc.get_traced_memory()
    many = Windows(
        replace(window, start=window.start + number * WINDOW_MS) for number in range(TIMES)
    ).periods()
    last, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (last - first) / len(many)


def micros(work: Callable[[], object]) -> str:
    """Give the median CPU time in microseconds."""
    spent = []
    for _ in range(TIMES):
        began = time.process_time_ns()
        work()
        spent.append(time.process_time_ns() - began)
    return f"{median(spent) / 1000:,.0f}"


if __name__ == "__main__":
    main()
