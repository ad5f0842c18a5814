"""AWS Lambda as a platform: workers are invocations, their messages come through a queue, one record controls them all.

Leaves to others: what must stand in AWS (cloud), the calls themselves (a Cloud), one invocation (lambda_worker), the
worker's side (its `shift`).

    launcher                     bucket, queue                       each of N workers
       │── control record: wait ──▶ S3                                    │
       │── invoke, N times ───────────────────────────────────────────────▶│ claims its slot, unpacks the bundle
       │◀──────────────────────── SQS ◀──────────────── Ready, Progress … ─│
       │── control record: go ────▶ S3 ◀────────── looks every second ─────│
       │── renewed every 10 s ────▶ S3                                     │
       │                          S3 ◀─────────── totals, then Finished ───│

What never came through the queue is read from the totals in the bucket (settle). A worker that falls silent is
looked for there before it is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol

from grapeshot_launcher.platforms import Limits, Worker
from grapeshot_launcher.platforms.lambda_worker import LambdaWorker
from grapeshot_launcher.results.clocks import worker_ahead
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_launcher.results.cost import WorkerTime
from grapeshot_worker.errors import CloudError, GrapeshotError
from grapeshot_worker.invocation import (
    ControlRecord,
    Invocation,
    final_key,
)
from grapeshot_worker.messages import Control, Failed, Finished, Go, Message, Progress, Ready
from grapeshot_worker.plan import Assignment, Part
from grapeshot_worker.wire import unpack

RENEWAL = 10.0  # s between two renewals of the lease; workers stop 60 s after the last one
TROUBLE_LIMIT = (
    45.0  # s that S3 or SQS may be out of reach; leases and silence have 60, and a reason is better
)
INVOCATIONS_AT_ONCE = 32
WORKERS_PER_POLLER, MOST_POLLERS = 20, 16
PROBE_INTERVAL = 5.0  # s between two looks for workers that have fallen silent
PROBE_AFTER = 15.0  # s of silence after which a worker's totals are looked for
PROBE_AFTER_INVOKE = 35.0  # s; a worker that can't reach the queue tries for 30, and then leaves the reason
DEADLINE_GRACE = 30.0  # s after the function's time limit: then nothing comes any more
STOP_HEARD = 3.0  # s that workers get to read `stop` before the record is removed

# A message does not say which part of the run it belongs to, but its generation does.
GENERATIONS: dict[Part, int] = {"before": -1, "after": -2}


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as the queue gives it, the receipt that removes it, and the queue's stamp in epoch seconds."""

    text: str
    receipt: str
    taken_at: float | None = None


class Cloud(Protocol):
    """What a run asks of AWS once everything stands there: one bucket, one queue, one function.

    Every method raises GrapeshotError when AWS refuses or can't be reached, after the tries that make sense.
    """

    async def say(self, record: ControlRecord) -> None:
        """Write the control record; its lease begins now."""

    async def renew(self) -> None:
        """Write the last record again, with a new lease."""

    async def get(self, key: str) -> bytes | None:
        """Give an object's body; None if there is no such object."""
        ...

    async def invoke(self, payload: str) -> None:
        """Start an invocation of the function, without waiting for its end."""

    async def receive(self) -> Sequence[Letter]:
        """Wait some seconds for messages; none if none came."""
        ...

    async def discard(self, receipts: Sequence[str]) -> None:
        """Remove received messages from the queue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What all invocations of a run have in common; `timeout` is the function's, in seconds."""

    run_id: str
    region: str
    bucket: str
    queue_url: str
    bundle_digest: str
    workers: int
    processes: int
    timeout: float
    limits: Limits
    regions: int = 1  # that the workers are in, by turns; this is one of them
    one_clock: bool = False  # workers and queue are on one machine

    @property
    def flush_interval(self) -> float:
        """Seconds between two messages of a worker."""
        return flush_interval(self.workers)

    @property
    def pollers(self) -> int:
        """How many long polls of the queue are under way."""
        here = -(-self.workers // self.regions)
        return min(-(-here // WORKERS_PER_POLLER) + 1, MOST_POLLERS)

    def invocation(self, assignment: Assignment) -> Invocation:
        """Give the event of a worker."""
        window = assignment.window
        return Invocation(
            run_id=self.run_id,
            index=assignment.index,
            count=self.workers if assignment.part == "load" else 1,
            copies=assignment.copy is not None,
            generation=GENERATIONS.get(assignment.part, assignment.generation),
            part=assignment.part,
            region=self.region,
            bucket=self.bucket,
            queue_url=self.queue_url,
            bundle_digest=self.bundle_digest,
            processes=self.processes,
            window=(window.start, None if window.end == float("inf") else window.end),
            variables=assignment.variables,
            flush_interval=self.flush_interval,
        )


def flush_interval(workers: int) -> float:
    """Give the seconds between two messages of a worker: the more, the longer, so that the launcher keeps up.

    One core fetches and takes about a thousand messages a second (docs/scale.md); half of that is planned. From 1,000
    workers on messages hold full windows.

    >>> [flush_interval(workers) for workers in (1, 500, 1000, 5000, 10_000)]
    [2.0, 5.0, 10.0, 10.0, 20.0]
    """
    return min(10.0, max(2.0, workers / 100)) * max(1, math.ceil(workers / 5000))


class Lambda:
    """Runs workers as invocations. Use it as a context: on leaving, whoever may still make load is told to stop."""

    def __init__(self, cloud: Cloud, ground: Ground) -> None:
        self._cloud, self._ground = cloud, ground
        self._workers: dict[tuple[int, int], LambdaWorker] = {}
        self._past: list[WorkerTime] = []  # of workers that are no longer among them
        self._ahead: dict[WorkerId, float] = {}  # s that a worker's clock is ahead of the queue's
        self._newest = 0  # generation
        self._part: Part | None = None
        self._opened = asyncio.Event()
        self._record = ControlRecord()
        self._invoking = asyncio.Semaphore(INVOCATIONS_AT_ONCE)
        self._chores: set[asyncio.Task[None]] = set()
        self._trouble: dict[str, float] = {}  # the service that is out of reach → since when
        self._error: GrapeshotError | None = None

    async def __aenter__(self) -> Lambda:
        """Begin: until the first worker is started, all that is done is to renew the lease."""
        self._do(self._renew())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop whoever may still make load; a worker whom this does not reach stops when its lease is over."""
        chores = set(self._chores)
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        if any(not worker.done for worker in self._workers.values()):
            with contextlib.suppress(GrapeshotError):
                await self._cloud.say(replace(self._record, state="stop"))
                await asyncio.sleep(STOP_HEARD)

    def times(self) -> list[WorkerTime]:
        """Say how long each invocation so far is charged for."""
        now = asyncio.get_running_loop().time()
        here = [worker.charged(now, limit=self._ground.timeout) for worker in self._workers.values()]
        return [*self._past, *here]

    # ---- a Platform ----

    def clocks(self) -> Mapping[WorkerId, float]:
        """Say by how many seconds each worker's clock is ahead of AWS's; an emulated AWS's is theirs."""
        return {} if self._ground.one_clock else dict(self._ahead)

    @property
    def cpus(self) -> int:
        """As many workers as the run has been given."""
        return self._ground.workers

    @property
    def limits(self) -> Limits:
        """How long its workers may take."""
        return self._ground.limits

    async def start(self, assignment: Assignment) -> Worker:
        """Invoke the function for one worker; GrapeshotError if AWS refuses."""
        await self._open(assignment.part)
        invocation = self._ground.invocation(assignment)
        loop = asyncio.get_running_loop()
        worker = LambdaWorker(invocation, self._control, loop.time())
        self._workers[invocation.generation, invocation.index] = worker
        if invocation.generation > self._newest:  # a long load has many generations
            self._newest = invocation.generation
            self._forget(loop.time())
        async with self._invoking:
            await self._cloud.invoke(invocation.to_json())
        worker.invoked = worker.heard = loop.time()
        return worker

    def _forget(self, now: float) -> None:
        """Keep of the workers that are done nothing but what they cost."""
        done = [who for who, each in self._workers.items() if each.ended and each.done]
        self._past += [self._workers.pop(who).charged(now, limit=self._ground.timeout) for who in done]

    async def left(self, assignment: Assignment) -> Finished | Failed | None:
        """Read a worker's last message where it left it, with all that it measured; None if it left none."""
        invocation = self._ground.invocation(assignment)
        last = await self._left(invocation)
        worker = self._workers.get((invocation.generation, invocation.index))
        if worker is not None and isinstance(last, Finished):
            worker.took = worker.took or last.facts.billed_ms
        return last

    async def _left(self, invocation: Invocation) -> Finished | Failed | None:
        body = await self._cloud.get(final_key(invocation))
        if body is None:
            return None
        try:
            message = unpack(body.decode("ascii"))
        except ValueError:
            return None
        return message if isinstance(message, Finished | Failed) else None

    # ---- control ----

    async def _open(self, part: Part) -> None:
        """Let the record say `wait` before the first worker of a part can read it."""
        if self._part == part:
            await self._opened.wait()
            if self._error is not None:
                raise self._error
            return
        first = self._part is None
        self._part, self._opened = part, asyncio.Event()
        self._record = ControlRecord()
        try:
            await self._cloud.say(self._record)
        except GrapeshotError as error:
            self._error = error
            raise
        finally:
            self._opened.set()
        if first:
            self._do(self._probe())
            for _ in range(self._ground.pollers):
                self._do(self._poll())

    def _control(self, control: Control) -> None:
        """Write what a worker is told, once for all of them."""
        if isinstance(control, Go):
            record = replace(self._record, state="go", start_at=control.start_at)
        else:
            record = replace(self._record, state="stop", reason=control.reason)
        if record != self._record:
            self._record = record
            self._do(self._publish())

    async def _publish(self) -> None:
        await self._insist(lambda: self._cloud.say(self._record))

    async def _renew(self) -> None:
        while self._error is None:
            await asyncio.sleep(RENEWAL)
            await self._insist(self._cloud.renew)

    # ---- listening ----

    async def _poll(self) -> None:
        """Bring what the queue has to the workers it is from; a message is removed only after that."""
        while self._error is None:
            letters: Sequence[Letter] = ()
            with contextlib.suppress(GrapeshotError):
                letters = await self._lasting("SQS", self._cloud.receive)
            now = asyncio.get_running_loop().time()
            for letter in letters:
                self._deliver(letter, now)
                # Unpacked it is twenty times as large: it is folded before the next one is opened.
                await asyncio.sleep(0)
            if letters:
                with contextlib.suppress(GrapeshotError):  # it comes again, and is known by its number
                    await self._cloud.discard([letter.receipt for letter in letters])

    def _deliver(self, letter: Letter, now: float) -> None:
        try:
            message = unpack(letter.text)
        except ValueError:
            return  # of a worker of ours it leaves a gap in the numbers, which is noticed
        if message.run_id == self._ground.run_id:
            worker = self._workers.get((message.generation, message.index))
            if worker is not None:
                self._compare_clocks(message, letter.taken_at)
                worker.hear(message, now)

    def _compare_clocks(self, message: Message, stamped_at: float | None) -> None:
        if isinstance(message, Ready | Progress) and message.sent_at and stamped_at:
            who = WorkerId(message.generation, message.index)
            self._ahead[who] = worker_ahead(self._ahead.get(who), message.sent_at, stamped_at)

    async def _probe(self) -> None:
        """Look after those who have fallen silent: in the bucket, and at the function's time limit."""
        loop = asyncio.get_running_loop()
        patience = max(PROBE_AFTER, 2 * self._ground.flush_interval)
        while self._error is None:
            await asyncio.sleep(PROBE_INTERVAL)
            for worker in [w for w in self._workers.values() if not w.ended]:
                waiting = self._record.state == "wait"
                if loop.time() - worker.heard > (PROBE_AFTER_INVOKE if waiting else patience):
                    with contextlib.suppress(GrapeshotError):
                        await self._look_for(worker, loop.time())
                if loop.time() - worker.invoked > self._ground.timeout + DEADLINE_GRACE:
                    worker.out_of_time(self._ground.timeout)

    async def _look_for(self, worker: LambdaWorker, now: float) -> None:
        last = await self._left(worker.invocation)
        if isinstance(last, Finished) and worker.invocation.part == "load":
            worker.end()  # its totals are read when everybody has ended
        elif last is not None:
            worker.hear(last, now)

    # ---- trouble ----

    async def _insist(self, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Write the control record, however often it takes: without it workers do not start, stop, or go on."""
        while self._error is None:
            with contextlib.suppress(GrapeshotError):
                await self._lasting("S3", call)
                return

    async def _lasting(self, service: str, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Make a call; one that fails for good, or whose service does for too long, ends the run."""
        loop = asyncio.get_running_loop()
        try:
            result = await call()
        except GrapeshotError as error:
            now = loop.time()
            since = self._trouble.setdefault(service, now)
            passing = isinstance(error, CloudError) and error.passing
            if not passing or now - since > TROUBLE_LIMIT:
                self._break_off(error)
            await asyncio.sleep(1.0)
            raise
        self._trouble.pop(service, None)
        return result

    def _break_off(self, error: GrapeshotError) -> None:
        if self._error is None:
            self._error = error
            for worker in self._workers.values():
                worker.break_off(error)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        chore = asyncio.create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)
