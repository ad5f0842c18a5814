"""What came back from the workers: messages folded into periods, and who has said what (pure but for its own memory).

Leaves to others: reading the queue or the pipes (platforms), judging a worker (verdict), keeping the books (books).
Time is an argument.

The queue delivers at least once and in any order. Hence: a message is known by (generation, index, sequence) and taken
once; a worker's state is a fact kept per worker, never a count; the newest tally is the one with the highest sequence;
a period merges whenever it comes. Windows are published in chronological order as soon as every live worker has
reported past their end, or after a grace of ⌈workers / 10⌉·3 + 30 s from their start (the reference's rule). What comes
later no longer shows in the published window, but is in the final numbers.

Memory: the windows, packed once they were published, and a constant for each worker. Sequence numbers are kept as
ranges, and in practice there is one.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, assert_never

from grapeshot_launcher.results.regions import Measured
from grapeshot_launcher.results.sequences import Sequences
from grapeshot_worker.messages import Facts, Failed, Finished, Message, Progress, Ready, Tally
from grapeshot_worker.metrics.period import WINDOW_MS, Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.plan import Assignment

LIVE_SECONDS: Final = 10.0  # long enough to hold a report of every worker, short enough to follow a ramp
LIVE_PATIENCE: Final = 20.0  # s that the live rate waits for the slowest worker's report


@dataclass(frozen=True, order=True, slots=True)
class WorkerId:
    """One invocation: its place in the chain of windows, and its share."""

    generation: int
    index: int

    @property
    def name(self) -> str:
        """Name it as people count.

        >>> WorkerId(0, 1).name, WorkerId(2, 0).name
        ('worker 2', 'worker 1 of generation 3')
        """
        return f"worker {self.index + 1}" + (
            f" of generation {self.generation + 1}" if self.generation > 0 else ""
        )

    @staticmethod
    def of(assignment: Assignment) -> WorkerId:
        """Say who works on an assignment."""
        return WorkerId(assignment.generation, assignment.index)


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveNumbers:
    """What a progress line shows: users, requests and errors since the start, times in ms."""

    planned: int = 0
    started: int = 0
    active: int = 0
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    requests: int = 0
    requests_per_second: float = 0.0  # over the last 10 s
    p95: float | None = None  # of the latest window's response times
    errors: int = 0
    top_error: str | None = None  # the most frequent one's name: text from the target
    lag_p99: float = 0.0  # of the latest window's arrivals, against their plan
    workers_ready: int = 0
    workers_ended: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerEnd:
    """How a worker ended, and what it said of itself; `lost` = it neither finished nor failed in words."""

    worker: WorkerId
    state: Literal["finished", "failed", "lost"]
    tally: Tally = field(default_factory=Tally)
    facts: Facts | None = None
    failure: Failed | None = None
    missing_messages: int = 0  # those before its latest one, or before its last word, that never arrived
    ahead: float | None = None  # s that its clock was ahead of AWS's; None: not known, or there is one clock


@dataclass(slots=True)
class _State:
    """What is known of one worker."""

    heard: float
    sequences: Sequences = field(default_factory=Sequences)
    ready: bool = False
    planned: int = 0
    at: float = -math.inf  # it has reported everything before this moment
    tally: Tally = field(default_factory=Tally)
    newest: int = -1  # sequence number of the tally
    last: int = 0  # that of its last word, where this was found and never came
    facts: Facts | None = None
    failure: Failed | None = None
    given_up: bool = False

    @property
    def ended(self) -> bool:
        return self.facts is not None or self.failure is not None or self.given_up

    @property
    def missing(self) -> int:
        """Messages that it has sent, as far as is known, and that never came."""
        return self.sequences.missing(self.last)


@dataclass(frozen=True, slots=True)
class _Sum:
    """What the workers of a generation have told, together."""

    tally: Tally
    planned: int
    ready: int
    ended: int

    @staticmethod
    def of(states: Collection[_State]) -> _Sum:
        tallies = [state.tally for state in states]
        names = ("started", "skipped", "unstarted", "completed", "failed", "cut", "active")
        return _Sum(
            Tally(**{name: sum(getattr(tally, name) for tally in tallies) for name in names}),
            planned=sum(max(state.planned, state.tally.planned) for state in states),
            ready=sum(state.ready for state in states),
            ended=sum(state.ended for state in states),
        )


class Collector:
    """Takes the messages of one run; `since`: when the workers were asked to start (epoch seconds)."""

    def __init__(
        self, run_id: str, workers: int, *, since: float = math.inf, regions: Sequence[str] = ()
    ) -> None:
        self.generations = 1  # started so far
        self.regions = tuple(regions)  # of whom all take turns, where workers are in several
        self._run_id, self._workers, self._since = run_id, workers, since
        self._states: dict[int, dict[int, _State]] = {}  # by generation, then index
        self._sums: dict[
            int, _Sum
        ] = {}  # of generations that have ended: a day has many, and a tick looks at all
        self._measured = Measured(self.regions)
        self._began = math.inf  # epoch ms of the first counter
        self._published = -1
        self._late: set[int] = set()
        self._variables: dict[str, Any] = {}
        self._requests = 0
        self._errors: Counter[str] = Counter()
        self._recent: deque[tuple[float, int]] = deque()

    def relieved(self, generation: int) -> None:
        """Take note of a generation that was started: its workers are awaited from now on."""
        self.generations = max(self.generations, generation + 1)

    # ---- taking ----

    def take(self, message: Message, now: float) -> bool:
        """Fold a message in, received at `now` (epoch seconds); False if it is of another run or was taken before."""
        if message.run_id != self._run_id:
            return False
        state = self._state(message.generation, message.index, heard=now)
        if not state.sequences.add(message.sequence):
            return False
        state.heard = max(state.heard, now)
        match message:
            case Ready():
                state.ready, state.planned = True, message.planned
            case Progress():
                state.ready, state.at = True, max(state.at, message.at)
                # Who has finished speaks of a moment to come; it was measured by now at the latest.
                self._measure(message, min(message.at, now))
                if message.sequence > state.newest:
                    state.newest, state.tally = message.sequence, message.tally
            case Finished():
                state.ready, state.newest, state.tally = True, message.sequence, message.tally
                state.facts = message.facts
                self._variables |= message.variables
                self._measure(message, now)
            case Failed():
                state.failure = message
            case _:
                assert_never(message)
        return True

    def give_up(self, index: int, *, generation: int = 0) -> None:
        """Wait no longer for a worker: it is lost, unless it still speaks up."""
        self._state(generation, index).given_up = True

    def _measure(self, message: Progress | Finished, at: float) -> None:
        requests = 0
        for period in message.periods:
            self._measured.add(message.index, period)
            self._began = min(self._began, period.first_counter_at or math.inf)
            if period.start <= self._published:
                self._late.add(period.start)
            requests += period.counters.get("http.requests", 0)
            for name, count in period.counters.items():
                if name.startswith("errors."):
                    self._errors[name.removeprefix("errors.")] += count
        self._requests += requests
        self._recent.append((at, requests))
        while self._recent[0][0] <= self._recent[-1][0] - LIVE_SECONDS - LIVE_PATIENCE:
            self._recent.popleft()

    # ---- settling ----

    def doubtful(self, *, generation: int = 0) -> set[int]:
        """Give the workers whose measurements may be incomplete: some messages, or the last one, never came.

        A worker that failed in words has no more to tell than it said.
        """
        certain = {
            index
            for index, state in self._of(generation).items()
            if (state.facts is not None or state.failure is not None) and not state.missing
        }
        return set(range(self._workers)) - certain

    def conclude(self, last: Finished | Failed) -> None:
        """Take note of a worker's end from the last message it left behind; its periods are not folded in.

        What the queue did not bring is missing still, this message too.
        """
        state = self._state(last.generation, last.index)
        state.last = max(state.last, last.sequence)
        if isinstance(last, Failed):
            state.failure = last
        elif state.failure is None:
            state.ready, state.newest = True, max(state.newest, last.sequence)
            state.tally, state.facts = last.tally, last.facts
            self._variables |= last.variables

    def replace(self, measured: Measured) -> None:
        """Put what was merged from the totals of all workers in place of what came in messages: nothing is missing."""
        self._measured = measured
        for state in self._all():
            state.sequences, state.last = Sequences(), 0

    # ---- the workers ----

    def ready(self, *, generation: int = 0) -> set[int]:
        """Give the workers that have reported in."""
        return {index for index, state in self._of(generation).items() if state.ready}

    def finished(self, *, generation: int = 0) -> set[int]:
        """Give the workers that have sent their last message."""
        return {index for index, state in self._of(generation).items() if state.facts is not None}

    def complete(self) -> set[int]:
        """Give the shares whose workers, of every generation started, have sent their last message."""
        return set.intersection(*(self.finished(generation=each) for each in range(self.generations)))

    def failed(self, *, generation: int = 0) -> set[int]:
        """Give the workers that can't go on."""
        return {index for index, state in self._of(generation).items() if state.failure is not None}

    def outstanding(self, *, generation: int = 0) -> set[int]:
        """Give the workers that have neither finished nor failed nor been given up; those never heard of too."""
        ended = {index for index, state in self._of(generation).items() if state.ended}
        return set(range(self._workers)) - ended

    def silent(self, now: float, limit: float, *, generation: int = 0) -> set[int]:
        """Give the outstanding workers that were not heard of for more than `limit` seconds."""
        heard = {index: state.heard for index, state in self._of(generation).items()}
        return {
            index
            for index in self.outstanding(generation=generation)
            if now - heard.get(index, self._since) > limit
        }

    def ends(self) -> tuple[WorkerEnd, ...]:
        """Give every worker's end, by generation and index; who hasn't ended by now is lost."""
        heard = {WorkerId(g, index) for g, states in self._states.items() for index in states}
        return tuple(self._end(worker) for worker in sorted(heard | self._everyone()))

    def tallies(self) -> dict[int, Tally]:
        """Give the newest tally of each share, added up over the generations that worked on it."""
        total: dict[int, Tally] = {}
        for states in self._states.values():
            for index, state in states.items():
                total[index] = total.get(index, Tally()) + state.tally
        return total

    @property
    def variables(self) -> Mapping[str, Any]:
        """What a `before` part has captured."""
        return self._variables

    def _of(self, generation: int) -> Mapping[int, _State]:
        return self._states.get(generation, {})

    def _all(self) -> Iterator[_State]:
        return (state for states in self._states.values() for state in states.values())

    def _state(self, generation: int, index: int, *, heard: float = -math.inf) -> _State:
        """Give what is known of a worker, to be changed."""
        self._sums.pop(generation, None)
        return self._states.setdefault(generation, {}).setdefault(index, _State(heard=heard))

    def _everyone(self) -> set[WorkerId]:
        return {WorkerId(g, index) for g in range(self.generations) for index in range(self._workers)}

    def _end(self, worker: WorkerId) -> WorkerEnd:
        state = self._of(worker.generation).get(worker.index) or _State(heard=-math.inf)
        return WorkerEnd(
            worker=worker,
            state="failed" if state.failure else "finished" if state.facts else "lost",
            tally=state.tally,
            facts=state.facts,
            failure=state.failure,
            missing_messages=state.missing,
        )

    # ---- the numbers ----

    def due(self, now: float) -> list[Period]:
        """Give the windows that are complete by now (epoch seconds) and not yet given, in chronological order."""
        reported = self._reported_until()
        grace = math.ceil(self._workers / 10) * 3 + 30
        ready = []
        windows = self._measured.whole
        for start in windows.after(self._published):
            if (start + WINDOW_MS) / 1000 > reported and now < start / 1000 + grace:
                break
            self._published = start
            ready.append(windows.period(start))
        windows.pack(self._published)
        return ready

    def periods(self) -> Sequence[Period]:
        """Give all windows with everything that came, in chronological order; they are opened one at a time."""
        return self._measured.whole.periods()

    def by_region(self) -> Mapping[str, Totals]:
        """Give all that came from each region; nothing where there are not several."""
        return self._measured.by_region()

    @property
    def late(self) -> frozenset[int]:
        """Windows (epoch ms) that got data after they were published."""
        return frozenset(self._late)

    def live(self) -> LiveNumbers:
        """Give the numbers of the progress line."""
        errors = self._errors.most_common(1)
        sums = [self._sum(generation) for generation in self._states]
        tally = sum((each.tally for each in sums), Tally())
        return LiveNumbers(
            planned=sum(each.planned for each in sums),
            started=tally.started,
            active=tally.active,
            completed=tally.completed,
            failed=tally.failed,
            skipped=tally.skipped,
            requests=self._requests,
            requests_per_second=self._recent_rate(),
            p95=self._latest("http.response_time", 0.95),
            errors=self._errors.total(),
            top_error=errors[0][0] if errors else None,
            lag_p99=self._latest("vusers.start_lag", 0.99) or 0.0,
            workers_ready=sum(each.ready for each in sums),
            workers_ended=sum(each.ended for each in sums),
        )

    def _sum(self, generation: int) -> _Sum:
        """Add up what one generation has told; once all of it have ended, that is kept until one speaks again."""
        known = self._sums.get(generation)
        if known is None:
            states = self._states[generation].values()
            known = _Sum.of(states)
            if known.ended == len(states):
                self._sums[generation] = known
        return known

    def _reported_until(self) -> float:
        """Give the moment up to which every live worker has reported everything.

        A successor that is ready but has nothing to report yet doesn't hold back its predecessor's windows.
        """
        if len(self._of(0)) < self._workers:
            return -math.inf
        working = (
            (generation, state)
            for generation, states in self._states.items()
            if generation not in self._sums
            for state in states.values()
            if not state.ended
        )
        reporting = (state.at for generation, state in working if generation == 0 or state.at > -math.inf)
        return min(reporting, default=math.inf)

    def _recent_rate(self) -> float:
        if not self._recent:
            return 0.0
        newest = max(at for at, _ in self._recent)
        # Where each worker sends a window at a time, the last moment is that of a few workers only.
        until = self._reported_until()
        if not newest - LIVE_PATIENCE <= until <= newest:
            until = newest
        seconds = min(LIVE_SECONDS, until - self._began / 1000)
        recent = sum(requests for at, requests in self._recent if until - LIVE_SECONDS < at <= until)
        return recent / max(seconds, 1.0)

    def _latest(self, name: str, q: float) -> float | None:
        sketch = self._measured.whole.newest(name)
        return sketch.quantile(q) if sketch else None
