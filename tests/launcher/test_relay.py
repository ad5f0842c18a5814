"""Loads that outlive a worker: the windows, and runs of several generations on an AWS in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from signal import Signals

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lambda_platform import LIMITS, Told, created, run

from cloud_on_paper import START, PaperCloud, Part, passing
from grapeshot_launcher.relay import windows_of
from grapeshot_worker.arrivals import arrivals, duration, planned
from grapeshot_worker.invocation import Invocation
from grapeshot_worker.messages import Message, Ready
from grapeshot_worker.plan import Plan, Share
from grapeshot_worker.script.model import Phase

SCRIPT = """
config:
  target: http://127.0.0.1:9
  phases: [{duration: 180, arrivalRate: 3}]
scenarios:
  - flow:
      - get: {url: /}
"""
USERS = 540
LEAD = 8.0
WINDOWS = windows_of(180, lifetime=40, lead=LEAD, tail=12)
Does = Callable[[Invocation], Part]


def works(invocation: Invocation) -> Part:
    """From its readiness, about 7 s before its window, to a little past the window's end."""
    return Part(lasts=22.0 if invocation.generation == 0 else 29.0)


def relay(tmp_path: Path, does: Does = works, *, cloud: PaperCloud | None = None, stop: float = 0.0) -> Told:
    """Run three minutes in generations of 20 s; with `stop`, somebody presses Ctrl-C so many seconds from the start."""
    signals = {stop: Signals.SIGINT} if stop else {}
    paper = replace(cloud or PaperCloud(), part=does)
    limits = replace(LIMITS, lead=LEAD, ready=12.0)
    return run(tmp_path, paper, script=SCRIPT, windows=WINDOWS, limits=limits, signals=signals)


def books(told: Told) -> dict[str, int]:
    given = told.report["grapeshot"]["books"]
    kept = {name: given[name] for name in ("planned", "started", "lost")}
    assert given["planned"] == given["started"] + sum(given["dropped"].values()) + given["lost"]
    return kept | {"stopped": given["dropped"]["stopped"]}


# ---- windows ----


@settings(deadline=None, max_examples=60)
@given(
    phases=st.lists(
        st.builds(
            Phase,
            kind=st.sampled_from(["rate", "ramp", "count"]),
            duration=st.integers(1, 40),
            rate=st.integers(1, 9),
            ramp_to=st.integers(1, 9),
            count=st.integers(1, 60),
            poisson=st.just(False),
        ),
        min_size=1,
        max_size=3,
    ),
    count=st.integers(1, 4),
    room=st.floats(0.7, 50),
)
def test_windows_share_out_the_arrivals(phases: list[Phase], count: int, room: float) -> None:
    """Every arrival of every share lies in one window, in order: none is lost at a boundary, none comes twice."""
    plan = Plan(tuple(phases), "t1")
    windows = windows_of(duration(plan), lifetime=room + 3, lead=1, tail=2)

    for share in (Share(index, count) for index in range(count)):
        pieces = [list(arrivals(plan, share, window)) for window in windows]
        assert [a for piece in pieces for a in piece] == list(arrivals(plan, share))
        assert [len(piece) for piece in pieces] == [planned(plan, share, window) for window in windows]


@given(seconds=st.floats(0, 100_000), room=st.floats(1, 900))
def test_windows_are_as_long_as_workers_can_live(seconds: float, room: float) -> None:
    """They lie end to end from 0 to infinity, and none is longer than what a worker's life leaves."""
    windows = windows_of(seconds, lifetime=room + 30, lead=10, tail=20)

    assert windows[0].start == 0.0
    assert windows[-1].end == math.inf
    assert all(a.end == b.start and a.end - a.start <= room + 1e-6 for a, b in pairwise(windows))
    assert seconds - windows[-1].start <= room + 1e-6


def test_a_life_too_short_for_any_window_is_an_error() -> None:
    """What is kept before and behind a window must leave something."""
    with pytest.raises(ValueError, match="leave no time"):
        windows_of(100, lifetime=30, lead=10, tail=20)


# ---- runs ----


def test_generations_make_the_whole_plan(tmp_path: Path) -> None:
    """Nine generations of two workers start the plan's users to the unit, each LEAD seconds before its window."""
    told = relay(tmp_path)
    start = told.cloud.records[1][1].start_at
    assert start is not None
    began = start - START
    by_generation = [i.generation for i in told.cloud.invocations]
    early = [
        window.start - (moment - began)
        for moment, invocation in zip(told.cloud.invoked, told.cloud.invocations, strict=True)
        for window in [WINDOWS[invocation.generation]]
        if invocation.generation
    ]

    assert told.code == 0, told.out + told.err
    assert books(told) == {"planned": USERS, "started": USERS, "lost": 0, "stopped": 0}
    assert created(told) == USERS
    assert by_generation == sorted(list(range(9)) * 2)
    assert all(LEAD - 1 <= each <= LEAD for each in early)
    assert [record.state for _, record in told.cloud.records] == ["wait", "go"]
    assert len(told.times) == 18  # those of workers long gone are charged for too
    assert told.left_running == 0


def test_a_generation_that_is_never_ready_is_lost_by_name(tmp_path: Path) -> None:
    """The run goes on without it, and is invalid."""

    def does(invocation: Invocation) -> Part:
        late = invocation.generation == 3 and invocation.index == 1
        return replace(works(invocation), ready_after=None if late else 1.0)

    told = relay(tmp_path, does)

    assert books(told) == {"planned": USERS, "started": USERS - 30, "lost": 30, "stopped": 0}
    assert "Worker 2 of generation 4 was not ready after 12 s" in told.err
    assert told.report["grapeshot"]["verdict"] == "invalid"
    assert max(i.generation for i in told.cloud.invocations) == 8


def test_a_successor_whose_ready_was_lost_is_not_sent_away(tmp_path: Path) -> None:
    """What it says later shows that it was ready; its totals make the lost message good."""

    def lose(message: Message) -> list[float]:
        return [] if isinstance(message, Ready) and (message.generation, message.index) == (3, 1) else [0.0]

    told = relay(tmp_path, cloud=PaperCloud(queue=lose))

    assert (told.code, told.err) == (0, "")
    assert books(told) == {"planned": USERS, "started": USERS, "lost": 0, "stopped": 0}
    assert created(told) == USERS


def test_a_worker_that_dies_loses_its_own_window_alone(tmp_path: Path) -> None:
    """Its successor takes up the next window."""

    def does(invocation: Invocation) -> Part:
        dies = invocation.generation == 8 and invocation.index == 0
        return replace(
            works(invocation),
            lasts=90.0 if dies else works(invocation).lasts,
            dies_after=5.0 if dies else None,
        )

    told = relay(tmp_path, does)

    assert books(told)["lost"] == 28  # of 30 it told of two
    assert "Worker 1 of generation 9 said nothing for 60 s" in told.err
    assert told.report["grapeshot"]["verdict"] == "invalid"


def test_a_generation_that_aws_refuses_is_told_and_the_next_one_comes(tmp_path: Path) -> None:
    """The refusal is in AWS's words; nothing else is lost."""
    cloud = PaperCloud(refusals={"invoke": [None, None, passing(), passing()]})
    told = relay(tmp_path, cloud=cloud)

    assert books(told) == {"planned": USERS, "started": USERS - 60, "lost": 60, "stopped": 0}
    assert "Worker 1 of generation 2 could not be started: AWS is busy." in told.err
    assert max(i.generation for i in told.cloud.invocations) == 8


def test_a_stop_during_the_hand_over_starts_nobody_any_more(tmp_path: Path) -> None:
    """Both generations answer it; what was left to later ones is dropped, and nobody is lost."""
    told = relay(tmp_path, stop=5.0 + WINDOWS[2].start - LEAD + 4)

    kept = books(told)
    assert told.report["grapeshot"]["verdict"] == "stopped"
    assert kept["lost"] == 0
    assert kept["stopped"] > USERS / 2
    assert max(i.generation for i in told.cloud.invocations) == 2
