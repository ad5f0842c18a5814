"""An AWS in memory for one run: a bucket, a queue, and workers that follow a written part.

Leaves to others: real calls, real workers. On the virtual loop a lost message or a worker that never gets ready costs
nothing. What goes wrong with the queue is a rule: `queue(message)` says after how many seconds each copy arrives.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grapeshot_launcher.platforms.lambda_ import Letter
from grapeshot_worker.errors import CloudError, GrapeshotError
from grapeshot_worker.invocation import ControlRecord, Invocation, final_key
from grapeshot_worker.messages import Facts, Failed, Finished, Message, Progress, Ready, Tally
from grapeshot_worker.metrics.period import WINDOW_MS, Period
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.wire import pack

START = 1_795_435_200.0  # epoch s of the virtual loop's beginning, on a period's boundary
Delivery = Callable[[Message], Sequence[float]]  # seconds until each copy arrives; none: it is lost


def at_once(message: Message) -> Sequence[float]:
    return [0.0]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a worker does: None is never. `users` are all started, `each` second as many as in the first."""

    ready_after: float | None = 1.0
    lasts: float = 5.0
    every: float = 2.0
    dies_after: float | None = None  # s after the start; it says and leaves nothing from then on
    keeps_totals: bool = True
    fails: bool = False
    names: int = 0  # histograms in each message, which then is about the window of its moment
    ahead: float = 0.0  # s of its clock, before AWS's
    mute_after: float | None = (
        None  # s after which it gives up the queue, and leaves word of that in the bucket
    )


@dataclass
class PaperCloud:
    """A Cloud. `part(invocation)` is what a worker does."""

    part: Callable[[Invocation], Part] = lambda _: Part()
    queue: Delivery = at_once
    way: Callable[[Message], float] = lambda _: 0.03  # s that a message takes to the queue
    users: Callable[[Invocation], int] = lambda _: 10
    refusals: dict[str, list[GrapeshotError | None]] = field(
        default_factory=dict
    )  # method → one for each call
    broken: Mapping[str, tuple[float, GrapeshotError]] = field(
        default_factory=dict
    )  # method → from this second on
    out: Mapping[str, tuple[float, float, GrapeshotError]] = field(
        default_factory=dict
    )  # method → from this second to that one
    records: list[tuple[float, ControlRecord]] = field(default_factory=list)
    renewals: list[float] = field(default_factory=list)
    invocations: list[Invocation] = field(default_factory=list)
    invoked: list[float] = field(default_factory=list)  # when, in the same order
    begun: dict[tuple[int, int], float] = field(
        default_factory=dict
    )  # generation, index → AWS's time when the load began
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    discarded: int = 0
    receiving: int = 0
    most_receiving: int = 0
    invoking: int = 0
    most_invoking: int = 0

    def __post_init__(self) -> None:
        self._letters: asyncio.Queue[Letter] = asyncio.Queue()
        self._changed: list[asyncio.Event] = []
        self._actors: list[asyncio.Task[None]] = []

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - 1000.0

    def clock(self) -> float:
        return START + self.now

    @property
    def record(self) -> ControlRecord:
        return self.records[-1][1]

    def _says(self, state: str) -> bool:
        return self.record.state == state

    # ---- a Cloud ----

    async def say(self, record: ControlRecord) -> None:
        self._refuse("say")
        await asyncio.sleep(0.05)
        self.records.append((self.now, record))

    async def renew(self) -> None:
        self._refuse("renew")
        self.renewals.append(self.now)

    async def get(self, key: str) -> bytes | None:
        self._refuse("get")
        self.asked.append(key)
        await asyncio.sleep(0.05)
        return self.objects.get(key)

    async def invoke(self, payload: str) -> None:
        self._refuse("invoke")
        self.invoking += 1
        self.most_invoking = max(self.most_invoking, self.invoking)
        await asyncio.sleep(0.1)
        self.invoking -= 1
        invocation = Invocation.from_event(json.loads(payload))
        self.invoked.append(self.now)
        self.invocations.append(invocation)
        self._actors.append(asyncio.create_task(self._act(invocation)))

    async def receive(self) -> Sequence[Letter]:
        self._refuse("receive")
        self.receiving += 1
        self.most_receiving = max(self.most_receiving, self.receiving)
        try:
            async with asyncio.timeout(2.0):
                return [await self._letters.get()]
        except TimeoutError:
            return []
        finally:
            self.receiving -= 1

    async def discard(self, receipts: Sequence[str]) -> None:
        self._refuse("discard")
        self.discarded += len(receipts)

    def _refuse(self, method: str) -> None:
        since, error = self.broken.get(method, (math.inf, None))
        if error is not None and self.now >= since:
            raise error
        begins, ends, outage = self.out.get(method, (math.inf, math.inf, None))
        if outage is not None and begins <= self.now < ends:
            raise outage
        if (given := self.refusals.get(method)) and (refusal := given.pop(0)) is not None:
            raise refusal

    # ---- the workers ----

    async def _act(self, invocation: Invocation) -> None:
        part = self.part(invocation)
        if part.mute_after is not None:
            await asyncio.sleep(part.mute_after)
            failed = _Actor(invocation, 0).failed()
            self.objects[final_key(invocation)] = pack(failed).encode()
            return
        if part.ready_after is None:
            return
        await asyncio.sleep(part.ready_after)
        actor = _Actor(invocation, self.users(invocation), names=part.names)
        self._send(actor.ready(), part)
        while self._says("wait"):  # noqa: ASYNC110 - workers look, nobody wakes them
            await asyncio.sleep(1.0)
        start = self.record.start_at
        if self._says("stop") or start is None:
            return
        await asyncio.sleep(start - (self.clock() + part.ahead))
        began = self.now
        self.begun[invocation.generation, invocation.index] = self.clock()
        while self.now - began < part.lasts and not self._says("stop"):
            await asyncio.sleep(min(part.every, max(began + part.lasts - self.now, 0.01)))
            if part.dies_after is not None and self.now - began >= part.dies_after:
                return
            self._send(actor.progress(self.clock() + part.ahead), part)
        last = actor.failed() if part.fails else actor.finished(self.clock(), stopped=self._says("stop"))
        if part.keeps_totals:
            kept = actor.totals(last) if isinstance(last, Finished) else last
            self.objects[final_key(invocation)] = pack(kept, limit=math.inf).encode()
        self._send(last, part)

    def _send(self, message: Message, part: Part) -> None:
        if isinstance(message, Ready | Progress):
            message = replace(message, sent_at=self.clock() + part.ahead)
        for seconds in self.queue(message):
            receipt = f"receipt {message.index}-{message.sequence}"
            letter = Letter(pack(message), receipt, self.clock() + self.way(message))
            asyncio.get_running_loop().call_later(seconds, self._letters.put_nowait, letter)

    def put(self, text: str) -> None:
        """Put any text into the queue."""
        self._letters.put_nowait(Letter(text, "receipt"))

    def close(self) -> None:
        for actor in self._actors:
            actor.cancel()


SKETCH = Sketch.of({float(ms): 1 for ms in range(1, 200)})
BILLED = 12_345.5  # ms, as each worker says of itself


class _Actor:
    """One worker's words: each Progress has one more user, Finished the rest."""

    def __init__(self, invocation: Invocation, users: int, *, names: int = 0) -> None:
        self._invocation, self._users = invocation, users
        self._sketches = {f"histogram {name}": SKETCH for name in range(names)}
        self._sequence = self._started = 0
        self._told: list[Period] = []

    def _stamp(self) -> dict[str, Any]:
        self._sequence += 1
        each = self._invocation
        return {
            "run_id": each.run_id,
            "generation": each.generation,
            "index": each.index,
            "sequence": self._sequence,
        }

    def _measured(self, users: int, at: float) -> tuple[Period, ...]:
        self._started += users
        moment = int(at if self._sketches else START) * 1000
        counters = {"vusers.created": users} if users else {}
        self._told.append(
            Period(start=moment - moment % WINDOW_MS, counters=counters, sketches=self._sketches)
        )
        return (self._told[-1],)

    def ready(self) -> Ready:
        return Ready(**self._stamp(), planned=self._users)

    def progress(self, at: float) -> Progress:
        periods = self._measured(1 if self._started < self._users else 0, at)
        return Progress(**self._stamp(), periods=periods, tally=self._tally(), at=at)

    def finished(self, at: float, *, stopped: bool) -> Finished:
        rest = 0 if stopped else self._users - self._started
        periods = self._measured(rest, at)
        variables = {"token": "t"} if self._invocation.part == "before" else {}
        tally = self._tally(unstarted=self._users - self._started)
        return Finished(
            **self._stamp(),
            periods=periods,
            tally=tally,
            facts=Facts(pid=1, billed_ms=BILLED),
            variables=variables,
        )

    def totals(self, last: Finished) -> Finished:
        whole = self._told[0]
        for period in self._told[1:]:
            whole = whole.merge(period)
        return Finished(
            run_id=last.run_id,
            generation=last.generation,
            index=last.index,
            sequence=last.sequence,
            periods=(whole,),
            tally=last.tally,
            facts=last.facts,
            variables=last.variables,
        )

    def failed(self) -> Failed:
        return Failed(**self._stamp(), message="Its memory ran out.", cause="A cause.")

    def _tally(self, unstarted: int = 0) -> Tally:
        return Tally(planned=self._users, started=self._started, unstarted=unstarted, completed=self._started)


def passing(message: str = "AWS is busy.") -> CloudError:
    return CloudError(message, passing=True)


def expired() -> CloudError:
    return CloudError("The credentials have expired.", cause="They lived an hour.", remedy="Get new ones.")
