"""Several engine processes speak as one worker."""

from __future__ import annotations

from typing import Any

import pytest

from grapeshot_worker.chorus import Chorus, merged_facts
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.messages import Facts, Failed, Finished, Progress, Ready, Tally
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.sketch import Sketch

ORIGIN: dict[str, Any] = {"run_id": "t1", "generation": 0, "index": 1, "sequence": 1}


def chorus() -> Chorus:
    return Chorus(run_id="t1", generation=2, index=5, voices=2)


def ready(planned: int) -> Ready:
    return Ready(**ORIGIN, planned=planned)


def progress(at: float, *periods: Period, started: int = 0) -> Progress:
    return Progress(**ORIGIN, periods=periods, tally=Tally(planned=5, started=started), at=at)


def finished(*periods: Period, started: int = 0, **variables: Any) -> Finished:
    tally = Tally(planned=5, started=started, completed=started)
    return Finished(**ORIGIN, periods=periods, tally=tally, facts=Facts(), variables=variables)


def counted(start: int, count: int) -> Period:
    return Period(start=start, counters={"http.requests": count})


def test_a_worker_is_ready_when_all_its_processes_are() -> None:
    """Its plan is theirs together."""
    one = chorus()
    one.hear(0, ready(3))
    early = one.all_ready
    one.hear(1, ready(4))

    assert not early
    assert one.all_ready
    assert one.ready() == Ready(run_id="t1", generation=2, index=5, sequence=1, planned=7)


def test_progress_tells_each_measurement_once() -> None:
    """Periods of one window merge; tallies add up; the slowest process sets the moment."""
    one = chorus()
    one.hear(0, progress(12.0, counted(0, 1), counted(10_000, 2), started=2))
    one.hear(1, progress(11.0, counted(10_000, 5), started=1))
    first, second = one.progress(), one.progress()

    assert first.periods == (counted(0, 1), counted(10_000, 7))
    assert first.tally == Tally(planned=10, started=3)
    assert first.at == 11.0
    assert second.periods == ()
    assert second.tally == first.tally
    assert (first.sequence, second.sequence) == (1, 2)


def test_windows_that_still_fill_can_wait() -> None:
    """With `full` a window is told once, when all processes have reported past its end, and nothing of it before."""
    one = chorus()
    one.hear(0, progress(22.0, counted(0, 1), counted(10_000, 2), counted(20_000, 4)))
    one.hear(1, progress(19.0, counted(10_000, 8)))
    first = one.progress(full=True)
    one.hear(1, progress(24.0, counted(10_000, 16), counted(20_000, 32)))
    second, rest = one.progress(full=True), one.progress()

    assert (first.periods, first.at) == ((counted(0, 1),), 10.0)
    assert (second.periods, second.at) == ((counted(10_000, 26),), 20.0)
    assert (rest.periods, rest.at) == ((counted(20_000, 36),), 22.0)
    assert not one.news


def test_before_the_slowest_has_reported_nothing_is_claimed_to_be_complete() -> None:
    """The moment is the beginning of time."""
    one = chorus()
    one.hear(0, progress(12.0))

    assert one.progress().at == 0.0


def test_a_finished_process_no_longer_holds_back_the_moment() -> None:
    """It will say nothing more."""
    one = chorus()
    one.hear(0, finished())
    one.hear(1, progress(15.0))

    assert one.progress().at == 15.0


def test_the_last_progress_has_a_moment_that_json_can_say() -> None:
    """With all processes finished it is the end of the last window."""
    one = chorus()
    for voice in (0, 1):
        one.hear(voice, finished(counted(10_000, 1)))

    assert one.all_finished
    assert one.progress().at == 20.0


def test_finished_tells_the_rest_and_told_everything() -> None:
    """What Progress has told is not told again; variables come together."""
    one = chorus()
    one.hear(0, progress(12.0, counted(0, 1)))
    one.progress()
    one.hear(0, finished(counted(10_000, 2), started=2, a=1))
    one.hear(1, finished(counted(0, 4), started=3, b=2))
    last = one.finished()

    assert last.periods == (counted(0, 4), counted(10_000, 2))
    assert one.told == (counted(0, 5), counted(10_000, 2))
    assert last.tally == Tally(planned=10, started=5, completed=5)
    assert last.variables == {"a": 1, "b": 2}
    assert not one.news


def test_failed_says_why() -> None:
    """In the words of the error."""
    error = GrapeshotError("It broke.", cause="A cause.", remedy="Do this.", exit_code=21)

    assert chorus().failed(error) == Failed(
        run_id="t1",
        generation=2,
        index=5,
        sequence=1,
        message="It broke.",
        cause="A cause.",
        remedy="Do this.",
        exit_code=21,
    )


def test_facts_are_those_of_the_most_strained_process() -> None:
    """Shares of a core are not added, memory and faults are; the lag is that of all users."""
    lags = [Sketch.of({1.0: 98}), Sketch.of({1.0: 1, 500.0: 3})]
    periods = [Period(start=10_000 * at, sketches={"vusers.start_lag": lag}) for at, lag in enumerate(lags)]
    facts = merged_facts(
        [
            Facts(
                pid=7, cpu=0.2, busiest_cpu=0.5, lag_p99=1.0, lag_max=9.0, peak_memory=10, open_files_limit=99
            ),
            Facts(pid=8, cpu=0.4, busiest_cpu=0.9, lag_max=500.0, peak_memory=20, open_files_limit=1024),
        ],
        periods,
    )

    assert (facts.pid, facts.busiest_cpu) == (7, 0.9)
    assert facts.cpu == pytest.approx(0.3)
    assert (facts.lag_max, facts.peak_memory, facts.open_files_limit) == (500.0, 30, 99)
    assert facts.lag_p99 == pytest.approx(500.0, rel=0.01)


def test_nobody_s_facts_are_empty() -> None:
    """A worker whose processes all died has none."""
    assert merged_facts([], []) == Facts()
