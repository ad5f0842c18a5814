"""How a part of a run is conducted: the start, the listening, the stop, and the limit of every wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from signal import Signals

import pytest

from crew_on_paper import NEVER, PaperPlatform, PaperWorker, Said, failed, finished, progress, ready
from grapeshot_launcher.conduct import Load, conduct_load, conduct_section
from grapeshot_launcher.crew import Crew, Inbox, Signalled, Stopper
from grapeshot_launcher.errors import Interrupted, PartFailed, WorkerFailed
from grapeshot_launcher.platforms import Line
from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_worker.messages import Failed, Finished, Go, Message, Progress, Ready, Stop, Tally
from grapeshot_worker.plan import Assignment, Share
from grapeshot_worker.script.model import ScriptSource
from virtual_time import run_virtually

SOURCE = ScriptSource(document={}, path="script.yml", directory=".")
ABORT = Abort(checks=(CheckOutcome(label="a < 1", strict=True, ok=False, values={"a": 2}),), after=12.0)


@dataclass
class Notes:
    """An audience that writes down what it is told; `quiet` are the workers it calls silent, and when.

    From `failing` on it says that the load has to be ended.
    """

    quiet: dict[int, float] = field(default_factory=dict)
    failing: float = math.inf
    start: float = 0.0
    messages: list[Message] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    relief: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    given_up: list[WorkerId] = field(default_factory=list)

    def started(self, at: float) -> None:
        self.start = at

    def heard(self, message: Message, now: float) -> None:
        self.messages.append(message)

    def printed(self, line: Line) -> None:
        self.lines.append(line)

    def tick(self, now: float) -> Abort | None:
        self.ticks.append(now)
        return ABORT if now >= self.failing else None

    def relieved(self, generation: int) -> None:
        self.relief.append(generation)

    def lost(self, worker: WorkerId) -> None:
        self.given_up.append(worker)

    def silent(self, now: float) -> list[WorkerId]:
        return [WorkerId(0, index) for index, since in self.quiet.items() if now >= since]

    def warned(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Played:
    load: Load
    notes: Notes
    platform: PaperPlatform
    end: float


def assignments(count: int) -> list[Assignment]:
    return [Assignment(run_id="t", source=SOURCE, share=Share(i, count)) for i in range(count)]


def play(
    part: Callable[[Assignment], PaperWorker],
    *,
    workers: int = 2,
    notes: Notes | None = None,
    signals: Mapping[float, Stopper] | None = None,
) -> Played:
    """Conduct a load with workers that follow a part; `signals` come at seconds from the beginning."""
    noted = notes or Notes()
    platform = PaperPlatform(part)

    async def main() -> Played:
        loop = asyncio.get_running_loop()
        inbox: Inbox = asyncio.Queue()
        for seconds, signal in (signals or {}).items():
            loop.call_later(seconds, inbox.put_nowait, Signalled(signal))
        async with Crew(platform, assignments(workers), inbox) as crew:
            load = await conduct_load(crew, noted, clock=loop.time)
        return Played(load, noted, platform, loop.time() - 1000.0)

    return run_virtually(main())


def good(assignment: Assignment) -> PaperWorker:
    return PaperWorker([ready(assignment)], on_go=[finished(assignment, after=5.0)])


def test_workers_start_together_when_all_are_ready() -> None:
    """Go comes after the last Ready, to everybody, with one moment a little ahead."""
    played = play(
        lambda a: PaperWorker([ready(a, after=1.0 + 2 * a.share.index)], on_go=[finished(a, after=5.0)])
    )

    gos = [worker.heard for worker in played.platform.workers]
    assert gos == [[Go(start_at=1003.25)], [Go(start_at=1003.25)]]
    assert played.notes.start == 1003.25


def test_the_load_is_over_when_everybody_has_gone() -> None:
    """It ends with the last worker, at once."""
    played = play(lambda a: PaperWorker([ready(a)], on_go=[finished(a, after=5.0 + a.share.index)]))

    assert played.end == pytest.approx(6.1)
    assert [m.index for m in played.notes.messages if isinstance(m, Finished)] == [0, 1]
    assert played.load == Load()


def test_the_clock_is_looked_at_every_half_second() -> None:
    """The audience can draw phase lines and live numbers even while nobody says anything."""
    played = play(good)

    assert played.notes.ticks[:9] == pytest.approx([1000.1 + 0.5 * n for n in range(1, 10)])


def test_a_chatty_worker_does_not_stop_the_clock() -> None:
    """Ticks go on while messages come faster than they."""

    def part(a: Assignment) -> PaperWorker:
        chatter = [progress(a, 2 + n, after=0.1 * n, at=0.0, tally=Tally()) for n in range(50)]
        return PaperWorker([ready(a)], on_go=[*chatter, finished(a, 60, after=5.0)])

    played = play(part, workers=1)

    assert len(played.notes.ticks) >= 8
    assert sum(isinstance(m, Progress) for m in played.notes.messages) == 50


def test_what_hooks_print_is_handed_on_to_the_end() -> None:
    """Lines reach the audience in order, the last one too."""
    lines: list[Said] = [(1.0, ("stdout", "one")), (4.9, ("stderr", "two"))]

    played = play(
        lambda a: PaperWorker([ready(a)], on_go=[*lines, finished(a, after=5.0)]),
        workers=1,
    )

    assert played.notes.lines == [("stdout", "one"), ("stderr", "two")]


def test_a_worker_that_is_never_ready_is_named() -> None:
    """After 30 s the run is refused, with the worker's number and a remedy."""
    with pytest.raises(WorkerFailed) as caught:
        play(lambda a: PaperWorker([ready(a)] if a.share.index == 0 else NEVER))

    assert "these workers were not ready: 2 of 2" in caught.value.message
    assert caught.value.exit_code == 11
    assert caught.value.remedy


def test_a_failure_before_the_start_refuses_the_run() -> None:
    """No load is made when a worker can't do its part; its words and its exit code are handed on."""
    platform = PaperPlatform(lambda a: PaperWorker([failed(a, message="No such hook.", exit_code=11)]))

    async def main() -> None:
        async with Crew(platform, assignments(2), asyncio.Queue()) as crew:
            await conduct_load(crew, Notes(), clock=asyncio.get_running_loop().time)

    with pytest.raises(WorkerFailed, match=r"No such hook\.") as caught:
        run_virtually(main())

    assert caught.value.cause == "A cause."
    assert all(not any(isinstance(c, Go) for c in worker.heard) for worker in platform.workers)


def test_a_worker_that_crashes_leaves_the_others_at_work() -> None:
    """Its failure is told at once and kept; the rest of the load goes on."""

    def part(a: Assignment) -> PaperWorker:
        end = failed(a, after=1.0) if a.share.index == 0 else finished(a, after=5.0)
        return PaperWorker([ready(a)], on_go=[end])

    played = play(part)

    assert [f.index for f in played.load.failures] == [0]
    assert played.notes.warnings == ["It broke.\nA cause."]
    assert played.end == pytest.approx(5.1)


def test_a_silent_worker_is_ended_and_named() -> None:
    """One that the audience calls silent is killed once; the others finish."""
    played = play(
        lambda a: PaperWorker([ready(a)], on_go=[finished(a, after=40.0)] if a.share.index == 0 else NEVER),
        notes=Notes(quiet={1: 1030.0}),
    )

    assert played.load.ended == {WorkerId(0, 1)}
    assert played.notes.given_up == [WorkerId(0, 1)]
    assert played.platform.workers[1].killed
    assert played.notes.warnings == ["Worker 2 said nothing for 30 s: it is ended and counted as lost."]


@pytest.mark.parametrize(
    ("signal", "reason"),
    [(Signals.SIGINT, "interrupted"), (Signals.SIGTERM, "terminated"), ("asked", "asked")],
)
def test_a_signal_stops_everybody(signal: Stopper, reason: str) -> None:
    """Every worker hears Stop at once, and the load is over when they have answered."""
    played = play(lambda a: PaperWorker([ready(a)], on_stop=[finished(a, after=0.2)]), signals={2.0: signal})

    stops = [worker.heard[-1] for worker in played.platform.workers]
    assert stops == [Stop(reason=reason), Stop(reason=reason)]  # type: ignore[arg-type]
    assert played.load.stopped_by == signal
    assert played.end == pytest.approx(2.2)
    assert not any(worker.killed for worker in played.platform.workers)


def stopping(assignment: Assignment) -> PaperWorker:
    return PaperWorker([ready(assignment)], on_stop=[finished(assignment, after=0.2)])


def test_a_failed_check_stops_everybody() -> None:
    """At the tick at which the audience says so, as a person would; the check is told with its value."""
    played = play(stopping, notes=Notes(failing=1005.0))

    assert [worker.heard[1:] for worker in played.platform.workers] == [[Stop(reason="asked")]] * 2
    assert (played.load.stopped_by, played.load.abort) == ("aborted", ABORT)
    assert played.notes.warnings == ["Stopping the load, by its abort condition: a < 1 (a = 2)"]
    assert played.end == pytest.approx(5.3)


def test_a_person_who_was_first_has_stopped_the_load() -> None:
    """What a check finds while the load is being stopped changes nothing."""
    played = play(
        lambda a: PaperWorker([ready(a)], on_stop=[finished(a, after=1.5)]),
        notes=Notes(failing=1003.0),
        signals={2.0: Signals.SIGINT},
    )

    assert (played.load.stopped_by, played.load.abort) == (Signals.SIGINT, None)
    assert len(played.notes.warnings) == 1


def test_a_person_who_was_second_is_told_so() -> None:
    """The load has ended itself; the stop is not sent again, and its time is not prolonged."""
    played = play(
        lambda a: PaperWorker([ready(a)]), notes=Notes(failing=1005.0), signals={6.0: Signals.SIGINT}
    )

    assert (played.load.stopped_by, played.load.abort) == ("aborted", ABORT)
    assert [worker.heard[1:] for worker in played.platform.workers] == [[Stop(reason="asked")]] * 2
    assert played.notes.warnings[1] == "The load is being stopped already."
    assert played.load.ended == {WorkerId(0, 0), WorkerId(0, 1)}
    assert played.end == pytest.approx(7.1, abs=0.5)


def test_who_does_not_answer_a_stop_is_ended() -> None:
    """Two seconds are enough for a last word; then the worker counts as lost."""

    def part(a: Assignment) -> PaperWorker:
        return PaperWorker([ready(a)], on_stop=[finished(a, after=0.2)] if a.share.index == 0 else NEVER)

    played = play(part, signals={2.0: Signals.SIGINT})

    assert played.load.ended == {WorkerId(0, 1)}
    assert played.end == pytest.approx(4.5, abs=0.5)
    assert "Worker 2 did not answer the stop: it is ended and counted as lost." in played.notes.warnings


def test_a_signal_before_the_start_ends_without_load() -> None:
    """There is nothing to report yet, so the run ends with the signal's code."""
    with pytest.raises(Interrupted) as caught:
        play(lambda a: PaperWorker(NEVER), signals={2.0: Signals.SIGTERM})

    assert caught.value.exit_code == 143


def test_a_worker_that_cannot_be_started_ends_the_others() -> None:
    """The machine's refusal is told as such, and nobody stays behind."""
    started: list[PaperWorker] = []

    def part(a: Assignment) -> PaperWorker:
        if a.share.index == 1:
            raise OSError("too many processes")
        started.append(PaperWorker([ready(a)]))
        return started[0]

    with pytest.raises(WorkerFailed) as caught:
        play(part)

    assert caught.value.cause == "too many processes"
    assert started[0].killed


def section(
    part: Callable[[Assignment], PaperWorker], *, signal_at: float | None = None
) -> dict[str, object]:
    async def main() -> dict[str, object]:
        loop = asyncio.get_running_loop()
        inbox: Inbox = asyncio.Queue()
        if signal_at is not None:
            loop.call_later(signal_at, inbox.put_nowait, Signalled(Signals.SIGINT))
        async with Crew(PaperPlatform(part), assignments(1), inbox) as crew:
            return await conduct_section("before", crew, Notes(), clock=loop.time)

    return run_virtually(main())


def test_before_gives_its_variables() -> None:
    """What the section captured comes with its last word."""
    variables = section(lambda a: PaperWorker([ready(a)], on_go=[finished(a, variables={"token": "t1"})]))

    assert variables == {"token": "t1"}


def test_a_failed_section_is_told() -> None:
    """Its message and its exit code are the worker's."""
    with pytest.raises(PartFailed) as caught:
        section(lambda a: PaperWorker([ready(a)], on_go=[failed(a, message="ECONNREFUSED", exit_code=1)]))

    assert (caught.value.message, caught.value.exit_code) == ("ECONNREFUSED", 1)


def test_a_section_that_never_ends_is_ended() -> None:
    """After 15 minutes it is refused."""
    with pytest.raises(PartFailed, match="not done after 900 s"):
        section(lambda a: PaperWorker([ready(a)]))


def test_a_section_can_be_interrupted() -> None:
    """Ctrl-C during `before` ends the run: no load is made."""
    with pytest.raises(Interrupted) as caught:
        section(lambda a: PaperWorker([ready(a)]), signal_at=3.0)

    assert caught.value.exit_code == 130


def test_a_crew_leaves_nothing_but_signals_behind() -> None:
    """The next crew shares the inbox: stale words of the last one must not reach it, a signal must."""

    async def main() -> list[object]:
        inbox: Inbox = asyncio.Queue()
        platform = PaperPlatform(lambda a: PaperWorker([ready(a, after=0.0)]))
        async with Crew(platform, assignments(2), inbox):
            await asyncio.sleep(1.0)
            inbox.put_nowait(Signalled(Signals.SIGINT))
        return [inbox.get_nowait() for _ in range(inbox.qsize())]

    assert run_virtually(main()) == [Signalled(Signals.SIGINT)]


def test_messages_of_the_assembly_are_heard() -> None:
    """Ready tells how many users a worker has planned, so the audience hears it."""
    played = play(lambda a: PaperWorker([ready(a, planned=3 + a.share.index)], on_go=[finished(a)]))

    readies = [m for m in played.notes.messages if isinstance(m, Ready)]
    assert [(m.index, m.planned) for m in readies] == [(0, 3), (1, 4)]
    assert not any(isinstance(m, Failed) for m in played.notes.messages)
