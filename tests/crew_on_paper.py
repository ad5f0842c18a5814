"""A platform in memory, whose workers follow a written part: after so many seconds, this message.

Leaves to others: real processes. On the virtual loop a worker that is silent for a minute costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grapeshot_launcher.platforms import Limits, Line
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_worker.messages import (
    Control,
    Facts,
    Failed,
    Finished,
    Go,
    Message,
    Progress,
    Ready,
    Stop,
    Tally,
)
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.plan import Assignment

Said = tuple[float, Message | Line]  # seconds after the control it answers, and what is said
NEVER: Sequence[Said] = ()


@dataclass
class PaperWorker:
    """Says `at_once` when started, `on_go` after Go, `on_stop` after Stop; its last word ends it."""

    at_once: Sequence[Said]
    on_go: Sequence[Said] = NEVER
    on_stop: Sequence[Said] = NEVER
    heard: list[Control] = field(default_factory=list)
    killed: bool = False

    def __post_init__(self) -> None:
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._say(self.at_once)

    def _say(self, lines: Sequence[Said]) -> None:
        loop = asyncio.get_running_loop()
        for seconds, said in lines:
            loop.call_later(seconds, self._put, said)

    def _put(self, said: Message | Line) -> None:
        if self._ended.is_set():
            return
        if isinstance(said, tuple):
            self._lines.put_nowait(said)
            return
        self._messages.put_nowait(said)
        if isinstance(said, Finished | Failed):
            self._end()

    def _end(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._messages.put_nowait(None)
            self._lines.put_nowait(None)

    async def messages(self) -> AsyncIterator[Message]:
        while (message := await self._messages.get()) is not None:
            yield message

    async def output(self) -> AsyncIterator[Line]:
        while (line := await self._lines.get()) is not None:
            yield line

    def send(self, control: Control) -> None:
        self.heard.append(control)
        if isinstance(control, Go):
            self._say(self.on_go)
        elif isinstance(control, Stop):
            self._say(self.on_stop)

    def kill(self) -> None:
        if not self._ended.is_set():
            self.killed = True
            self._end()

    async def wait(self) -> int:
        await self._ended.wait()
        return -9 if self.killed else 0


class PaperPlatform:
    """Starts workers that follow `part(assignment)` and leave `left(assignment)` behind."""

    def __init__(
        self,
        part: Callable[[Assignment], PaperWorker],
        *,
        cpus: int = 2,
        left: Callable[[Assignment], Finished | Failed | None] = lambda _: None,
        clocks: Mapping[WorkerId, float] | None = None,
    ) -> None:
        self._part, self._cpus, self._left, self._clocks = part, cpus, left, clocks or {}
        self.assignments: list[Assignment] = []
        self.workers: list[PaperWorker] = []

    @property
    def cpus(self) -> int:
        return self._cpus

    @property
    def limits(self) -> Limits:
        return Limits()

    def clocks(self) -> Mapping[WorkerId, float]:
        return self._clocks

    async def left(self, assignment: Assignment) -> Finished | Failed | None:
        return self._left(assignment)

    async def start(self, assignment: Assignment) -> PaperWorker:
        self.assignments.append(assignment)
        worker = self._part(assignment)
        self.workers.append(worker)
        return worker


def stamp(assignment: Assignment, sequence: int) -> dict[str, Any]:
    return {
        "run_id": assignment.run_id,
        "generation": assignment.generation,
        "index": assignment.index,
        "sequence": sequence,
    }


def ready(assignment: Assignment, *, planned: int = 0, after: float = 0.1) -> Said:
    return after, Ready(**stamp(assignment, 1), planned=planned)


def progress(
    assignment: Assignment,
    sequence: int,
    *,
    after: float,
    at: float,
    tally: Tally,
    periods: Sequence[Period] = (),
) -> Said:
    return after, Progress(**stamp(assignment, sequence), periods=tuple(periods), tally=tally, at=at)


def finished(
    assignment: Assignment,
    sequence: int = 2,
    *,
    after: float = 1.0,
    tally: Tally | None = None,
    facts: Facts | None = None,
    periods: Sequence[Period] = (),
    variables: Mapping[str, Any] | None = None,
) -> Said:
    return after, Finished(
        **stamp(assignment, sequence),
        periods=tuple(periods),
        tally=tally or Tally(),
        facts=facts or Facts(),
        variables=dict(variables or {}),
    )


def failed(
    assignment: Assignment,
    sequence: int = 2,
    *,
    after: float = 1.0,
    message: str = "It broke.",
    exit_code: int = 11,
) -> Said:
    return after, Failed(
        **stamp(assignment, sequence), message=message, cause="A cause.", exit_code=exit_code
    )
