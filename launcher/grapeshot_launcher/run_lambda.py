"""The story of a run from AWS Lambda: what must stand there, then the same story as everywhere.

Leaves to others: preparing the test (prepare), its archive (bundle), AWS (cloud) or what stands in for it (emulation),
the workers (platforms), the load and its report (run).

Everything that can be checked is checked before AWS is touched. From the first thing that is created on, a stop or a
failure takes away what was made for this run alone.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from datetime import datetime
from functools import cache, reduce
from operator import add
from typing import TYPE_CHECKING, TypeVar

from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.calls import Reach, Threads
from grapeshot_launcher.cloud.find_image import find_image
from grapeshot_launcher.cloud.provision import Standing
from grapeshot_launcher.cloud.resources import Site
from grapeshot_launcher.conduct import CODES
from grapeshot_launcher.crew import Inbox, Signalled
from grapeshot_launcher.emulation import Emulation
from grapeshot_launcher.errors import ImageUnpublished, Interrupted
from grapeshot_launcher.options import LambdaOptions
from grapeshot_launcher.options.again import command_line
from grapeshot_launcher.origin import origin
from grapeshot_launcher.places import Place, placed
from grapeshot_launcher.platforms.lambda_calls import compare_clock
from grapeshot_launcher.platforms.regions import Regions
from grapeshot_launcher.prepare_lambda import Settled, settle_run
from grapeshot_launcher.results.clocks import off
from grapeshot_launcher.results.cost import Cost, Estimate
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.run import Keep, Stage, announce, live_page, nobody, shown_live, tell
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.signals import heeding_elsewhere, listening
from grapeshot_launcher.views.console import plain_lines
from grapeshot_launcher.views.lambda_ import bundle_table, cost_lines, estimate_line, ground_lines

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.aws import Session
    from grapeshot_launcher.serve import LivePage

T = TypeVar("T")
LogIn = Callable[[], "Session | None"]  # gives no session where the SDK finds credentials by itself


def run_lambda(
    options: LambdaOptions,
    *,
    environ: Mapping[str, str],
    leave: Callable[[int], object] | None,
    keep: Keep = nobody,
    log_in: LogIn | None = None,
) -> int:
    """Run a script from AWS Lambda and give the exit code; `leave` ends the process at once (None: never).

    `keep` gets the report. `log_in` is called when all else has been checked, and never for an AWS on this machine.
    Raises ScriptError and other GrapeshotErrors for what prevents the run.
    """
    role = cache(log_in) if log_in else None
    now = datetime.now().astimezone()
    with Screen(sys.stdout, sys.stderr, quiet=options.run.quiet) as screen:
        if options.emulate is None:
            settled = settle_run(options, environ=environ, now=now)
            image = options.image or environ.get("WORKER_IMAGE_URL")
            return _run_settled(settled, screen, image=image, leave=leave, keep=keep, log_in=role)
        with Emulation(options, say=screen.show) as emulation:
            settled = settle_run(options, environ=environ, now=now, machine=emulation.machine)
            with emulation.aws() as image:
                return _run_settled(settled, screen, image=image, leave=leave, keep=keep)


def _run_settled(
    settled: Settled,
    screen: Screen,
    *,
    image: str | None,
    leave: Callable[[int], object] | None,
    keep: Keep,
    log_in: LogIn | None = None,
) -> int:
    announce(settled.test, screen)
    if settled.why:
        screen.show(f"Workers: {settled.test.workers}, for {settled.why}; --workers or --count sets it.\n")

    screen.show(estimate_line(settled.estimate, emulated=settled.options.emulate is not None) + "\n")

    def leave_now(code: int) -> None:
        assert leave is not None
        screen.still()
        screen.warn("Left at once: workers stop within a minute; the run's queue stays, and costs nothing.")
        leave(code)

    async def main(page: LivePage | None) -> int:
        inbox: Inbox = asyncio.Queue()
        kept, live = shown_live(keep, page)
        with listening(inbox, leave=leave_now if leave else None):
            return await play(settled, screen, inbox, image=image, keep=kept, log_in=log_in, live=live)

    if settled.options.publish and image is None and settled.options.emulate is None:
        # Before there is an event loop: it takes minutes, and a Ctrl-C ends it at once.
        for region in settled.options.regions:
            image = publish_missing(_aws(region, log_in), settled.options, say=screen.show)
    with ExitStack() as stack:
        return asyncio.run(main(live_page(settled.test, stack, screen)))


def publish_missing(aws: Aws, options: LambdaOptions, *, say: Callable[[str], None]) -> str:
    """Give the address of this version's image, which is built and published if the region lacks it.

    Looking takes a permission that every run has; only publishing needs more. Raises ImageFailed and CloudError.
    """
    site = Site(account=aws.caller().account, region=aws.region, prefix=options.prefix)
    repository, architecture = options.repository, options.architecture
    try:
        return find_image(aws, site, asked=None, repository=repository, architecture=architecture)
    except ImageUnpublished as missing:
        say(f"{missing.cause} It is built and published now; later runs find it there.")
        from grapeshot_launcher.cloud.image import publish  # late: it brings docker's SDK

        prefix = options.prefix
        return publish(aws, architecture=architecture, say=say, repository=repository, prefix=prefix).uri


async def play(
    settled: Settled,
    screen: Screen,
    inbox: Inbox,
    *,
    image: str | None,
    keep: Keep = nobody,
    log_in: LogIn | None = None,
    now: Callable[[], float] = time.time,
    live: Callable[[Callable[[], Report]], object] | None = None,
) -> int:
    """Have everything stand in AWS, run the test there, and give the exit code; `now` is this machine's clock."""
    options, test, bundle = settled.options, settled.test, settled.bundle
    screen.show("Preparing AWS Lambda function...")
    screen.show(bundle_table(bundle.files, bundle.packages))
    async with AsyncExitStack() as stack:
        reaches = [
            Reach(
                aws=await heeding(inbox, asyncio.to_thread(_aws, region, log_in)),
                call=Threads(),
                warn=lambda text: screen.warn(plain_lines(f"Warning: {text}")),
                tell=screen.show,
            )
            for region in options.regions
        ]
        standing = placed(settled, reaches, image=image, now=now)
        places = await heeding(inbox, stack.enter_async_context(standing))
        ahead = await heeding(inbox, compare_clock(reaches[0], now=now))
        if ahead:
            screen.warn(plain_lines(wrong_clock(ahead)))

        async def asked_elsewhere() -> bool:
            return any(await asyncio.gather(*(place.asked_to_stop() for place in places)))

        await stack.enter_async_context(heeding_elsewhere(inbox, asked_elsewhere))
        for place in places:
            screen.show(_standing_lines(place.standing) + "\n")

        def cost_so_far() -> Cost:
            return reduce(add, (place.cost() for place in places))

        def facts() -> dict[str, object]:
            told = {**_facts(settled, places), **_costs(cost_so_far(), settled.estimate)}
            return {**told, "clockAhead": ahead}

        clock = by_aws(now, ahead)
        workers = Regions([place.workers for place in places])
        stage = Stage(workers, screen, inbox, clock, announced=True, facts=facts, keep=keep, live=live)
        code = await tell(test, stage)
        screen.show("\n" + cost_lines(cost_so_far(), emulated=options.emulate is not None))
        return code


def _facts(settled: Settled, places: Sequence[Place]) -> dict[str, object]:
    """Give what a report tells of the workers and their places."""
    options = settled.options
    return {
        "command": command_line(options),
        "copies": settled.test.copies,
        "region": ", ".join(options.regions),
        "memorySize": options.memory_size,
        "architecture": options.architecture,
        "image": ", ".join(place.function.image for place in places),
        "function": ", ".join(place.standing.function for place in places),
        "processes": settled.processes,
        "emulated": options.emulate is not None,
        **origin(settled.test.environ),
    }


def by_aws(now: Callable[[], float], ahead: float) -> Callable[[], float]:
    """Give a clock that tells AWS's time, by ours `now` that is `ahead` seconds ahead of it.

    The workers go by AWS's clock, so the moment of the start must be one of it, and what is timed here must be too.
    """
    return lambda: now() - ahead


def wrong_clock(ahead: float) -> str:
    """Tell a person that this machine's clock is not right."""
    return (
        f"Warning: this machine's clock is {off(ahead)} AWS's; the run goes by AWS's.\n"
        "Set this machine's clock (for instance, switch on NTP)."
    )


def _costs(cost: Cost, estimate: Estimate) -> dict[str, object]:
    return {
        "costUsd": round(cost.total, 4),
        "estimatedCostUsd": round(estimate.expected, 4),
        "costByRegion": {region: round(dollars, 4) for region, dollars in cost.by_region.items()},
    }


def _aws(region: str, log_in: LogIn | None) -> Aws:
    return Aws(region, log_in() if log_in else None)


async def heeding(inbox: Inbox, work: Awaitable[T]) -> T:
    """Wait for work; a signal that comes first undoes it and raises Interrupted."""
    doing, asked = asyncio.ensure_future(work), asyncio.ensure_future(inbox.get())
    try:
        await asyncio.wait((doing, asked), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return await doing
        event = await asked
        assert isinstance(event, Signalled)  # no worker has been started
        raise Interrupted("Stopped before any load was made.", exit_code=CODES[event.signal])
    finally:
        for task in (doing, asked):
            task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await doing


def _standing_lines(standing: Standing) -> str:
    def made(what: str, name: str) -> str:
        return f"{name} (created)" if what in standing.made else name

    return ground_lines(
        {
            "Lambda function": made("function", standing.function),
            "Lambda role ARN": made("role", standing.role_arn),
            "Bucket": made("bucket", standing.bucket),
            "Queue": standing.queue_url.rsplit("/", 1)[-1],
            "Region": standing.site.region,
            "AWS account": standing.site.account,
        }
    )
