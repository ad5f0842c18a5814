"""One virtual user: its variables, its cookies, its connections, and what it shares with the others.

Leaves to others: what it does (steps) and when it comes (runner).
"""

from __future__ import annotations

import random
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
    """A virtual user under way. Light: a parked one must cost little."""

    __slots__ = ("_context", "engine", "id", "jar", "lanes", "scenario", "variables")

    def __init__(
        self, engine: Engine, user_id: str, variables: dict[str, Any], scenario: Mapping[str, Any]
    ) -> None:
        self.engine = engine
        self.id = user_id
        self.variables = variables
        self.scenario = scenario
        self.jar: CookieJar | None = None
        self.lanes: dict[Origin, Lane] = {}
        self._context: Context | None = None

    @property
    def context(self) -> Context:
        """The `context` argument of the author's functions; made when the first one is called."""
        if self._context is None:
            self._context = Context(self.variables, self.scenario, self.engine.script.functions, self.id)
        return self._context

    def leave(self) -> None:
        """Close the user's own connections."""
        for lane in self.lanes.values():
            lane.close()
        self.lanes.clear()


StepFunction = Callable[[User], Awaitable[None]]
