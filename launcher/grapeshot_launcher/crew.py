"""The workers of one part of a run, and everything they say, in one inbox.

Leaves to others: where workers run (platforms), and what their messages mean (conduct, results).

Each worker has two readers, one for its messages and one for what its hooks print. Both put events into one
queue, as do the signals of the person at the keyboard: whoever conducts the run waits at a single place, and
what happens first is seen first. A crew is a context: on leaving it, what still runs is killed and awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from signal import Signals
from types import TracebackType
from typing import Any, Literal

from grapeshot_launcher.errors import WorkerFailed
from grapeshot_launcher.platforms import Limits, Line, Platform, Worker
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_worker.errors import Exit, GrapeshotError
from grapeshot_worker.messages import Control, Failed, Message
from grapeshot_worker.plan import Assignment

# What stops a run: a signal, `grapeshot stop`, or a check of its own, which comes from no inbox.
Stopper = Signals | Literal["asked", "aborted"]
FAREWELL = 5.0  # s that killed workers get to disappear


@dataclass(frozen=True, slots=True)
class Said:
    """A worker sent a message."""

    worker: WorkerId
    message: Message


@dataclass(frozen=True, slots=True)
class Printed:
    """A worker's hook or `log` step printed a line."""

    worker: WorkerId
    line: Line


@dataclass(frozen=True, slots=True)
class Gone:
    """A worker ended: nothing comes from it after this."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class Broken:
    """The place where the workers run has failed."""

    error: GrapeshotError


@dataclass(frozen=True, slots=True)
class Signalled:
    """Somebody asked the run to stop: by a signal to this process, or from another machine."""

    signal: Stopper


Event = Said | Printed | Gone | Broken | Signalled
Inbox = asyncio.Queue[Event]


class Crew:
    """The workers started for some assignments; `here` holds those that have not gone, and those being started."""

    def __init__(self, platform: Platform, assignments: Sequence[Assignment], inbox: Inbox) -> None:
        self._platform, self._assignments, self._inbox = platform, tuple(assignments), inbox
        self._workers: dict[WorkerId, Worker] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._broken: GrapeshotError | None = None
        self.here: set[WorkerId] = set()

    async def __aenter__(self) -> Crew:
        """Start every worker, all at the same time; WorkerFailed if one can't be started."""
        started = await asyncio.gather(*map(self._platform.start, self._assignments), return_exceptions=True)
        for assignment, worker in zip(self._assignments, started, strict=True):
            if not isinstance(worker, BaseException):
                self._adopt(assignment, worker)
        for failure in started:
            if isinstance(failure, BaseException):
                await self._dismiss()
                if isinstance(failure, OSError):
                    remedy = "Use fewer workers (--workers), or raise the limits of processes and memory."
                    raise WorkerFailed(
                        "A worker could not be started.", cause=str(failure), remedy=remedy
                    ) from failure
                raise failure
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill and await whatever still runs."""
        await self._dismiss()

    @property
    def limits(self) -> Limits:
        """How long its workers may take."""
        return self._platform.limits

    async def next(self, timeout: float) -> Event | None:
        """Give what happens next, or None when nothing does for `timeout` seconds."""
        try:
            async with asyncio.timeout(max(timeout, 0.0)):
                event = await self._inbox.get()
        except TimeoutError:
            return None
        if isinstance(event, Gone):
            self.here.discard(event.worker)
            self._workers.pop(event.worker, None)  # a long load has many generations
        return event

    def send(self, control: Control) -> None:
        """Tell everybody who is still here."""
        for who in self.here:
            self.tell(who, control)

    def tell(self, who: WorkerId, control: Control) -> None:
        """Tell one worker; to one that is not there, or not yet, this does nothing."""
        if who in self._workers:
            self._workers[who].send(control)

    def kill(self, who: WorkerId) -> None:
        """End one worker at once; its Gone follows."""
        if who in self._workers:
            self._workers[who].kill()

    def relieve(self, assignments: Sequence[Assignment]) -> None:
        """Start the next generation beside those who are here; who can't be started is heard as Failed."""
        for assignment in assignments:
            self.here.add(WorkerId.of(assignment))
            self._track(self._start_late(assignment))

    def kill_all(self) -> None:
        """End everybody at once."""
        for worker in self._workers.values():
            worker.kill()

    def _adopt(self, assignment: Assignment, worker: Worker) -> None:
        who = WorkerId.of(assignment)
        self._workers[who] = worker
        self.here.add(who)
        self._track(self._read(assignment, worker))

    def _track(self, work: Coroutine[Any, Any, None]) -> None:
        reader = asyncio.create_task(work)
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)

    async def _start_late(self, assignment: Assignment) -> None:
        who = WorkerId.of(assignment)
        try:
            worker = await self._platform.start(assignment)
        except (GrapeshotError, OSError) as error:
            self._inbox.put_nowait(Said(who, _unstarted(assignment, error)))
            self._inbox.put_nowait(Gone(who))
        else:
            self._adopt(assignment, worker)

    async def _read(self, assignment: Assignment, worker: Worker) -> None:
        who, sequence = WorkerId.of(assignment), 0
        # What was printed is read to its end before Gone: nothing of it is lost or follows the report.
        printing = asyncio.create_task(self._relay(who, worker))
        try:
            async for message in worker.messages():
                sequence = message.sequence
                self._inbox.put_nowait(Said(who, message))
                del message  # of a thousand workers all last ones would be kept, until the next ones come
            await printing
        except ValueError as error:
            worker.kill()
            self._inbox.put_nowait(Said(who, _garbled(assignment, sequence + 1, str(error))))
        except GrapeshotError as error:
            if self._broken is None:  # every reader meets it: it is told once
                self._broken = error
                self._inbox.put_nowait(Broken(error))
        finally:
            printing.cancel()
            self._inbox.put_nowait(Gone(who))

    async def _relay(self, who: WorkerId, worker: Worker) -> None:
        async for line in worker.output():
            self._inbox.put_nowait(Printed(who, line))

    async def _dismiss(self) -> None:
        self.kill_all()
        farewells = [asyncio.create_task(worker.wait()) for worker in self._workers.values()]
        everything: list[asyncio.Task[int] | asyncio.Task[None]] = [*farewells, *self._readers]
        if everything:
            _, late = await asyncio.wait(everything, timeout=FAREWELL)
            for task in late:
                task.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
        self.here.clear()
        self._forget()

    def _forget(self) -> None:
        """Drop what nobody read of these workers: the next crew shares the inbox and the indices."""
        signals = [
            e
            for e in (self._inbox.get_nowait() for _ in range(self._inbox.qsize()))
            if isinstance(e, Signalled)
        ]
        for event in signals:
            self._inbox.put_nowait(event)


def _unstarted(assignment: Assignment, error: Exception) -> Failed:
    told = error if isinstance(error, GrapeshotError) else GrapeshotError(str(error), exit_code=Exit.WORKER)
    return Failed(
        run_id=assignment.run_id,
        generation=assignment.generation,
        index=assignment.index,
        sequence=1,
        message=f"Worker {assignment.index + 1} of generation {assignment.generation + 1} could not be started:"
        f" {told.message}",
        cause=told.cause,
        remedy=told.remedy,
        exit_code=told.exit_code,
    )


def _garbled(assignment: Assignment, sequence: int, reason: str) -> Failed:
    return Failed(
        run_id=assignment.run_id,
        generation=assignment.generation,
        index=assignment.index,
        sequence=sequence,
        message=f"Worker {assignment.index + 1} sent something that can't be read; it was ended.",
        cause=reason,
    )
