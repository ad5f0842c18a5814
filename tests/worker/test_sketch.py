from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_worker.metrics.sketch import ACCURACY, GAMMA, SUMMARY_KEYS, Sketch, bucket_value, half_up

QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
sizes = st.floats(min_value=1e-300, max_value=1e299)
values = st.one_of(st.just(0.0), sizes, sizes.map(lambda size: -size))
counted = st.dictionaries(values, st.integers(1, 1000), max_size=30)
# Whole numbers add up exactly as floats, so that the laws can be held to the last bit.
counted_whole = st.dictionaries(st.integers(-(10**6), 10**6).map(float), st.integers(1, 1000), max_size=30)


def exact(numbers: list[float], q: float) -> float:
    return sorted(numbers)[math.floor(q * (len(numbers) - 1))]


def assert_guarantee(numbers: list[float]) -> None:
    sketch = Sketch.of(Counter(numbers))
    for q in QUANTILES:
        truth = exact(numbers, q)
        assert abs(sketch.quantile(q) - truth) <= ACCURACY * abs(truth) * (1 + 1e-9), (q, truth)


@given(st.lists(values, min_size=1, max_size=60))
def test_every_quantile_is_within_one_percent(numbers: list[float]) -> None:
    """Whatever the values, a quantile is at most 1 % away from the element at floor(q·(n-1))."""
    assert_guarantee(numbers)


@pytest.mark.parametrize(
    "draw",
    [
        lambda r: r.uniform(0, 1000),
        lambda r: r.expovariate(0.01),
        lambda r: r.lognormvariate(3, 2),
        lambda r: r.paretovariate(1.1),
        lambda r: r.gauss(0, 50),
        lambda r: float(r.randint(0, 30)),
        lambda r: 0.0 if r.random() < 0.5 else r.uniform(1e-6, 1e6),
        lambda r: r.choice([1.0, 1000.0]),
        lambda r: 7.0,
    ],
    ids=[
        "uniform",
        "exponential",
        "lognormal",
        "pareto",
        "normal",
        "whole",
        "half-zero",
        "bimodal",
        "constant",
    ],
)
@pytest.mark.parametrize("size", [1, 2, 18, 2000])
def test_the_guarantee_over_distributions(draw: Callable[[random.Random], float], size: int) -> None:
    """The bound holds over distributions and sizes."""
    r = random.Random(size)
    assert_guarantee([draw(r) for _ in range(size)])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_guarantee_at_the_borders_of_buckets(sign: int) -> None:
    """A value that is a power of gamma, or a float next to it, is still answered within 1 %."""
    for k in range(-30_000, 30_001, 7):
        border = GAMMA**k
        for value in (math.nextafter(border, 0), border, math.nextafter(border, math.inf)):
            estimate = Sketch.of({sign * value: 1}).quantile(0.5)
            assert abs(estimate - sign * value) <= ACCURACY * value * (1 + 1e-9), k


def test_one_is_in_bucket_zero() -> None:
    """The formula itself: 1 has index 0, whose value is 2/(γ+1)."""
    sketch = Sketch.of({1.0: 3})

    assert sketch.bins == {0: 3}
    assert sketch.quantile(0.5) == bucket_value(0) == 2 / (GAMMA + 1)


def test_the_rank_rule_does_not_interpolate() -> None:
    """Of 18 values, 17 of them 1 and one 4, p99 and p999 are 1 and max is 4."""
    summary = Sketch.of({1.0: 17, 4.0: 1}).summary()

    assert (summary["p99"], summary["p999"], summary["max"]) == (1, 1, 4)


def test_an_estimate_may_exceed_the_maximum() -> None:
    """The reference's own example: a single 26.2 has max 26.2 and p50 26.3."""
    summary = Sketch.of({26.2: 1}).summary()

    assert (summary["max"], summary["p50"]) == (26.2, 26.3)


def test_what_is_too_small_counts_as_zero() -> None:
    """Zero and |v| below 1e-308 go to the zero bucket, between the negatives and the positives."""
    sketch = Sketch.of({0.0: 1, 1e-309: 1, -1e-309: 1, -5.0: 1, 5.0: 1})

    assert sketch.zeros == 3
    assert [sketch.quantile(q) for q in (0.25, 0.5, 0.75)] == [0, 0, 0]
    assert sketch.quantile(0) < 0 < sketch.quantile(1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.1e300])
def test_what_is_no_measurement_is_refused(value: float) -> None:
    """A value that has no bucket is refused with words."""
    with pytest.raises(ValueError, match="can't be measured"):
        Sketch.of({value: 1})


def test_a_count_below_one_is_refused() -> None:
    """A value can't be measured zero times."""
    with pytest.raises(ValueError, match="0 times"):
        Sketch.of({1.0: 0})


@given(counted_whole, counted_whole)
def test_merge_is_the_sketch_of_all(one: dict[float, int], other: dict[float, int]) -> None:
    """Merging two sketches gives the sketch of both inputs together, exactly."""
    both = Counter(one) + Counter(other)

    assert Sketch.of(one).merge(Sketch.of(other)) == Sketch.of(both)


@given(counted_whole, counted_whole, counted_whole)
def test_merge_laws(a: dict[float, int], b: dict[float, int], c: dict[float, int]) -> None:
    """Merging is associative and commutative, and the empty sketch changes nothing."""
    x, y, z = Sketch.of(a), Sketch.of(b), Sketch.of(c)

    assert x.merge(y) == y.merge(x)
    assert x.merge(y).merge(z) == x.merge(y.merge(z))
    assert x.merge(Sketch()) == x == Sketch().merge(x)


@given(counted, counted)
def test_merge_changes_neither(a: dict[float, int], b: dict[float, int]) -> None:
    """Both arguments stay as they were."""
    x, y = Sketch.of(a), Sketch.of(b)
    x.merge(y)

    assert (x, y) == (Sketch.of(a), Sketch.of(b))


@settings(max_examples=50)
@given(counted)
def test_json_loses_nothing(a: dict[float, int]) -> None:
    """A sketch comes back from JSON text equal in every field."""
    sketch = Sketch.of(a)

    assert Sketch.from_json(orjson.loads(orjson.dumps(sketch.to_json()))) == sketch


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"b": [1], "n": [], "z": 0, "sum": 0, "min": 0, "max": 0},
        {"b": [1, -1], "n": [], "z": 0, "sum": 0, "min": 0, "max": 0},
        {"b": [1.5, 1], "n": [], "z": 0, "sum": 0, "min": 0, "max": 0},
        {"b": [], "n": [], "z": True, "sum": 0, "min": 0, "max": 0},
        {"b": [], "n": [], "z": 0, "sum": None, "min": 0, "max": 0},
        {"b": {}, "n": [], "z": 0, "sum": 0, "min": 0, "max": 0},
    ],
)
def test_other_json_is_refused(data: object) -> None:
    """Anything but a sketch is a ValueError that says so."""
    with pytest.raises(ValueError, match="not a sketch"):
        Sketch.from_json(data)


def test_summary_keys_and_rounding() -> None:
    """A summary has the keys of a report in their order, each number rounded half up to 1 decimal."""
    summary = Sketch.of({26.25: 1, 26.24: 1}).summary()

    assert tuple(summary) == SUMMARY_KEYS
    assert (summary["min"], summary["max"], summary["count"], summary["mean"]) == (26.2, 26.3, 2, 26.2)
    assert summary["median"] == summary["p50"]


def test_an_empty_summary_is_all_zeros() -> None:
    """Nothing measured gives zeros, not an error."""
    assert set(Sketch().summary().values()) == {0}


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"),
    [
        (2.5, 0, 3),
        (-2.5, 0, -2),
        (0.05, 1, 0.1),
        (-0.05, 1, 0),
        (99.95, 1, 100),
        (3.0, 1, 3),
        (1e300, 1, 1e300),
    ],
)
def test_half_up(value: float, decimals: int, rounded: float) -> None:
    """Halves go up, below zero too; a whole result is an int."""
    result = half_up(value, decimals)

    assert result == rounded
    assert isinstance(result, int) == (rounded == int(rounded))
