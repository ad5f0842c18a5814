"""Runs on paper: what slices of a run look like when the target and the machine behave as described (pure).

Leaves to others: comparing them, counting (baseline).

Every request is drawn, from a stock of 20,000, and slices are made of the requests as a report makes them: whole
milliseconds, percentiles of ten seconds. Median 80 ms, 20 requests a second, 1 % of them fail.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

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
    factor = math.exp(level)
    times = sorted(rng.choices(_stock(model.tail), k=REQUESTS))
    failed = sum(rng.choices((0, 1), cum_weights=(0.99, 1.0), k=REQUESTS))
    percentiles = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
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
            "mean": factor * sum(times) / REQUESTS,
            **{name: int(factor * times[int(q * (REQUESTS - 1))] + 0.5) for name, q in percentiles},
        },
    )


@cache
def _stock(tail: float) -> list[float]:
    """Give times of requests around 1, some of them in a heavy tail."""
    rng = random.Random(tail)
    return [
        rng.lognormvariate(0, SPREAD) * (rng.paretovariate(1.5) if rng.random() < tail else 1.0)
        for _ in range(20_000)
    ]
