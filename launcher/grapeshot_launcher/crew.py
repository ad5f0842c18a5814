"""The workers of one part of a run, and everything they say, in one inbox.

Leaves to others: where workers run (platforms), and what their messages mean (conduct, results).

Each worker has two readers, one for its messages and one for what its hooks print. Both put events into one
queue, as do the signals of the person at the keyboard: whoever conducts the run waits at a single place, and
what happens first is seen first. A crew is a context: on leaving it, what still runs is killed and awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from signal import Signals
from types import TracebackType
from typing import Literal

from grapeshot_launcher.errors import WorkerFailed
from grapeshot_launcher.platforms import Limits, Line, Platform, Worker
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.messages import Control, Failed, Message
from grapeshot_worker.plan import Assignment

# What stops a run: a signal, `grapeshot stop`, or a check of its own, which comes from no inbox.
Stopper = Signals | Literal["asked", "aborted"]
FAREWELL = 5.0  # s that killed workers get to disappear


@dataclass(frozen=True, slots=True)
class Said:
    """A worker sent a message."""

    index: int
    message: Message


@dataclass(frozen=True, slots=True)
class Printed:
    """A worker's hook or `log` step printed a line."""

    index: int
    line: Line


@dataclass(frozen=True, slots=True)
class Gone:
    """A worker ended: nothing comes from it after this."""

    index: int


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
    """The workers started for some assignments; `here` holds the indices of those that have not gone."""

    def __init__(self, platform: Platform, assignments: Sequence[Assignment], inbox: Inbox) -> None:
        self._platform, self._assignments, self._inbox = platform, tuple(assignments), inbox
        self._workers: dict[int, Worker] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._broken: GrapeshotError | None = None
        self.here: set[int] = set()

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
            self.here.discard(event.index)
        return event

    def send(self, control: Control) -> None:
        """Tell everybody who is still here."""
        for index in self.here:
            self._workers[index].send(control)

    def kill(self, index: int) -> None:
        """End one worker at once; its Gone follows."""
        self._workers[index].kill()

    def kill_all(self) -> None:
        """End everybody at once."""
        for worker in self._workers.values():
            worker.kill()

    def _adopt(self, assignment: Assignment, worker: Worker) -> None:
        index = assignment.index
        self._workers[index] = worker
        self.here.add(index)
        self._readers.append(asyncio.create_task(self._read(assignment, worker)))

    async def _read(self, assignment: Assignment, worker: Worker) -> None:
        index, sequence = assignment.index, 0
        # What was printed is read to its end before Gone: nothing of it is lost or follows the report.
        printing = asyncio.create_task(self._relay(index, worker))
        try:
            async for message in worker.messages():
                sequence = message.sequence
                self._inbox.put_nowait(Said(index, message))
                del message  # of a thousand workers all last ones would be kept, until the next ones come
            await printing
        except ValueError as error:
            worker.kill()
            self._inbox.put_nowait(Said(index, _garbled(assignment, sequence + 1, str(error))))
        except GrapeshotError as error:
            if self._broken is None:  # every reader meets it: it is told once
                self._broken = error
                self._inbox.put_nowait(Broken(error))
        finally:
            printing.cancel()
            self._inbox.put_nowait(Gone(index))

    async def _relay(self, index: int, worker: Worker) -> None:
        async for line in worker.output():
            self._inbox.put_nowait(Printed(index, line))

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


def _garbled(assignment: Assignment, sequence: int, reason: str) -> Failed:
    return Failed(
        run_id=assignment.run_id,
        generation=assignment.generation,
        index=assignment.index,
        sequence=sequence,
        message=f"Worker {assignment.index + 1} sent something that can't be read; it was ended.",
        cause=reason,
    )
