"""Conducts one part of a run: brings its workers to the start, lets them go, listens, and stops them.

Leaves to others: the workers themselves (crew), what comes before and after (run), counting (results).

A part has three waits, and each has its limit, which the platform sets. Workers get `ready` seconds to compile the
script and load the hooks. Under load, how long is right depends on the users, so there it is silence that has a
limit: a worker reports every few seconds; one that says nothing for `silence` is ended and counted as lost. After a
stop, a worker gets `stop` for its last word. The sections `before` and `after` are one flow each: SECTION_LIMIT.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from signal import Signals
from typing import Any, Literal, Protocol

from grapeshot_launcher.crew import Broken, Crew, Event, Printed, Said, Signalled, Stopper
from grapeshot_launcher.errors import Interrupted, PartFailed, WorkerFailed, told
from grapeshot_launcher.platforms import Line
from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_worker.errors import Exit, GrapeshotError
from grapeshot_worker.messages import Failed, Finished, Go, Message, Ready, Stop
from grapeshot_worker.plan import Assignment

SECTION_LIMIT = 900.0  # s
TICK = 0.5  # s between two looks at the clock
NAMED = 20  # workers named in a message

CODES: Mapping[Stopper, Exit] = {
    Signals.SIGINT: Exit.INTERRUPTED,
    Signals.SIGTERM: Exit.TERMINATED,
    "asked": Exit.INTERRUPTED,
    "aborted": Exit.FAILED,
}

STOPPING: Mapping[Stopper, str] = dict.fromkeys(
    (Signals.SIGINT, Signals.SIGTERM), "Stopping the load. Once more leaves at once, without a report."
)


class Audience(Protocol):
    """Who is told how the load goes, as it goes."""

    def started(self, at: float) -> None:
        """The load starts at this wall-clock moment (epoch seconds)."""

    def heard(self, message: Message, now: float) -> None:
        """A worker said this."""

    def printed(self, line: Line) -> None:
        """An author's hook or `log` step printed this."""

    def tick(self, now: float) -> Abort | None:
        """Time went on: at least every TICK seconds. Gives why the load has to be ended now, if it has to."""

    def silent(self, now: float) -> Collection[WorkerId]:
        """Which workers have said nothing for too long."""

    def relieved(self, generation: int) -> None:
        """One more generation of workers is being started."""

    def lost(self, worker: WorkerId) -> None:
        """A worker was ended; nothing that it still says counts."""

    def warned(self, text: str) -> None:
        """Something a person should know at once."""


@dataclass(slots=True)
class Load:
    """How a load went: who asked for its end, who failed by which message, who had to be ended, what broke it off.

    `abort`: what its own checks found, when it was "aborted".
    """

    stopped_by: Stopper | None = None
    abort: Abort | None = None
    failures: list[Failed] = field(default_factory=list)
    ended: set[WorkerId] = field(default_factory=set)
    broken: GrapeshotError | None = None
    late: dict[WorkerId, float] = field(default_factory=dict)  # of a later generation: until when to be ready


async def conduct_load(
    crew: Crew, audience: Audience, *, clock: Callable[[], float], relay: Sequence[Sequence[Assignment]] = ()
) -> Load:
    """Make the load with a crew that has just been started; `clock` gives epoch seconds.

    `relay`: what each later generation of workers is told. It is started `lead` seconds before its window, and its
    workers get the same Go as soon as they are ready; the load goes on without those that are not.

    Raises WorkerFailed when a worker can't get ready, Interrupted when the stop comes before the start, and the
    platform's own error when it fails by then: no load was made.
    """
    await assemble(crew, audience, clock=clock)
    start = clock() + crew.limits.start_delay
    crew.send(Go(start_at=start))
    audience.started(start)
    load, coming = Load(), deque(relay)
    stop_limit = 0.0
    ticked = clock()
    while crew.here or coming:
        event = await crew.next(TICK)
        now = clock()
        if isinstance(event, Signalled | Broken):
            coming.clear()
        if isinstance(event, Broken) and load.stopped_by is None and load.broken is None:
            stop_limit = now + crew.limits.stop
            crew.send(Stop(reason="asked"))  # other regions' workers: what they make alone is not the plan
        while coming and now >= start + coming[0][0].window.start - crew.limits.lead:
            _relieve(crew, coming.popleft(), load, audience, now=now)
        if isinstance(event, Said):
            load.late.pop(event.worker, None)  # who speaks is ready, also where its Ready was lost
        if isinstance(event, Said) and isinstance(event.message, Ready):
            reason = "asked" if load.broken else load.stopped_by and _reason(load.stopped_by)
            crew.tell(event.worker, Stop(reason=reason) if reason else Go(start_at=start))
        _take(event, load, audience, now=now)
        if isinstance(event, Signalled) and load.stopped_by is None:
            load.stopped_by, stop_limit = event.signal, now + crew.limits.stop
            crew.send(Stop(reason=_reason(event.signal)))
            audience.warned(
                STOPPING.get(event.signal, "Stopping the load, as another machine has asked for.")
            )
        elif isinstance(event, Signalled):
            audience.warned("The load is being stopped already.")
        if event is None or now - ticked >= TICK:
            ticked = now
            abort = audience.tick(now)
            if abort is not None and load.stopped_by is None:
                coming.clear()
                load.stopped_by, load.abort, stop_limit = "aborted", abort, now + crew.limits.stop
                crew.send(Stop(reason=_reason("aborted")))
                audience.warned(f"Stopping the load, by its abort condition: {abort.found}")
            _end_hopeless(crew, load, audience, now=now, stop_limit=stop_limit)
    return load


async def conduct_section(
    part: Literal["before", "after"], crew: Crew, audience: Audience, *, clock: Callable[[], float]
) -> dict[str, Any]:
    """Run the script's `before` or `after` with a crew of one, and give the variables it captured.

    Raises PartFailed when a step fails or it takes too long, Interrupted when the person asks to stop, and the
    platform's own error when it fails.
    """
    await assemble(crew, audience, clock=clock, counted=False)  # its one worker makes no load
    crew.send(Go(start_at=clock()))
    deadline = asyncio.get_running_loop().time() + SECTION_LIMIT
    variables: dict[str, Any] = {}
    while crew.here:
        match await crew.next(deadline - asyncio.get_running_loop().time()):
            case None:
                raise PartFailed(
                    f"The `{part}` section was not done after {SECTION_LIMIT:.0f} s.",
                    cause="One of its steps waits for an answer that does not come, or thinks for very long.",
                    remedy="Run its requests by hand against the target, and shorten its `think` steps.",
                )
            case Said(message=Finished() as finished):
                variables = finished.variables
            case Said(message=Failed() as failed):
                raise PartFailed(
                    failed.message, cause=failed.cause, remedy=failed.remedy, exit_code=failed.exit_code
                )
            case Broken(error=error):
                raise error
            case Signalled(signal=signal):
                raise Interrupted(f"Stopped during `{part}`.", exit_code=CODES[signal])
            case Printed(line=line):
                audience.printed(line)
            case _:
                pass
    return variables


async def assemble(
    crew: Crew, audience: Audience, *, clock: Callable[[], float], counted: bool = True
) -> None:
    """Wait until every worker of the crew is ready; those that are not `counted` are no news for the audience.

    Raises WorkerFailed when one can't get ready, or not in time, Interrupted when the person asks to stop, and the
    platform's own error when it fails.
    """
    loop, limits = asyncio.get_running_loop(), crew.limits
    deadline = loop.time() + limits.ready
    awaited = set(crew.here)
    while awaited:
        event = await crew.next(deadline - loop.time())
        match event:
            case None:
                late = {who.index for who in awaited}
                raise WorkerFailed(
                    f"After {limits.ready:.0f} s these workers were not ready: {_names(late)} of {len(crew.here)}.",
                    cause=limits.late_cause,
                    remedy=limits.late_remedy,
                    workers=late,
                )
            case Said(worker=who, message=Failed() as failed):
                if counted:
                    audience.heard(failed, clock())
                raise WorkerFailed(
                    failed.message,
                    cause=failed.cause,
                    remedy=failed.remedy,
                    exit_code=failed.exit_code,
                    workers=[who.index],
                )
            case Said(worker=who, message=Ready() as ready):
                awaited.discard(who)
                if counted:
                    audience.heard(ready, clock())
            case Broken(error=error):
                raise error
            case Signalled(signal=signal):
                raise Interrupted("Stopped before any load was made.", exit_code=CODES[signal])
            case Printed(line=line):
                audience.printed(line)
            case _:
                pass


def _relieve(
    crew: Crew, assignments: Sequence[Assignment], load: Load, audience: Audience, *, now: float
) -> None:
    audience.relieved(assignments[0].generation)
    load.late.update(dict.fromkeys(map(WorkerId.of, assignments), now + crew.limits.ready))
    crew.relieve(assignments)


def _take(event: Event | None, load: Load, audience: Audience, *, now: float) -> None:
    match event:
        case Printed(line=line):
            audience.printed(line)
        case Said(worker=worker, message=Failed()) if worker in load.ended:
            pass  # how it died is no news: we ended it ourselves
        case Said(message=Failed() as failed):
            load.failures.append(failed)
            load.late.pop(WorkerId(failed.generation, failed.index), None)
            audience.heard(failed, now)
            remedy = failed.remedy and f"What to do: {failed.remedy}"
            audience.warned("\n".join(filter(None, (failed.message, failed.cause, remedy))))
        case Broken(error=error):
            load.broken = error
            audience.warned(told(error))
        case Said(worker=who, message=message):
            audience.heard(message, now)
            if isinstance(message, Finished) and message.tally.cut and load.stopped_by is None:
                audience.warned(
                    f"{_named(who)} cut {message.tally.cut} users short: they were still under way when its time"
                    " was over."
                )
        case _:
            pass


def _end_hopeless(crew: Crew, load: Load, audience: Audience, *, now: float, stop_limit: float) -> None:
    """End the workers that do not answer a stop in time, and those that have fallen silent."""
    ending = load.stopped_by is not None or load.broken is not None
    late = crew.here if ending and now >= stop_limit else set()
    unready = {who for who, limit in load.late.items() if now >= limit} & crew.here
    for who in sorted((late | unready | (set(audience.silent(now)) & crew.here)) - load.ended):
        why = f"said nothing for {crew.limits.silence:.0f} s"
        if who in late:
            why = "did not answer the stop"
        elif who in unready:
            why = f"was not ready after {crew.limits.ready:.0f} s"
        audience.warned(f"{_named(who)} {why}: it is ended and counted as lost.")
        load.ended.add(who)
        audience.lost(who)
        crew.kill(who)


def _named(who: WorkerId) -> str:
    of = f" of generation {who.generation + 1}" if who.generation > 0 else ""
    return f"Worker {who.index + 1}{of}"


def _names(indices: Collection[int]) -> str:
    """Name workers as people count them; of many the first ones."""
    shown = ", ".join(str(index + 1) for index in sorted(indices)[:NAMED])
    return shown if len(indices) <= NAMED else f"{shown} and {len(indices) - NAMED} more"


def _reason(stopper: Stopper) -> Literal["interrupted", "terminated", "asked"]:
    if stopper in ("asked", "aborted"):  # to a worker these are the same
        return "asked"
    return "terminated" if stopper == Signals.SIGTERM else "interrupted"
