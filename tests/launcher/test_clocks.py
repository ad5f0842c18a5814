"""Clocks that are wrong: a worker's is seen and named, the launcher's is put right, and the books are exact."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_lambda_platform import Told, created, run

from cloud_on_paper import START, PaperCloud, Part
from fake_aws import FakeAws, inline
from grapeshot_launcher.cloud.calls import Reach
from grapeshot_launcher.cloud.errors import Unreachable
from grapeshot_launcher.platforms.lambda_calls import compare_clock
from grapeshot_launcher.results.clocks import clock_warnings, launcher_ahead, worker_ahead, worst_clock
from grapeshot_launcher.results.collect import WorkerEnd
from grapeshot_launcher.run_lambda import by_aws
from grapeshot_worker.invocation import Invocation
from grapeshot_worker.messages import Message
from reports import finished
from virtual_time import run_virtually

seconds = st.floats(-1e4, 1e4)
ways = st.floats(0, 30)


def with_clock(index: int, ahead: float | None) -> WorkerEnd:
    end = finished(index)
    return WorkerEnd(worker=end.worker, state=end.state, facts=end.facts, ahead=ahead)


# ---- what can be known ----


@given(off=seconds, messages=st.lists(st.tuples(st.floats(0, 900), ways), min_size=1))
def test_a_worker_is_ahead_by_at_least_what_is_seen(off: float, messages: list[tuple[float, float]]) -> None:
    """And by at most that and the way of the quickest message, whatever the order of messages."""
    seen: float | None = None
    for moment, way in messages:
        seen = worker_ahead(seen, START + moment + off, START + moment + way)

    assert seen is not None
    assert seen <= off + 0.002
    assert off <= seen + min(way for _, way in messages) + 0.002


@given(off=seconds, moment=st.floats(0, 1e4), there=ways, back=ways)
def test_the_launcher_s_clock_is_known_to_a_second(
    off: float, moment: float, there: float, back: float
) -> None:
    """Whatever the answer's way: what is seen is off by half a second and half of the ways, or nothing is said."""
    now = START + moment
    seen = launcher_ahead(now + off, math.floor(now + there), now + there + back + off)

    if seen:
        assert abs(seen - off) <= (1 + there + back) / 2 + 0.002
        assert seen * off > 0
    else:
        assert abs(off) <= 1 + there + back + 0.002


def test_a_clock_that_is_right_is_left_alone() -> None:
    """An answer that is dated by whole seconds is no reason to correct anything."""
    assert {launcher_ahead(100 + n / 10, 100 + n // 10, 100.05 + n / 10) for n in range(30)} == {0.0}


@pytest.mark.parametrize(("aws", "seen"), [(lambda: START - 12.3, 12.0), (lambda: None, 0.0)])
def test_the_launcher_asks_aws_for_the_time(aws: object, seen: float) -> None:
    """Once; an answer without a date says nothing."""
    account = FakeAws()
    account.clock = lambda: None if aws() is None else math.floor(aws())  # type: ignore[operator]
    reach = Reach(aws=account, call=inline, warn=lambda _: None)

    ahead = run_virtually(compare_clock(reach, now=lambda: START))

    assert ahead == pytest.approx(seen, abs=0.5)
    assert account.calls == ["time_there"]


def test_a_launcher_that_can_not_ask_goes_by_its_own_clock() -> None:
    """What is wrong with AWS is told by what follows."""
    account = FakeAws()
    account.fail_at, account.fault = 1, Unreachable("no way")
    reach = Reach(aws=account, call=inline, warn=lambda _: None)

    assert run_virtually(compare_clock(reach, now=lambda: START)) == 0.0


# ---- what is said ----


def test_small_differences_are_no_news() -> None:
    """A message's way to the queue looks like a clock that is behind."""
    assert clock_warnings([with_clock(0, 0.4), with_clock(1, -0.5), with_clock(2, None)]) == ()


def test_the_worst_clock_is_named() -> None:
    """One line, however many are wrong."""
    ends = [with_clock(0, 0.6), with_clock(1, -0.8), with_clock(2, 0.1)]

    assert clock_warnings(ends) == (
        "Warning: the clock of worker 2 was 0.8 s behind AWS's; 1 more are off by over 0.5 s.",
    )
    assert worst_clock(ends) == ends[1]


# ---- a worker's clock ----


def with_worker_ahead(tmp_path: Path, ahead: float, cloud: PaperCloud | None = None) -> Told:
    """Run two workers, the second one's clock ahead by so much."""
    paper = cloud or PaperCloud()
    paper.part = lambda i: Part(ahead=ahead if i.index == 1 else 0.0)
    return run(tmp_path, paper)


@pytest.mark.parametrize(
    ("ahead", "words"), [(5.0, "5.0 s ahead of AWS's (limit"), (-5.0, "5.0 s behind AWS's,")]
)
def test_a_worker_s_clock_that_is_wrong_spoils_the_run(tmp_path: Path, ahead: float, words: str) -> None:
    """The books are exact, the clock is named, and the run is invalid: its users came at another time."""
    told = with_worker_ahead(tmp_path, ahead)
    ours = told.report["grapeshot"]

    assert created(told) == 20
    assert (ours["books"]["started"], ours["books"]["lost"], ours["books"]["balanced"]) == (20, 0, True)
    assert (ours["verdict"], told.code) == ("invalid", 4)
    assert len(ours["reasons"]) == 1
    assert f"worker 2: its clock was {words}" in ours["reasons"][0]
    assert ours["worstClock"] == {"index": 1, "generation": 0, "ahead": pytest.approx(ahead - 0.03)}
    assert ours["workers"][0]["clockAhead"] == pytest.approx(-0.03)
    assert "Warning: the clock of worker 2 was 5.0 s" in told.err
    assert ours["warnings"][0].startswith("Warning: the clock of worker 2 was 5.0 s")


def test_half_a_second_is_told_and_the_run_stands(tmp_path: Path) -> None:
    """Up to a second it is a warning."""
    told = with_worker_ahead(tmp_path, 0.7)

    assert told.report["grapeshot"]["verdict"] == "pass"
    assert "the clock of worker 2 was 0.7 s ahead of AWS's" in told.err


def test_one_quick_message_is_enough(tmp_path: Path) -> None:
    """A queue that takes its time with the others makes no clock look wrong."""

    def way(message: Message) -> float:
        return 0.05 if message.sequence == 3 else 4.0

    told = with_worker_ahead(tmp_path, 0.0, PaperCloud(way=way))

    assert told.report["grapeshot"]["verdict"] == "pass"
    assert "clock" not in told.err


# ---- the launcher's clock ----


def with_launcher_ahead(tmp_path: Path, ahead: float, *, corrected: bool = True) -> Told:
    """Run two workers from a launcher whose clock is ahead by so much; it asks AWS as in a real run."""
    paper = PaperCloud(part=does)
    account = FakeAws()
    account.clock = lambda: math.floor(START)
    reach = Reach(aws=account, call=inline, warn=lambda _: None)

    def here() -> float:
        return paper.clock() + ahead

    seen = run_virtually(compare_clock(reach, now=lambda: START + 0.4 + ahead)) if corrected else 0.0
    return run(tmp_path, paper, clock=by_aws(here, seen))


def does(invocation: Invocation) -> Part:
    return Part(ready_after=1.0 + invocation.index)


@pytest.mark.parametrize("ahead", [10.0, -10.0, 250.0, -250.0, 0.3])
def test_the_load_begins_together_and_on_time_whatever_the_launcher_s_clock(
    tmp_path: Path, ahead: float
) -> None:
    """Four seconds after the workers were told, give or take the second that AWS's date leaves open."""
    told = with_launcher_ahead(tmp_path, ahead)
    at, go = told.cloud.records[1]
    begun = list(told.cloud.begun.values())

    assert go.start_at is not None
    assert begun == [go.start_at] * 2
    assert 2.9 <= go.start_at - START - at <= 5.1
    assert (told.code, created(told)) == (0, 20)
    assert abs(told.report["grapeshot"]["startedAt"] / 1000 - begun[0]) < 0.01


def test_without_the_correction_they_would_begin_as_they_hear_of_it(tmp_path: Path) -> None:
    """What the correction is for: the moment of the start is over before the first worker reads it."""
    told = with_launcher_ahead(tmp_path, -10.0, corrected=False)
    _, go = told.cloud.records[1]

    assert go.start_at is not None
    assert all(begun - go.start_at > 5 for begun in told.cloud.begun.values())
