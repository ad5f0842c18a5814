"""Makes a load's numbers whole when messages were lost: from the totals that each worker left behind.

Leaves to others: keeping the totals (platforms), the numbers themselves (results).

A lost message costs nothing but this: a worker's last word is found where it left it; and where a part of the
measurements never came, everybody's totals are read and merged afresh, because a sum of messages can't be told what
it lacks. If somebody left no totals, the sum of messages stays, and the report says what is missing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence

from grapeshot_launcher.platforms import Platform
from grapeshot_launcher.results.collect import Collector, WorkerId
from grapeshot_launcher.results.regions import Measured
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.messages import Failed, Finished
from grapeshot_worker.plan import Assignment

AT_ONCE = 16  # totals in memory and on their way: a thousand at a time would be gigabytes


async def settle(collector: Collector, platform: Platform, assignments: Sequence[Assignment]) -> None:
    """Read what is missing, if anything is; what can't be read stays missing."""
    started = range(collector.generations)
    doubtful = {WorkerId(g, index) for g in started for index in collector.doubtful(generation=g)}
    if not doubtful:
        return
    everybody = set(map(WorkerId.of, assignments))
    found = False
    try:
        async for last in _read(platform, [a for a in assignments if WorkerId.of(a) in doubtful]):
            collector.conclude(last)
            found = True
        finished = {WorkerId(g, index) for g in started for index in collector.finished(generation=g)}
        if not found or finished != everybody:
            return
        afresh = Measured(collector.regions)
        merged: set[WorkerId] = set()
        generation = 0
        async for last in _read(platform, assignments):
            if last.generation > generation:
                generation = last.generation
                afresh.whole.pack(math.inf)  # its predecessors' windows are full, but for the last ones
            if isinstance(last, Finished):
                merged.add(WorkerId(last.generation, last.index))
                for period in last.periods:
                    afresh.add(last.index, period)
    except GrapeshotError:
        return  # the place can't be asked any more, which was told already
    if merged == everybody:
        collector.replace(afresh)


async def _read(platform: Platform, assignments: Sequence[Assignment]) -> AsyncIterator[Finished | Failed]:
    for first in range(0, len(assignments), AT_ONCE):
        some = assignments[first : first + AT_ONCE]
        for last in await asyncio.gather(*map(platform.left, some)):
            if last is not None:
                yield last
