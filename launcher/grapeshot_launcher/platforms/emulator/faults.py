"""Faults that a test or a demonstration switches on: which calls they strike, and how.

Leaves to others: the effect (front and plane ask here before they act).

Nothing is left to chance: a fault strikes the n-th call that matches, so that a test means the same every time.
Besides AWS's operations there are points in a sandbox's life: `sandbox:start` (its process is about to start),
`sandbox:invoke` (it is handed an event) and `sandbox:respond` (it has answered); their body is the event's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from grapeshot_launcher.platforms.emulator.calls import Call

Effect = Literal["throttle", "fail", "drop", "duplicate", "kill"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Strikes calls number `first` to `first + times - 1` of those that match `operation` (a glob) and `where`.

    throttle: refused as too fast. fail: refused with `code` and `status`. drop: an SQS message is accepted and
    lost. duplicate: it is stored twice. kill: the sandbox that calls, or is at that point, dies before the
    call takes effect, or `after` seconds later.
    """

    operation: str
    effect: Effect
    first: int = 1
    times: int = 1
    where: Callable[[Call], bool] | None = None
    code: str = "InternalError"
    status: int = 500
    after: float = 0.0


class Faults:
    """The switches; all of them are off at first. `struck` is what has happened, in its order."""

    def __init__(self) -> None:
        self.pending_polls = 0  # how often a new function is told to be Pending before it is Active
        self.role_delay = 0.0  # seconds after CreateRole in which Lambda can't assume the role
        self.struck: list[tuple[Fault, Call]] = []
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._matched: dict[int, int] = {}  # place in the list → calls that matched so far

    def add(self, *faults: Fault) -> None:
        """Switch faults on; each counts the calls from now."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Switch everything off."""
        with self._lock:
            self.pending_polls, self.role_delay = 0, 0.0
            self._faults.clear()
            self._matched.clear()

    def strike(self, call: Call) -> list[Fault]:
        """Give the faults that this call meets; every call is asked about once."""
        with self._lock:
            met = []
            for place, fault in enumerate(self._faults):
                if not fnmatchcase(call.operation, fault.operation) or (
                    fault.where and not fault.where(call)
                ):
                    continue
                number = self._matched[place] = self._matched.get(place, 0) + 1
                if fault.first <= number < fault.first + fault.times:
                    met.append(fault)
            self.struck.extend((fault, call) for fault in met)
            return met
