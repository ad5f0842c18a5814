"""Reported times against what the target itself recorded, and against the curve that theory gives.

The target runs in a process of its own, on the same monotonic clock. No reported quantile may be less than its
record says, in any run. How much more it may be is the way over loopback, on the machine as it is: of that, and only
of that, the best of three runs counts, for others use this machine too.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from grapeshot_worker.metrics.sketch import ACCURACY
from measured import QUANTILES, Measured, best_way, exact, excess, numbered, recording, running
from target import Moments, Record
from waiting import wait_until

BY_ENDPOINT = "plugins.metrics-by-endpoint.response_time"


def delays(count: int) -> list[dict[str, int]]:
    """Draw what the target is told to wait, in ms: the same for all, one in ten slow, and a heavy tail."""
    rng = random.Random(7)
    return [
        {
            "constant": 40,
            "bimodal": 220 if rng.random() < 0.1 else 15,
            "tail": min(round(4 * rng.paretovariate(1.1)), 900),
        }
        for _ in range(count)
    ]


def test_every_quantile_is_the_target_s_own_plus_the_way(tmp_path: Path) -> None:
    """Of constant, bimodal and heavy-tailed delays, each by itself and all together; two workers, merged."""
    rows = delays(240)
    kinds = list(rows[0])
    table = "\n".join([",".join(kinds), *(",".join(map(str, row.values())) for row in rows)])

    def attempt() -> tuple[Measured, float]:
        with recording() as target:
            steps = "\n".join(f'      - get: {{ url: "/delay/{{{{ {kind} }}}}?{kind}" }}' for kind in kinds)
            script = f"""
config:
  target: {target.url}
  phases: [ {{ duration: 2, arrivalCount: {len(rows)} }} ]
  payload: {{ path: delays.csv, fields: [ {", ".join(kinds)} ], order: sequence, skipHeader: true }}
scenarios:
  - flow:
{steps}
"""
            with running(tmp_path, script, {"delays.csv": table}, workers=2) as run:
                measured = run.end()
            record = target.record().of("/delay/")
        assert measured.code == 0, measured.output
        ways = []
        for kind in kinds:
            own = [each.wait for each in record if each.target.endswith(f"?{kind}")]
            # The target waits at least as long as it was told, but for its timer's half millisecond.
            told = [float(row[kind]) for row in rows]
            assert all(exact(own, q) >= exact(told, q) - 1 for q in QUANTILES)
            ways.append(excess(measured.sketch(f"{BY_ENDPOINT}./delay/{{{{ {kind} }}}}"), own))
        ways.append(excess(measured.sketch("http.response_time"), [each.wait for each in record]))
        return measured, max(ways)

    measured, _ = best_way(attempt)
    whole, intended = measured.sketch("http.response_time"), measured.sketch("http.intended_response_time")

    assert whole.count == intended.count == 3 * len(rows)
    assert all(intended.quantile(q) >= whole.quantile(q) for q in QUANTILES)


RATE, SECONDS, FREEZE = 100, 3, 0.75


def stalled(folder: Path, config: str = "") -> tuple[Measured, Record]:
    """Run users who come at a constant rate, a request each; the target stands still for a second of it."""
    with recording() as target:
        script = f"""
config:
  target: {target.url}
  phases: [ {{ duration: {SECONDS}, arrivalRate: {RATE} }} ]
  payload: {{ path: k.csv, fields: [ k ], order: sequence, skipHeader: true }}
  {config}
scenarios:
  - flow: [ {{ get: {{ url: "/health?k={{{{ k }}}}" }} }} ]
"""
        with running(folder, script, {"k.csv": numbered(RATE * SECONDS)}) as run:
            wait_until(lambda: target.stats().get("/health 200", 0) >= RATE)
            target.freeze(FREEZE)
            measured = run.end()
        return measured, target.record()


def planned(measured: Measured, k: int) -> float:
    """Give the planned moment of the k-th arrival."""
    return measured.start + k / RATE


def answers(requests: list[Moments]) -> dict[int, float]:
    """Give the moment at which each user, by its number, was answered: what the target recorded."""
    return {int(each.target.partition("k=")[2]): each.answered for each in requests}


def since_planned(measured: Measured, answered: dict[int, float]) -> list[float]:
    """Give how many ms the users were answered after their planned arrivals."""
    return [(moment - planned(measured, k)) * 1000 for k, moment in answered.items()]


def curve(q: float, frozen: float) -> float:
    """Give the analytic quantile, in ms, of the time from the planned arrival to the answer.

    The target stands still for `frozen` seconds of SECONDS, arrivals come at a constant rate, and who comes while it
    does waits for its end: uniform on [0, frozen]. All others are answered at once.
    """
    return max(0.0, frozen - (1 - q) * SECONDS) * 1000


@pytest.mark.parametrize("pool", [None, 2])
def test_a_frozen_target_gives_the_analytic_curve(tmp_path: Path, pool: int | None) -> None:
    """From the planned arrival it does so always, also where users wait for one of two connections.

    The response time counts from the request written. With a connection for each user it shows the same curve; with
    two for all, two requests met the freeze, and what the others waited is in the intended time alone.
    """

    def attempt() -> tuple[tuple[Measured, Record], float]:
        measured, record = stalled(tmp_path, f"http: {{ pool: {pool} }}" if pool else "")
        assert measured.code == 0, measured.output
        true = since_planned(measured, answers(record.of("/health")))
        return (measured, record), excess(measured.sketch("http.intended_response_time"), true, slack=1.5)

    (measured, record), way = best_way(attempt)
    answered, ((began, ended),) = answers(record.of("/health")), record.freezes
    frozen = ended - began
    backlog = max(moment for k, moment in answered.items() if planned(measured, k) <= ended) - ended
    intended, times = measured.sketch("http.intended_response_time"), measured.sketch("http.response_time")
    lag = measured.sketch("vusers.start_lag")
    near = 1000 / RATE + way + backlog * 1000  # what has piled up is answered one by one: not in the curve

    assert sorted(answered) == list(range(1, RATE * SECONDS + 1))
    assert frozen == pytest.approx(FREEZE, abs=0.2)
    assert measured.counters["vusers.completed"] == measured.counters["http.codes.200"] == RATE * SECONDS
    assert lag.quantile(0.9) < 5 * way
    for q in QUANTILES:
        assert intended.quantile(q) == pytest.approx(curve(q, frozen), rel=ACCURACY, abs=near)
        expected = curve(q, frozen) if pool is None else 0.0
        if pool is None or q <= 0.99:
            assert times.quantile(q) == pytest.approx(expected, rel=ACCURACY, abs=near)
    assert times.max == pytest.approx(frozen * 1000, abs=near)


BLOCK = 0.5  # seconds
HOOKS = f"""
import time

def hold(context, events):
    if int(context.vars["k"]) == 40:
        began = time.perf_counter()
        time.sleep({BLOCK})
        events.emit("histogram", "held", (time.perf_counter() - began) * 1000)
"""


def test_what_the_engine_itself_was_late_is_in_the_intended_time(tmp_path: Path) -> None:
    """A function that keeps the whole process busy: the target saw it all answered at once, but the users came late."""
    count = RATE * 2

    def attempt() -> tuple[Measured, float]:
        with recording() as target:
            script = f"""
config:
  target: {target.url}
  processor: hooks.py
  phases: [ {{ duration: 2, arrivalRate: {RATE} }} ]
  payload: {{ path: k.csv, fields: [ k ], order: sequence, skipHeader: true }}
scenarios:
  - flow: [ {{ function: hold }}, {{ get: {{ url: "/health?k={{{{ k }}}}" }} }} ]
"""
            with running(tmp_path, script, {"k.csv": numbered(count), "hooks.py": HOOKS}) as run:
                measured = run.end()
            answered = answers(target.record().of("/health"))
        assert sorted(answered) == list(range(1, count + 1))
        answered[40] -= measured.sketch("held").max / 1000  # the function's own time is the author's
        true = since_planned(measured, answered)
        return measured, excess(measured.sketch("http.intended_response_time"), true, slack=1.5)

    measured, way = best_way(attempt)
    intended, times = measured.sketch("http.intended_response_time"), measured.sketch("http.response_time")
    lag = measured.sketch("vusers.start_lag")

    expected = measured.sketch("held").max - 0.1 * 2000  # arrivals are uniform: nine tenths were late by less
    near = 1000 / RATE + way

    assert lag.quantile(0.9) == pytest.approx(expected, rel=ACCURACY, abs=near)
    assert intended.quantile(0.9) == pytest.approx(lag.quantile(0.9), rel=2 * ACCURACY, abs=near)
    assert times.quantile(0.9) < expected / 2
