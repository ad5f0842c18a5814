"""The queue of one run: made for it, removed after it.

Leaves to others: who sends and who reads (the worker, the platform).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from contextlib import AsyncExitStack

from grapeshot_launcher.cloud.calls import Reach, undone
from grapeshot_launcher.cloud.errors import AccessDenied, Conflict
from grapeshot_launcher.cloud.resources import QUEUE_ATTRIBUTES, Site

ATTEMPTS = 3  # names that are tried


async def open_queue(
    reach: Reach, site: Site, run_id: str, *, tags: Mapping[str, str], undo: AsyncExitStack
) -> str:
    """Create the run's queue and give its URL; `undo` removes it, even if the answer to its creation gets lost.

    A name can't be used again for a minute after its queue was deleted: a run id that somebody uses again at once
    gets a queue of another name.
    """
    refused: set[str] = set()
    for attempt in range(1, ATTEMPTS + 1):
        name = site.queue(run_id if attempt == 1 else f"{run_id}-{attempt}")
        # Before it is made: what happens in between is undone too.
        undo.push_async_callback(_remove, reach, name, refused)
        try:
            return await reach.call(reach.aws.create_queue, name, QUEUE_ATTRIBUTES, tags)
        except AccessDenied:
            refused.add(name)
            raise
        except Conflict:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


async def _remove(reach: Reach, name: str, refused: Set[str]) -> None:
    async def remove() -> None:
        try:
            url = await reach.call(reach.aws.queue_url, name)
        except AccessDenied:
            if name in refused:
                return  # who may do nothing with queues has not made one: that is told already
            raise
        if url is not None:
            await reach.call(reach.aws.delete_queue, url)
            reach.tell(f"Removed: queue {name}")

    def complain(reason: str) -> None:
        reach.warn(
            f"The queue {name} could not be removed: {reason} It costs nothing, and empties itself; remove it "
            f'with: aws sqs delete-queue --queue-url "$(aws sqs get-queue-url --region {reach.aws.region} '
            f'--queue-name {name} --query QueueUrl --output text)"'
        )

    await undone(remove, complain=complain)
