"""The function: found by its name, made from the image, waited for until it can be invoked.

Leaves to others: its settings and its name (resources), what its states mean (states), invoking it.

The name is a hash of everything that shapes the function. So one that is found is the right one, a changed setting
makes another, and nothing is ever updated under the feet of a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from grapeshot_launcher.cloud.calls import Reach, again
from grapeshot_launcher.cloud.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    NotReady,
    Throttled,
    Unreachable,
)
from grapeshot_launcher.cloud.resources import FunctionSettings, Site
from grapeshot_launcher.cloud.states import FunctionState, changed, failed, late

ROLE_DEADLINE = 90.0  # s until Lambda must know a new role; it takes 5 to 20 as a rule
ROLE_PAUSE = 3.0
ACTIVE_DEADLINE, ACTIVE_DEADLINE_IN_VPC = 120.0, 240.0  # s; network interfaces take their time
ACTIVE_PAUSE = 1.0


async def ensure_function(
    reach: Reach,
    site: Site,
    settings: FunctionSettings,
    *,
    tags: Mapping[str, str],
    role_ready: Callable[[], Awaitable[object]],
) -> bool:
    """Make the function exist and be active; tell whether it was made now. A new one awaits its role first."""
    name = settings.name(site.prefix)
    found = await reach.call(reach.aws.function, name)
    patient: tuple[type[AwsError], ...] = (NotReady,)
    if found is not None and found.state == "Failed":
        # What failed once stays failed under its name: make way for a new attempt.
        await reach.call(reach.aws.delete_function, name)
        found, patient = None, (NotReady, Conflict)
    made = found is None
    if found is None:
        await role_ready()
        made = await _create(reach, settings, name=name, tags=tags, patient=patient)
    else:
        if fault := changed(name, found, settings):
            raise fault
        await _tag(reach, site, name, tags)
    await _until_active(reach, name, settings)
    return made


async def _create(
    reach: Reach,
    settings: FunctionSettings,
    *,
    name: str,
    tags: Mapping[str, str],
    patient: tuple[type[AwsError], ...],
) -> bool:
    async def create() -> None:
        try:
            await reach.call(reach.aws.create_function, name, settings.request(), tags)
        except AccessDenied as error:
            if not tags or "lambda:TagResource" not in f"{error.message} {error.cause}":
                raise
            reach.warn(f"The function gets no tags: {error.message} {error.remedy}")
            await reach.call(reach.aws.create_function, name, settings.request(), {})

    try:
        await again(create, on=patient, within=ROLE_DEADLINE, pause=ROLE_PAUSE)
    except Conflict:
        return False  # a run beside this one was faster, or an answer was lost
    return True


async def _tag(reach: Reach, site: Site, name: str, tags: Mapping[str, str]) -> None:
    if not tags:
        return
    try:
        await reach.call(reach.aws.tag_function, site.arn("lambda", f"function:{name}"), tags)
    except AwsError as error:
        reach.warn(f"The function keeps its old tags: {error.message}")


async def _until_active(reach: Reach, name: str, settings: FunctionSettings) -> None:
    now = asyncio.get_running_loop().time
    limit = ACTIVE_DEADLINE_IN_VPC if settings.in_vpc else ACTIVE_DEADLINE
    start, woken, found = now(), False, FunctionState(state="Pending")
    while True:
        with suppress(Throttled, Unreachable):  # the next look will tell
            seen = await reach.call(reach.aws.function, name)
            found = FunctionState(state="Missing") if seen is None else seen
        if found.state == "Active":
            return
        if found.state == "Failed":
            with suppress(AwsError):
                await reach.call(reach.aws.delete_function, name)
            raise failed(name, found)
        if found.state == "Inactive" and not woken:
            woken = True
            with suppress(Throttled, Unreachable):
                await reach.call(reach.aws.wake_function, name)
        if now() - start >= limit:
            raise late(name, found, limit)
        await asyncio.sleep(ACTIVE_PAUSE)
