"""Which of the things in AWS were left behind: decided from listings alone."""

from __future__ import annotations

import pytest

from grapeshot_launcher.cloud.aws_listing import Stored
from grapeshot_launcher.cloud.leftovers import (
    SeenQueue,
    SeenRun,
    bundles_in,
    known_runs,
    runs_in,
    sort_out,
)
from grapeshot_launcher.cloud.resources import QUEUE_ATTRIBUTES, Site
from grapeshot_worker.invocation import ControlRecord

SITE = Site(account="123456789012", region="eu-west-1")
NOW = 1_795_435_200.0
HASH = "0" * 64


def queue(name: str, *, age: float = 300.0, ours: bool = True) -> SeenQueue:
    attributes = {"CreatedTimestamp": str(int(NOW - age)), **(QUEUE_ATTRIBUTES if ours else {})}
    return SeenQueue(url=f"https://sqs.eu-west-1.amazonaws.com/123456789012/{name}", attributes=attributes)


def seen(run_id: str, *, renewed: float | None, written: float | None = None) -> SeenRun:
    """A run whose lease was renewed so many seconds ago, and its record written so many; None: it has no record."""
    claim = Stored(f"tests/{run_id}/claims/load-0-0", NOW - 500)
    if renewed is None:
        return SeenRun(run_id=run_id, objects=(claim,))
    record = Stored(f"tests/{run_id}/control.json", NOW - (renewed if written is None else written))
    return SeenRun(
        run_id=run_id, objects=(claim, record), record=ControlRecord(state="go", renewed_at=NOW - renewed)
    )


@pytest.mark.parametrize(
    ("renewed", "written", "alive"),
    [
        (0, 0, True),
        (59, 59, True),
        (60, 60, False),
        (3600, 5, True),  # the launcher's clock is an hour slow
        (-3600, 300, True),  # it is an hour fast: better to leave it alone
        (None, None, False),
    ],
)
def test_a_run_is_alive_while_its_lease_is_renewed(
    renewed: float | None, written: float | None, alive: bool
) -> None:
    """By its own words or by S3's, whichever is younger."""
    assert seen("t1", renewed=renewed, written=written).alive(NOW) is alive


def test_what_a_living_run_uses_is_no_leftover() -> None:
    """Neither its queue, under any of the names it may have, nor its objects."""
    queues = [queue("artilleryio-t1"), queue("artilleryio-t1-2")]

    found = sort_out(SITE, queues, [seen("t1", renewed=9)], known={"t1"}, now=NOW)

    assert [run.run_id for run in found.running] == ["t1"]
    assert (found.leftovers, found.unknown) == ((), ())


def test_a_run_that_is_over_leaves_queue_and_objects() -> None:
    """With their ages, and why they can go."""
    found = sort_out(SITE, [queue("artilleryio-t1")], [seen("t1", renewed=90)], known={"t1"}, now=NOW)

    assert [(one.kind, one.name, one.age) for one in found.leftovers] == [
        ("queue", "artilleryio-t1", 300.0),
        ("objects", "2 under tests/t1/", 90.0),
    ]
    assert [one.why for one in found.leftovers] == ["run t1 is over", "its lease was not renewed"]


def test_a_queue_whose_run_is_known_by_its_metadata_can_go() -> None:
    """The bucket keeps that for a week, long after the run's objects."""
    found = sort_out(SITE, [queue("artilleryio-t1")], [], known={"t1"}, now=NOW)

    assert [one.name for one in found.leftovers] == ["artilleryio-t1"]


@pytest.mark.parametrize(
    ("age", "ours", "goes"), [(300, True, False), (90_000, False, False), (90_000, True, True)]
)
def test_a_queue_that_nobody_knows_goes_when_it_is_ours_and_old(age: float, ours: bool, goes: bool) -> None:
    """It may belong to a run with the prefix `artilleryio-extras`, or to another tool."""
    found = sort_out(SITE, [queue("artilleryio-extras-t9", age=age, ours=ours)], [], known=(), now=NOW)

    assert bool(found.leftovers) is goes
    assert bool(found.unknown) is not goes


def test_objects_are_told_apart_by_who_writes_them() -> None:
    """What is like nothing of ours is nobody's leftover, and archives are used again."""
    objects = [
        Stored(f"tests/bundles/{HASH}.tar.gz", NOW - 7),
        Stored("tests/a/b/control.json", NOW),
        Stored("tests/a/b/claims/load-0-0", NOW),
        Stored("tests/t2/final/load-0-0", NOW),
        Stored("tests/t3/stop.json", NOW),
        Stored("tests/somebody/else.zip", NOW),
        Stored("tests/notes.txt", NOW),
    ]

    assert {run: len(own) for run, own in runs_in(objects).items()} == {"a/b": 2, "t2": 1, "t3": 1}
    assert [(one.name, one.age) for one in bundles_in(objects, now=NOW)] == [(objects[0].key, 7.0)]
    assert known_runs([Stored("metadata/t1.json", NOW), Stored("metadata/x.txt", NOW)]) == {"t1"}
