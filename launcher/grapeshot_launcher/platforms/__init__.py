"""Where workers run: the few things the launcher asks of a place that runs them.

Leaves to others: what is said to the workers, and when (crew, run). A platform is any class of this shape; a
local run has `processes`, the tests have one in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from grapeshot_worker.messages import Control, Message
from grapeshot_worker.plan import Assignment

Line = tuple[str, str]  # "stdout" or "stderr", and one line without its end


class Worker(Protocol):
    """One started worker."""

    def messages(self) -> AsyncIterator[Message]:
        """Give its messages until it ends; one that dies without a last word gives a Failed that says so."""
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

    async def start(self, assignment: Assignment) -> Worker:
        """Start one worker with its assignment; GrapeshotError if the place refuses."""
        ...
