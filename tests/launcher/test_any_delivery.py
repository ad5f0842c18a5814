"""Any order, any repetition, any loss: the books stay exact, or the report says what is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from signal import Signals
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lambda_platform import run

from cloud_on_paper import PaperCloud, Part
from conversations import (
    T0,
    Conversation,
    Delivery,
    Life,
    assignments_of,
    carried,
    conversations,
    deliveries,
    lives,
    test_for,
    totals_left,
)
from crew_on_paper import PaperPlatform, PaperWorker
from grapeshot_launcher.conduct import Load
from grapeshot_launcher.options import RunOptions
from grapeshot_launcher.prepare import Test, prepare
from grapeshot_launcher.publish import make_report
from grapeshot_launcher.results.collect import Collector, WorkerId
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.settle import settle
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.messages import Failed, Finished, Message, Ready
from grapeshot_worker.metrics.period import Period, by_window
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.plan import Assignment
from grapeshot_worker.wire import unpack
from virtual_time import run_virtually

SCRIPT = """
config:
  target: http://127.0.0.1:9
  phases: [{duration: 30, arrivalCount: 61}]
scenarios: [{flow: [{get: {url: /}}]}]
"""
EXAMPLES = settings(max_examples=200, deadline=None)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the launcher made of a conversation: its report, and the periods it showed as they became due."""

    test: Test
    run: Conversation
    lives: list[Life]
    short: frozenset[WorkerId]  # something of theirs never came
    bucket: dict[WorkerId, str]
    refused: bool
    report: Report
    shown: list[Period]
    shown_at_the_end: list[Period]

    @property
    def whole(self) -> bool:
        """Whether everything that was measured came, by messages or as the totals of every worker."""
        covered = self.finished and len(self.bucket) == len(self.lives) and not self.refused
        return all(life.left is not None for life in self.lives) and (not self.short or covered)

    @property
    def finished(self) -> bool:
        """Whether every worker came to its end."""
        return all(isinstance(life.left, Finished) for life in self.lives)

    @property
    def truth(self) -> tuple[Period, ...]:
        return by_window(period for life in self.lives for period in life.truth)


@pytest.fixture(scope="module")
def test(tmp_path_factory: pytest.TempPathFactory) -> Test:
    path = tmp_path_factory.mktemp("script") / "script.yml"
    path.write_text(SCRIPT, encoding="utf-8")
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    return prepare(RunOptions(script=str(path)), environ={"ARTILLERY_TEST_RUN_ID": "t1"}, now=now, cpus=1)


def heard(test: Test, run: Conversation, delivery: Delivery) -> Heard:
    """Carry a conversation to the launcher, and let it make its report."""
    test = test_for(test, run)
    everybody = lives(test, run)
    mail, bucket = carried(everybody, delivery), totals_left(everybody, delivery)
    refused = None if delivery.refused is None else everybody[delivery.refused % len(everybody)].worker
    collector = Collector(test.run_id, test.workers, regions=test.regions)
    for generation in range(1, run.started):
        collector.relieved(generation)
    shown: list[Period] = []
    for number, text in enumerate(mail.texts):
        now = T0 + 60.0 * number / len(mail.texts)
        collector.take(unpack(text), now)
        if number % 5 == 0:
            shown += collector.due(now)
        if number in delivery.given_up:
            collector.give_up(number % test.workers)

    def left(assignment: Assignment) -> Finished | Failed | None:
        worker = WorkerId.of(assignment)
        if worker == refused:
            raise GrapeshotError("expired")
        last = unpack(bucket[worker]) if worker in bucket else None
        assert last is None or isinstance(last, Finished | Failed)
        return last

    platform = PaperPlatform(lambda a: PaperWorker([]), left=left)
    run_virtually(settle(collector, platform, assignments_of(test, run)))
    at_the_end = collector.due(float("inf"))
    load = Load(stopped_by=Signals.SIGINT if run.stopped else None)
    return Heard(
        test=test,
        run=run,
        lives=everybody,
        short=mail.short,
        bucket=bucket,
        refused=refused is not None,
        report=make_report(test, load, collector, started=T0, ended=T0 + 60, facts={}),
        shown=shown,
        shown_at_the_end=at_the_end,
    )


def figures(report: Report) -> dict[str, Any]:
    """Everything a report says, in a form that can be compared."""
    return {
        "verdict": report.verdict,
        "totals": report.totals,
        "periods": list(report.periods),
        "books": report.books,
        "workers": report.workers,
    }


def faults(told: Heard) -> tuple[str, ...]:
    """The report's reasons, but for the stop."""
    reasons = told.report.verdict.reasons
    return tuple(reason for reason in reasons if not reason.startswith("the run was interrupted"))


given_any = given(run=conversations(), delivery=deliveries)


@EXAMPLES
@given_any
def test_the_books_balance(test: Test, run: Conversation, delivery: Delivery) -> None:
    """Planned = started + dropped + lost, for each worker and in total, whatever came."""
    told = heard(test, run, delivery)
    books = told.report.books

    assert {row.index: row.planned for row in books.rows} == told.test.planned()
    for row in books.rows:
        assert row.planned == row.started + row.max_vusers + row.stopped + row.lost
        assert min(row.started, row.max_vusers, row.stopped, row.lost) >= 0
    assert books.planned == books.started + sum(books.dropped.values()) + books.lost == 61
    assert books.balanced


@EXAMPLES
@given_any
def test_what_is_not_missing_is_exact(test: Test, run: Conversation, delivery: Delivery) -> None:
    """Where all of it came, or everybody's totals did, every number is what the workers measured."""
    told = heard(test, run, delivery)
    if not told.whole:
        return

    assert list(told.report.periods) == list(told.truth)
    assert told.report.totals == Totals.of(told.truth)
    assert all(end.missing_messages == 0 for end in told.report.workers)
    if told.finished:
        complete = run.stopped or run.started == run.generations
        assert bool(faults(told)) != complete
        assert bool(told.report.books.lost) != complete


@EXAMPLES
@given_any
def test_what_is_missing_is_told(test: Test, run: Conversation, delivery: Delivery) -> None:
    """No report reads as complete while a number of it is not what the workers measured."""
    told = heard(test, run, delivery)
    ends = {end.worker: end for end in told.report.workers}
    differs = list(told.report.periods) != list(told.truth) or told.report.books.lost

    assert set(ends) == {life.worker for life in told.lives}
    if differs:
        assert told.report.verdict.kind == ("stopped" if run.stopped else "invalid")
        assert faults(told)
    if list(told.report.periods) != list(told.truth):
        for worker in told.short:
            assert ends[worker].missing_messages or ends[worker].state != "finished"


@EXAMPLES
@given(run=conversations(), delivery=deliveries, other=st.integers(1, 1000))
def test_the_order_does_not_matter(test: Test, run: Conversation, delivery: Delivery, other: int) -> None:
    """The same messages in another order make the same report."""
    one = heard(test, run, delivery)
    another = heard(test, run, replace(delivery, order=other))

    assert figures(one.report) == figures(another.report)


@EXAMPLES
@given_any
def test_periods_are_shown_once_and_in_order(test: Test, run: Conversation, delivery: Delivery) -> None:
    """As messages come, periods become due in chronological order, none twice; the end leaves none out."""
    told = heard(test, run, delivery)
    starts = [period.start for period in told.shown]
    rest = [period.start for period in told.shown_at_the_end]

    assert starts + rest == sorted(set(starts + rest))
    newest = max(starts, default=0)
    assert rest == [period.start for period in told.report.periods if period.start > newest]


# ---- the same through the platform: pollers, gaps, the probe, and the wait for what comes late ----


@settings(max_examples=100, deadline=None)
@given(
    fates=st.lists(st.sampled_from([[0.0]] * 6 + [[], [0.0, 3.0], [6.0], [40.0]]), min_size=3, max_size=12),
    kept=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_a_run_over_such_a_queue(
    tmp_path_factory: pytest.TempPathFactory, fates: list[list[float]], kept: list[bool]
) -> None:
    """Whatever the queue does after Ready, the books balance, and a run that passes has counted every user."""

    def queue(message: Message) -> list[float]:
        return (
            [0.0]
            if isinstance(message, Ready)
            else fates[(message.sequence * 3 + message.index) % len(fates)]
        )

    paper = PaperCloud(part=lambda i: Part(keeps_totals=kept[i.index]), queue=queue)
    told = run(tmp_path_factory.mktemp("run"), paper, workers=3)
    ours = told.report["grapeshot"]
    books = ours["books"]

    assert books["balanced"]
    assert books["planned"] == books["started"] + books["lost"] == 20
    counted = told.report["aggregate"]["counters"].get("vusers.created", 0)
    if all(kept) or ours["verdict"] == "pass":
        assert (told.code, counted, books["lost"]) == (0, 20, 0)
    else:
        assert (told.code, ours["verdict"]) == (4, "invalid")
        assert ours["reasons"]
