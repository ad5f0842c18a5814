"""A sandbox's body: what runs in it, is frozen between two events, thawed, and ended.

Leaves to others: being one (process, container), what a body is told by the Runtime API (sandbox).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

OPEN_FILES = 1024  # file descriptors in a Lambda sandbox (AWS: Lambda quotas)
RUNTIME_API = "AWS_LAMBDA_RUNTIME_API"  # only a sandbox has it
MARK = "AWS_LAMBDA_LOG_STREAM_NAME"  # differs for every sandbox
LINE_LIMIT = 1 << 22  # bytes of one line of output
END_LIMIT = 60.0  # seconds for what was ended to disappear


@dataclass(frozen=True, kw_only=True, slots=True)
class Birth:
    """What a body begins with: its sandbox's name, what the runtime loads, MB of memory, the environment."""

    name: str
    handler: str  # `module.function`
    memory: int
    environ: Mapping[str, str]


class Body(Protocol):
    """One that has been started."""

    output: asyncio.StreamReader  # what it prints

    async def wait(self) -> int:
        """Wait for the end of its first process; give the code, negative for a signal."""
        ...

    async def freeze(self) -> None:
        """Let all of it stand still; when this returns, it does."""

    async def thaw(self) -> None:
        """Let it go on, if it stands still."""

    def kill(self) -> None:
        """End all of it, frozen or not, also what its first process left behind; may be called again."""


class Bodies(Protocol):
    """Starts bodies of one kind."""

    async def start(self, birth: Birth) -> Body:
        """Start one; GrapeshotError or OSError when that can't be done."""
        ...
