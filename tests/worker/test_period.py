from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_worker.metrics.period import Period, PeriodSum, RateCount, by_window
from grapeshot_worker.metrics.report import Totals, TotalsSum
from grapeshot_worker.metrics.sketch import Sketch

START = 1_795_421_580_000
names = st.sampled_from(["http.requests", "vusers.failed", "errors.x\ud800", "größe", "a b"])
moments = st.none() | st.integers(START, START + 9_999).map(float)
event_times = st.lists(st.integers(START, START + 9_999).map(float), min_size=1, max_size=5)
rates = event_times.map(lambda times: RateCount(len(times), min(times), max(times)))
sketches = st.dictionaries(st.integers(-1000, 10**6).map(float), st.integers(1, 9), max_size=5).map(Sketch.of)
periods = st.builds(
    Period,
    start=st.sampled_from([START, START + 10_000]),
    counters=st.dictionaries(names, st.integers(0, 10**9), max_size=4),
    rates=st.dictionaries(names, rates, max_size=2),
    sketches=st.dictionaries(names, sketches, max_size=2),
    first_counter_at=moments,
    last_counter_at=moments,
    first_histogram_at=moments,
    last_histogram_at=moments,
)
one_window = periods.filter(lambda period: period.start == START)


@settings(max_examples=60)
@given(one_window, one_window, one_window)
def test_merge_laws(a: Period, b: Period, c: Period) -> None:
    """Merging is associative and commutative, and an empty period of the window changes nothing."""
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(Period(start=START)) == a


@settings(max_examples=40)
@given(one_window, one_window)
def test_merge_changes_neither(a: Period, b: Period) -> None:
    """Both arguments stay as they were."""
    before = (a.to_json(), b.to_json())
    a.merge(b)

    assert (a.to_json(), b.to_json()) == before


def test_a_counter_of_zero_survives() -> None:
    """`vusers.failed: 0` is an entry, not a gap: it stays through merging and into the whole."""
    zero = Period(start=START, counters={"vusers.failed": 0})

    assert zero.merge(Period(start=START)).counters == {"vusers.failed": 0}
    assert zero.merge(zero).counters == {"vusers.failed": 0}
    assert Totals.of([zero, Period(start=START + 10_000)]).counters == {"vusers.failed": 0}


def test_windows_do_not_mix() -> None:
    """Periods of two windows are not merged."""
    with pytest.raises(ValueError, match="different windows"):
        Period(start=START).merge(Period(start=START + 10_000))


@settings(max_examples=60)
@given(periods)
def test_json_loses_nothing(period: Period) -> None:
    """A period comes back from JSON text equal in every field."""
    assert Period.from_json(orjson.loads(orjson.dumps(_encodable(period).to_json()))) == _encodable(period)


def _encodable(period: Period) -> Period:
    """Leave broken text to the messages, which carry it."""
    counters = {name: count for name, count in period.counters.items() if name.isascii()}
    return Period(start=period.start, counters=counters, first_counter_at=period.first_counter_at)


PLAIN = Period(start=START).to_json()


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {**PLAIN, "t": 0.5},
        {**PLAIN, "c": {"a": "1"}},
        {**PLAIN, "c": {"a": True}},
        {**PLAIN, "c": []},
        {**PLAIN, "r": {"a": [1]}},
        {**PLAIN, "r": {"a": [1, None, 2]}},
        {**PLAIN, "s": []},
        {**PLAIN, "m": ["now", None, None, None]},
    ],
)
def test_other_json_is_refused(data: object) -> None:
    """Anything but a period is a ValueError that says so."""
    assert Period.from_json(PLAIN) == Period(start=START)
    with pytest.raises(ValueError, match="not a period"):
        Period.from_json(data)


@pytest.mark.parametrize(
    ("rate", "value"),
    [
        (RateCount(100, 0.0, 9_900.0), 10),
        (RateCount(3, 0.0, 200.0), 3),  # less than a second counts as one
        (RateCount(1, 5.0, 5.0), 1),
        (RateCount(5, 0.0, 2_000.0), 3),  # 2.5, half up
        (RateCount(1, 0.0, 9_000.0), 0),
    ],
)
def test_the_value_of_a_rate(rate: RateCount, value: int) -> None:
    """Events a second between the first and the last, rounded half up."""
    assert rate.per_second == value


def test_a_rate_of_two_workers_spans_both() -> None:
    """Two workers of 50 events in the same 9.9 s make 10 events a second, not 5 + 5 rounded each."""
    one = Period(start=START, rates={"r": RateCount(52, START + 0.0, START + 9_900.0)})
    other = Period(start=START, rates={"r": RateCount(52, START + 10.0, START + 9_850.0)})

    assert one.merge(other).rates["r"].per_second == 11


@settings(max_examples=40)
@given(st.lists(periods, max_size=6), st.randoms(use_true_random=False))
def test_the_whole_does_not_depend_on_order(parts: list[Period], r: object) -> None:
    """Totals are the same in whatever order and pieces the periods came."""
    shuffled = list(reversed(parts))

    assert Totals.of(parts) == Totals.of(shuffled) == Totals.of(by_window(parts))


def test_the_whole_of_a_run() -> None:
    """Counters add up, sketches merge, moments are the outermost, the number is the latest window's."""
    first = Period(
        start=START,
        counters={"http.requests": 3},
        sketches={"t": Sketch.of({1.0: 1})},
        first_counter_at=START + 5.0,
        last_counter_at=START + 9.0,
    )
    second = Period(
        start=START + 10_000,
        counters={"http.requests": 4},
        sketches={"t": Sketch.of({2.0: 1})},
        first_counter_at=START + 10_000.0,
        last_counter_at=START + 10_001.0,
        first_histogram_at=START + 10_002.0,
        last_histogram_at=START + 10_003.0,
    )
    totals = Totals.of([second, first])

    assert totals.latest == START + 10_000
    assert totals.counters == {"http.requests": 7}
    assert totals.sketches["t"] == Sketch.of(Counter([1.0, 2.0]))
    assert (totals.first_at, totals.last_at) == (START + 5.0, START + 10_003.0)
    assert totals.first_histogram_at == START + 10_002.0


def test_the_rate_of_the_whole_is_the_mean_over_all_windows() -> None:
    """A window without the event counts as 0: 10, 5 and nothing are 5 a second."""
    windows = [
        Period(start=START, rates={"r": RateCount(100, 0.0, 10_000.0)}),
        Period(start=START + 10_000, rates={"r": RateCount(5, 0.0, 500.0)}),
        Period(start=START + 20_000, counters={"c": 1}),
    ]

    assert Totals.of(windows).rates == {"r": 5}


def test_the_whole_of_nothing() -> None:
    """A run without a measurement has empty totals and no window."""
    assert Totals.of([]) == Totals()
    assert Totals.of([]).first_at is None


@settings(max_examples=40)
@given(one_window, one_window)
def test_a_sum_that_was_given_stays(a: Period, b: Period) -> None:
    """What is added later is in the next answer, not in the ones before."""
    total = PeriodSum()
    total.add(a)
    first = total.period(START)
    total.add(b)

    assert first == a
    assert total.period(START) == a.merge(b)


@settings(max_examples=40)
@given(st.lists(one_window, max_size=5), st.randoms())
def test_a_run_that_goes_on_is_summed_window_by_window(windows: list[Period], rng: random.Random) -> None:
    """At every moment the sum is what folding all windows so far gives, in whatever order they came."""
    whole = TotalsSum()
    parts = [replace(window, start=START + 10_000 * n) for n, window in enumerate(windows)]
    rng.shuffle(parts)

    assert whole.totals() == Totals()
    for count, part in enumerate(parts, 1):
        whole.add(part)
        assert whole.totals() == Totals.of(parts[:count])
