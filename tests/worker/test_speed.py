"""What a request costs the engine, beside the same request in a bare loop: a guard against slow drift.

CPU times of both in turn, and of each the least of many short rounds, because what disturbs them only adds. On a busy
machine a try may still be unlucky as a whole, so the best of three counts: no luck makes slow code fast.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = str(Path(__file__).parent.parent / "closed_loops.py")
TRIES = 3


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, PROGRAM, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().decode().strip()
        server.stdin.close()


def cost(kind: str, port: str, requests: int, rounds: int) -> float:
    """CPU time of the engine, in those of the bare loop."""
    command = [sys.executable, PROGRAM, "race", kind, port, str(requests), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    engine, bare = zip(*json.loads(done.stdout), strict=True)
    return float(min(engine) / min(bare))


# Measured 1.9 to 2.1 and 2.8 to 2.9: a quarter less requests per CPU second is 1.33 times as much.
@pytest.mark.parametrize(("kind", "limit"), [("get", 2.45), ("check", 3.4)])
def test_a_request_costs_no_more_than_it_did(kind: str, limit: float, port: str) -> None:
    """A templated GET, and one with a capture and three checks, kept alive; all default metrics."""
    costs: list[float] = []
    while len(costs) < TRIES and min(costs, default=limit) >= limit:
        costs.append(cost(kind, port, 1000, 30))

    assert min(costs) < limit, costs
