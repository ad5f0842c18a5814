"""Services of the embedded AWS that are out while three workers are under load, or busy when they are started.

Nothing is lost by it, and nothing is hidden: the figures are the target's own. Every day an outage is short;
`make test-crowd` has those of half a minute, in all kinds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("moto")

from crowd import USERS_EACH, WHOLE, Crowd, Told, nothing_is_left
from grapeshot_launcher.platforms.emulator import Fault
from outage import How, Outage
from target import Target

WORKERS = 3
SILENCE = 60.0  # s, as in a user's run
SHORT, LONG = (7.0, 13), (30.0, 48)  # s of the outage, of the load
FASTER = 10  # users of a worker per second of load

only_whole = pytest.mark.skipif(not WHOLE, reason="it takes more than a minute; `make test-crowd` has it")
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def crowd(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Runs from a few workers against the test target."""
    return Crowd(target, tmp_path, monkeypatch)


def run(crowd: Crowd, outage: Outage, seconds: int) -> Told:
    return crowd.run(
        WORKERS, silence=SILENCE, seconds=seconds, users_each=FASTER * seconds, middleware=outage
    )


def nothing_is_lost(told: Told, users: int) -> bool:
    """Whether every user was made, and the report counts what the target counted."""
    counters = told.report["aggregate"]["counters"]
    assert told.code == 0, told.out + told.err
    assert told.report["grapeshot"]["verdict"] == "pass"
    assert told.books["planned"] == told.books["started"] == told.counted == users
    assert told.books["balanced"]
    assert counters["vusers.completed"] == counters["http.codes.200"] == users
    assert sum(one["counters"].get("http.codes.200", 0) for one in told.report["intermediate"]) == users
    assert set(told.states.values()) == {"finished"}
    return True


@pytest.mark.parametrize(
    ("service", "how", "times"),
    [
        ("s3", "hang", SHORT),
        ("sqs", "refuse", SHORT),
        *[
            pytest.param(service, how, LONG, marks=only_whole)
            for service in ("s3", "sqs")
            for how in ("refuse", "cut", "hang")
        ],
    ],
)
def test_an_outage_under_load_costs_nothing(
    crowd: Crowd, service: str, how: How, times: tuple[float, int]
) -> None:
    """Workers keep their load while S3 is out, and their measurements while SQS is."""
    lasts, seconds = times
    outage = Outage(service, how, seconds=lasts)

    told = run(crowd, outage, seconds)

    assert nothing_is_lost(told, WORKERS * FASTER * seconds)
    assert nothing_is_left(told)
    assert outage.met[{"s3": "s3:GetObject", "sqs": "sqs:SendMessage"}[service]] > WORKERS
    assert outage.met[{"s3": "s3:GetObject", "sqs": "sqs:ReceiveMessage"}[service]] > 1


def test_invocations_that_are_throttled_at_first_are_made(crowd: Crowd) -> None:
    """More often than the SDK tries by itself: three workers try five times each, and once more."""
    throttled = Fault(operation="lambda:Invoke", effect="throttle", times=WORKERS * 5 + 1)

    told = crowd.run(WORKERS, lambda _: throttled, silence=SILENCE)

    assert nothing_is_lost(told, WORKERS * USERS_EACH)
    assert nothing_is_left(told)
