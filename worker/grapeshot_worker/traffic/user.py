"""One virtual user: its variables, its cookies, its connections, and what it shares with the others.

Leaves to others: what it does (steps) and when it comes (runner).
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grapeshot_worker.metrics.recorder import Recorder
from grapeshot_worker.script.model import TestScript
from grapeshot_worker.traffic.cookies import CookieJar
from grapeshot_worker.traffic.hooks import Context, Hooks
from grapeshot_worker.traffic.lanes import Lane
from grapeshot_worker.traffic.notices import Notices, Results
from grapeshot_worker.traffic.wire.connection import Connection, Connector
from grapeshot_worker.traffic.wire.pool import SharedPool
from grapeshot_worker.traffic.wire.url import Origin

__all__ = ["Connection", "Engine", "StepFunction", "User"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """What all users of an engine process share."""

    script: TestScript
    recorder: Recorder
    connector: Connector
    pool: SharedPool | None
    hooks: Hooks
    rng: random.Random
    clock: Callable[[], float]  # monotonic seconds
    print_line: Callable[[str], None]
    notices: Notices
    results: Results
    base: Mapping[str, Any] = field(default_factory=dict)  # variables every user starts with


class User:
    """A virtual user under way. Light: a parked one must cost little.

    `due` is the moment, on the engine's clock, at which its next step should begin if the engine itself took no time:
    first the planned arrival, then the end of the step before.
    """

    __slots__ = ("_context", "due", "engine", "id", "jar", "lanes", "scenario", "variables")

    def __init__(
        self, engine: Engine, user_id: str, variables: dict[str, Any], scenario: Mapping[str, Any]
    ) -> None:
        self.engine = engine
        self.id = user_id
        self.variables = variables
        self.scenario = scenario
        self.jar: CookieJar | None = None
        self.lanes: dict[Origin, Lane] = {}
        self.due = engine.clock()
        self._context: Context | None = None

    @property
    def context(self) -> Context:
        """The `context` argument of the author's functions; made when the first one is called."""
        if self._context is None:
            self._context = Context(self.variables, self.scenario, self.engine.script.functions, self.id)
        return self._context

    async def call(self, name: str, *arguments: Any) -> Any:
        """Call an author's function; StepError when it fails. Its time is the author's: the next step is due later."""
        clock = self.engine.clock
        began = clock()
        result = await self.engine.hooks.call(name, *arguments)
        self.due += clock() - began
        return result

    def branch(self) -> User:
        """Give one of the user's parallel selves: all is shared, but each has its own `due`."""
        if self.jar is None:
            self.jar = CookieJar(self.engine.script.http.cookie_options, time.time)
        twin = User(self.engine, self.id, self.variables, self.scenario)
        twin.jar, twin.lanes, twin.due, twin._context = self.jar, self.lanes, self.due, self._context
        return twin

    def leave(self) -> None:
        """Close the user's own connections."""
        for lane in self.lanes.values():
            lane.close()
        self.lanes.clear()


StepFunction = Callable[[User], Awaitable[None]]
