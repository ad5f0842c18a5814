"""The runner, on virtual time: who starts when, who is skipped, what a stop leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from grapeshot_worker.arrivals import arrivals, planned
from grapeshot_worker.errors import StepError
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.recorder import Recorder
from grapeshot_worker.plan import Plan, Share
from grapeshot_worker.script.model import Phase
from grapeshot_worker.traffic.runner import Runner
from grapeshot_worker.traffic.users import Cast, Newcomer
from virtual_time import run_virtually

Steps = Callable[[Any], Any]


class Stage:
    """A run on virtual time of users who all do the same; notes when each started."""

    def __init__(self, phases: list[Phase], steps: Steps, share: Share | None = None) -> None:
        self.phases, self.steps, self.share = phases, steps, share or Share()
        self.moments: list[float] = []
        self.left = 0
        self.periods: tuple[Period, ...] = ()
        self.tally = Tally()

    async def run(self, stop_after: float | None = None) -> Tally:
        loop = asyncio.get_running_loop()
        recorder = Recorder(loop.time, epoch=1_000_000)
        start = loop.time()

        async def steps(user: Any) -> None:
            self.moments.append(round(loop.time() - start, 4))
            await self.steps(user)

        def leave() -> None:
            self.left += 1

        newcomer = Newcomer(cast(Any, SimpleNamespace(leave=leave)), steps, "vusers.created_by_name.0")
        users = SimpleNamespace(engine=SimpleNamespace(recorder=recorder), welcome=lambda: newcomer)
        plan = Plan(tuple(self.phases))
        runner = Runner(
            cast(Cast, users),
            arrivals(plan, self.share),
            planned=planned(plan, self.share),
            phases=self.phases,
            share=self.share,
            clock=loop.time,
        )
        if stop_after is not None:
            loop.call_later(stop_after, runner.stop)
        try:
            await runner.run(start)
        finally:
            self.periods = recorder.flush()
            self.tally = runner.counts.tally(active=runner.active, ended=True)
        return self.tally


def phase(rate: float, duration: float, max_vusers: int | None = None) -> Phase:
    return Phase(
        index=0, kind="rate", duration=duration, written_duration=duration, rate=rate, max_vusers=max_vusers
    )


async def nothing(user: Any) -> None:
    return None


def slow(seconds: float) -> Steps:
    async def steps(user: Any) -> None:
        await asyncio.sleep(seconds)

    return steps


def test_every_arrival_starts_at_its_moment_however_slow_the_users_are() -> None:
    """The model is open: ten users a second come while none of them has left."""
    stage = Stage([phase(10, 1)], slow(60))
    tally = run_virtually(stage.run())

    assert stage.moments == pytest.approx([k / 10 for k in range(1, 11)], abs=0.0011)
    assert tally == Tally(planned=10, started=10, completed=10)
    assert stage.left == 10


def test_an_arrival_above_max_vusers_is_skipped_and_counted() -> None:
    """Two places, users who stay 0.35 s, ten arrivals a second."""
    stage = Stage([phase(10, 1, max_vusers=2)], slow(0.35))
    tally = run_virtually(stage.run())
    skipped = sum(p.counters.get("vusers.skipped", 0) for p in stage.periods)

    assert tally.started + tally.skipped == tally.planned == 10
    assert tally.skipped == skipped > 0
    assert tally.completed == tally.started


def test_the_quota_of_max_vusers_is_striped_over_shares() -> None:
    """Three shares of a quota of four have two, one and one."""
    tallies = [
        run_virtually(Stage([phase(30, 1, max_vusers=4)], slow(5), Share(i, 3)).run()) for i in range(3)
    ]

    assert [t.started for t in tallies] == [2, 1, 1]
    assert sum(t.planned for t in tallies) == 30


def test_a_stop_cuts_users_short_and_leaves_the_rest_unstarted() -> None:
    """planned = started + skipped + unstarted, and every started user is accounted for."""
    stage = Stage([phase(10, 10)], slow(2))
    tally = run_virtually(stage.run(stop_after=3.05))

    assert tally == Tally(planned=100, started=30, unstarted=70, completed=10, cut=20)
    assert stage.left == 30


def test_a_failing_user_is_counted_once_under_its_error() -> None:
    """errors.<name> and vusers.failed; the session's length is only that of users who finished."""

    async def fail(user: Any) -> None:
        raise StepError("ECONNREFUSED")

    stage = Stage([phase(3, 1)], fail)
    tally = run_virtually(stage.run())
    (period,) = stage.periods

    assert (tally.failed, tally.completed) == (3, 0)
    assert period.counters["errors.ECONNREFUSED"] == period.counters["vusers.failed"] == 3
    assert "vusers.session_length" not in period.sketches


def test_a_user_without_memory_ends_the_load() -> None:
    """Nobody is started any more, those under way are cut, and the error comes out; the books stay whole."""

    async def steps(user: Any) -> None:
        if len(stage.moments) == 5:
            raise MemoryError
        await asyncio.sleep(60)

    stage = Stage([phase(10, 10)], steps)
    with pytest.raises(MemoryError):
        run_virtually(stage.run())

    assert len(stage.moments) == stage.left == 5
    assert stage.tally == Tally(planned=100, started=5, unstarted=95, failed=1, cut=4)


def test_a_finished_user_is_counted_with_its_length() -> None:
    """vusers.completed, vusers.failed + 0, vusers.session_length in ms."""
    stage = Stage([phase(1, 1)], slow(2))
    run_virtually(stage.run())
    counters = {
        name: sum(p.counters.get(name, 0) for p in stage.periods)
        for p in stage.periods
        for name in p.counters
    }
    lengths = [
        p.sketches["vusers.session_length"] for p in stage.periods if "vusers.session_length" in p.sketches
    ]

    assert counters == {
        "vusers.created_by_name.0": 1,
        "vusers.created": 1,
        "vusers.completed": 1,
        "vusers.failed": 0,
    }
    assert lengths[0].max == pytest.approx(2000, abs=1)


def test_lateness_is_measured_for_every_arrival() -> None:
    """`vusers.start_lag` has one value for each started user."""
    stage = Stage([phase(50, 1)], nothing)
    run_virtually(stage.run())
    lags = [p.sketches["vusers.start_lag"] for p in stage.periods]

    assert sum(lag.count for lag in lags) == 50
    assert max(lag.max for lag in lags) < 2


def test_a_plan_without_arrivals_ends_at_once() -> None:
    """A share may have nothing to do."""
    tally = run_virtually(Stage([phase(1, 1)], nothing, Share(5, 7)).run())

    assert tally == Tally()


@pytest.mark.parametrize("shares", [1, 3])
def test_the_cumulative_arrivals_of_a_ramp_follow_the_plan_to_the_unit(shares: int) -> None:
    """Second i of S has round-half-up(R0 + (R1 - R0)·i / (S - 1)) users, evenly spread, whoever runs them."""
    low, high, seconds = 3, 50, 8
    ramp = Phase(index=0, kind="ramp", duration=seconds, written_duration=seconds, rate=low, ramp_to=high)
    counts = [int(low + (high - low) * i / (seconds - 1) + 0.5) for i in range(seconds)]
    due = [i + k * (1_000_000 // n) / 1_000_000 for i, n in enumerate(counts) for k in range(1, n + 1)]
    stages = [Stage([ramp], slow(2), Share(index, shares)) for index in range(shares)]
    for stage in stages:
        run_virtually(stage.run())
    moments = sorted(moment for stage in stages for moment in stage.moments)

    assert len(moments) == sum(counts)
    assert all(abs(moment - planned) < 0.0011 for moment, planned in zip(moments, due, strict=True))
    for i in range(seconds):
        assert sum(moment < i + 1.001 for moment in moments) == sum(counts[: i + 1])
