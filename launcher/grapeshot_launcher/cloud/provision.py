"""Makes AWS match what a run needs, and takes away afterwards what was for this run alone.

Leaves to others: each thing's own story (bucket, role, function, queue, control), and the run itself.

What depends on nothing is made at the same time: role, function and bucket begin at once; a function that exists
waits for no role; the run's own things wait for the bucket, for the record there claims the run's id. Bucket,
role and function stay for later runs. The queue and the run's objects go: each is registered to be undone before
it is made, so that no failure in between leaves it behind.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from grapeshot_launcher.cloud.bucket import ensure_bucket
from grapeshot_launcher.cloud.calls import Reach, together
from grapeshot_launcher.cloud.control import ControlObject
from grapeshot_launcher.cloud.errors import AwsError
from grapeshot_launcher.cloud.function import ensure_function
from grapeshot_launcher.cloud.queue import open_queue
from grapeshot_launcher.cloud.resources import FunctionSettings, Site, metadata_key
from grapeshot_launcher.cloud.role import ensure_role


@dataclass(frozen=True, kw_only=True, slots=True)
class Desired:
    """What a run needs. A function whose role is the site's default one gets that role made or mended."""

    site: Site
    run_id: str
    function: FunctionSettings
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)  # kept for a week, as JSON


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What stands for a run; `made` names what this run had to make, of bucket, role and function."""

    site: Site
    bucket: str
    role_arn: str
    function: str
    queue_url: str
    control: ControlObject
    retries_off: (
        bool  # Lambda will not repeat invocations; else the workers' claims alone keep load from doubling
    )
    made: frozenset[str]


@asynccontextmanager
async def provisioned(
    reach: Reach, desired: Desired, *, now: Callable[[], float] = time.time
) -> AsyncIterator[Standing]:
    """Have everything stand while the block runs; afterwards, whatever happened, remove what was this run's own.

    Raises AwsError when AWS can't be made to match. The lease of the control record is fresh when the block
    begins; keeping it so (`control.keep`) is the block's.
    """
    async with AsyncExitStack() as undo:
        yield await _Provisioning(reach, desired, undo, now).all()


class _Provisioning:
    def __init__(
        self, reach: Reach, desired: Desired, undo: AsyncExitStack, now: Callable[[], float]
    ) -> None:
        self._reach, self._desired, self._undo = reach, desired, undo
        self._control = ControlObject(reach, desired.site.bucket, desired.run_id, now=now)
        self._made: set[str] = set()
        self._queue_url = ""
        self._retries_off = False

    async def all(self) -> Standing:
        site, settings = self._desired.site, self._desired.function
        role = asyncio.create_task(self._role())
        await together(role, self._function(role), self._own_things())
        await together(self._control.renew(), self._metadata())
        self._undo.push_async_callback(self._control.stop)  # before anything is taken away
        return Standing(
            site=site,
            bucket=site.bucket,
            role_arn=settings.role,
            function=settings.name(site.prefix),
            queue_url=self._queue_url,
            control=self._control,
            retries_off=self._retries_off,
            made=frozenset(self._made),
        )

    async def _role(self) -> None:
        site = self._desired.site
        if self._desired.function.role == site.role_arn and await ensure_role(self._reach, site):
            self._made.add("role")

    async def _function(self, role: asyncio.Task[None]) -> None:
        site, settings = self._desired.site, self._desired.function

        async def role_ready() -> None:
            await asyncio.shield(role)

        tags = self._desired.tags
        if await ensure_function(self._reach, site, settings, tags=tags, role_ready=role_ready):
            self._made.add("function")
        try:
            await self._reach.call(self._reach.aws.forgo_retries, settings.name(site.prefix))
            self._retries_off = True
        except AwsError:
            pass  # the documented policy does not allow it, and the workers' claims do without

    async def _own_things(self) -> None:
        site, desired = self._desired.site, self._desired
        if await ensure_bucket(self._reach, site):
            self._made.add("bucket")
        await self._control.claim(self._undo)
        self._queue_url = await open_queue(
            self._reach, site, desired.run_id, tags=desired.tags, undo=self._undo
        )

    async def _metadata(self) -> None:
        site, run_id = self._desired.site, self._desired.run_id
        body = json.dumps({"run_id": run_id, **self._desired.metadata}, default=str).encode()
        try:
            await self._reach.call(self._reach.aws.put_object, site.bucket, metadata_key(run_id), body)
        except AwsError as error:
            self._reach.warn(f"The run's metadata could not be kept: {error.message}")
