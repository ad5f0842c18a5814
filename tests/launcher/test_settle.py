"""Making numbers whole from what workers left behind: when, from whom, and what stays missing."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import pytest

from crew_on_paper import PaperPlatform, PaperWorker, stamp
from grapeshot_launcher.results.collect import Collector
from grapeshot_launcher.settle import settle
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.messages import Facts, Failed, Finished, Message, Progress, Ready, Tally
from grapeshot_worker.metrics.period import WINDOW_MS, Period
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.plan import Assignment, Share
from grapeshot_worker.script.model import ScriptSource

SOURCE = ScriptSource(document={}, path="script.yml", directory=".")
TWO = [Assignment(run_id="t", source=SOURCE, share=Share(index, 2)) for index in range(2)]
WHOLE = Tally(planned=3, started=3)


def periods(users: int) -> tuple[Period, ...]:
    return (Period(start=0, counters={"vusers.created": users}),)


def said(a: Assignment) -> list[Message]:
    """Ready, two reports and the end: three users."""
    return [
        Ready(**stamp(a, 1), planned=3),
        Progress(**stamp(a, 2), periods=periods(1), tally=Tally(planned=3, started=1), at=1.0),
        Progress(**stamp(a, 3), periods=periods(1), tally=Tally(planned=3, started=2), at=2.0),
        Finished(**stamp(a, 4), periods=periods(1), tally=WHOLE, facts=Facts(pid=1)),
    ]


def left(a: Assignment) -> Finished:
    return Finished(**stamp(a, 4), periods=periods(3), tally=WHOLE, facts=Facts(pid=1))


def settled(
    messages: Sequence[Message], left_by: dict[int, Finished | Failed | GrapeshotError]
) -> tuple[Collector, list[int]]:
    """Settle a collector that took these messages; give it with the workers whose last words were read."""
    collector = Collector("t", 2)
    for message in messages:
        collector.take(message, 0.0)
    read: list[int] = []

    def leave(a: Assignment) -> Finished | Failed | None:
        read.append(a.index)
        found = left_by.get(a.index)
        if isinstance(found, GrapeshotError):
            raise found
        return found

    asyncio.run(settle(collector, PaperPlatform(lambda a: PaperWorker([]), left=leave), TWO))
    return collector, read


def users(collector: Collector) -> int:
    return sum(period.counters.get("vusers.created", 0) for period in collector.periods())


def missing(collector: Collector) -> list[int]:
    return [end.missing_messages for end in collector.ends()]


def test_nothing_is_read_when_nothing_is_missing() -> None:
    """A run without losses asks for nothing."""
    collector, read = settled([*said(TWO[0]), *said(TWO[1])], {})

    assert read == []
    assert users(collector) == 6


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_lost_message_is_made_good(gone: int) -> None:
    """Whichever it was: everybody's totals are merged afresh, and nobody is counted twice."""
    messages = [*said(TWO[0]), *said(TWO[1])]
    del messages[gone]

    collector, read = settled(messages, {0: left(TWO[0]), 1: left(TWO[1])})

    assert users(collector) == 6
    assert missing(collector) == [0, 0]
    assert collector.finished() == {0, 1}
    assert read == [0, 0, 1]


def test_without_totals_the_loss_stays_known() -> None:
    """What came is kept."""
    messages = [*said(TWO[0]), *said(TWO[1])]
    del messages[2]

    collector, _ = settled(messages, {})

    assert users(collector) == 5
    assert missing(collector) == [1, 0]


def test_a_last_word_that_was_found_does_not_hide_what_is_missing() -> None:
    """The end of one worker is lost and found, but not the other one's totals: the sum of messages lacks something."""
    messages = [*said(TWO[0])[:2], *said(TWO[1])]

    collector, _ = settled(messages, {0: left(TWO[0])})

    assert users(collector) == 4
    assert collector.finished() == {0, 1}
    assert missing(collector) == [2, 0]


def test_a_dead_worker_s_part_is_not_thrown_away() -> None:
    """The other one's lost end is found, but a sum of totals would lack what the dead one measured."""
    messages = [*said(TWO[0])[:3], *said(TWO[1])[:2]]

    collector, _ = settled(messages, {0: left(TWO[0])})

    assert [end.state for end in collector.ends()] == ["finished", "lost"]
    assert collector.tallies()[0].started == 3
    assert users(collector) == 3


def test_a_failure_left_behind_is_heard() -> None:
    """A worker that can't go on says so in the same place."""
    messages = [*said(TWO[0]), *said(TWO[1])[:2]]

    collector, _ = settled(messages, {1: Failed(**stamp(TWO[1], 3), message="It broke.")})

    assert collector.failed() == {1}


def test_a_place_that_can_not_be_asked_leaves_things_as_they_are() -> None:
    """The report is made all the same."""
    collector, _ = settled([*said(TWO[0]), *said(TWO[1])[:3]], {1: GrapeshotError("expired")})

    assert users(collector) == 5
    assert collector.finished() == {0}


def test_a_long_run_s_totals_are_packed_as_they_are_read() -> None:
    """Twenty generations take little more memory at a time than two: who has been relieved has no more to add."""
    sketch = Sketch.of({float(value): 1 for value in range(1, 400)})
    named = {f"t{number}": sketch for number in range(10)}

    def last(a: Assignment) -> Finished:
        starts = range(a.generation * 5, a.generation * 5 + 6)  # the sixth window is its successor's too
        measured = tuple(Period(start=start * WINDOW_MS, sketches=named) for start in starts)
        return Finished(**stamp(a, 1), periods=measured, tally=Tally(), facts=Facts(pid=1))

    def peak(generations: int) -> int:
        everybody = [replace(TWO[0], share=Share(), generation=number) for number in range(generations)]
        collector = Collector("t", 1)
        collector.relieved(generations - 1)
        tracemalloc.start()
        try:
            platform = PaperPlatform(lambda a: PaperWorker([]), left=last)
            asyncio.run(settle(collector, platform, everybody))
            assert len(collector.periods()) == generations * 5 + 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20) < 2 * peak(2)
