from __future__ import annotations

import math
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_launcher.results.collect import Collector, WorkerId
from grapeshot_launcher.results.regions import Measured
from grapeshot_launcher.results.sequences import Sequences
from grapeshot_worker.messages import Facts, Failed, Finished, Message, Progress, Ready, Tally
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

RUN = "t1"
T0 = 1_795_421_580  # epoch seconds, a window's start


def ready(index: int, sequence: int = 1, *, generation: int = 0, planned: int = 10) -> Ready:
    return Ready(run_id=RUN, generation=generation, index=index, sequence=sequence, planned=planned)


def progress(
    index: int,
    sequence: int,
    at: float,
    *periods: Period,
    tally: Tally | None = None,
    generation: int = 0,
) -> Progress:
    return Progress(
        run_id=RUN,
        generation=generation,
        index=index,
        sequence=sequence,
        periods=periods,
        tally=tally or Tally(),
        at=at,
    )


def finished(
    index: int, sequence: int, *periods: Period, tally: Tally | None = None, generation: int = 0
) -> Finished:
    return Finished(
        run_id=RUN,
        generation=generation,
        index=index,
        sequence=sequence,
        periods=periods,
        tally=tally or Tally(),
        facts=Facts(pid=7),
    )


def failed(index: int, sequence: int) -> Failed:
    return Failed(run_id=RUN, generation=0, index=index, sequence=sequence, message="no")


def window(number: int, requests: int = 1, **counters: int) -> Period:
    start = (T0 + 10 * number) * 1000
    return Period(
        start=start,
        counters={"http.requests": requests, **counters},
        first_counter_at=start + 100.0,
        last_counter_at=start + 200.0,
    )


def requests(collector: Collector) -> int:
    return Totals.of(collector.periods()).counters["http.requests"]


# ---- taking ----


def test_a_message_is_taken_once() -> None:
    """The queue may deliver a message twice; its numbers count once."""
    collector = Collector(RUN, 1)
    message = progress(0, 2, T0 + 1, window(0, 5))

    assert collector.take(message, T0 + 1)
    assert not collector.take(message, T0 + 2)
    assert requests(collector) == 5


def test_another_run_is_not_ours() -> None:
    """A message of another run changes nothing."""
    collector = Collector("other", 1)

    assert not collector.take(ready(0), T0)
    assert collector.ready() == set()


def test_same_number_of_another_worker_or_generation_is_another_message() -> None:
    """Duplicates are known by generation, index and sequence together."""
    collector = Collector(RUN, 2)
    taken = [
        collector.take(progress(0, 1, T0, window(0)), T0),
        collector.take(progress(1, 1, T0, window(0)), T0),
        collector.take(progress(0, 1, T0, window(0), generation=1), T0),
    ]

    assert taken == [True, True, True]
    assert requests(collector) == 3


@settings(max_examples=50)
@given(st.permutations(range(8)), st.lists(st.integers(0, 7), max_size=8))
def test_order_and_repetition_do_not_matter(order: list[int], repeated: list[int]) -> None:
    """Whatever order messages come in, and however often, the numbers are the same."""
    messages: list[Message] = [
        progress(i % 2, i // 2 + 1, T0 + i, window(i // 4, i), tally=Tally(started=i)) for i in range(6)
    ]
    messages += [
        finished(0, 4, window(1, 50), tally=Tally(started=9)),
        finished(1, 4, tally=Tally(started=8)),
    ]
    straight, mixed = Collector(RUN, 2), Collector(RUN, 2)
    for message in messages:
        straight.take(message, T0)
    for i in [*order, *repeated]:
        mixed.take(messages[i], T0)

    assert list(mixed.periods()) == list(straight.periods())
    assert mixed.tallies() == straight.tallies() == {0: Tally(started=9), 1: Tally(started=8)}
    assert mixed.live().requests == straight.live().requests


def test_the_states_are_sets() -> None:
    """A worker that says twice that it finished is one finished worker."""
    collector = Collector(RUN, 3)
    for sequence in (1, 2):
        collector.take(ready(0, sequence), T0)
    for sequence in (3, 4):
        collector.take(finished(0, sequence), T0)
    collector.take(failed(1, 1), T0)

    assert collector.ready() == {0}
    assert collector.finished() == {0}
    assert collector.failed() == {1}
    assert collector.outstanding() == {2}


@given(st.lists(st.integers(1, 40), max_size=60))
def test_sequences_remember_what_they_saw(numbers: list[int]) -> None:
    """Ranges answer as a set would, and know the gaps."""
    sequences, seen = Sequences(), set[int]()
    for number in numbers:
        assert sequences.add(number) == (number not in seen)
        seen.add(number)

    assert sequences.missing() == (max(seen) - len(seen) if seen else 0)
    assert sequences.missing(50) == 50 - len(seen)


def test_memory_does_not_grow_with_time() -> None:
    """An hour of messages about the same windows takes no more memory than a minute of them."""
    collector = Collector(RUN, 1)

    def minutes(first: int, last: int) -> int:
        for second in range(first * 60, last * 60):
            collector.take(progress(0, second + 1, T0 + second, window(0)), T0 + second)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        after_a_minute = minutes(0, 1)
        after_an_hour = minutes(1, 60)
    finally:
        tracemalloc.stop()

    assert after_an_hour - after_a_minute < 4096


# ---- windows ----


def test_a_window_is_due_when_every_worker_is_past_it() -> None:
    """A window waits for the slowest live worker, and is given once, with the parts of all."""
    collector = Collector(RUN, 2)
    collector.take(progress(0, 1, T0 + 11, window(0, 3)), T0 + 11)

    assert collector.due(T0 + 11) == []
    collector.take(progress(1, 1, T0 + 10, window(0, 4)), T0 + 11)
    assert [period.counters["http.requests"] for period in collector.due(T0 + 11)] == [7]
    assert collector.due(T0 + 12) == []


@pytest.mark.parametrize(("workers", "grace"), [(1, 33), (10, 33), (11, 36), (100, 60)])
def test_a_window_is_due_after_the_grace(workers: int, grace: int) -> None:
    """A silent worker holds a window back no longer than ⌈workers / 10⌉·3 + 30 s from its start."""
    collector = Collector(RUN, workers)
    collector.take(progress(0, 1, T0 + 5, window(0)), T0 + 5)

    assert collector.due(T0 + grace - 0.1) == []
    assert len(collector.due(T0 + grace)) == 1


def test_windows_come_in_order() -> None:
    """Several due windows come in chronological order, whatever order their data came in."""
    collector = Collector(RUN, 1)
    collector.take(progress(0, 2, T0 + 40, window(2)), T0 + 40)
    collector.take(progress(0, 1, T0 + 20, window(0)), T0 + 40)

    assert [period.start for period in collector.due(T0 + 40)] == [window(0).start, window(2).start]


@pytest.mark.parametrize("end", ["finished", "failed", "given up"])
def test_who_has_ended_holds_nothing_back(end: str) -> None:
    """A worker that finished, failed or was given up is not waited for; with nobody left all windows are due."""
    collector = Collector(RUN, 2)
    collector.take(progress(0, 1, T0 + 5, window(0)), T0 + 5)
    if end == "given up":
        collector.give_up(1)
    else:
        collector.take(finished(1, 1) if end == "finished" else failed(1, 1), T0 + 5)

    assert collector.due(T0 + 5) == []
    collector.take(finished(0, 2, window(1)), T0 + 6)
    assert len(collector.due(T0 + 6)) == 2


def test_a_successor_that_waits_holds_nothing_back() -> None:
    """The next generation is ready early; until it measures, windows don't wait for it."""
    collector = Collector(RUN, 1)
    collector.take(progress(0, 1, T0 + 10, window(0)), T0 + 10)
    collector.take(ready(0, generation=1), T0 + 10)

    assert len(collector.due(T0 + 10)) == 1


def test_late_data_still_counts() -> None:
    """What comes after its window was published shows in the final numbers and is known as late."""
    collector = Collector(RUN, 2)
    collector.take(progress(0, 1, T0 + 10, window(0, 1)), T0 + 10)
    collector.due(T0 + 33)
    collector.take(progress(1, 1, T0 + 10, window(0, 2)), T0 + 34)

    assert collector.due(T0 + 34) == []
    assert collector.late == {window(0).start}
    assert requests(collector) == 3


# ---- workers ----


def test_silent_workers() -> None:
    """Who has said nothing for longer than the limit is silent, unless it has ended."""
    collector = Collector(RUN, 3, since=T0)
    collector.take(ready(0), T0 + 50)
    collector.take(finished(1, 1), T0 + 1)

    assert collector.silent(T0 + 60, 60.0) == set()
    assert collector.silent(T0 + 61, 60.0) == {2}
    assert collector.silent(T0 + 111, 60.0) == {0, 2}


def test_without_a_start_the_unheard_are_not_silent() -> None:
    """A worker never heard of is a matter of the readiness deadline, until its start is known."""
    assert Collector(RUN, 1).silent(T0, 1.0) == set()


def test_the_ends_of_the_workers() -> None:
    """Every worker has an end: finished, failed, or lost; gaps in its messages are counted."""
    collector = Collector(RUN, 3)
    collector.take(finished(0, 4), T0)
    collector.take(ready(0, 1), T0)
    collector.take(failed(1, 1), T0)
    ends = collector.ends()

    assert [(end.worker, end.state) for end in ends] == [
        (WorkerId(0, 0), "finished"),
        (WorkerId(0, 1), "failed"),
        (WorkerId(0, 2), "lost"),
    ]
    assert ends[0].missing_messages == 2
    assert ends[0].facts == Facts(pid=7)


def test_the_first_messages_can_be_missing_too() -> None:
    """Workers count from 1: whose first messages never came is doubtful, although no gap shows between the others."""
    collector = Collector(RUN, 1)
    collector.take(progress(0, 3, T0 + 1, window(0)), T0 + 1)
    collector.take(finished(0, 4), T0 + 2)

    assert collector.doubtful() == {0}
    assert collector.ends()[0].missing_messages == 2


def test_what_was_put_in_place_of_messages_is_due_too() -> None:
    """After totals have taken the place of messages, every window that was not given yet is, in order."""
    collector = Collector(RUN, 1)
    collector.take(progress(0, 1, T0 + 10, window(0)), T0 + 10)
    given = collector.due(T0 + 10)
    afresh = Measured()
    for number in range(3):
        afresh.add(0, window(number))
    collector.replace(afresh)

    assert [period.start for period in given] == [window(0).start]
    assert [period.start for period in collector.due(math.inf)] == [window(1).start, window(2).start]


def test_a_share_is_booked_over_its_generations() -> None:
    """The tallies of a share's workers add up along the chain of windows."""
    collector = Collector(RUN, 1)
    collector.take(finished(0, 1, tally=Tally(planned=3, started=3)), T0)
    collector.take(finished(0, 1, tally=Tally(planned=2, started=1, unstarted=1), generation=1), T0)

    assert collector.tallies() == {0: Tally(planned=5, started=4, unstarted=1)}


# ---- live ----


def test_live_numbers() -> None:
    """The progress line adds the workers up; rates are of the last seconds, times of the latest window."""
    collector = Collector(RUN, 2)
    first = Period(
        start=T0 * 1000,
        counters={"http.requests": 10, "errors.ETIMEDOUT": 2, "errors.x": 1, "vusers.failed": 0},
        sketches={"http.response_time": Sketch.of({100.0: 1}), "vusers.start_lag": Sketch.of({5.0: 1})},
        first_counter_at=T0 * 1000.0,
        last_counter_at=T0 * 1000.0 + 900,
    )
    collector.take(ready(0, planned=30), T0)
    collector.take(ready(1, planned=20), T0)
    collector.take(
        progress(0, 2, T0 + 1, first, tally=Tally(planned=30, started=7, active=3, completed=4)), T0 + 1
    )
    collector.take(progress(1, 2, T0 + 2, tally=Tally(planned=20, started=2, active=1, failed=1)), T0 + 2)
    live = collector.live()

    assert (live.planned, live.started, live.active, live.completed, live.failed) == (50, 9, 4, 4, 1)
    assert (live.requests, live.requests_per_second) == (10, 10.0)
    assert (live.errors, live.top_error) == (3, "ETIMEDOUT")
    assert live.p95 == pytest.approx(100, rel=0.01)
    assert live.lag_p99 == pytest.approx(5, rel=0.01)
    assert (live.workers_ready, live.workers_ended) == (2, 0)


def test_the_live_rate_forgets() -> None:
    """Requests of long ago are in the total, not in the rate."""
    collector = Collector(RUN, 1)
    collector.take(progress(0, 1, T0 + 1, window(0, 1000)), T0 + 1)
    for second in range(2, 32):
        collector.take(progress(0, second, T0 + second, window(second // 10, 4)), T0 + second)
    live = collector.live()

    assert (live.requests, live.requests_per_second) == (1120, 4.0)


def test_the_live_rate_stays_as_the_workers_end() -> None:
    """Who has finished has reported until the end of the last window, which is still to come: that is not now."""
    collector = Collector(RUN, 2)
    for second in range(1, 13):
        for index in range(2):
            collector.take(progress(index, second, T0 + second, window(second // 10, 20)), T0 + second)
    before = collector.live().requests_per_second
    collector.take(progress(0, 13, T0 + 20, window(1, 20)), T0 + 13)

    assert before == 40.0
    assert collector.live().requests_per_second == 40.0


def test_the_live_rate_is_that_of_all_workers() -> None:
    """Where each sends a whole window at a time, the first to send the next one don't stand for the others."""
    collector = Collector(RUN, 4)
    for number, second in ((1, 10), (2, 20)):
        for index in range(4):
            collector.take(progress(index, number, T0 + second, window(number - 1, 100)), T0 + second + 6)
    before = collector.live().requests_per_second
    collector.take(progress(0, 3, T0 + 30, window(2, 100)), T0 + 36)

    assert before == 40.0
    assert collector.live().requests_per_second == 40.0


def test_the_live_rate_waits_for_nobody_for_long() -> None:
    """A worker that has fallen silent does not make the rate stand still."""
    collector = Collector(RUN, 2)
    collector.take(progress(0, 1, T0 + 1, window(0, 10)), T0 + 1)
    for second in range(1, 40):
        collector.take(progress(1, second, T0 + second, window(second // 10, 30)), T0 + second)

    assert collector.live().requests_per_second == 30.0


def test_an_old_tally_does_not_replace_a_newer_one() -> None:
    """Tallies are states, not differences: the one with the highest sequence holds."""
    collector = Collector(RUN, 1)
    messages = [progress(0, n, T0 + n, tally=Tally(started=n)) for n in range(1, 6)]
    random.Random(1).shuffle(messages)
    for message in messages:
        collector.take(message, T0)

    assert collector.live().started == 5


def test_live_numbers_of_nothing() -> None:
    """Before the first message everything is zero."""
    live = Collector(RUN, 1).live()

    assert (live.requests, live.requests_per_second, live.p95, live.top_error) == (0, 0.0, None, None)


def test_variables_of_a_section() -> None:
    """What `before` captured arrives with its last message."""
    collector = Collector(RUN, 1)
    message = Finished(
        run_id=RUN,
        generation=0,
        index=0,
        sequence=1,
        periods=(),
        tally=Tally(),
        facts=Facts(),
        variables={"token": "x"},
    )
    collector.take(message, T0)

    assert collector.variables == {"token": "x"}
