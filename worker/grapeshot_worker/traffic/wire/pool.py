"""The connections that all users of a process share when `http.pool` says how many.

Leaves to others: opening connections and using them (connection).

At most `size` connections exist, to whatever origins. Who finds none free waits. A connection that comes back goes to
the first who waits for its origin; but at most `size` users may so pass the one who has waited longest: then the
connection is closed and its place goes to that one. Everything happens between two awaits, so nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from grapeshot_worker.traffic.wire.connection import Connection
from grapeshot_worker.traffic.wire.url import Origin


class Opener(Protocol):
    """What opens connections."""

    async def connect(self, origin: Origin, *, timeout: float | None = None) -> Connection:
        """Open one; NetworkError."""


@dataclass(slots=True, eq=False)
class _Waiter:
    number: int
    origin: Origin
    turn: asyncio.Future[Connection | None]  # None: open one in the place that became free
    passed_over: int = 0


class SharedPool:
    """Hands out at most `size` connections."""

    def __init__(self, connector: Opener, size: int) -> None:
        self._connector = connector
        self._size = max(1, size)
        self._open = 0  # connections that exist or are being opened
        self._idle: dict[Origin, list[Connection]] = {}
        self._queues: dict[Origin, deque[_Waiter]] = {}
        self._numbers = itertools.count()

    async def acquire(self, origin: Origin, *, timeout: float | None = None) -> Connection:
        """Give a connection to `origin`, which the caller then releases; NetworkError when it can't be opened."""
        connection = self._pick(origin)
        if connection is None and not self._find_place():
            connection = await self._wait(origin)
        if connection is not None:
            return connection
        try:
            return await self._connector.connect(origin, timeout=timeout)
        except BaseException:
            self._free_place()
            raise

    def release(self, connection: Connection) -> None:
        """Take a connection back; one that can't be used again is closed."""
        if not connection.reusable:
            connection.close()
            self._free_place()
            return
        waiter = self._next(connection.origin)
        if waiter is None:
            self._idle.setdefault(connection.origin, []).append(connection)
        elif waiter.origin == connection.origin:
            self._call(waiter, connection)
        else:
            connection.close()
            self._call(waiter, None)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
                self._open -= 1
        self._idle.clear()

    # ---- who gets what ----

    def _pick(self, origin: Origin) -> Connection | None:
        # The one used last: it is the least likely to have been closed by the other side.
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.reusable:
                return connection
            connection.close()
            self._open -= 1
        return None

    def _find_place(self) -> bool:
        if self._open >= self._size:
            self._sacrifice()
        if self._open >= self._size:
            return False
        self._open += 1
        return True

    def _sacrifice(self) -> None:
        # Idle connections are all to other origins here; the one that came back first in its list goes.
        for origin, idle in list(self._idle.items()):
            if not idle:
                del self._idle[origin]
                continue
            idle.pop(0).close()
            self._open -= 1
            return

    async def _wait(self, origin: Origin) -> Connection | None:
        waiter = _Waiter(next(self._numbers), origin, asyncio.get_running_loop().create_future())
        self._queues.setdefault(origin, deque()).append(waiter)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled():
                # The turn had come: hand it on, or everybody behind waits for ever.
                connection = waiter.turn.result()
                if connection is not None:
                    self.release(connection)
                else:
                    self._free_place()
            raise

    def _next(self, origin: Origin | None) -> _Waiter | None:
        """Give who is next, preferring `origin`; drop those who have left."""
        for queue in list(self._queues.values()):
            while queue and queue[0].turn.done():
                queue.popleft()
            if not queue:
                self._queues = {o: q for o, q in self._queues.items() if q is not queue}
        if not self._queues:
            return None
        oldest = min((queue[0] for queue in self._queues.values()), key=lambda w: w.number)
        own = self._queues.get(origin) if origin is not None else None
        if own is None or own[0] is oldest or oldest.passed_over >= self._size:
            return oldest
        oldest.passed_over += 1
        return own[0]

    def _call(self, waiter: _Waiter, connection: Connection | None) -> None:
        self._queues[waiter.origin].popleft()
        waiter.turn.set_result(connection)

    def _free_place(self) -> None:
        waiter = self._next(None)
        if waiter is None:
            self._open -= 1
        else:
            self._call(waiter, None)
