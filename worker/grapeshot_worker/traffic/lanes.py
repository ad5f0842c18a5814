"""A user's one connection to an origin: its requests there go one after the other, in the order they came.

Leaves to others: opening connections (connection) and the pool that all users share (pool).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grapeshot_worker.traffic.wire.connection import Connection


class Lane:
    """A keep-alive connection and the queue for it; parallel steps of one user share it."""

    __slots__ = ("busy", "connection", "waiting")

    def __init__(self) -> None:
        self.busy = False
        self.connection: Connection | None = None
        self.waiting: deque[asyncio.Future[None]] | None = None

    async def enter(self) -> None:
        """Wait for the turn; the caller then owns the lane until `leave`."""
        if not self.busy:
            self.busy = True
            return
        if self.waiting is None:
            self.waiting = deque()
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled after the turn was handed over: hand it on, or everybody behind waits for ever.
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Let the next one in."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.busy = False

    def close(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
