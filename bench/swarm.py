"""A thousand workers on paper: what they measure, and the cloud that carries their messages to the launcher.

Leaves to others: the launcher, which is the real one, and the clock (working_time).

What is measured goes through a real Recorder, and messages are packed as the worker packs them. A worker's messages
carry one of VARIANTS measurements, made once; stamps and moments are its own, so no two texts are the same. They are
made when the launcher asks for them, while the clock stands still: what waits in the queue takes no memory here.
"""

from __future__ import annotations

import asyncio
import base64
import heapq
import json
import random
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from working_time import WorkingLoop

from grapeshot_launcher.platforms.lambda_ import Letter
from grapeshot_worker.invocation import ControlRecord, Invocation
from grapeshot_worker.messages import Facts, Finished, Progress, Ready, Tally, encode
from grapeshot_worker.metrics.period import WINDOW_MS, Period
from grapeshot_worker.metrics.recorder import Recorder
from grapeshot_worker.wire import VERSION, pack, unpack

START = 1_795_435_200.0  # epoch s of the loop's beginning, on a period's boundary
ENDPOINTS = 92  # each is two names: a counter of its code, a sketch of its times
VARIANTS = 40
PROCESSES = 2  # engine processes of a worker; each reports to it twice in an interval
ROUND_TRIP = 0.02  # s, of a call of the queue
BATCH = 10  # messages that SQS gives at a time
USERS = 1  # of each worker, for the books


def measured(requests: int, rng: random.Random) -> Period:
    """Record so many requests of a service with many endpoints: lognormal times around each one's own median."""
    now = [0.5]
    recorder = Recorder(lambda: now[0], epoch=START)
    for name in ("created", "completed", "failed"):
        recorder.count(f"vusers.{name}", 0 if name == "failed" else requests // ENDPOINTS)
    for number in range(requests):
        now[0] += 4.0 / requests
        endpoint = number % ENDPOINTS
        milliseconds = rng.lognormvariate(3.0 + 2.0 * endpoint / ENDPOINTS, 0.5)
        recorder.sent(now[0])
        status = 500 if endpoint == 0 and rng.random() < 0.2 else 200
        intended = milliseconds + rng.expovariate(1.0)
        recorder.answered(now[0], f"/api/v2/resource-{endpoint:02}", status, milliseconds, 1500, intended)
        if endpoint == 0:
            recorder.observe("vusers.session_length", rng.lognormvariate(8.0, 0.3))
            recorder.observe("vusers.start_lag", rng.expovariate(1.0))
    (period,) = recorder.flush()
    return period


def names(period: Period) -> int:
    """Count a period's metric names."""
    return len(period.counters) + len(period.rates) + len(period.sketches)


@dataclass(frozen=True)
class Stamps:
    """How the messages of one worker differ from those of the others of its variant."""

    run_id: str
    index: int
    age: float  # s: how old the oldest report of its processes is when it sends


class Content:
    """The measurements of a variant: of an interval inside one window, and of one that touches two."""

    def __init__(self, requests: int, rng: random.Random) -> None:
        self.one = measured(requests, rng)
        halves = measured(requests // 2, rng), measured(requests // 2, rng)
        self._plain = {0: [], 1: [self.one.to_json()], 2: [half.to_json() for half in halves]}

    def text(self, stamps: Stamps, sequence: int, windows: Sequence[int], at: float) -> str:
        """Pack the Progress up to `at` (epoch seconds) with up to two windows, as `wire.pack` would."""
        periods = []
        for start, plain in zip(windows, self._plain[len(windows)], strict=True):
            moved = start - int(START * 1000)
            rates = {name: [n, a + moved, b + moved] for name, (n, a, b) in plain["r"].items()}
            moments = [moment + moved for moment in plain["m"]]
            periods.append({**plain, "t": start, "r": rates, "m": moments})
        empty = Progress(
            run_id=stamps.run_id,
            generation=0,
            index=stamps.index,
            sequence=sequence,
            periods=(),
            tally=Tally(planned=USERS, started=USERS, active=USERS),
            at=at,
        )
        record = {**orjson.loads(encode(empty)), "periods": periods}
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        return VERSION + base64.b64encode(zlib.compress(line)).decode("ascii")


class Swarm:
    """A Cloud whose workers report for `seconds`, and then finish; `sent`, `taken`: messages; `longest`: the queue."""

    def __init__(self, loop: WorkingLoop, *, seconds: float, requests: float, seed: int = 1) -> None:
        self._loop, self._seconds, self._requests = loop, seconds, requests
        self._rng = random.Random(seed)
        self._contents: list[Content] = []
        self._workers: list[tuple[Invocation, Stamps]] = []
        self._queue: deque[tuple[int, int, float]] = deque()  # worker, number, moment it was sent
        self._arrived = asyncio.Event()
        self._record = ControlRecord()
        self._feeding: asyncio.Task[None] | None = None
        self.sent = self.taken = self.longest = self.characters = 0
        self.last_of_window: dict[
            int, float
        ] = {}  # window's end → when the last message that completes it was sent
        self.names = self.first_end = 0
        self.began = self.ended = (
            0.0  # CPU seconds at the start of the load, and when the last message was taken
        )

    def prepare(self, interval: float) -> None:
        """Make the contents, and hold them against the worker's own way of packing."""
        self._contents = [Content(int(self._requests * interval), self._rng) for _ in range(VARIANTS)]
        self.names = names(self._contents[0].one)
        start = int(START * 1000)
        text = self._contents[0].text(
            Stamps("t", 0, 0.0), 2, [start, start + WINDOW_MS], START + 7.0 + interval
        )
        assert pack(unpack(text)) == text

    def clock(self) -> float:
        """Give epoch seconds."""
        return START + self._loop.time()

    # ---- a Cloud ----

    async def say(self, record: ControlRecord) -> None:
        self._record = record
        if record.state == "go" and self._feeding is None:
            self._feeding = asyncio.create_task(self._feed())

    async def renew(self) -> None:
        pass

    async def get(self, key: str) -> bytes | None:
        return None

    async def invoke(self, payload: str) -> None:
        invocation = Invocation.from_event(json.loads(payload))
        age = self._rng.uniform(0.0, invocation.report_interval)
        self._workers.append((invocation, Stamps(invocation.run_id, invocation.index, age)))
        self._put(len(self._workers) - 1, 1)

    async def receive(self) -> Sequence[Letter]:
        await asyncio.sleep(ROUND_TRIP)
        if not self._queue:
            self._arrived.clear()
            try:
                async with asyncio.timeout(2.0):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        with self._loop.aside():
            letters: list[Letter] = []
            while self._queue and len(letters) < BATCH:
                worker, number, moment = self._queue.popleft()
                letters.append(Letter(self._text(worker, number, moment), f"receipt {worker}-{number}"))
            self.characters += sum(len(letter.text) for letter in letters)
            return letters

    async def discard(self, receipts: Sequence[str]) -> None:
        self.taken += len(receipts)
        self.ended = self._loop.worked
        await asyncio.sleep(ROUND_TRIP)

    # ---- the workers ----

    async def _feed(self) -> None:
        """Put every worker's messages into the queue at their moments, until all have finished."""
        self.began, self.taken, self.characters = self._loop.worked, 0, 0
        start = self._record.start_at or 0.0
        self.first_end = (int(start * 1000) // WINDOW_MS + 1) * WINDOW_MS
        # The interval runs from when a worker read of the start, and workers look once a second.
        due = []
        for worker, (invocation, _) in enumerate(self._workers):
            read = self.clock() + self._rng.random()
            due.append((read + invocation.until_message(read), worker, 2))
        heapq.heapify(due)
        while due:
            moment, worker, number = heapq.heappop(due)
            if moment > self.clock():
                await asyncio.sleep(moment - self.clock())
            self._put(worker, number)
            if moment - self._workers[worker][1].age < start + self._seconds:
                late = max(moment, self.clock())
                until = self._workers[worker][0].until_message(late)
                heapq.heappush(due, (late + until, worker, number + 1))
            else:
                self._put(worker, -number - 1)

    def _put(self, worker: int, number: int) -> None:
        self._queue.append((worker, number, self.clock()))
        self.sent += 1
        self.longest = max(self.longest, len(self._queue))
        self._arrived.set()
        if number > 1:
            invocation, stamps = self._workers[worker]
            at = self.clock() - stamps.age
            end = int(at * 1000) // WINDOW_MS * WINDOW_MS
            while at - invocation.flush_interval < end / 1000:
                self.last_of_window[end] = self.clock()
                end -= WINDOW_MS

    def _text(self, worker: int, number: int, moment: float) -> str:
        invocation, stamps = self._workers[worker]
        stamp: dict[str, Any] = {"run_id": stamps.run_id, "generation": 0, "index": stamps.index}
        if number == 1:
            return pack(Ready(**stamp, sequence=1, planned=USERS))
        if number < 0:
            tally = Tally(planned=USERS, started=USERS, completed=USERS)
            return pack(
                Finished(**stamp, sequence=-number, periods=(), tally=tally, facts=Facts(pid=1, cpu=0.5))
            )
        at = moment - stamps.age
        since = max(at - invocation.flush_interval, min(self._record.start_at or 0.0, at))
        first, last = (int(each * 1000) // WINDOW_MS * WINDOW_MS for each in (since, at))
        if invocation.full_windows:
            interval = int(invocation.flush_interval * 1000)
            began = (self._record.start_at or 0.0) * 1000 - WINDOW_MS
            windows = [start for start in range(last - interval, last, WINDOW_MS) if start > began]
            at = last / 1000
        else:
            windows = sorted({first, last})
        return self._contents[worker % VARIANTS].text(stamps, number, windows, at)
