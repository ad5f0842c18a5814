"""A run's parts by region: together they are the whole, to the unit, whatever came of the messages."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_any_delivery import SCRIPT, Heard, figures, heard

from conversations import Conversation, Delivery, conversations, deliveries
from grapeshot_launcher.options import RunOptions
from grapeshot_launcher.prepare import Test, prepare
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.regions import Measured, region_of, region_parts, regions_of_workers
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.period import WINDOW_MS, Period, RateCount
from grapeshot_worker.metrics.report import PartsSum, Totals
from grapeshot_worker.metrics.sketch import Sketch

THREE = ("eu-west-1", "us-east-1", "ap-southeast-1")
EXAMPLES = settings(max_examples=100, deadline=None)
given_any = given(run=conversations(), delivery=deliveries, count=st.integers(2, 3))


@pytest.fixture(scope="module")
def test(tmp_path_factory: pytest.TempPathFactory) -> Test:
    path = tmp_path_factory.mktemp("script") / "script.yml"
    path.write_text(SCRIPT, encoding="utf-8")
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    return prepare(RunOptions(script=str(path)), environ={"ARTILLERY_TEST_RUN_ID": "t1"}, now=now, cpus=1)


def together(parts: Sequence[Totals]) -> tuple[Counter[str], dict[str, Sketch], float | None, float | None]:
    """Add up what can be added: counters, sketches, the first and the last moment."""
    counters = reduce(lambda total, part: total + Counter(part.counters), parts, Counter[str]())
    names = {name for part in parts for name in part.sketches}
    firsts = [part.first_at for part in parts if part.first_at is not None]
    lasts = [part.last_at for part in parts if part.last_at is not None]
    return (
        counters,
        {name: reduce(Sketch.merge, (p.sketches[name] for p in parts if name in p.sketches)) for name in names},
        min(firsts, default=None),
        max(lasts, default=None),
    )  # fmt: skip


def users(books: Books) -> Counter[str]:
    """Give every sum of the books."""
    sums = Counter({"planned": books.planned, "started": books.started, "lost": books.lost})
    sums.update(books.dropped)
    for name in ("completed", "failed", "cut"):
        sums[name] = sum(getattr(row, name) for row in books.rows)
    return sums


@EXAMPLES
@given_any
def test_the_parts_are_the_whole(test: Test, run: Conversation, delivery: Delivery, count: int) -> None:
    """Users, counters and distributions of all regions add up to those of the run, whatever was lost or came twice."""
    report = heard(replace(test, regions=THREE[:count]), run, delivery).report

    assert [part.region for part in report.regions] == list(THREE[:count])
    assert together([part.totals for part in report.regions]) == together([report.totals])
    assert reduce(Counter.__add__, [users(part.books) for part in report.regions]) == +users(report.books)
    assert sorted(row.index for part in report.regions for row in part.books.rows) == list(range(run.workers))
    assert all(part.books.balanced for part in report.regions)


@EXAMPLES
@given_any
def test_each_part_is_what_its_workers_measured(
    test: Test, run: Conversation, delivery: Delivery, count: int
) -> None:
    """Where nothing is missing, or the totals of all workers made it good, nothing stands in another region."""
    told = heard(replace(test, regions=THREE[:count]), run, delivery)
    if not told.whole:
        return

    for part in told.report.regions:
        assert part.totals == Totals.of(_truth(told, part.region))


def _truth(told: Heard, region: str) -> list[Period]:
    regions = told.test.regions
    return [
        each for life in told.lives if region_of(life.worker.index, regions) == region for each in life.truth
    ]


@settings(max_examples=25, deadline=None)
@given(run=conversations(), delivery=deliveries, count=st.integers(0, 3))
def test_regions_change_nothing_of_the_whole(
    test: Test, run: Conversation, delivery: Delivery, count: int
) -> None:
    """The run's own numbers are those of a run that knows no region; with fewer than two there are no parts."""
    plain = heard(test, run, delivery).report
    report = heard(replace(test, regions=THREE[:count]), run, delivery).report

    assert figures(report) == figures(plain)
    assert len(report.regions) == (count if count > 1 else 0)


def test_a_region_without_a_worker_is_there() -> None:
    """Two workers leave the third of three regions empty, and that shows."""
    books = Books.of({0: 5, 1: 5}, {0: Tally(started=5), 1: Tally(started=5)}, {0, 1})
    parts = region_parts(THREE, books, {})

    assert [(part.region, part.workers, part.books.planned) for part in parts] == [
        ("eu-west-1", 1, 5),
        ("us-east-1", 1, 5),
        ("ap-southeast-1", 0, 0),
    ]
    assert regions_of_workers(parts) == {0: "eu-west-1", 1: "us-east-1"}


def test_one_region_costs_nothing() -> None:
    """What one region measured is the whole, and kept once."""
    measured = Measured(("eu-west-1",))
    measured.add(0, Period(start=0, counters={"a": 1}))

    assert measured.by_region() == {}
    assert Totals.of(measured.whole.periods()).counters == {"a": 1}


def test_a_region_s_memory_hardly_grows_with_the_hours() -> None:
    """Of a region there is a sum: six hours take as much as one, and some hundred bytes for each further window."""
    names, rates = [f"t{number}" for number in range(10)], {"r": RateCount(1, 0.0, 1.0)}
    sketch = Sketch.of({float(n): 1 for n in range(1, 400)})
    total = PartsSum()

    def hours(first: int, last: int) -> int:
        for number in range(first * 360, last * 360):
            start = number * WINDOW_MS
            total.add(Period(start=start, sketches=dict.fromkeys(names, sketch), rates=rates))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        after_one = hours(0, 1)
        after_six = hours(1, 6)
    finally:
        tracemalloc.stop()

    assert (after_six - after_one) / (5 * 360) < 500
