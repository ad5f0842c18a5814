"""Shares, and the way of an Assignment through JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_worker.errors import Exit, Place, Problem
from grapeshot_worker.plan import Assignment, Share, Window
from grapeshot_worker.script.model import ScriptSource

totals = st.integers(0, 10_000)
shares = st.integers(1, 50).flatmap(lambda n: st.builds(Share, st.integers(0, n - 1), st.just(n)))


@given(shares, totals)
def test_a_share_counts_every_count_th_item(share: Share, total: int) -> None:
    """A share of a total is the number of items k with k % count == index."""
    assert share.of(total) == sum(k % share.count == share.index for k in range(total))


@given(st.integers(1, 50), totals)
def test_shares_lose_no_remainder(count: int, total: int) -> None:
    """All shares of a quota add up to the quota, and differ by one at most."""
    quotas = [Share(index, count).of(total) for index in range(count)]

    assert sum(quotas) == total
    assert max(quotas) - min(quotas) <= 1


@given(shares, st.integers(1, 8), totals)
def test_the_parts_of_a_share_are_the_share(share: Share, count: int, total: int) -> None:
    """Cutting a share for the processes of a worker neither loses nor adds items."""
    assert sum(share.part(index, count).of(total) for index in range(count)) == share.of(total)


@given(shares)
def test_the_only_part_of_a_share_is_itself(share: Share) -> None:
    """Part 0 of 1 changes nothing."""
    assert share.part(0, 1) == share


@pytest.mark.parametrize(("index", "count"), [(1, 1), (-1, 2), (0, 0), (5, 3)])
def test_a_share_that_does_not_exist_is_refused(index: int, count: int) -> None:
    """A share's index lies in 0 … count - 1."""
    with pytest.raises(ValueError, match="there is no"):
        Share(index, count)
    with pytest.raises(ValueError, match="there is no part"):
        Share().part(index, count)


WARNING = Problem(
    message="key not known",
    place=Place(file="a.yml", line=3, path="config.x"),
    remedy="remove it",
    severity="warning",
    exit_code=Exit.FAILED,
)
SOURCE = ScriptSource(
    document={"config": {"target": "http://h", "variables": {"a": [1, None, "ü", 2.5]}}, "scenarios": []},
    path="a.yml",
    directory="dir",
    config_path="c.yml",
    environment="production",
    scenario_name="s",
    test_id="t1",
    warnings=(WARNING, Problem(message="no place")),
)


def travel(assignment: Assignment) -> Assignment:
    return Assignment.from_json(assignment.to_json())


@pytest.mark.parametrize(
    "assignment",
    [
        Assignment(run_id="r", source=SOURCE),
        Assignment(
            run_id="r",
            source=SOURCE,
            share=Share(3, 8),
            process=Share(1, 2),
            window=Window(0.1, 600.7),
            generation=2,
            part="before",
            variables={"token": "x", "deep": {"list": [1, 2.0, None]}},
            flush_interval=0.2,
        ),
        Assignment(run_id="r", source=SOURCE, window=Window(840.0), part="after"),
    ],
    ids=["defaults", "everything set", "open window"],
)
def test_an_assignment_survives_json(assignment: Assignment) -> None:
    """What one process is told arrives as it was sent."""
    assert travel(assignment) == assignment


def test_numbers_json_does_not_know_survive() -> None:
    """`.nan` and `.inf` of the author's YAML reach the worker."""
    document = {"nan": math.nan, "inf": math.inf, "minus": [-math.inf]}
    arrived = travel(Assignment(run_id="r", source=ScriptSource(document=document, path="", directory="")))

    assert math.isnan(arrived.source.document["nan"])
    assert arrived.source.document["inf"] == math.inf
    assert arrived.source.document["minus"] == [-math.inf]


def test_the_marks_of_a_source_stay_behind() -> None:
    """Places in the YAML do not travel; everything else does."""
    marked = ScriptSource(document={}, path="a", directory="b", marks={("config",): Place(file="a", line=1)})

    assert travel(Assignment(run_id="r", source=marked)).source == ScriptSource(
        document={}, path="a", directory="b"
    )


def changed(**values: Any) -> str:
    return json.dumps(json.loads(Assignment(run_id="r", source=SOURCE).to_json()) | values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        changed(unknown=1),
        changed(share=[4, 2]),
        changed(source=None),
    ],
    ids=["nothing", "a list", "no keys", "unknown key", "impossible share", "no source"],
)
def test_anything_else_is_no_assignment(text: str) -> None:
    """A text that `to_json` did not give is refused with ValueError."""
    with pytest.raises(ValueError, match=r"there is no share|no assignment|Expecting value"):
        Assignment.from_json(text)


def test_an_assignment_is_one_line() -> None:
    """Line breaks inside the script's texts are escaped: an assignment goes over a pipe as one line."""
    source = ScriptSource(document={"log": "one\ntwo"}, path="", directory="")

    assert "\n" not in Assignment(run_id="r", source=source).to_json()
