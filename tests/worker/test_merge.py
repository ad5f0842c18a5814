"""Joining documents."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_worker.script.merge import merge, moved
from grapeshot_worker.script.source import Document, read_document


@pytest.mark.parametrize(
    ("base", "over", "arrays", "joined"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3, "d": 4}}, "by index", {"a": {"b": 1, "c": 3, "d": 4}}),
        ({"a": [{"x": 1, "y": 2}, 5]}, {"a": [{"x": 3}]}, "by index", {"a": [{"x": 3, "y": 2}, 5]}),
        ({"a": [1]}, {"a": [2, 3]}, "by index", {"a": [2, 3]}),
        ({"a": [1, 2, 3]}, {"a": [9]}, "whole", {"a": [9]}),
        ({"a": {"b": 1}}, {"a": None}, "by index", {"a": None}),
        ({"a": 1}, {"a": {"b": 1}}, "by index", {"a": {"b": 1}}),
        ({"a": [1]}, {"a": {"0": 2}}, "by index", {"a": {"0": 2}}),
        ({"b": 1, "a": 2}, {"c": 3, "a": 4}, "by index", {"b": 1, "a": 4, "c": 3}),
    ],
)
def test_the_later_document_wins(
    base: Any, over: Any, arrays: Literal["by index", "whole"], joined: Any
) -> None:
    """Mappings join; lists join by position or are replaced; the rest is replaced."""
    merged = merge(Document(value=base), Document(value=over), arrays=arrays)

    assert merged.value == joined
    assert list(merged.value) == list(joined)


def test_every_value_keeps_the_place_it_came_from() -> None:
    """What the later file says points there; what joins both points to the earlier one."""
    base = read_document("config:\n  target: a\n  phases:\n    - duration: 1\n", "a.yml")
    over = read_document("config:\n\n\n  target: b\n", "b.yml")
    marks = merge(base, over).marks

    assert str(marks["config", "target"]) == "b.yml:4 (config.target)"
    assert str(marks["config", "phases", 0, "duration"]) == "a.yml:4 (config.phases[0].duration)"
    assert marks["config",].file == "a.yml"


def test_moved_gives_the_places_of_a_part() -> None:
    """Places below a part are given below its new home."""
    marks = read_document("e:\n  x:\n    t: 1\n", "a.yml").marks

    assert {path: place.line for path, place in moved(marks, ("e", "x"), to=("c",)).items()} == {
        ("c",): 2,
        ("c", "t"): 3,
    }


_VALUES = st.recursive(
    st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(base=_VALUES, over=_VALUES)
def test_merging_changes_neither_argument(base: Any, over: Any) -> None:
    """Both arguments are as before."""
    before = copy.deepcopy((base, over))

    merge(Document(value=base), Document(value=over))

    assert (base, over) == before


@given(value=_VALUES)
def test_a_document_laid_on_itself_is_itself(value: Any) -> None:
    """Merging is idempotent."""
    assert merge(Document(value=value), Document(value=value)).value == value
