"""One worker's shift: it claims its slot, unpacks the bundle, starts its engine processes, and works until told.

Leaves to others: the calls to AWS (courier), what the launcher wants (lease), one voice for all processes (chorus),
the load (session, in each process), what went wrong in words (faults).

    claim ─▶ bundle ─▶ start processes ─▶ Ready ─▶ wait for Go ─▶ Progress … ─▶ totals to S3 ─▶ Finished
      │taken                                                                        or Failed
      ▼
    end quietly: AWS delivers an event twice at times, and load is made once

Everything that happens (what the processes say, the control record) comes through one inbox, and every wait has its
limit. Whatever it is that can't go on, the worker stops its load, sends what was measured, and then Failed with the
reason. What was measured waits here while the queue does not take it; the load never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import traceback
from dataclasses import dataclass, replace
from typing import Literal

from grapeshot_worker import faults
from grapeshot_worker.chorus import Chorus
from grapeshot_worker.courier import RETRY_LIMIT, Courier
from grapeshot_worker.errors import CloudError, GrapeshotError, MessageTooLarge
from grapeshot_worker.invocation import (
    LEASE_LIMIT,
    TICK,
    ControlRecord,
    Invocation,
    bundle_key,
    claim_key,
    final_key,
)
from grapeshot_worker.lease import LOOK_LIMIT, Lease
from grapeshot_worker.messages import Control, Failed, Finished, Go, Message, Progress, Ready, Stop
from grapeshot_worker.orders import assignments
from grapeshot_worker.sandbox import Engine, Sandbox
from grapeshot_worker.unpack import Bundle, unpack, unpacked
from grapeshot_worker.wire import LIMIT, pack, split

READY_LIMIT = 60.0  # for the processes to compile the script and load the hooks
GO_LIMIT = 300.0  # from Ready to Go
SILENCE_LIMIT = 30.0  # of a process that makes load
STOP_LIMIT = 5.0  # for a process's last word
MARGIN = 15.0  # kept of AWS Lambda's time for the end of the load and the last messages
FAREWELL = 2.0  # for killed processes to disappear


State = Literal["finished", "failed", "duplicate", "over"]
Phase = Literal["assembling", "waiting", "running", "stopping"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a shift ended: `duplicate` and `over` (the run is gone) have done and said nothing."""

    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    voice: int
    message: Message


@dataclass(frozen=True, slots=True)
class _Gone:
    voice: int


_Event = _Said | _Gone | ControlRecord


class Shift:
    """The life of one worker. Make it inside a running event loop, and `run` it once."""

    def __init__(self, invocation: Invocation, sandbox: Sandbox) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._invocation, self._sandbox = invocation, sandbox
        self._name = f"Worker {invocation.index + 1} of {invocation.count}"
        self._began = now - sandbox.taken
        self._end = now + sandbox.remaining
        self._courier = Courier(sandbox.mailbox, aside=sandbox.aside, rng=sandbox.rng)
        self._voices = invocation.processes if invocation.part == "load" else 1
        self._chorus = Chorus(
            run_id=invocation.run_id,
            generation=invocation.generation,
            index=invocation.index,
            voices=self._voices,
        )
        self._inbox: asyncio.Queue[_Event] = asyncio.Queue()
        self._lease = Lease(invocation.run_id, self._courier, tell=self._inbox.put_nowait)
        self._engines: dict[int, Engine] = {}
        self._here: set[int] = set()
        self._killed: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._phase: Phase = "assembling"
        self._phase_end = math.inf
        self._next_flush = math.inf
        self._heard = [now] * self._voices
        self._failure: GrapeshotError | None = None
        self._due = False  # its time was over while users were under way
        self._begun = False  # its part, so that there is something measured

    async def run(self) -> Outcome:
        """Do the work and give its outcome; every fault becomes a Failed."""
        try:
            try:
                if (state := await self._admitted()) is not None:
                    return Outcome(state=state)
                await self._work()
            except GrapeshotError as error:
                self._failure = self._failure or faults.met(self._name, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the launcher must hear of it
                self._print(traceback.format_exc())
                self._failure = faults.bug(self._name, error)
            finally:
                await self._dismiss()
            return await self._last_words()
        finally:
            await self._courier.close()

    # ---- the beginning ----

    async def _admitted(self) -> State | None:
        """Claim the slot; tell why there is nothing to do, if so."""
        # Looked first: who starts late must not leave a claim in a place that has been cleaned up.
        if not await self._lease.begin():
            return "over"
        token = self._sandbox.token.encode()
        return None if await self._courier.claim(claim_key(self._invocation), token) else "duplicate"

    async def _work(self) -> None:
        self._tasks.append(asyncio.create_task(self._lease.follow()))
        try:
            async with asyncio.timeout_at(self._end - MARGIN):
                bundle = await self._bundle()
        except TimeoutError:
            raise faults.out_of_time(self._name, MARGIN) from None
        await self._start_engines(bundle)
        self._enter("assembling", READY_LIMIT)
        while self._here:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    self._take(await self._inbox.get())
            self._look(self._loop.time())

    async def _bundle(self) -> Bundle:
        digest, home = self._invocation.bundle_digest, self._sandbox.home
        bundle = await self._sandbox.aside(lambda: unpacked(digest, home))
        if bundle is None:
            archive = await self._courier.get(bundle_key(digest))
            if archive is None:
                raise faults.no_bundle(self._name, bundle_key(digest))
            bundle = await self._sandbox.aside(lambda: unpack(archive, digest, home))
        return bundle

    async def _start_engines(self, bundle: Bundle) -> None:
        for voice, assignment in enumerate(assignments(self._invocation, bundle)):
            name = self._name
            if self._voices > 1:
                name = f"Engine process {voice + 1} of {self._voices} in worker {self._invocation.index + 1}"
            engine = await self._sandbox.start(assignment, bundle, name)
            self._engines[voice] = engine
            self._here.add(voice)
            self._tasks.append(asyncio.create_task(self._hear(voice, engine)))

    async def _hear(self, voice: int, engine: Engine) -> None:
        # What was printed is read to its end before _Gone: nothing of it is lost.
        printing = asyncio.create_task(self._relay(engine))
        try:
            async for message in engine.messages():
                self._inbox.put_nowait(_Said(voice, message))
            await printing
        except ValueError as error:
            self._killed.add(voice)
            engine.kill()
            self._fail(faults.garbled(self._name, error))
        finally:
            printing.cancel()
            self._inbox.put_nowait(_Gone(voice))

    async def _relay(self, engine: Engine) -> None:
        async for _, line in engine.output():
            self._print(line)

    # ---- what happens ----

    def _take(self, event: _Event) -> None:
        match event:
            case ControlRecord():
                self._obey(event)
            case _Gone(voice=voice):
                self._here.discard(voice)
            case _Said(voice=voice, message=Failed()) if voice in self._killed:
                pass  # how it died is no news: we ended it ourselves
            case _Said(voice=voice, message=message):
                self._heard[voice] = self._loop.time()
                self._chorus.hear(voice, message)
                if isinstance(message, Failed):
                    self._fail(faults.of(message))
                elif self._phase == "assembling" and self._chorus.all_ready:
                    self._send(self._chorus.ready())
                    self._enter("waiting", GO_LIMIT)
                    if self._lease.record is not None:
                        self._obey(self._lease.record)

    def _obey(self, record: ControlRecord) -> None:
        # `wait` while there is load: the run has gone on to its next part, and the stop before it was missed.
        if record.state == "stop" or (record.state == "wait" and self._phase == "running"):
            self._stop(record.reason)
        elif record.state == "go" and record.start_at is not None and self._phase == "waiting":
            self._tell(Go(start_at=record.start_at))
            now = self._loop.time()
            self._begun = True
            self._enter("running", math.inf)
            self._heard = [now] * self._voices
            self._next_flush = now + self._invocation.until_message(self._sandbox.clock())

    def _look(self, now: float) -> None:
        """Notice what time has brought."""
        if self._phase == "stopping":
            if now >= self._phase_end:
                self._kill_all()
            return
        if self._invocation.relayed and self._phase == "running" and now >= self._end - MARGIN:
            self._due = True  # its arrivals are over, the next generation has taken them up: users are cut
            self._stop("asked")
        elif (error := self._hopeless(now)) is not None:
            self._fail(error)
        elif now >= self._next_flush and not self._courier.busy:
            self._next_flush = now + self._invocation.until_message(self._sandbox.clock())
            self._send(self._chorus.progress(full=self._invocation.full_windows))

    def _hopeless(self, now: float) -> GrapeshotError | None:
        """Tell why it can't go on, if it can't."""
        dropped = self._courier.dropped
        if now >= self._end - MARGIN:
            return faults.out_of_time(self._name, MARGIN)
        if self._lease.age > LEASE_LIMIT:
            return faults.abandoned(self._name, LEASE_LIMIT, self._lease.unread)
        if dropped is not None and not (dropped.passing and self._phase == "running"):
            return dropped
        if now >= self._phase_end:
            late = faults.not_ready if self._phase == "assembling" else faults.no_start
            return late(self._name, READY_LIMIT if self._phase == "assembling" else GO_LIMIT)
        # The sections around the load say nothing until they are done.
        if self._phase == "running" and self._invocation.part == "load":
            silent = [voice for voice in self._here if now - self._heard[voice] > SILENCE_LIMIT]
            if silent:
                return faults.silent(self._name, SILENCE_LIMIT)
        return None

    def _fail(self, error: GrapeshotError) -> None:
        self._failure = self._failure or faults.met(self._name, error)
        if self._phase == "assembling":
            self._kill_all()  # nothing was measured
        self._stop("asked")

    def _stop(self, reason: Literal["interrupted", "terminated", "asked"]) -> None:
        if self._phase != "stopping":
            self._enter("stopping", STOP_LIMIT)
            self._tell(Stop(reason=reason))

    def _enter(self, phase: Phase, limit: float) -> None:
        self._phase, self._phase_end = phase, self._loop.time() + limit

    def _tell(self, control: Control) -> None:
        for voice in self._here:
            self._engines[voice].send(control)

    def _kill_all(self) -> None:
        for voice in self._here - self._killed:
            self._killed.add(voice)
            self._engines[voice].kill()

    # ---- the end ----

    async def _dismiss(self) -> None:
        """Leave nothing behind in a sandbox that may be used again."""
        for engine in self._engines.values():
            engine.kill()
        for task in self._tasks:
            task.cancel()
        farewells = [asyncio.create_task(engine.wait()) for engine in self._engines.values()]
        if farewells:
            _, late = await asyncio.wait(farewells, timeout=FAREWELL)
            for farewell in late:
                farewell.cancel()
        everything: list[asyncio.Task[None] | asyncio.Task[int]] = [*self._tasks, *farewells]
        await asyncio.gather(*everything, return_exceptions=True)

    async def _last_words(self) -> Outcome:
        """Send what is left, put what was measured to S3, and then the last word: who hears it can look there."""
        while not self._inbox.empty():
            self._take(self._inbox.get_nowait())
        if self._failure is None and not self._chorus.all_finished:
            self._failure = faults.unanswered(self._name, STOP_LIMIT)
        if self._failure is None and self._due and self._chorus.unstarted:
            self._failure = faults.out_of_time(self._name, MARGIN)  # it was too late for its own arrivals
        until = max(self._loop.time() + 1, min(self._loop.time() + RETRY_LIMIT, self._end - 2))
        if self._chorus.news:
            self._send(self._chorus.progress())
        last, text = self._last()
        if self._begun:
            await self._keep(last, until)
        self._courier.send(text)
        if not await self._courier.drain(until - self._loop.time()) or self._courier.dropped:
            self._print(f"{self._name}: the queue did not take the last messages: {self._courier.dropped}")
            if not self._begun and await self._awaited():
                await self._keep(last, until)
        if self._failure is None:
            return Outcome(state="finished")
        self._print(
            "\n".join(filter(None, (self._failure.message, self._failure.cause, self._failure.remedy)))
        )
        return Outcome(state="failed", reason=self._failure.message)

    def _last(self) -> tuple[Finished | Failed, str]:
        """Give the last message, and how it is sent."""
        if self._failure is None:
            finished = self._billed(self._chorus.finished())
            try:
                return finished, pack(finished)
            except MessageTooLarge as error:
                self._failure = error
                # In its place, with its number: a gap in the numbers would look like a lost message.
                failed = replace(self._chorus.failed(error), sequence=finished.sequence)
        else:
            failed = self._chorus.failed(self._failure)
        return failed, pack(failed)

    def _billed(self, finished: Finished) -> Finished:
        """Tell how long the invocation has taken; that it goes on for as long as its last word takes, stays untold."""
        taken = round((self._loop.time() - self._began) * 1000, 3)
        return replace(finished, facts=replace(finished.facts, billed_ms=taken))

    async def _awaited(self) -> bool:
        """Look whether anybody is still there to read why it can't begin; what a run leaves behind stays for days."""
        try:
            async with asyncio.timeout(LOOK_LIMIT):
                return await self._lease.goes_on()
        except (CloudError, TimeoutError):
            return False

    async def _keep(self, last: Finished | Failed, until: float) -> None:
        """Put the last message to S3, with everything that was measured, whatever became of the queue."""
        if self._lease.gone:
            return  # what the run had there has been removed, and nobody would remove this
        kept = replace(last, periods=self._chorus.told) if isinstance(last, Finished) else last
        try:
            # Of the time that is left, some is kept for the queue.
            async with asyncio.timeout(0.7 * (until - self._loop.time())):
                body = await self._sandbox.aside(lambda: pack(kept, limit=math.inf).encode("ascii"))
                await self._courier.put(final_key(self._invocation), body)
        except (CloudError, TimeoutError) as error:
            self._print(f"{self._name}: S3 did not take the totals: {error}")

    def _send(self, message: Ready | Progress) -> None:
        # Beside the queue's own stamp it shows whether this machine's clock is right.
        dated = replace(message, sent_at=self._sandbox.clock())
        for part in split(dated, LIMIT, self._chorus.number):
            self._courier.send(pack(part))

    def _print(self, line: str) -> None:
        self._sandbox.print_line(line)
