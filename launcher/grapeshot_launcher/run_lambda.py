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
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from grapeshot_launcher.bundle import Bundle, Contents, make_bundle
from grapeshot_launcher.bundle.wheels import Machine, pip_download
from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.calls import Reach, Threads
from grapeshot_launcher.cloud.find_image import find_image
from grapeshot_launcher.cloud.provision import Desired, Standing, provisioned
from grapeshot_launcher.cloud.resources import FunctionSettings, Site, function_problems, site_problems, vcpus
from grapeshot_launcher.cloud.tags import parse_tags
from grapeshot_launcher.conduct import CODES
from grapeshot_launcher.crew import Inbox, Signalled
from grapeshot_launcher.emulation import Emulation
from grapeshot_launcher.errors import Interrupted, SettingsRefused, WorkerFailed
from grapeshot_launcher.options import LambdaOptions
from grapeshot_launcher.options.again import command_line
from grapeshot_launcher.platforms import Limits
from grapeshot_launcher.platforms.lambda_ import Ground, Lambda
from grapeshot_launcher.platforms.lambda_calls import AwsCloud, upload
from grapeshot_launcher.prepare import Test, prepare
from grapeshot_launcher.run import Keep, Stage, announce, nobody, tell
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.signals import listening
from grapeshot_launcher.sizing import size
from grapeshot_launcher.views.console import plain_lines
from grapeshot_launcher.views.lambda_ import bundle_table, cost, cost_line, ground_lines
from grapeshot_launcher.views.plan import number, plural
from grapeshot_worker.arrivals import duration
from grapeshot_worker.errors import CloudError
from grapeshot_worker.script.load import with_dotenv

READY, READY_IN_VPC = 120.0, 240.0  # s for cold starts, and for network interfaces
START_DELAY = 4.0  # s from Go to the start: every worker looks at the record once a second
KEPT = 60.0  # s of a worker's time for its start and its end
MARGIN = 20.0  # s of that for the end: the last users, the last messages
SILENCE, STOP = 60.0, 15.0  # s

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A run from Lambda that can begin: the test, its archive, what was asked for, why so many workers."""

    options: LambdaOptions
    test: Test
    bundle: Bundle
    limits: Limits
    tags: Mapping[str, str]
    why: str = ""

    @property
    def processes(self) -> int:
        """Engine processes in a worker: one for each vCPU."""
        return vcpus(self.options.memory_size)


def run_lambda(
    options: LambdaOptions,
    *,
    environ: Mapping[str, str],
    leave: Callable[[int], object],
    keep: Keep = nobody,
) -> int:
    """Run a script from AWS Lambda and give the exit code; `leave` ends the process at once.

    `keep` gets the report. Raises ScriptError and other GrapeshotErrors for what prevents the run.
    """
    now = datetime.now().astimezone()
    with Screen(sys.stdout, sys.stderr, quiet=options.run.quiet) as screen:
        if options.emulate is None:
            settled = settle_run(options, environ=environ, now=now)
            image = options.image or environ.get("WORKER_IMAGE_URL")
            return _run_settled(settled, screen, image=image, leave=leave, keep=keep)
        with Emulation(options, say=screen.show) as emulation:
            settled = settle_run(options, environ=environ, now=now, machine=emulation.machine)
            with emulation.aws() as image:
                return _run_settled(settled, screen, image=image, leave=leave, keep=keep)


def _run_settled(
    settled: Settled, screen: Screen, *, image: str | None, leave: Callable[[int], object], keep: Keep
) -> int:
    announce(settled.test, screen)
    if settled.why:
        screen.show(f"Workers: {settled.test.workers}, for {settled.why}; --workers or --count sets it.\n")

    def leave_now(code: int) -> None:
        screen.still()
        screen.warn("Left at once: workers stop within a minute; the run's queue stays, and costs nothing.")
        leave(code)

    async def main() -> int:
        inbox: Inbox = asyncio.Queue()
        with listening(inbox, leave=leave_now):
            return await play(settled, screen, inbox, image=image, keep=keep)

    return asyncio.run(main())


def settle_run(
    options: LambdaOptions,
    *,
    environ: Mapping[str, str],
    now: datetime,
    machine: Callable[[], Machine] | None = None,
) -> Settled:
    """Settle and check everything that needs no AWS; GrapeshotError for what prevents the run.

    `machine` is asked for what packages must be for once the script has been found right; by default that is a
    function on AWS.
    """
    tags = parse_tags(options.aws_tags) if options.aws_tags else {}
    problems = site_problems(Site(account="0" * 12, region=options.region, prefix=options.prefix))
    if problems:
        raise SettingsRefused("\n".join(problems))
    test = prepare(options.run, environ=environ, now=now, cpus=1)
    limits = limits_of(options, duration(test.plan))
    why = ""
    if options.count is not None:
        test = replace(test, workers=options.count, copies=True)
    elif options.run.workers is None:
        sizing = size(test.script, test.plan, processes=vcpus(options.memory_size))
        test, why = replace(test, workers=sizing.workers), sizing.why
    made_for = machine() if machine else Machine(options.architecture)
    bundle = make_bundle(_contents(test, environ), made_for, download=pip_download(environ))
    script = replace(test.script, warnings=(*test.script.warnings, *bundle.warnings))
    return Settled(
        options=options,
        test=replace(test, script=script),
        bundle=bundle,
        limits=limits,
        tags=tags,
        why=why,
    )


def limits_of(options: LambdaOptions, seconds: float) -> Limits:
    """Give the limits of workers whose load lasts so many seconds; SettingsRefused when it is too long for them.

    A worker's time runs from its start. What it needs to get ready must leave enough for the load.
    """
    longest = options.timeout - KEPT
    if seconds > longest:
        raise SettingsRefused(
            f"The script's phases last {number(seconds)} s, which is too long for workers on AWS Lambda.",
            cause=f"A worker lives {options.timeout} s (--timeout, 900 at most), of which {number(KEPT)} s are kept"
            " for its start and its end.",
            remedy=f"Shorten the phases to {number(max(longest, 0.0))} s, or run the script with `grapeshot run`.",
        )
    ready = READY_IN_VPC if options.subnet_ids else READY
    return Limits(
        ready=min(ready, options.timeout - seconds - START_DELAY - MARGIN),
        silence=SILENCE,
        stop=STOP,
        start_delay=START_DELAY,
        late_cause="The account may run fewer functions at once than there are workers, the image takes long to load,"
        " or workers can't reach SQS and S3 (in a VPC: through a NAT gateway or endpoints). The function's log in"
        " CloudWatch says more.",
        late_remedy="Ask AWS for a higher quota of concurrent executions, or use fewer workers (--workers) with more"
        " memory; let hooks wait inside functions, not at import.",
    )


async def play(
    settled: Settled, screen: Screen, inbox: Inbox, *, image: str | None, keep: Keep = nobody
) -> int:
    """Have everything stand in AWS, run the test there, and give the exit code."""
    options, test, bundle = settled.options, settled.test, settled.bundle
    screen.show("Preparing AWS Lambda function...")
    screen.show(bundle_table(bundle.files, bundle.packages))
    async with AsyncExitStack() as stack:
        reach = Reach(
            aws=await heeding(inbox, asyncio.to_thread(Aws, options.region)),
            call=Threads(),
            warn=lambda text: screen.warn(plain_lines(f"Warning: {text}")),
        )
        desired = await heeding(inbox, _desired(settled, reach, image))
        standing = await heeding(inbox, stack.enter_async_context(provisioned(reach, desired)))
        await heeding(inbox, upload(reach, standing.bucket, bundle.digest, bundle.archive, now=time.time()))
        screen.show(_standing_lines(standing) + "\n")
        ground = Ground(
            run_id=test.run_id,
            region=options.region,
            bucket=standing.bucket,
            queue_url=standing.queue_url,
            bundle_digest=bundle.digest,
            workers=test.workers,
            processes=settled.processes,
            timeout=options.timeout,
            limits=settled.limits,
        )
        began = time.monotonic()
        workers = await stack.enter_async_context(Lambda(AwsCloud(reach, standing), ground))

        def dollars() -> float:
            seconds = (time.monotonic() - began) * test.workers
            memory, architecture = options.memory_size, options.architecture
            return cost(memory=memory, seconds=seconds, architecture=architecture, region=options.region)

        def facts() -> dict[str, object]:
            return {**_facts(settled, desired.function), "costUsd": round(dollars(), 4)}

        stage = Stage(workers, screen, inbox, time.time, announced=True, facts=facts, keep=keep)
        code = await tell(test, stage)
        screen.show("\n" + cost_line(dollars()))
        return code


def _facts(settled: Settled, function: FunctionSettings) -> dict[str, object]:
    """Give what a report tells of the workers and their place."""
    options = settled.options
    return {
        "command": command_line(options),
        "copies": settled.test.copies,
        "region": options.region,
        "memorySize": options.memory_size,
        "architecture": options.architecture,
        "image": function.image,
        "function": function.name(options.prefix),
        "processes": settled.processes,
        "emulated": options.emulate is not None,
    }


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


async def _desired(settled: Settled, reach: Reach, image: str | None) -> Desired:
    """Say what must stand; GrapeshotError when the account or the image can't serve."""
    options, test = settled.options, settled.test
    caller = await reach.call(reach.aws.caller)
    site = Site(account=caller.account, region=options.region, prefix=options.prefix)
    await _check_concurrency(reach, test.workers)
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


def _contents(test: Test, environ: Mapping[str, str]) -> Contents:
    options = test.options
    variables, _ = with_dotenv(options.dotenv, {}, read_text=_read)
    return Contents(
        source=test.script.source,
        read_from=tuple(filter(None, (options.script, *options.inputs, options.config))),
        processor=test.script.processor,
        # What is set here wins over the file, as in a run on this machine.
        environment={name: environ.get(name, value) for name, value in variables.items()},
    )


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
