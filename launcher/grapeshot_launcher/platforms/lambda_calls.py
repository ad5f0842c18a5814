"""The calls of a run on AWS Lambda, over what was provisioned for it.

Leaves to others: when they are made (lambda_), making them (cloud).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grapeshot_launcher.cloud.calls import Reach, again
from grapeshot_launcher.cloud.errors import AwsError, Missing, NotReady, Throttled, Unavailable
from grapeshot_launcher.cloud.provision import Standing
from grapeshot_launcher.platforms.lambda_ import Letter
from grapeshot_launcher.results.clocks import launcher_ahead
from grapeshot_worker.invocation import ControlRecord, bundle_key

LONG_POLL = 2  # s; a poll under way can't be cancelled, so the end of a run waits this long for it
INVOKE_WITHIN, INVOKE_PAUSE = 30.0, 2.0  # s: what AWS throttles or fails, functions not awake yet
BUNDLE_AGE = 86_400.0  # s: the bucket forgets bundles after two days, and a run may need one for hours


class AwsCloud:
    """A Cloud of one bucket, one queue and one function."""

    def __init__(self, reach: Reach, standing: Standing) -> None:
        self._reach, self._standing = reach, standing

    async def say(self, record: ControlRecord) -> None:
        """Write the control record."""
        await self._standing.control.say(record)

    async def renew(self) -> None:
        """Renew its lease; not with credentials that soon could not even stop the run."""
        await self._reach.call(self._reach.aws.check_credentials)
        await self._standing.control.renew()

    async def get(self, key: str) -> bytes | None:
        """Read an object of the bucket."""
        return await self._reach.call(self._reach.aws.get_object, self._standing.bucket, key)

    async def invoke(self, payload: str) -> None:
        """Invoke the function; an event that arrives twice makes load once, for workers claim their place."""
        await again(
            lambda: self._reach.call(self._reach.aws.invoke, self._standing.function, payload),
            on=(Throttled, Unavailable, NotReady, Missing),
            within=INVOKE_WITHIN,
            pause=INVOKE_PAUSE,
        )

    async def receive(self) -> Sequence[Letter]:
        """Take messages from the queue."""
        received = await self._reach.call(self._reach.aws.receive, self._standing.queue_url, wait=LONG_POLL)
        return [Letter(one.body, one.receipt, one.taken_at) for one in received]

    async def discard(self, receipts: Sequence[str]) -> None:
        """Delete messages from the queue."""
        await self._reach.call(self._reach.aws.delete_messages, self._standing.queue_url, receipts)


async def compare_clock(reach: Reach, *, now: Callable[[], float]) -> float:
    """Give the seconds that this machine's clock `now` is ahead of AWS's; 0 where that can't be told."""
    before = now()
    try:
        dated = await reach.call(reach.aws.time_there)
    except AwsError:
        return 0.0
    return 0.0 if dated is None else launcher_ahead(before, dated, now())


async def upload(reach: Reach, bucket: str, digest: str, archive: bytes, *, now: float) -> bool:
    """Put a bundle into the bucket, unless it lies there and will for long enough; tell whether it was sent."""
    key = bundle_key(digest)
    age = await reach.call(reach.aws.object_age, bucket, key, now)
    if age is not None and age < BUNDLE_AGE:
        return False
    await reach.call(reach.aws.put_object, bucket, key, archive)
    return True
