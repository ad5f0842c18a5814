"""What a run needs in each of its regions, all of it at the same time, and the workers there.

Leaves to others: what must stand there (cloud), the workers (platforms), the load on all of them (run_lambda).

A region has a bucket, a function and a queue of its own, and a control record: whoever is stopped or forgotten there
is so by the region's own record. The role is the account's: regions that make it at once disturb nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from grapeshot_launcher.cloud.calls import Reach, together
from grapeshot_launcher.cloud.find_image import find_image, in_region
from grapeshot_launcher.cloud.provision import Desired, Standing, provisioned
from grapeshot_launcher.cloud.resources import FunctionSettings, Site, function_problems
from grapeshot_launcher.errors import SettingsRefused, WorkerFailed
from grapeshot_launcher.platforms.lambda_ import Ground, Lambda
from grapeshot_launcher.platforms.lambda_calls import AwsCloud, upload
from grapeshot_launcher.prepare_lambda import Settled, tariff
from grapeshot_launcher.results.cost import Cost, cost
from grapeshot_launcher.results.regions import workers_in
from grapeshot_launcher.views.plan import plural
from grapeshot_worker.errors import CloudError
from grapeshot_worker.invocation import stop_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What stands in one region for a run, and its workers there."""

    settled: Settled
    standing: Standing
    function: FunctionSettings
    cloud: AwsCloud
    workers: Lambda

    @property
    def region(self) -> str:
        """The region's name."""
        return self.standing.site.region

    def cost(self) -> Cost:
        """Say what the workers here have cost so far."""
        options, test = self.settled.options, self.settled.test
        return cost(tariff(options, test.workers, region=self.region), self.workers.times())

    async def asked_to_stop(self) -> bool:
        """Look whether another machine has asked here for the run's stop."""
        return await self.cloud.get(stop_key(self.settled.test.run_id)) is not None


@asynccontextmanager
async def placed(
    settled: Settled, reaches: Sequence[Reach], *, image: str | None, now: Callable[[], float]
) -> AsyncIterator[list[Place]]:
    """Have everything stand in every region of `reaches`, in their order, while the block runs.

    `image` is what was asked for, `now` gives epoch seconds. GrapeshotError when an account or an image can't serve,
    or AWS can't be made to match; then, and at the end, what was made for this run alone is taken away everywhere.
    """
    stacks = [AsyncExitStack() for _ in reaches]
    places: dict[int, Place] = {}

    async def enter(index: int) -> None:
        places[index] = await stacks[index].enter_async_context(
            _place(settled, reaches[index], image=image, now=now)
        )

    try:
        await together(*map(enter, range(len(reaches))))
        yield [places[index] for index in range(len(reaches))]
    finally:
        for ended in await asyncio.gather(*(stack.aclose() for stack in stacks), return_exceptions=True):
            if ended is not None:
                raise ended


@asynccontextmanager
async def _place(
    settled: Settled, reach: Reach, *, image: str | None, now: Callable[[], float]
) -> AsyncIterator[Place]:
    test, bundle = settled.test, settled.bundle
    desired = await _desired(settled, reach, image)
    async with provisioned(reach, desired) as standing:
        await upload(reach, standing.bucket, bundle.digest, bundle.archive, now=now())
        ground = Ground(
            run_id=test.run_id,
            region=reach.aws.region,
            bucket=standing.bucket,
            queue_url=standing.queue_url,
            bundle_digest=bundle.digest,
            workers=test.workers,
            processes=settled.processes,
            timeout=settled.options.timeout,
            limits=settled.limits,
            regions=len(settled.options.regions),
            one_clock=settled.options.emulate is not None,
        )
        cloud = AwsCloud(reach, standing)
        async with Lambda(cloud, ground) as workers:
            yield Place(
                settled=settled, standing=standing, function=desired.function, cloud=cloud, workers=workers
            )


async def _desired(settled: Settled, reach: Reach, image: str | None) -> Desired:
    """Say what must stand; GrapeshotError when the account or the image can't serve."""
    options, test, region = settled.options, settled.test, reach.aws.region
    caller = await reach.call(reach.aws.caller)
    site = Site(account=caller.account, region=region, prefix=options.prefix)
    relieved = len(test.windows) > 1  # then two generations are there at once, for a while
    here = workers_in(options.regions, test.workers)[region]
    await _check_concurrency(reach, here * (2 if relieved else 1))
    if image is not None and len(options.regions) > 1:
        image = in_region(image, region)
    address = await reach.call(
        find_image,
        reach.aws,
        site,
        asked=image,
        repository=options.repository,
        architecture=options.architecture,
    )
    function = FunctionSettings(
        image=address,
        role=options.role_arn or site.role_arn,
        memory=options.memory_size,
        architecture=options.architecture,
        timeout=options.timeout,
        subnets=options.subnet_ids,
        security_groups=options.security_group_ids,
    )
    problems = function_problems(function, site)
    if problems:
        raise SettingsRefused("\n".join(problems))
    metadata = {"script": test.options.script, "name": test.options.name, "workers": test.workers}
    return Desired(site=site, run_id=test.run_id, function=function, tags=settled.tags, metadata=metadata)


async def _check_concurrency(reach: Reach, workers: int) -> None:
    """Refuse more workers than the account may run at once, where it may be asked."""
    quota = workers
    with suppress(CloudError):  # the documented policy does not allow it
        quota = await reach.call(reach.aws.concurrency)
    if quota < workers:
        raise WorkerFailed(
            f"{plural(workers, 'worker')} can't run at once: the account may run {quota} in {reach.aws.region}.",
            cause="New accounts have a small quota of concurrent executions, and other functions reserve a part of it.",
            remedy="Ask AWS for a higher quota (Service Quotas, Lambda), or use fewer workers with more memory.",
        )
