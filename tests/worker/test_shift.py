"""A worker's shift from claim to last word: processes on paper, AWS in memory, time virtual."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from test_unpack import archive

from crew_on_paper import NEVER, PaperWorker, failed, finished, progress, ready
from fakes import HICCUP, NO_QUEUE, MemoryCloud
from grapeshot_worker.courier import RETRY_LIMIT, at_once
from grapeshot_worker.errors import CloudError
from grapeshot_worker.invocation import (
    LEASE_LIMIT,
    ControlRecord,
    Invocation,
    bundle_key,
    claim_key,
    control_key,
    final_key,
)
from grapeshot_worker.messages import Failed, Finished, Go, Message, Progress, Ready, Stop, Tally
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.plan import Assignment, Share, Window
from grapeshot_worker.sandbox import Sandbox
from grapeshot_worker.shift import GO_LIMIT, MARGIN, READY_LIMIT, SILENCE_LIMIT, STOP_LIMIT, Outcome, Shift
from grapeshot_worker.unpack import Bundle
from grapeshot_worker.wire import unpack
from virtual_time import run_virtually

BODY, DIGEST = archive()
INVOCATION = Invocation(
    run_id="t1",
    index=2,
    count=5,
    region="eu-west-1",
    bucket="bucket",
    queue_url="queue",
    bundle_digest=DIGEST,
    processes=2,
)
CONTROL = control_key("t1")
START = 1000.0  # of virtual time
Part = Callable[[Assignment], PaperWorker]


def counted(count: int) -> Period:
    return Period(start=0, counters={"http.requests": count})


def works(assignment: Assignment) -> PaperWorker:
    """Ready at once; after Go a report each second and the end after four; after Stop the end at once."""
    done = Tally(planned=3, started=3, completed=3)
    return PaperWorker(
        at_once=[ready(assignment, planned=3)],
        on_go=[
            *[
                progress(
                    assignment,
                    sequence=1 + second,
                    after=float(second),
                    at=float(second),
                    tally=Tally(planned=3, started=second),
                    periods=[counted(1)],
                )
                for second in (1, 2, 3)
            ],
            finished(assignment, 5, after=4.0, tally=done, periods=[counted(1)]),
        ],
        on_stop=[
            finished(assignment, 9, after=0.1, tally=Tally(planned=3, unstarted=3), periods=[counted(1)])
        ],
    )


def endless(assignment: Assignment) -> PaperWorker:
    """Reports for ever, until it is stopped."""
    reports = [
        progress(assignment, 1 + n, after=float(n), at=float(n), tally=Tally(planned=3), periods=[counted(1)])
        for n in range(1, 1000)
    ]
    return replace(works(assignment), on_go=reports)


@dataclass
class Stage:
    """What a shift is played on; `timeline`: seconds from the start → what happens to the cloud then."""

    home: Path
    part: Part = works
    invocation: Invocation = INVOCATION
    remaining: float = 900.0
    taken: float = 0.0
    timeline: Mapping[float, Callable[[MemoryCloud], object]] = field(default_factory=dict)
    renews: bool = True  # the launcher renews its lease
    cloud: MemoryCloud = field(default_factory=MemoryCloud)
    engines: list[PaperWorker] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    took: float = 0.0

    def __post_init__(self) -> None:
        self.cloud.objects[bundle_key(DIGEST)] = BODY
        self.cloud.objects[CONTROL] = ControlRecord().to_json()

    def play(self) -> Outcome:
        return run_virtually(self._main())

    async def _main(self) -> Outcome:
        loop = asyncio.get_running_loop()
        for moment, act in self.timeline.items():
            loop.call_later(moment, act, self.cloud)
        renewing = asyncio.create_task(self._renew()) if self.renews else None
        sandbox = Sandbox(
            mailbox=self.cloud,
            aside=at_once,
            start=self._start,
            home=self.home,
            remaining=self.remaining,
            taken=self.taken,
            print_line=self.printed.append,
            token=str(random.random()),
            rng=random.Random(1),
            clock=lambda: loop.time() + CLOCK,
        )
        try:
            return await Shift(self.invocation, sandbox).run()
        finally:
            self.took = loop.time() - START
            if renewing:
                renewing.cancel()

    async def _start(self, assignment: Assignment, bundle: Bundle, name: str) -> PaperWorker:
        engine = self.part(assignment)
        self.assignments.append(assignment)
        self.engines.append(engine)
        self.names.append(name)
        return engine

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(5)
            if CONTROL in self.cloud.objects:
                record = ControlRecord.from_json(self.cloud.objects[CONTROL])
                renewed = replace(record, renewed_at=asyncio.get_running_loop().time())
                self.cloud.objects[CONTROL] = renewed.to_json()

    @property
    def last(self) -> Any:
        return self.cloud.messages[-1]

    @property
    def final(self) -> Any:
        """The last message as it stands in S3."""
        return unpack(self.cloud.objects[final_key(self.invocation)].decode())

    def heard(self, kind: type[Any]) -> list[Any]:
        """What the engine processes were told, one each."""
        return [next((c for c in engine.heard if isinstance(c, kind)), None) for engine in self.engines]


def says(**values: Any) -> Callable[[MemoryCloud], object]:
    """The launcher writes this control record."""
    return lambda cloud: cloud.objects.update({CONTROL: ControlRecord(**values).to_json()})


CLOCK = 1_795_000_000.0  # epoch s at the virtual loop's 0
GO = says(state="go", start_at=77.0)
STOP = says(state="stop", reason="interrupted")


def OUTAGE(cloud: MemoryCloud) -> None:
    """The queue takes nothing any more."""
    cloud.fail("send", times=math.inf)


def numbers_are_whole(cloud: MemoryCloud) -> bool:
    """From 1 on, without a gap: the launcher takes a gap for a lost message."""
    return [message.sequence for message in cloud.messages] == list(range(1, len(cloud.messages) + 1))


def requests(cloud: MemoryCloud) -> int:
    """What all messages have told together."""
    told = [m for m in cloud.messages if isinstance(m, Progress | Finished)]
    return sum(period.counters.get("http.requests", 0) for message in told for period in message.periods)


def test_a_whole_shift(tmp_path: Path) -> None:
    """Ready, Go, Progress, Finished: each measurement once, numbers without a gap, books to the unit."""
    stage = Stage(tmp_path / "home", timeline={3: GO})
    outcome = stage.play()
    messages = stage.cloud.messages

    assert outcome == Outcome(state="finished")
    assert isinstance(messages[0], Ready)
    assert messages[0].planned == 6
    assert isinstance(stage.last, Finished)
    assert stage.last.tally == Tally(planned=6, started=6, completed=6)
    assert numbers_are_whole(stage.cloud)
    assert {(m.run_id, m.generation, m.index) for m in messages} == {("t1", 0, 2)}
    assert sum(isinstance(message, Progress) for message in messages) >= 2
    assert requests(stage.cloud) == 8
    assert stage.heard(Go) == [Go(start_at=77.0)] * 2


def test_of_very_many_workers_each_sends_a_window_once(tmp_path: Path) -> None:
    """Some seconds after each window's end, when its processes have told of all of it, and not all at one moment."""
    sent: dict[int, list[float]] = {}
    for index in (0, 999):
        many = replace(INVOCATION, index=index, count=1000, flush_interval=10.0)
        stage = Stage(tmp_path / "home", part=endless, invocation=many, timeline={3: GO, 47: STOP})
        moments = sent[index] = []

        def note(message: Message, moments: list[float] = moments) -> None:
            if isinstance(message, Progress) and len(moments) < 4:
                moments.append(asyncio.get_running_loop().time() + CLOCK)

        stage.cloud.on_message = note
        stage.play()
        told = sum(period.counters.get("http.requests", 0) for period in stage.final.periods)
        assert requests(stage.cloud) == told > 80
        assert numbers_are_whole(stage.cloud)

    assert [len(moments) for moments in sent.values()] == [4, 4]
    assert all(6.0 <= moment % 10 < 6.5 for moment in sent[0])
    assert all(6.999 <= moment % 10 < 7.5 for moment in sent[999])


def test_a_worker_says_how_long_it_is_charged_for(tmp_path: Path) -> None:
    """What was over before it began counts; the totals in the bucket say the same."""
    stage = Stage(tmp_path / "home", timeline={3: GO}, taken=1.5)
    stage.play()
    billed = stage.last.facts.billed_ms

    assert billed == stage.final.facts.billed_ms
    assert 4_500 < billed <= (stage.took + 1.5) * 1000


def test_a_worker_tells_its_time_beside_what_it_sends(tmp_path: Path) -> None:
    """Ready and each Progress: the queue's own stamp then shows whether its clock is right."""
    stage = Stage(tmp_path / "home", timeline={3: GO})
    behind: list[float] = []

    def note(message: Message) -> None:
        if isinstance(message, Ready | Progress):
            behind.append(asyncio.get_running_loop().time() + CLOCK - message.sent_at)

    stage.cloud.on_message = note
    stage.play()

    assert len(behind) >= 3
    assert all(0 <= each < 0.01 for each in behind)


def test_the_totals_stand_in_s3_before_finished_is_heard(tmp_path: Path) -> None:
    """All periods merged, otherwise the same message."""
    stage = Stage(tmp_path / "home", timeline={0: GO})
    final: list[Any] = []
    stage.cloud.on_message = lambda message: (
        final.append(stage.final) if isinstance(message, Finished) else None
    )
    stage.play()

    assert final == [replace(stage.last, periods=(counted(8),))]


def test_processes_have_parts_of_the_worker_s_share(tmp_path: Path) -> None:
    """Script in its folder, this run's id, the slice of time, half the interval."""
    window = replace(INVOCATION, window=(60.0, 120.0), variables={"token": 1}, generation=1)
    stage = Stage(tmp_path / "home", timeline={0: GO}, invocation=window)
    stage.play()
    one, two = stage.assignments

    assert (one.share, two.share) == (Share(2, 10), Share(7, 10))
    assert (one.process, two.process) == (Share(0, 2), Share(1, 2))
    assert one.window == Window(60.0, 120.0)
    assert one.source.test_id == one.run_id == "t1"
    assert one.source.path == str(tmp_path / "home" / DIGEST / "files/tests/blitz.yml")
    assert (one.variables, one.generation, one.flush_interval) == ({"token": 1}, 1, 1.0)
    assert stage.names == [f"Engine process {n} of 2 in worker 3" for n in (1, 2)]


def test_a_copy_makes_the_whole_load(tmp_path: Path) -> None:
    """Its processes divide the whole, and know which copy they are."""
    stage = Stage(tmp_path / "home", timeline={0: GO}, invocation=replace(INVOCATION, copies=True))
    stage.play()

    assert [(a.share, a.copy) for a in stage.assignments] == [(Share(0, 2), 2), (Share(1, 2), 2)]


def test_a_section_takes_one_process_and_gives_its_variables(tmp_path: Path) -> None:
    """It may be silent for long: it is one flow."""

    def section(assignment: Assignment) -> PaperWorker:
        last = finished(assignment, after=3 * SILENCE_LIMIT, variables={"token": "x"})
        return PaperWorker(at_once=[ready(assignment)], on_go=[last])

    invocation = replace(INVOCATION, part="before", index=0, count=1)
    stage = Stage(tmp_path / "home", timeline={0: GO}, part=section, invocation=invocation)

    assert stage.play().state == "finished"
    assert len(stage.engines) == 1
    assert stage.names == ["Worker 1 of 1"]
    assert stage.last.variables == {"token": "x"}


def test_a_warm_sandbox_does_not_fetch_its_bundle_again(tmp_path: Path) -> None:
    """The script may even have gone from the bucket."""
    Stage(tmp_path / "home", timeline={0: GO}).play()
    second = Stage(tmp_path / "home", timeline={0: GO})
    del second.cloud.objects[bundle_key(DIGEST)]

    assert second.play().state == "finished"


# ---- what ends it early ----


def test_a_claim_that_is_taken_ends_quietly(tmp_path: Path) -> None:
    """An event delivered twice makes load once."""
    stage = Stage(tmp_path / "home", timeline={0: GO})
    stage.cloud.objects[claim_key(INVOCATION)] = b"another"

    assert stage.play() == Outcome(state="duplicate")
    assert stage.cloud.sent == []
    assert stage.engines == []
    assert final_key(INVOCATION) not in stage.cloud.objects


def test_an_event_that_comes_after_the_run_does_nothing(tmp_path: Path) -> None:
    """The control record is gone: not even a claim is left where the run has cleaned up."""
    stage = Stage(tmp_path / "home", renews=False)
    del stage.cloud.objects[CONTROL]
    before = set(stage.cloud.objects)

    assert stage.play() == Outcome(state="over")
    assert set(stage.cloud.objects) == before
    assert stage.engines == []


@pytest.mark.parametrize("moment", [0.0, 2.0, 10.0])
def test_a_stop_ends_the_load_and_finishes(tmp_path: Path, moment: float) -> None:
    """At any moment, within seconds; what was measured is told."""
    timeline = {moment: STOP} if moment < 5 else {3.0: GO, moment: STOP}
    stage = Stage(tmp_path / "home", timeline=timeline, part=endless)

    assert stage.play().state == "finished"
    assert stage.heard(Stop) == [Stop(reason="interrupted")] * 2
    assert stage.took < moment + 3
    assert stage.last.tally.unstarted == 6


def test_a_stop_that_was_missed_is_seen_when_the_run_goes_on(tmp_path: Path) -> None:
    """The record waits for the next part already: no load of this one may be left."""
    stage = Stage(tmp_path / "home", timeline={3: GO, 8: says(state="wait")}, part=endless)

    assert stage.play().state == "finished"
    assert stage.took < 11
    assert stage.last.tally.unstarted == 6


def test_a_control_record_that_disappears_is_a_stop(tmp_path: Path) -> None:
    """The run has been cleaned up."""
    stage = Stage(
        tmp_path / "home", timeline={3: GO, 8: lambda cloud: cloud.objects.pop(CONTROL)}, part=endless
    )

    assert stage.play().state == "finished"
    assert stage.took < 11


def test_a_run_that_was_cleaned_up_stays_clean(tmp_path: Path) -> None:
    """Totals that are written after everything was removed would stay."""
    stage = Stage(
        tmp_path / "home", timeline={3: GO, 8: lambda cloud: cloud.objects.pop(CONTROL)}, part=endless
    )
    stage.play()

    assert final_key(INVOCATION) not in stage.cloud.objects


@pytest.mark.parametrize("going", [True, False])
def test_without_a_renewed_lease_the_load_ends(tmp_path: Path, going: bool) -> None:
    """Judged by our own clock: a launcher that is gone leaves no load behind."""
    stage = Stage(tmp_path / "home", timeline={2: GO} if going else {}, part=endless, renews=False)

    assert stage.play().state == "failed"
    assert "no sign of life from the launcher" in stage.last.message
    assert LEASE_LIMIT < stage.took < LEASE_LIMIT + 6
    assert (final_key(INVOCATION) in stage.cloud.objects) == going


def test_a_control_record_that_can_t_be_read_counts_as_no_sign_of_life(tmp_path: Path) -> None:
    """The reason is told."""
    stage = Stage(
        tmp_path / "home", timeline={2: GO, 10: lambda c: c.fail("get", times=math.inf)}, part=endless
    )

    assert stage.play().state == "failed"
    assert HICCUP.message in stage.last.cause
    assert stage.took < 10 + LEASE_LIMIT + 6


def test_a_control_record_that_is_denied_ends_the_load_with_its_lease(tmp_path: Path) -> None:
    """The worker tries for as long as its lease lasts, then says what to allow."""
    denied = CloudError(
        "AWS refused s3:GetObject",
        remedy="Allow s3:GetObject in a policy of the workers' role.",
        passing=True,
    )
    stage = Stage(
        tmp_path / "home",
        timeline={2: GO, 10: lambda c: c.fail("get", denied, times=math.inf)},
        part=endless,
    )

    assert stage.play().state == "failed"
    assert stage.took < 10 + LEASE_LIMIT + 6
    assert "refused s3:GetObject" in stage.last.cause
    assert stage.last.remedy.startswith("Allow s3:GetObject in a policy of the workers' role, and start")


def test_a_garbled_control_record_stops_nothing_at_once(tmp_path: Path) -> None:
    """The next one may be whole again."""
    garbled = {CONTROL: b"{"}
    timeline = {1.0: lambda c: c.objects.update(garbled), 4.0: GO}
    stage = Stage(tmp_path / "home", timeline=timeline, renews=False)

    assert stage.play().state == "finished"


def test_waiting_for_go_has_an_end(tmp_path: Path) -> None:
    """Even with a launcher that lives."""
    stage = Stage(tmp_path / "home")

    assert stage.play().state == "failed"
    assert "in vain" in stage.last.message
    assert GO_LIMIT < stage.took < GO_LIMIT + 6


def test_getting_ready_has_an_end(tmp_path: Path) -> None:
    """Hooks that wait for ever at import."""
    stage = Stage(tmp_path / "home", part=lambda assignment: PaperWorker(at_once=NEVER))

    assert stage.play().state == "failed"
    assert "were not ready" in stage.last.message
    assert READY_LIMIT <= stage.took < READY_LIMIT + 2
    assert all(engine.killed for engine in stage.engines)


def test_the_load_is_stopped_before_aws_ends_the_worker(tmp_path: Path) -> None:
    """In time for the last messages; what was measured is told."""
    stage = Stage(tmp_path / "home", timeline={2: GO}, part=endless, remaining=100)

    assert stage.play().state == "failed"
    assert "before AWS Lambda would have ended it" in stage.last.message
    assert 100 - MARGIN <= stage.took < 100 - MARGIN + 2
    assert isinstance(stage.cloud.messages[-2], Progress)
    assert stage.cloud.messages[-2].tally.unstarted == 6


@pytest.mark.parametrize(
    ("tally", "state"),
    [
        (Tally(planned=3, started=3, completed=2, cut=1), "finished"),
        (Tally(planned=3, started=2, completed=2, unstarted=1), "failed"),
    ],
)
def test_a_relieved_worker_cuts_its_users_at_its_deadline(tmp_path: Path, tally: Tally, state: str) -> None:
    """Its users are counted as cut and it has finished; that it could not start all of them would be a failure."""

    def part(assignment: Assignment) -> PaperWorker:
        worker = endless(assignment)
        worker.on_stop = [finished(assignment, 9, after=0.1, tally=tally)]
        return worker

    relayed = replace(INVOCATION, window=(0.0, 20.0))
    stage = Stage(tmp_path / "home", timeline={2: GO}, part=part, invocation=relayed, remaining=100)

    assert stage.play().state == state
    assert 100 - MARGIN <= stage.took < 100 - MARGIN + 2
    assert isinstance(stage.last, Finished if state == "finished" else Failed)
    assert isinstance(stage.last, Failed) or stage.last.tally.cut == 2  # one in each process


def test_a_failed_process_fails_the_worker(tmp_path: Path) -> None:
    """In its own words; the others are stopped and what they measured is told."""

    def part(assignment: Assignment) -> PaperWorker:
        worker = endless(assignment)
        if assignment.share.index == 7:
            worker.on_go = [failed(assignment, after=5.5, message="It broke.", exit_code=21)]
        return worker

    stage = Stage(tmp_path / "home", timeline={2: GO}, part=part)

    assert stage.play() == Outcome(state="failed", reason="It broke.")
    assert (stage.last.message, stage.last.exit_code, stage.last.index) == ("It broke.", 21, 2)
    assert stage.took < 11
    assert any("It broke." in line for line in stage.printed)


def test_a_process_that_can_t_get_ready_fails_the_worker_at_once(tmp_path: Path) -> None:
    """Nothing was measured: the others are killed."""

    def part(assignment: Assignment) -> PaperWorker:
        broken = [failed(assignment, 1, after=0.2, message="hooks.py, line 3: no module named x")]
        return PaperWorker(at_once=broken if assignment.share.index == 2 else NEVER)

    stage = Stage(tmp_path / "home", part=part)
    stage.play()

    assert [type(message) for message in stage.cloud.messages] == [Failed]
    assert stage.took < 1


def test_a_process_that_falls_silent_fails_the_worker(tmp_path: Path) -> None:
    """A hook holds it up; it does not answer the stop either, and is killed."""

    def part(assignment: Assignment) -> PaperWorker:
        silent = replace(endless(assignment), on_go=NEVER, on_stop=NEVER)
        return silent if assignment.share.index == 2 else endless(assignment)

    stage = Stage(tmp_path / "home", timeline={2: GO}, part=part)

    assert stage.play().state == "failed"
    assert "said nothing for 30 s" in stage.last.message
    assert stage.took < 2 + 1 + SILENCE_LIMIT + STOP_LIMIT + 2
    assert [engine.killed for engine in stage.engines] == [True, False]


def test_a_process_that_does_not_answer_a_stop_is_killed(tmp_path: Path) -> None:
    """The worker says so: its numbers are not whole."""
    stage = Stage(
        tmp_path / "home", timeline={2: GO, 6: STOP}, part=lambda a: replace(endless(a), on_stop=NEVER)
    )

    assert stage.play().state == "failed"
    assert "did not answer the stop" in stage.last.message
    assert stage.took < 6 + 1 + STOP_LIMIT + 2


def test_a_missing_bundle_is_told(tmp_path: Path) -> None:
    """With its key."""
    stage = Stage(tmp_path / "home")
    del stage.cloud.objects[bundle_key(DIGEST)]

    assert stage.play().state == "failed"
    assert bundle_key(DIGEST) in stage.last.message


def test_a_bundle_that_was_changed_is_told(tmp_path: Path) -> None:
    """It is not unpacked."""
    stage = Stage(tmp_path / "home")
    stage.cloud.objects[bundle_key(DIGEST)] += b"x"
    stage.play()

    assert "sha256 differs" in stage.last.message


def test_a_fault_nobody_thought_of_is_told(tmp_path: Path) -> None:
    """The story goes to the log, its name to the launcher."""

    def part(assignment: Assignment) -> PaperWorker:
        raise OSError("no more processes")

    stage = Stage(tmp_path / "home", part=part)
    stage.play()

    assert "OSError: no more processes" in stage.last.message
    assert stage.last.exit_code == 70
    assert any("Traceback" in line for line in stage.printed)


# ---- hiccups of AWS ----


@pytest.mark.parametrize("operation", ["get", "put", "put_new", "send"])
def test_hiccups_change_nothing(tmp_path: Path, operation: str) -> None:
    """Each call is tried again."""
    stage = Stage(tmp_path / "home", timeline={3: GO})
    stage.cloud.fail(operation, times=3)

    assert stage.play().state == "finished"
    assert stage.last.tally == Tally(planned=6, started=6, completed=6)


def test_while_the_queue_is_out_measurements_wait(tmp_path: Path) -> None:
    """They come together when it is back: nothing is lost, nothing piles up."""
    stage = Stage(
        tmp_path / "home", timeline={2: GO, 8: OUTAGE, 28: lambda c: c.heal("send"), 40: STOP}, part=endless
    )
    stage.play()
    measured = requests(stage.cloud)

    assert isinstance(stage.last, Finished)
    assert counted(measured) == stage.final.periods[0]
    assert numbers_are_whole(stage.cloud)


def test_the_load_goes_on_when_the_queue_is_out_for_long(tmp_path: Path) -> None:
    """What could not be sent stands in S3."""
    stage = Stage(
        tmp_path / "home", timeline={2: GO, 8: OUTAGE, 100: lambda c: c.heal("send"), 120: STOP}, part=endless
    )
    outcome = stage.play()

    assert outcome.state == "finished"
    assert stage.took > 120
    assert isinstance(stage.last, Finished)
    assert stage.final.periods[0].counters["http.requests"] > 2 * 110


def test_a_queue_that_is_gone_ends_the_load(tmp_path: Path) -> None:
    """The run was cleaned up, or made unfit; S3 has the reason."""
    stage = Stage(
        tmp_path / "home",
        timeline={2: GO, 10: lambda c: c.fail("send", NO_QUEUE, times=math.inf)},
        part=endless,
    )

    assert stage.play().state == "failed"
    assert stage.final.message == f"Worker 3 of 5: {NO_QUEUE.message}"
    assert stage.took < 15


def test_a_worker_whose_ready_is_not_taken_does_not_wait_for_go(tmp_path: Path) -> None:
    """Nobody would ever count on it."""
    stage = Stage(tmp_path / "home")
    stage.cloud.fail("send", times=math.inf)

    assert stage.play().state == "failed"
    assert stage.took < 3 * RETRY_LIMIT
    assert isinstance(stage.final, Failed)  # the launcher finds the reason there


@pytest.mark.parametrize("end", [STOP, lambda cloud: cloud.objects.pop(CONTROL)])
def test_a_worker_that_never_began_leaves_nothing_when_the_run_is_over(
    tmp_path: Path, end: Callable[[MemoryCloud], object]
) -> None:
    """Another one's reason has ended the run: what came now would stay in the bucket."""
    stage = Stage(tmp_path / "home", timeline={1: end})
    stage.cloud.fail("send", times=math.inf)

    stage.play()

    assert any("the queue did not take the last messages" in line for line in stage.printed)
    assert final_key(INVOCATION) not in stage.cloud.objects


def test_a_worker_that_never_began_is_heard_through_the_queue_alone(tmp_path: Path) -> None:
    """It has measured nothing that would have to be kept."""
    stage = Stage(tmp_path / "home", timeline={1: STOP})

    assert stage.play().state == "finished"
    assert isinstance(stage.last, Finished)
    assert final_key(INVOCATION) not in stage.cloud.objects


def test_the_last_words_end_in_time(tmp_path: Path) -> None:
    """AWS being out of reach does not keep the worker beyond its time."""
    stage = Stage(
        tmp_path / "home",
        timeline={2: GO, 50: OUTAGE, 51: lambda c: c.fail("put", times=math.inf)},
        part=endless,
        remaining=80,
    )

    assert stage.play().state == "failed"
    assert stage.took <= 79
    assert any("S3 did not take the totals" in line for line in stage.printed)
    assert any("the queue did not take the last messages" in line for line in stage.printed)


def test_variables_that_are_too_large_to_travel_are_refused(tmp_path: Path) -> None:
    """In words for the author."""

    def section(assignment: Assignment) -> PaperWorker:
        variables = {"body": random.Random(1).randbytes(300_000).hex()}
        return PaperWorker(at_once=[ready(assignment)], on_go=[finished(assignment, variables=variables)])

    invocation = replace(INVOCATION, part="before", index=0, count=1)
    stage = Stage(tmp_path / "home", timeline={0: GO}, part=section, invocation=invocation)

    assert stage.play().state == "failed"
    assert "variables captured by `before`" in stage.last.cause
    assert numbers_are_whole(stage.cloud)


def test_a_process_that_can_t_be_understood_fails_the_worker(tmp_path: Path) -> None:
    """A hook has written into its pipe of messages."""

    class Garbled(PaperWorker):
        async def messages(self) -> AsyncIterator[Message]:
            async for message in super().messages():
                yield message
                if not isinstance(message, Ready):
                    raise ValueError("not a message, not even JSON: b'oops'")

    def part(assignment: Assignment) -> PaperWorker:
        worker = endless(assignment)
        if assignment.share.index == 2:
            return Garbled(at_once=worker.at_once, on_go=worker.on_go, on_stop=worker.on_stop)
        return worker

    stage = Stage(tmp_path / "home", timeline={2: GO}, part=part)

    assert stage.play().state == "failed"
    assert "oops" in stage.last.cause
    assert [engine.killed for engine in stage.engines] == [True, False]
    assert numbers_are_whole(stage.cloud)


def test_an_invocation_survives_its_journey() -> None:
    """The event that Lambda gives is the one that was sent."""
    assert Invocation.from_event(json.loads(INVOCATION.to_json())) == INVOCATION
