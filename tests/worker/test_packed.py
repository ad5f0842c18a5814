"""Sketches in a block: nothing is lost on the way, and they add up as they do one by one."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grapeshot_worker.metrics.packed import PackedSketches, fits
from grapeshot_worker.metrics.period import Period, PeriodSum
from grapeshot_worker.metrics.sketch import LANE, LANE_SUMS, MOST_IN_LANE, Sketch

whole = st.integers(-1000, 10**6).map(float)  # whole numbers add up exactly as floats
values = st.one_of(whole, st.floats(1e-300, 1e299).filter(bool))
sketches = st.dictionaries(
    st.text(max_size=3), st.dictionaries(values, st.integers(1, 300), max_size=20).map(Sketch.of)
)


def travelled(given_ones: dict[str, Sketch]) -> Period:
    """A period of these sketches, as it comes out of a message."""
    data = orjson.loads(orjson.dumps(Period(start=0, sketches=given_ones).to_json()))
    return Period.from_json(data)


@given(sketches)
@example({"zeros only": Sketch.of({0.0: 3}), "none": Sketch(), "one": Sketch.of({1e299: 255})})
def test_nothing_is_lost(given_ones: dict[str, Sketch]) -> None:
    """Whatever was measured comes back equal: all of it, and each one that is asked for."""
    came = travelled(given_ones).sketches

    assert isinstance(came, PackedSketches)
    assert dict(came) == given_ones
    assert {name: came[name] for name in given_ones} == given_ones
    assert len(came) == len(given_ones)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("ab"), st.dictionaries(whole, st.integers(1, 255)).map(Sketch.of))
    )
)
def test_blocks_add_up_as_sketches_do(parts: list[dict[str, Sketch]]) -> None:
    """The sum of periods that came in messages is the sum of the periods themselves, in any mixture."""
    as_they_are, as_they_came, mixed = PeriodSum(), PeriodSum(), PeriodSum()
    for number, part in enumerate(parts):
        as_they_are.add(Period(start=0, sketches=part))
        as_they_came.add(travelled(part))
        mixed.add(travelled(part) if number % 2 else Period(start=0, sketches=part))

    assert as_they_came.period(0) == as_they_are.period(0) == mixed.period(0)


def test_no_count_reaches_its_neighbour() -> None:
    """Thousands of the fullest sketches add up exactly; looking at the sum in between changes nothing."""
    fullest = Sketch.of({1.0: MOST_IN_LANE, 1.02: MOST_IN_LANE, 20.0: 1})
    came, total = travelled({"a": fullest}), PeriodSum()
    for number in range(3000):
        total.add(came)
        if number == 100:
            assert total.sketch("a") is not None
    found = total.sketch("a")

    assert fits(fullest)
    assert found is not None
    assert dict(found.bins) == {index: 3000 * count for index, count in fullest.bins.items()}
    assert found.count == 3000 * fullest.count
    assert MOST_IN_LANE * LANE_SUMS < 256**LANE


@pytest.mark.parametrize(
    ("sketch", "why"),
    [
        (Sketch.of({1.0: 256}), "a count of more than a byte"),
        (Sketch.of({-1.0: 1, 1.0: 1}), "a negative value"),
        (Sketch.of({1e-200: 1, 1e200: 1}), "two buckets with tens of thousands between them"),
        (Sketch(), "nothing"),
    ],
)
def test_odd_sketches_stay_outside(sketch: Sketch, why: str) -> None:
    """What would make a block large or slow is beside it, and is there all the same."""
    came = travelled({"odd": sketch, "plain": Sketch.of({1.0: 1})}).sketches

    assert isinstance(came, PackedSketches)
    assert came.others == {"odd": sketch}, why
    assert [name for name, *_ in came.lanes()] == ["plain"]


BLOCK = PackedSketches.pack({"a": Sketch.of({1.0: 2, 3.0: 1}), "b": Sketch.of({0.0: 1, 5.0: 1})}).block


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["a", "a"]},
        {"names": ["a", 1]},
        {"names": "ab"},
        {"names": None},
        {"low": [1]},
        {"low": [1, 2.5]},
        {"low": [1, "2"]},
        {"low": [1, 10**9]},
        {"low": [1, -(10**9)]},
        {"span": [0, len(base64.b64decode(BLOCK["counts"]))]},
        {"span": [1, 1]},
        {"zeros": [-1, 0]},
        {"sum": ["1", "2"]},
        {"min": [None, 1.0]},
        {"counts": "?"},
        {"counts": 7},
        {"counts": ""},
    ],
)
def test_other_blocks_are_refused(change: dict[str, Any]) -> None:
    """A block that can't be is a ValueError when it is read, not later."""
    assert list(PackedSketches(BLOCK, {})) == ["a", "b"]
    with pytest.raises(ValueError, match="not a block of sketches"):
        PackedSketches({**BLOCK, **change}, {})


def test_a_sketch_is_there_once() -> None:
    """One that is in the block and beside it too would count twice or not at all."""
    with pytest.raises(ValueError, match="beside it too"):
        PackedSketches(BLOCK, {"a": Sketch.of({1.0: 1})})
