"""Which row of a CSV file belongs to which user, where workers, their processes and generations share a load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grapeshot_worker.arrivals import arrivals
from grapeshot_worker.plan import Plan, Share, Window
from grapeshot_worker.script.model import Phase
from one_user import play
from target import Target, serve

WORKERS, PROCESSES = 2, 2
WINDOWS = (Window(0.0, 0.7), Window(0.7, 1.5), Window(1.5))  # of three generations
RATES = (20, 5)  # of two phases of a second each
USERS = sum(RATES)
PLAN = Plan(
    tuple(
        Phase(index=index, kind="rate", duration=1, written_duration=1, rate=rate)
        for index, rate in enumerate(RATES)
    )
)


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    """One server for all tests of the file; nobody asks it for anything."""
    with serve() as running:
        yield running


def rows_of_users(
    server: Target, folder: Path, *, rows: int, more: str = "", copies: bool = False
) -> list[int]:
    """Give the row of each arrival of the plan, in order, as every process of every generation has drawn it.

    With `copies` that of the second worker, who makes the whole load.
    """
    phases = ", ".join(f"{{ duration: 1, arrivalRate: {rate} }}" for rate in RATES)
    config = f"phases: [ {phases} ]\npayload: {{ path: d.csv, fields: [row], order: sequence{more} }}"
    files = {"d.csv": "".join(f"{row}\n" for row in range(rows))}
    drawn: dict[int, int] = {}
    for generation, window in enumerate(WINDOWS):
        for worker in [1] if copies else range(WORKERS):
            for place in (Share(index, PROCESSES) for index in range(PROCESSES)):
                share = (Share() if copies else Share(worker, WORKERS)).part(place.index, place.count)
                told = {"share": share, "process": place, "window": window, "generation": generation}
                if copies:
                    told["copy"] = worker
                story = play('- log: "{{ row }}"', server, folder, config=config, files=files, told=told)
                numbers = [arrival.number for arrival in arrivals(PLAN, share, window)]
                drawn |= zip(numbers, map(int, story.lines), strict=True)
    return [drawn[number] for number in range(USERS)]


@pytest.mark.parametrize("rows", [30, 13, 4, 3])
def test_no_row_comes_twice_before_all_have_come(server: Target, tmp_path: Path, rows: int) -> None:
    """User k of the plan has row k, whoever makes it; a second round begins when the file has been used up."""
    drawn = rows_of_users(server, tmp_path, rows=rows)

    assert drawn[:rows] == list(range(rows))[:USERS]
    assert set(drawn) == set(range(min(rows, USERS)))


@pytest.mark.parametrize("rows", [30, 6])
def test_every_worker_can_have_the_whole_file(server: Target, tmp_path: Path, rows: int) -> None:
    """With `everyWorker` each reads it from its first row, as the reference's do; its processes share the rows."""
    drawn = rows_of_users(server, tmp_path, rows=rows, more=", everyWorker: true")

    for worker in range(WORKERS):
        own = drawn[worker::WORKERS]
        assert own == [row % rows for row in range(len(own))]


@pytest.mark.parametrize("more", ["", ", everyWorker: true"])
def test_every_copy_of_a_load_has_the_whole_file(server: Target, tmp_path: Path, more: str) -> None:
    """`--count` repeats the rows with the load, as the reference does."""
    assert rows_of_users(server, tmp_path, rows=30, more=more, copies=True) == list(range(USERS))
