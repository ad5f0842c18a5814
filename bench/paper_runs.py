"""Runs on paper: what slices of a run look like when the target and the machine behave as described (pure).

Leaves to others: comparing them, counting (baseline).

Every request is drawn, and slices are made of the requests as a report makes them: whole milliseconds, percentiles of
ten seconds. Median 80 ms, 20 requests a second, 1 % of them fail, unless the model says otherwise.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from grapeshot_launcher.results.earlier import EarlierRun, Slice

WINDOW = 10_000  # ms
MEDIAN, SPREAD = 80.0, 0.5  # ms, and the standard deviation of the logarithm
REQUESTS = 200  # in a slice


@dataclass(frozen=True, kw_only=True)
class Model:
    """How a target and its machine behave. Standard deviations are those of logarithms: 0.1 is about 10 %.

    `level`: between runs. `drift`: between slices, each remembering `memory` of the one before. `tail`: the share of
    requests with a heavy tail (Pareto, 1.5). `burst`: the chance that a slice begins a time, two slices long on
    average, in which everything takes twice as long.
    """

    title: str
    level: float = 0.0
    drift: float = 0.0
    memory: float = 0.7
    tail: float = 0.0
    burst: float = 0.0


MODELS = (
    Model(title="independent requests"),
    Model(title="heavy tail: 3 % of requests", tail=0.03),
    Model(title="slow drift of 10 % within a run", drift=0.10),
    Model(title="slow drift of 20 % within a run", drift=0.20),
    Model(title="noisy neighbour: bursts of twice the time", burst=0.1),
    Model(title="runs differ by 3 % as wholes", level=0.03),
    Model(title="runs differ by 5 % as wholes", level=0.05),
    Model(title="runs differ by 10 % as wholes", level=0.10),
    Model(title="all of it: tail, drift 10 %, bursts, runs 3 %", tail=0.03, drift=0.1, burst=0.1, level=0.03),
)


def paper_run(model: Model, slices: int, *, slower: float, rng: random.Random) -> EarlierRun:
    """Draw a run with so many whole slices, every time multiplied by `slower`."""
    began = rng.randrange(1, WINDOW)  # the first slice begins with the next window
    level = rng.gauss(0, model.level) + math.log(MEDIAN * slower)
    parts = [
        _slice((number + 1) * WINDOW, level + extra, model, rng)
        for number, extra in enumerate(_course(model, slices, rng))
    ]
    return EarlierRun(
        run_id="paper",
        began=began,
        ended=(slices + 1) * WINDOW + rng.randrange(1, WINDOW),
        slices=tuple(parts),
        settings={"phases": []},
    )


def _course(model: Model, slices: int, rng: random.Random) -> Iterator[float]:
    """Give what the machine adds to the logarithm of the time, slice by slice."""
    drift, busy = rng.gauss(0, model.drift), False
    for _ in range(slices):
        busy = rng.random() < (0.5 if busy else model.burst)
        yield drift + (math.log(2) if busy else 0.0)
        drift = model.memory * drift + rng.gauss(0, model.drift * math.sqrt(1 - model.memory**2))


def _slice(start: int, level: float, model: Model, rng: random.Random) -> Slice:
    draw = [rng.lognormvariate(level, SPREAD) for _ in range(REQUESTS)]
    for number in range(REQUESTS):
        if model.tail and rng.random() < model.tail:
            draw[number] *= rng.paretovariate(1.5)
    times = sorted(int(time + 0.5) for time in draw)
    failed = sum(rng.random() < 0.01 for _ in range(REQUESTS))
    return Slice(
        start=start,
        counters={
            "http.requests": REQUESTS,
            "http.responses": REQUESTS,
            "http.codes.200": REQUESTS - failed,
            "http.codes.500": failed,
        },
        times={
            "count": REQUESTS,
            "mean": sum(times) / REQUESTS,
            **{
                name: times[int(q * (REQUESTS - 1))]
                for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            },
        },
    )
