"""Who comes: the variables a user starts with, its row of data, and the pick of its scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grapeshot_worker.script.template import MISSING
from grapeshot_worker.traffic.users import whole_weight
from one_user import play
from target import Target, serve


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    """One recording server for all tests of the file."""
    with serve() as running:
        yield running


def test_rows_come_in_their_order_from_the_first(server: Target, tmp_path: Path) -> None:
    """Around and around; reading the weights takes no row away."""
    config = """
    phases: [ { duration: 1, arrivalCount: 5 } ]
    payload: { path: d.csv, fields: [a, b], order: sequence }
    """
    files = {"d.csv": "1,x\n007,y\n"}
    story = play(
        '- log: "{{ a }} {{ b }}"', server, tmp_path, config=config, scenario="weight: 3", files=files
    )

    assert story.lines == ["1 x", "7 y", "1 x", "7 y", "1 x"]


def test_inline_variables_beat_data_and_a_list_is_a_choice(server: Target, tmp_path: Path) -> None:
    """Anything else is given as it is; a list in a list is a list."""
    config = """
    payload: { path: d.csv, fields: [a, b] }
    variables: { a: inline, one: [only], list: [[1, 2]], none: [] }
    """
    flow = '- log: "{{ a }} {{ b }} {{ one }} {{ list }} {{ none }}"'
    story = play(flow, server, tmp_path, config=config, files={"d.csv": "data,b"})

    assert story.lines == ["inline b only [1,2] undefined"]


def test_the_built_in_variables(server: Target, tmp_path: Path) -> None:
    """target, the place of the script, the environment, an identifier of the user's own."""
    flow = '- log: "{{ target }} {{ $dirname }} {{ $env.WHO }} {{ $environment }} {{ $uuid.length }} {{ $testId }}"'
    story = play(flow, server, tmp_path, environ={"WHO": "me"})

    assert story.lines == [f"{server.url} {tmp_path} me undefined 36 t"]


def test_scenarios_are_picked_by_weight(server: Target, tmp_path: Path) -> None:
    """A weight is 1 unless said, a template is filled in from the first user's data, 0 is never."""
    sections = """
scenarios:
  - { name: never, weight: 0, flow: [ { log: never } ] }
  - { name: half, weight: 0.5, flow: [ { log: half } ] }
  - { name: three, weight: "{{ w }}", flow: [ { log: three } ] }
  - { flow: [ { log: one } ] }
"""
    config = "phases: [ { duration: 1, arrivalCount: 400 } ]\nvariables: { w: 3 }"
    story = play("", server, tmp_path, config=config, scenarios=sections)
    picked = Counter(story.lines)

    assert picked.keys() == {"three", "one"}
    assert 250 < picked["three"] < 350
    assert story.counters["vusers.created_by_name.three"] == picked["three"]
    assert story.counters["vusers.created_by_name.3"] == picked["one"]


def test_weights_that_all_turn_out_to_be_zero_fail_each_user(server: Target, tmp_path: Path) -> None:
    """Under a name that says why; the reference crashes."""
    flow, config = "- log: never", "variables: { w: 0 }"
    story = play(flow, server, tmp_path, config=config, scenario="weight: '{{ w }}'")

    assert story.lines == []
    assert story.counters["vusers.failed"] == story.counters["vusers.created"] == 1
    assert any("weights" in name for name in story.errors)


@pytest.mark.parametrize(
    ("written", "weight"),
    [(2, 2), ("3", 3), (2.9, 2), (0.5, 0), ("x", 0), (-1, 0), (True, 0), (MISSING, 0), (float("inf"), 0)],
)
def test_a_weight_is_a_whole_number(written: Any, weight: int) -> None:
    """Garbage is 0: such a scenario never runs."""
    assert whole_weight(written) == weight
