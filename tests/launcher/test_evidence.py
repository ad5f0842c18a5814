"""The statistics of paired differences, against enumeration and against what must always hold."""

from __future__ import annotations

import math
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_launcher.results.evidence import (
    cut_off,
    estimate,
    in_blocks,
    least_count,
    pair_averages,
    sign_ways,
)

DIFFERENCES = st.lists(st.integers(-1000, 1000).map(lambda n: n / 8), min_size=1, max_size=40)


@pytest.mark.parametrize("n", range(1, 11))
def test_sign_ways_against_enumeration(n: int) -> None:
    """The number of ways to each rank sum is what trying all 2ⁿ sign patterns counts."""
    counts = [0] * (n * (n + 1) // 2 + 1)
    for signs in product((0, 1), repeat=n):
        counts[sum(rank * sign for rank, sign in zip(range(1, n + 1), signs, strict=True))] += 1

    assert list(sign_ways(n)) == counts


@pytest.mark.parametrize("n", range(6, 10))
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_misses_zero_as_rarely_as_promised(n: int, confidence: float) -> None:
    """Over all signs of the same sizes, which are equally likely when nothing changed, counted one by one."""
    sizes = [random.Random(n).uniform(0.1, 5) for _ in range(n)]
    missed = 0
    for signs in product((-1.0, 1.0), repeat=n):
        found = estimate([size * sign for size, sign in zip(sizes, signs, strict=True)], confidence)
        missed += found.low > 0 or found.high < 0

    assert missed / 2**n <= 1 - confidence
    # And it is no wider than it must be: with one more cut off, it would miss zero too often.
    cut = cut_off(n, confidence)
    if cut is not None:
        assert 2 * sum(sign_ways(n)[: cut + 2]) / 2**n > 1 - confidence


def test_published_critical_values() -> None:
    """Two-sided 5 % and 1 % points of the signed-rank statistic, as tables print them."""
    printed_5 = {6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 12: 13, 15: 25, 20: 52}
    printed_1 = {8: 0, 9: 1, 10: 3, 12: 7, 15: 15, 20: 37}

    assert {n: cut_off(n, 0.95) for n in printed_5} == printed_5
    assert {n: cut_off(n, 0.99) for n in printed_1} == printed_1


@given(DIFFERENCES)
def test_turned_signs_turn_the_estimate(differences: list[float]) -> None:
    """What is so much more one way is so much less the other way."""
    one, other = estimate(differences, 0.95), estimate([-value for value in differences], 0.95)

    assert (other.middle, other.low, other.high) == (-one.middle, -one.high, -one.low)


@given(DIFFERENCES, st.integers(-64, 64))
def test_a_shift_shifts_the_estimate(differences: list[float], shift: int) -> None:
    """Differences that are all so much larger have an estimate that is so much larger."""
    one, other = estimate(differences, 0.95), estimate([value + shift for value in differences], 0.95)

    assert other.middle == pytest.approx(one.middle + shift)
    assert other.low == pytest.approx(one.low + shift)


@given(DIFFERENCES)
def test_the_middle_lies_inside(differences: list[float]) -> None:
    """The interval holds its own estimate, and a higher confidence makes it no narrower."""
    narrow, wide = estimate(differences, 0.9), estimate(differences, 0.99)

    assert narrow.low <= narrow.middle <= narrow.high
    assert wide.low <= narrow.low
    assert wide.high >= narrow.high


def test_one_wild_difference_moves_little() -> None:
    """However wild it is: a stall of the machine is one slice of many."""
    calm = [0.01 * k for k in range(-5, 6)]
    wild = estimate([*calm, 1e9], 0.95)

    assert abs(wild.middle) < 0.01
    assert wild.high < 0.06


@pytest.mark.parametrize("n", range(1, 8))
def test_too_few_have_no_bounds(n: int) -> None:
    """Fewer differences than can be evidence leave everything possible."""
    found = estimate([1.0] * n, 0.99)

    assert (found.middle, found.low, found.high) == (1.0, -math.inf, math.inf)
    assert not found.beyond(0.0)


def test_the_fewest_that_can_be_evidence() -> None:
    """One more confidence takes more differences of one sign."""
    assert [least_count(confidence) for confidence in (0.5, 0.95, 0.99, 0.999)] == [2, 6, 8, 11]


@given(st.lists(st.integers(-100, 100).map(float), min_size=1, max_size=400))
def test_blocks_hold_everything(values: list[float]) -> None:
    """Blocks have between them every value; there are as many values, or between 10 and 19 blocks."""
    blocks = in_blocks(values)
    length = max(len(values) // 10, 1)
    weights = [length] * (len(blocks) - 1) + [len(values) - length * (len(blocks) - 1)]

    assert math.fsum(b * w for b, w in zip(blocks, weights, strict=True)) == pytest.approx(sum(values))
    assert len(blocks) == len(values) if len(values) < 20 else 10 <= len(blocks) < 20


@given(st.permutations(range(9)))
def test_the_order_within_blocks_of_one_does_not_matter(order: list[int]) -> None:
    """A short series is judged by its values, not by when they came."""
    assert estimate([float(k) for k in order], 0.95) == estimate([float(k) for k in range(9)], 0.95)


def test_pair_averages_against_the_definition() -> None:
    """All pairs, each value with itself, once."""
    assert pair_averages([3.0, 1.0, 8.0]) == sorted([3.0, 1.0, 8.0, 2.0, 5.5, 4.5])
