"""Whole conversations of workers with the launcher, as the queue carries them, and what becomes of them on the way.

Leaves to others: what must hold of the report (test_any_delivery).

Each worker is a real chorus of engine processes: it counts every user in its tallies and in its periods alike, its
messages are divided and packed as on the queue, and `truth` is what it measured. How a conversation goes is drawn by
hypothesis; what is measured follows from it, so that a failing example is short to read. Values are multiples of 1/8:
sums of them are exact in any order.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from hypothesis import strategies as st

from grapeshot_launcher.prepare import Test
from grapeshot_launcher.relay import windows_of
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_worker.arrivals import planned
from grapeshot_worker.chorus import Chorus
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.messages import Facts, Failed, Finished, Message, Progress, Ready, Tally
from grapeshot_worker.metrics.period import Period, RateCount, by_window
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.plan import Assignment
from grapeshot_worker.wire import pack, split

T0 = 1_795_421_580.0  # epoch s: a window's start
PART_LIMIT = 700  # characters: a message of two windows is divided
STEP = 4.0  # s between two messages of a worker

End = Literal["finishes", "fails", "dies"]


@dataclass(frozen=True, kw_only=True)
class Story:
    """How one worker fares: in how many engine processes, after how many steps it ends, and how."""

    voices: int = 1
    steps: int = 2
    end: End = "finishes"


@dataclass(frozen=True, kw_only=True)
class Life:
    """What one worker said, in order; what it left in the bucket; what it measured, told or not."""

    worker: WorkerId
    said: tuple[Message, ...]
    left: Finished | Failed | None
    truth: tuple[Period, ...]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What becomes of the messages: `lost` and `repeated` are positions among all that were sent, modulo their number.

    `order`: 0 is as sent, any other number shuffles. `no_totals`: workers whose totals never reached the bucket;
    `refused`: the bucket can't be asked for the totals from this one on. `given_up`: workers the launcher has ended.
    """

    order: int = 0
    lost: frozenset[int] = frozenset()
    lost_kinds: frozenset[str] = frozenset()  # "ready", "last": of every worker
    lost_workers: frozenset[int] = frozenset()
    repeated: tuple[int, ...] = ()
    strangers: int = 0  # messages of another run among them
    no_totals: frozenset[int] = frozenset()
    refused: int | None = None
    given_up: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A run of so many workers in each of its generations, of which `started` were; `stopped`: by a person."""

    workers: int
    generations: int
    started: int
    stopped: bool
    stories: tuple[Story, ...]  # by generation and index; they are repeated when there are too few


@dataclass(frozen=True, kw_only=True)
class Mail:
    """What the queue brings, as texts in the order they come, and of whom something never comes."""

    texts: tuple[str, ...]
    short: frozenset[WorkerId]


stories = st.builds(
    Story,
    voices=st.sampled_from([1, 1, 2]),
    steps=st.integers(0, 5),
    end=st.sampled_from(["finishes", "finishes", "finishes", "fails", "dies"]),
)
good_stories = st.builds(Story, voices=st.sampled_from([1, 2]), steps=st.integers(0, 5))
some = st.frozensets(st.integers(0, 200), max_size=3)
deliveries = st.builds(
    Delivery,
    order=st.integers(0, 1000),
    lost=st.one_of(st.just(frozenset()), some),
    lost_kinds=st.sampled_from([frozenset[str]()] * 3 + [frozenset({"ready"}), frozenset({"last"})]),
    lost_workers=st.one_of(st.just(frozenset()), st.frozensets(st.integers(0, 17), max_size=2)),
    repeated=st.lists(st.integers(0, 200), max_size=5).map(tuple),
    strangers=st.integers(0, 3),
    no_totals=st.one_of(st.just(frozenset()), st.frozensets(st.integers(0, 17), max_size=3)),
    refused=st.one_of(st.none(), st.integers(0, 17)),
    given_up=st.frozensets(st.integers(0, 17), max_size=1),
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Draw a run: mostly of workers that come to their end, as in life."""
    generations = draw(st.integers(1, 3))
    return Conversation(
        workers=draw(st.integers(1, 6)),
        generations=generations,
        started=draw(st.integers(1, generations)),
        stopped=draw(st.booleans()),
        stories=tuple(draw(st.lists(draw(st.sampled_from([stories, good_stories])), min_size=1, max_size=6))),
    )


def test_for(test: Test, run: Conversation) -> Test:
    """Give the run's test: its workers, its windows."""
    windows = windows_of(30.0, lifetime=30.0 / run.generations + 2, lead=1, tail=1)
    assert len(windows) == run.generations
    return replace(test, workers=run.workers, windows=windows)


test_for.__test__ = False  # type: ignore[attr-defined]


def assignments_of(test: Test, run: Conversation) -> list[Assignment]:
    """Give what the workers of all generations that were started are told."""
    return [each for number in range(run.started) for each in test.assignments("load", {}, generation=number)]


def lives(test: Test, run: Conversation) -> list[Life]:
    """Let every worker live."""
    tellers = itertools.cycle(run.stories)
    last = run.started - 1
    return [
        _live(test, each, story, cut=run.stopped and each.generation == last)
        for each, story in zip(assignments_of(test, run), tellers, strict=False)
    ]


def _live(test: Test, assignment: Assignment, story: Story, *, cut: bool) -> Life:
    """Let one worker live; with `cut`, it is stopped before all its users have started."""
    chorus = Chorus(
        run_id=assignment.run_id,
        generation=assignment.generation,
        index=assignment.index,
        voices=story.voices,
    )
    voices = [_Voice(test, assignment, voice, story, cut=cut) for voice in range(story.voices)]
    said: list[Message] = []
    for voice in voices:
        chorus.hear(voice.number, voice.ready())
    said.append(chorus.ready())
    for _ in range(story.steps):
        for voice in voices:
            chorus.hear(voice.number, voice.progress())
        said += split(chorus.progress(), PART_LIMIT, chorus.number)
    left: Finished | Failed | None = None
    if story.end == "finishes":
        for voice in voices:
            chorus.hear(voice.number, voice.finished())
        finished = chorus.finished()
        said += split(finished, PART_LIMIT, chorus.number)
        left = replace(finished, sequence=said[-1].sequence, periods=chorus.told)
    elif story.end == "fails":
        left = chorus.failed(GrapeshotError("Its memory ran out.", exit_code=11))
        said.append(left)
    else:
        for voice in voices:
            voice.progress()  # measured, and never told
    truth = tuple(period for voice in voices for period in voice.truth)
    worker = WorkerId(assignment.generation, assignment.index)
    return Life(worker=worker, said=tuple(said), left=left, truth=truth)


class _Voice:
    """One engine process: in each step it starts and ends some of its users, in one window or two."""

    def __init__(self, test: Test, assignment: Assignment, number: int, story: Story, *, cut: bool) -> None:
        self.number, self._assignment = number, assignment
        share = assignment.share.part(number, story.voices)
        self._users = planned(test.plan, share, assignment.window)
        self._rng = random.Random(f"{assignment.generation}/{assignment.index}/{number}")
        self._cut = cut
        self._begin = T0 + assignment.window.start
        self._tally = Tally(planned=self._users)
        self._steps = 0
        self.truth: list[Period] = []

    def ready(self) -> Ready:
        return Ready(**self._stamp(), planned=self._users)

    def progress(self) -> Progress:
        periods = self._measure(self._rng.randint(0, 2))
        return Progress(**self._stamp(), periods=periods, tally=self._tally, at=self._now)

    def finished(self) -> Finished:
        left = self._users - self._tally.started - self._tally.skipped
        periods = self._measure(left // 2 if self._cut else left, last=True)
        return Finished(**self._stamp(), periods=periods, tally=self._tally, facts=Facts(pid=7, cpu=0.1))

    @property
    def _now(self) -> float:
        return self._begin + STEP * self._steps

    def _stamp(self) -> dict[str, Any]:
        each = self._assignment
        return {
            "run_id": each.run_id,
            "generation": each.generation,
            "index": each.index,
            "sequence": 1,  # an engine process's own number, which its chorus replaces
        }

    def _measure(self, users: int, *, last: bool = False) -> tuple[Period, ...]:
        """Start so many users, skip one now and then, and end what is under way; give the new periods."""
        self._steps += 1
        rng, was = self._rng, self._tally
        coming = min(users, was.planned - was.started - was.skipped)
        skipped = rng.randint(0, min(coming, 1))
        active = was.active + coming - skipped
        ending = active if last else rng.randint(0, active)
        failed = rng.randint(0, min(ending, 1))
        cut = rng.randint(0, ending - failed) if last and self._cut else 0
        now = Tally(
            planned=was.planned,
            started=was.started + coming - skipped,
            skipped=was.skipped + skipped,
            completed=was.completed + ending - failed - cut,
            failed=was.failed + failed,
            cut=was.cut + cut,
            active=active - ending,
        )
        if last:
            now = replace(now, unstarted=now.planned - now.started - now.skipped)
        self._tally = now
        counted = {
            "vusers.created": now.started - was.started,
            "vusers.skipped": now.skipped - was.skipped,
            "vusers.completed": now.completed - was.completed,
            "vusers.failed": now.failed - was.failed,
            "http.requests": rng.randint(1, 1000),
        }
        periods = [self._period(self._now, counted)]
        if rng.random() < 0.5:  # what was answered in the window before is told late
            periods.append(self._period(self._now - 10, {"http.responses": rng.randint(1, 1000)}))
        self.truth += periods
        return by_window(periods)

    def _period(self, at: float, counters: Mapping[str, int]) -> Period:
        start = int(at // 10) * 10_000
        values = {self._rng.randint(1, 80_000) / 8: self._rng.randint(1, 9) for _ in range(3)}
        moment = float(start + self._rng.randint(0, 9_999))
        return Period(
            start=start,
            counters=counters,
            rates={"http.request_rate": RateCount(1, moment, moment)},
            sketches={"http.response_time": Sketch.of(values)},
            first_counter_at=moment,
            last_counter_at=moment,
            first_histogram_at=moment,
            last_histogram_at=moment,
        )


def carried(everybody: Sequence[Life], delivery: Delivery) -> Mail:
    """Bring what was said to the launcher, as far as it gets there."""
    sent = [(life, message) for life in everybody for message in life.said]
    lost = {position % len(sent) for position in delivery.lost}
    silenced = {everybody[number % len(everybody)].worker for number in delivery.lost_workers}
    arriving: list[Message] = []
    short = set()
    for position, (life, message) in enumerate(sent):
        ready, last = isinstance(message, Ready), isinstance(message, Finished | Failed)
        if (
            position in lost
            or life.worker in silenced
            or (ready and "ready" in delivery.lost_kinds)
            or (last and "last" in delivery.lost_kinds)
        ):
            short.add(life.worker)
        else:
            arriving.append(message)
    if arriving:
        arriving += [arriving[position % len(arriving)] for position in delivery.repeated]
        arriving += [replace(each, run_id="another") for each in arriving[: delivery.strangers]]
    if delivery.order:
        random.Random(delivery.order).shuffle(arriving)
    return Mail(texts=tuple(pack(each, limit=math.inf) for each in arriving), short=frozenset(short))


def totals_left(everybody: Sequence[Life], delivery: Delivery) -> dict[WorkerId, str]:
    """Give what lies in the bucket, as text, by worker."""
    missing = {everybody[number % len(everybody)].worker for number in delivery.no_totals}
    return {
        life.worker: pack(life.left, limit=math.inf)
        for life in everybody
        if life.left is not None and life.worker not in missing
    }
