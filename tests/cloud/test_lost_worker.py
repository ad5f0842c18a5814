"""A worker that dies on the embedded AWS, at each stage of its life: the run ends in time, and says who was lost.

Every day there are a few workers; `make test-crowd` has fifty of them, and more ways to die.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("moto")

from crowd import CROWD, USERS_EACH, VICTIM, WHOLE, Crowd, Onlooker, nothing_is_left
from grapeshot_launcher.platforms.emulator import Fault
from target import Target

FEW, READY = (CROWD, 75.0) if WHOLE else (3, 20.0)  # s until workers that are not ready refuse the run

only_whole = pytest.mark.skipif(
    not WHOLE, reason="one of its kind is enough every day; `make test-crowd` has all"
)
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def crowd(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Runs from many workers against the test target."""
    return Crowd(target, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("sandbox:start", marks=only_whole),
        pytest.param("sandbox:invoke", marks=only_whole),
        "sqs:SendMessage",  # its first word would be that it is ready
    ],
)
def test_one_that_dies_before_it_is_ready_refuses_the_run(crowd: Crowd, point: str) -> None:
    """The wait ends, no load is made, and the report says with whom every user was lost."""
    told = crowd.run(
        FEW,
        lambda seen: Fault(operation=point, effect="kill", where=seen.victim),
        ready=READY,
    )

    assert told.code == 11
    assert told.refused == f"After {READY:.0f} s these workers were not ready: {VICTIM + 1} of {FEW}."
    assert told.report["grapeshot"]["verdict"] == "invalid"
    assert told.report["grapeshot"]["reasons"] == [told.refused]
    assert told.states == {VICTIM: "lost"}
    assert f"Verdict: invalid\n  - {told.refused}" in told.out
    assert told.books["planned"] == told.books["lost"] == FEW * USERS_EACH
    assert told.books["balanced"]
    assert told.counted == 0
    assert nothing_is_left(told)


def test_one_that_dies_under_load_is_named(crowd: Crowd) -> None:
    """The others go on to their end; what it did not report is lost, to the unit."""
    told = crowd.run(
        CROWD,
        lambda seen: Fault(
            operation="sqs:SendMessage", effect="kill", where=seen.victim_after_its_first_users
        ),
    )

    row = told.books["workers"][VICTIM]
    assert told.code == 4, told.out + told.err
    assert told.report["grapeshot"]["verdict"] == "invalid"
    assert f"Worker {VICTIM + 1} said nothing for 8 s: it is ended and counted as lost." in told.err
    assert f"worker {VICTIM + 1} was lost" in told.out
    assert f"lost with worker {VICTIM + 1}\n" in told.out
    assert [index for index, state in told.states.items() if state != "finished"] == [VICTIM]
    assert 0 < row["started"] < USERS_EACH
    assert told.books["lost"] == row["lost"] == USERS_EACH - row["started"]
    assert told.books["planned"] == CROWD * USERS_EACH == told.books["started"] + told.books["lost"]
    assert told.books["balanced"]
    assert told.books["started"] <= told.counted <= told.books["planned"]
    assert nothing_is_left(told)


def test_one_that_dies_before_its_last_word_is_named(crowd: Crowd) -> None:
    """It has made all of its load, but its totals and its Finished never came."""
    told = crowd.run(
        FEW, lambda seen: Fault(operation="s3:PutObject", effect="kill", where=seen.victim_leaving)
    )

    row = told.books["workers"][VICTIM]
    assert told.code == 4, told.out + told.err
    assert told.report["grapeshot"]["verdict"] == "invalid"
    assert f"worker {VICTIM + 1} was lost" in told.out
    assert [index for index, state in told.states.items() if state != "finished"] == [VICTIM]
    assert row["started"] + row["lost"] == USERS_EACH
    assert told.books["planned"] == FEW * USERS_EACH == told.books["started"] + told.books["lost"]
    assert told.books["balanced"]
    assert told.counted == FEW * USERS_EACH
    assert nothing_is_left(told)


@only_whole
@pytest.mark.parametrize("point", ["sqs:SendMessage", "sandbox:respond"])
def test_one_that_dies_after_its_totals_costs_nothing(crowd: Crowd, point: str) -> None:
    """Its totals are found in the bucket, though its Finished never came."""

    def deadly(seen: Onlooker) -> Fault:
        return Fault(operation=point, effect="kill", where=seen.victim_has_left)

    told = crowd.run(FEW, deadly, silence=60.0)

    assert told.code == 0, told.out + told.err
    assert told.books["started"] == told.counted == FEW * USERS_EACH
    assert told.report["aggregate"]["counters"]["vusers.completed"] == FEW * USERS_EACH
    assert set(told.states.values()) == {"finished"}
    assert nothing_is_left(told)
