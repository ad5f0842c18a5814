"""Many workers on the embedded AWS, fifty by `make test-crowd`: their numbers add up."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("moto")

from crowd import CROWD, USERS_EACH, Crowd, nothing_is_left
from target import Target


@pytest.fixture
def crowd(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Runs from many workers against the test target."""
    return Crowd(target, tmp_path, monkeypatch)


@pytest.mark.timeout(180)
def test_the_numbers_of_many_workers_add_up(crowd: Crowd) -> None:
    """Merged counters = the sum of what each worker left = the plan = what the target counted."""
    told = crowd.run(CROWD)

    users = CROWD * USERS_EACH
    merged = told.report["aggregate"]["counters"]
    created = {
        last.index: sum(p.counters.get("vusers.created", 0) for p in last.periods) for last in told.left
    }
    assert told.code == 0, told.out + told.err
    assert created == dict.fromkeys(range(CROWD), USERS_EACH)
    assert merged["vusers.created"] == merged["vusers.completed"] == merged["http.codes.200"] == users
    assert sum(one["counters"].get("vusers.created", 0) for one in told.report["intermediate"]) == users
    assert told.books["planned"] == told.books["started"] == users == told.counted
    assert [row["started"] for row in told.books["workers"]] == [USERS_EACH] * CROWD
    assert set(told.states.values()) == {"finished"}
    assert told.out.index("Metrics for period to:") < told.out.index("All VUs finished.")
    assert nothing_is_left(told)
