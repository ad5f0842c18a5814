"""Workers in several regions, each of which is a platform of its own.

Leaves to others: each region's workers (lambda_), which of them is where (results' regions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grapeshot_launcher.platforms import Limits, Platform, Worker
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_worker.messages import Failed, Finished
from grapeshot_worker.plan import Assignment


class Regions:
    """A platform that has its workers start by turns in `platforms`, one for each region, in the regions' order."""

    def __init__(self, platforms: Sequence[Platform]) -> None:
        self._platforms = tuple(platforms)

    @property
    def cpus(self) -> int:
        """As many workers as the run has been given, which every region knows."""
        return self._platforms[0].cpus

    @property
    def limits(self) -> Limits:
        """How long workers may take; it is the same everywhere."""
        return self._platforms[0].limits

    def clocks(self) -> Mapping[WorkerId, float]:
        """Say by how many seconds workers' clocks are ahead, of those of whom it is known."""
        return {who: ahead for each in self._platforms for who, ahead in each.clocks().items()}

    async def start(self, assignment: Assignment) -> Worker:
        """Start a worker in its region."""
        return await self._of(assignment).start(assignment)

    async def left(self, assignment: Assignment) -> Finished | Failed | None:
        """Give a worker's last message from where it left it, in its region."""
        return await self._of(assignment).left(assignment)

    def _of(self, assignment: Assignment) -> Platform:
        return self._platforms[assignment.index % len(self._platforms)]
