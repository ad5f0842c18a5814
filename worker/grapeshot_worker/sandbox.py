"""What a worker has around it in AWS Lambda, as plain parts that tests replace.

Leaves to others: using it (shift), making it from what AWS gives (handler).
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from grapeshot_worker.courier import Aside
from grapeshot_worker.messages import Control, Message
from grapeshot_worker.plan import Assignment
from grapeshot_worker.unpack import Bundle

if TYPE_CHECKING:
    from grapeshot_worker.aws import Mailbox


class Engine(Protocol):
    """One started engine process."""

    def messages(self) -> AsyncIterator[Message]:
        """Give its messages until it ends; one that dies without a last word gives a Failed that says so."""
        ...

    def output(self) -> AsyncIterator[tuple[str, str]]:
        """Give what it prints, line by line with the name of the stream, until it ends."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """AWS, a way to start engine processes, a folder of its own, and the time that is left."""

    mailbox: Mailbox
    aside: Aside  # where the mailbox's calls and the unpacking run
    start: Callable[[Assignment, Bundle, str], Awaitable[Engine]]  # the text is the process's name
    home: Path  # for bundles; whatever else lies there is removed
    remaining: float  # seconds until AWS Lambda ends the invocation
    print_line: Callable[[str], None]
    token: str  # names this one try to claim the slot
    rng: random.Random
    taken: float = 0.0  # seconds of this invocation that AWS Lambda charges for and that are over already
    clock: Callable[[], float] = time.time  # epoch seconds, by which users start and periods are cut
