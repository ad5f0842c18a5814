"""Steps of one user side by side.

Leaves to others: what the steps do (steps).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from grapeshot_worker.traffic.user import StepFunction, User


async def in_parallel(user: User, steps: Iterable[StepFunction], width: int) -> None:
    """Run all steps, `width` at a time. The first error ends the user; the rest is cancelled with it.

    The reference lets the others run on in the background; a failed user's requests would then be counted for nobody.
    """
    waiting = iter(steps)

    async def lane(branch: User) -> None:
        for step in waiting:
            await step(branch)

    branches = [user.branch() for _ in range(width)]
    tasks = [asyncio.ensure_future(lane(branch)) for branch in branches]
    try:
        await asyncio.gather(*tasks)
        user.due = max((branch.due for branch in branches), default=user.due)
    finally:
        for task in tasks:
            task.cancel()
        # Their clean-up (connections handed back) must be over before the user leaves.
        await asyncio.gather(*tasks, return_exceptions=True)
