"""The moments of arrivals: examples, and the closed form against a walk through the phases."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_worker import arrivals as timetable
from grapeshot_worker.arrivals import (
    arrivals,
    duration,
    peak_rate,
    phase_count,
    phase_starts,
    planned,
    second_count,
)
from grapeshot_worker.plan import Plan, Share, Window
from grapeshot_worker.script.model import Phase

DAY = 86_400.0


def rate(seconds: float, rate: float, **more: Any) -> Phase:
    return Phase(index=0, kind="rate", duration=seconds, written_duration=seconds, rate=rate, **more)


def count(seconds: float, count: int) -> Phase:
    return Phase(index=0, kind="count", duration=seconds, written_duration=seconds, count=count)


def ramp(seconds: float, start: float, end: float) -> Phase:
    return Phase(index=0, kind="ramp", duration=seconds, written_duration=seconds, rate=start, ramp_to=end)


def pause(seconds: float) -> Phase:
    return Phase(index=0, kind="pause", duration=seconds, written_duration=seconds)


def poisson(seconds: float, mean: float) -> Phase:
    return rate(seconds, mean, poisson=True)


def moments(*phases: Phase) -> list[float]:
    return [arrival.at for arrival in arrivals(Plan(phases))]


def seconds(phase: Phase) -> list[int]:
    return [second_count(Plan((phase,)), 0, second) for second in range(math.ceil(phase.duration))]


# ---- examples ----


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        pytest.param(
            rate(2, 2), [0.5, 1.0, 1.5, 2.0], id="the first arrival is one interval after the start"
        ),
        pytest.param(rate(4, 0.5), [2.0, 4.0], id="a rate may be a fraction"),
        pytest.param(rate(2, 1.5), [0.666666, 1.333332, 1.999998], id="intervals are floored to whole µs"),
        pytest.param(rate(0.5, 1), [], id="an interval longer than the phase means no arrivals"),
        pytest.param(rate(5, 0), [], id="a rate of 0 is a pause"),
        pytest.param(pause(5), [], id="a pause has no arrivals"),
        pytest.param(count(1, 4), [0.25, 0.5, 0.75, 1.0], id="a count is spread over the duration"),
        pytest.param(count(1, 3), [0.333333, 0.666666, 0.999999], id="a count is exact"),
        pytest.param(count(5, 0), [], id="a count of 0 is a pause"),
        pytest.param(ramp(2, 0, 4), [1.25, 1.5, 1.75, 2.0], id="a ramp starts from nothing"),
        pytest.param(ramp(2, 3, 0), [0.333333, 0.666666, 0.999999], id="a ramp goes down to nothing"),
        pytest.param(ramp(1, 1, 5), [0.333333, 0.666666, 0.999999], id="a ramp of one second is even"),
        pytest.param(ramp(0.5, 2, 2), [0.25, 0.5], id="a ramp below a second ends when it should"),
        pytest.param(ramp(2.5, 1, 1), [1.0, 2.0], id="a ramp ignores its last part of a second"),
    ],
)
def test_moments_of_one_phase(phase: Phase, expected: list[float]) -> None:
    """Each kind of phase has its timetable."""
    assert moments(phase) == expected


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (ramp(3, 1, 4), [1, 3, 4]),
        (ramp(2, 6, 1), [6, 1]),
        (ramp(2, 0, 4), [0, 4]),
        (ramp(1, 1, 5), [3]),
        (ramp(1, 3, 10), [7]),
        (ramp(3, 4, 0), [4, 2, 0]),
        (ramp(5, 0.1, 0.9), [0, 0, 1, 1, 1]),
        (ramp(11, 0, 1), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]),
        (ramp(3, 1.4, 1.6), [1, 2, 2]),
        (ramp(2, 2500, 3500), [2500, 3500]),
        (rate(3, 3000), [3003, 3003, 3003]),
        (rate(2, 2_000_000), [1_000_000, 1_000_000]),
        (rate(3, 2), [2, 2, 2]),
        (count(2, 7), [3, 4]),
        (pause(2), [0, 0]),
    ],
)
def test_counts_of_each_second(phase: Phase, expected: list[int]) -> None:
    """Counts are the reference's with one thread."""
    assert seconds(phase) == expected
    assert phase_count(Plan((phase,)), 0) == sum(expected)


def test_the_plan_is_the_sum_of_its_phases() -> None:
    """{1 s: 1 → 5} then {1 s: 3 → 10} are ten users, numbered through."""
    plan = Plan((ramp(1, 1, 5), ramp(1, 3, 10)))
    whole = list(arrivals(plan))

    assert planned(plan) == len(whole) == 10
    assert [arrival.number for arrival in whole] == list(range(10))
    assert [arrival.phase for arrival in whole] == [0] * 3 + [1] * 7
    assert whole[3].at == 1.142857


def test_phases_run_one_after_another() -> None:
    """A phase starts when the one before has lasted its duration, however early its last user came."""
    plan = Plan((rate(2.5, 1), pause(0.1), rate(0.2, 10)))

    assert phase_starts(plan) == (0.0, 2.5, 2.6)
    assert duration(plan) == 2.8
    assert [arrival.at for arrival in arrivals(plan)] == [1.0, 2.0, 2.7, 2.8]


def test_no_phases_no_users() -> None:
    """An empty plan is over at once."""
    plan = Plan(())

    assert (planned(plan), duration(plan), phase_starts(plan), peak_rate(plan)) == (0, 0.0, (), 0.0)
    assert list(arrivals(plan)) == []


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([rate(5, 20), rate(5, 0.5)], 20),
        ([count(0.5, 10)], 20),
        ([ramp(10, 5, 30)], 30),
        ([ramp(10, 30, 5)], 30),
        ([ramp(1, 2, 4)], 3),
        ([poisson(10, 7), pause(3)], 7),
    ],
)
def test_the_peak_rate(phases: Sequence[Phase], expected: float) -> None:
    """The highest rate any phase plans for."""
    assert peak_rate(Plan(tuple(phases))) == expected


def test_more_arrivals_than_microseconds() -> None:
    """A count beyond one a microsecond stays exact and inside its phase."""
    crowd = moments(count(0.00001, 25))

    assert len(crowd) == 25
    assert crowd == sorted(crowd)
    assert 0 < crowd[0] <= crowd[-1] == 0.00001


# ---- properties ----

tenths = st.integers(0, 400).map(lambda n: n / 10)
lengths = st.one_of(st.integers(1, 12).map(float), st.integers(1, 80).map(lambda n: n / 10))
even = st.one_of(
    st.builds(rate, lengths, st.one_of(tenths, st.floats(0.01, 60))),
    st.builds(count, lengths, st.integers(0, 150)),
    st.builds(ramp, lengths, st.one_of(tenths, st.floats(0, 50)), st.one_of(tenths, st.floats(0, 50))),
    st.builds(pause, lengths),
)
plans = st.builds(
    Plan,
    st.lists(st.one_of(even, st.builds(poisson, lengths, st.floats(0.01, 40))), max_size=4).map(tuple),
    st.text(max_size=3),
)


def walk(phase: Phase) -> list[int]:
    """Simulate a phase that is not random, in µs, as one would with a clock and decimals."""
    end = int(Decimal(repr(phase.duration)) * 1_000_000)
    if phase.kind == "ramp":
        return walk_ramp(phase, end)
    interval = 0
    if phase.kind == "rate" and phase.rate > 0:
        interval = max(int(Decimal(1_000_000) / Decimal(repr(phase.rate))), 1)
    if phase.kind == "count" and phase.count > 0:
        interval = end // phase.count
    found: list[int] = []
    now = interval
    while interval and now <= end and (phase.kind == "rate" or len(found) < phase.count):
        found.append(now)
        now += interval
    return found


def walk_ramp(phase: Phase, end: int) -> list[int]:
    low, high = Decimal(repr(phase.rate)), Decimal(repr(phase.ramp_to))
    whole = max(end // 1_000_000, 1)
    found = []
    for second in range(whole):
        wanted = (low + high) / 2 if whole == 1 else low + (high - low) * second / (whole - 1)
        number = int(wanted.quantize(Decimal(1), ROUND_HALF_UP))
        interval = min(end, 1_000_000) // number if number else 0
        found += [second * 1_000_000 + k * interval for k in range(1, number + 1)]
    return found


@given(even)
def test_the_closed_form_agrees_with_a_walk(phase: Phase) -> None:
    """Computing the k-th arrival gives what counting through the phase gives."""
    assert [round(at * 1_000_000) for at in moments(phase)] == walk(phase)


@given(st.integers(2, 3000), st.integers(0, 5000), st.integers(0, 5000))
def test_ramp_counts_are_exact(length: int, start: int, end: int) -> None:
    """The sum over many seconds of rounded halves, of rates with a decimal, is exact."""
    low, high = start / 10, end / 10
    expected = sum(
        # round-half-up((start + (end - start)·i / (length - 1)) / 10) in integers
        (2 * (start * (length - 1) + (end - start) * i) + 10 * (length - 1)) // (20 * (length - 1))
        for i in range(length)
    )

    assert planned(Plan((ramp(length, low, high),))) == expected


@given(st.integers(0, 60), st.integers(1, 50), st.integers(-80, 80), st.integers(-80, 80))
def test_floor_sum_is_the_sum(n: int, modulus: int, slope: int, base: int) -> None:
    """The closed form of a sum of floors equals the sum, slopes down included."""
    assert timetable.floor_sum(n, modulus, slope, base) == sum(
        (slope * i + base) // modulus for i in range(n)
    )


@settings(deadline=None)
@given(plans)
def test_time_never_runs_backwards(plan: Plan) -> None:
    """Arrivals come in order, numbered through, inside their phase."""
    whole = list(arrivals(plan))
    starts = (*phase_starts(plan), duration(plan))

    assert [arrival.number for arrival in whole] == list(range(planned(plan)))
    assert all(a.at <= b.at and a.phase <= b.phase for a, b in pairwise(whole))
    assert all(starts[arrival.phase] < arrival.at <= starts[arrival.phase + 1] for arrival in whole)


@settings(deadline=None)
@given(plans, st.integers(1, 7))
def test_the_union_of_all_shares_is_the_whole(plan: Plan, number: int) -> None:
    """However many share a plan, each arrival is made by one of them: number m by share m % count."""
    parts = [list(arrivals(plan, Share(index, number))) for index in range(number)]

    assert sorted(arrival for part in parts for arrival in part) == sorted(arrivals(plan))
    assert all(arrival.number % number == index for index, part in enumerate(parts) for arrival in part)
    assert [planned(plan, Share(index, number)) for index in range(number)] == [len(part) for part in parts]


cuts = st.lists(st.one_of(st.floats(0, 40), st.integers(0, 400).map(lambda n: n / 10)), max_size=5)


@settings(deadline=None)
@given(plans, cuts, st.integers(1, 3))
def test_windows_partition_the_whole(plan: Plan, cuts: list[float], number: int) -> None:
    """A chain of windows misses no arrival and repeats none; each lies in its window, to the float."""
    share = Share(number - 1, number)
    edges = [0.0, *sorted(cuts), math.inf]
    windows = [Window(start, end) for start, end in pairwise(edges)]
    parts = [list(arrivals(plan, share, window)) for window in windows]

    assert [arrival for part in parts for arrival in part] == list(arrivals(plan, share))
    assert [planned(plan, share, window) for window in windows] == [len(part) for part in parts]
    assert all(w.start <= a.at < w.end for w, part in zip(windows, parts, strict=True) for a in part)


@settings(deadline=None)
@given(plans)
def test_seconds_add_up_to_their_phase(plan: Plan) -> None:
    """The counts of a phase's seconds are its count, and those of the phases the plan's."""
    for index, phase in enumerate(plan.phases):
        counts = [second_count(plan, index, second) for second in range(math.ceil(phase.duration))]
        assert sum(counts) == phase_count(plan, index)
        assert min(counts) >= 0
    assert sum(phase_count(plan, index) for index in range(len(plan.phases))) == planned(plan)


# ---- Poisson ----


def test_the_seed_decides_a_poisson_phase() -> None:
    """The same seed gives the same moments; another seed, or another place in the plan, gives others."""
    one, again, other = (list(arrivals(Plan((poisson(5, 20),), seed))) for seed in ("a", "a", "b"))
    first, second = (
        [arrival.at % 5 for arrival in arrivals(Plan((poisson(5, 20),) * 2, "a")) if arrival.phase == phase]
        for phase in (0, 1)
    )

    assert one == again
    assert one != other
    assert first != second


@pytest.mark.parametrize("mean", [0.2, 3.0, 40.0, 900.0])
def test_poisson_counts_have_the_poissons_mean_and_variance(mean: float) -> None:
    """Over many seconds the mean and the variance of the counts are both the rate."""
    n = 4000
    plan = Plan((poisson(n, mean),), "moments")
    counts = [second_count(plan, 0, second) for second in range(n)]
    average = sum(counts) / n
    variance = sum((c - average) ** 2 for c in counts) / (n - 1)

    assert average == pytest.approx(mean, abs=5 * math.sqrt(mean / n))
    assert variance == pytest.approx(mean, rel=5 * math.sqrt((2 + 1 / mean) / n))


def test_poisson_gaps_are_exponential() -> None:
    """Of exponential gaps with mean 1/R, the part longer than t is e^(-R·t)."""
    at = moments(poisson(2000, 10))
    gaps = [later - earlier for earlier, later in pairwise(at)]

    for t in (0.02, 0.1, 0.3):
        longer = sum(gap > t for gap in gaps) / len(gaps)
        assert longer == pytest.approx(math.exp(-10 * t), abs=0.02)


def test_a_poisson_phase_ends_with_its_last_part_of_a_second() -> None:
    """In the last half second of a phase come half as many, none after its end."""
    late = [at for run in range(200) for at in moments_of(Plan((poisson(1.5, 100),), str(run))) if at > 1]

    assert max(late) <= 1.5
    assert len(late) == pytest.approx(200 * 50, rel=0.05)


def moments_of(plan: Plan) -> list[float]:
    return [arrival.at for arrival in arrivals(plan)]


# ---- speed: generous limits, an order of magnitude above what was measured ----


@pytest.mark.parametrize(
    "phase",
    [rate(DAY, 1000.1), count(DAY, 12_345_678), ramp(DAY, 0.1, 999.7), poisson(DAY, 100)],
    ids=["rate", "count", "ramp", "poisson"],
)
def test_a_day_long_plan_is_ready_at_once(phase: Phase) -> None:
    """A late window of a share of a day starts without walking through the day."""
    plan, share, window = Plan((phase,), phase.kind), Share(3, 7), Window(80_000.1, 85_000.3)
    start = time.perf_counter()
    first = next(arrivals(plan, share, window))
    expected = planned(plan, share, window)
    took = time.perf_counter() - start

    assert first.at >= 80_000.1
    assert expected > 50_000
    assert took < 0.5


@settings(max_examples=5, deadline=None)
@given(st.sampled_from([rate(1000, 200), ramp(1000, 0, 400), count(1000, 200_000)]))
def test_arrivals_are_made_faster_than_any_load(phase: Phase) -> None:
    """A hundred thousand arrivals take well under a second."""
    start = time.perf_counter()
    made = sum(1 for _ in islice(arrivals(Plan((phase,))), 100_000))
    took = time.perf_counter() - start

    assert made == 100_000
    assert took < 0.5
