"""This machine as a platform: one engine process for each CPU.

Leaves to others: the pipes to a process (the worker's `processes`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from grapeshot_launcher.platforms import Limits, Worker
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_worker.messages import Failed, Finished
from grapeshot_worker.plan import Assignment
from grapeshot_worker.processes import EngineProcess


class Processes:
    """Runs workers as processes of this machine, with `environ` as their environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._started: list[EngineProcess] = []

    @property
    def cpus(self) -> int:
        """One worker for each CPU."""
        return usable_cpus()

    @property
    def limits(self) -> Limits:
        """Processes answer at once: the limits are short."""
        return Limits()

    def clocks(self) -> Mapping[WorkerId, float]:
        """Give nothing: all processes go by one clock."""
        return {}

    async def start(self, assignment: Assignment) -> Worker:
        """Start one engine process."""
        process = await EngineProcess.start(assignment, environ=self._environ)
        self._started.append(process)
        return process

    async def left(self, assignment: Assignment) -> Finished | Failed | None:
        """Give nothing: a pipe loses no message, so nothing is left behind."""
        return None

    def kill_all(self) -> None:
        """End every process that was started and still runs, at once."""
        for process in self._started:
            process.kill()


def usable_cpus() -> int:
    """Count the CPUs this process may use: what taskset or a container's CPU set left of the machine's."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
