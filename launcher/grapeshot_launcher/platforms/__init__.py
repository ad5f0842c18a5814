"""Where workers run: the few things the launcher asks of a place that runs them.

Leaves to others: what is said to the workers, and when (crew, run). A platform is any class of this shape; a
local run has `processes`, the tests have one in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from grapeshot_launcher.results.collect import WorkerId
from grapeshot_worker.messages import Control, Failed, Finished, Message
from grapeshot_worker.plan import Assignment

Line = tuple[str, str]  # "stdout" or "stderr", and one line without its end


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long workers of a place may take, in seconds, and why they may be late, in words for a person."""

    ready: float = 30.0  # to compile the script and load the hooks
    silence: float = 30.0  # between two messages under load
    stop: float = 2.0  # for the last word after a stop
    start_delay: float = 0.25  # from Go to the start: every worker has read it by then
    lead: float = 60.0  # that a later generation of workers is started before its window
    late_cause: str = "The machine is overloaded, or the script's hooks wait while they load."
    late_remedy: str = "Use fewer workers (--workers); let hooks wait inside functions, not at import."


class Worker(Protocol):
    """One started worker."""

    def messages(self) -> AsyncIterator[Message]:
        """Give its messages until it ends; one that dies without a last word gives a Failed that says so.

        Raises GrapeshotError when the place itself fails: nothing more is heard of any of its workers.
        """
        ...

    def output(self) -> AsyncIterator[Line]:
        """Give what the author's hooks and `log` steps print, until it ends."""
        ...

    def send(self, control: Control) -> None:
        """Tell it to start or to stop; to one that has ended, this does nothing."""
        ...

    def kill(self) -> None:
        """End it at once; to one that has ended, this does nothing."""
        ...

    async def wait(self) -> int:
        """Wait until it has ended and give its exit code."""
        ...


class Platform(Protocol):
    """A place where workers run."""

    @property
    def cpus(self) -> int:
        """How many workers it takes to use the place fully."""
        ...

    @property
    def limits(self) -> Limits:
        """How long its workers may take."""
        ...

    def clocks(self) -> Mapping[WorkerId, float]:
        """Say by how many seconds workers' clocks are ahead of the place's (negative: behind), where it is known."""
        ...

    async def start(self, assignment: Assignment) -> Worker:
        """Start one worker with its assignment; GrapeshotError if the place refuses."""
        ...

    async def left(self, assignment: Assignment) -> Finished | Failed | None:
        """Give a worker's last message where it left it, with all that it measured; None where it left none.

        Raises GrapeshotError when the place can't be asked.
        """
        ...
