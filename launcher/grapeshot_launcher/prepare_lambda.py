"""A run from AWS Lambda before AWS is touched: the test, its archive, its workers, and how long they may take.

Leaves to others: the test itself (prepare), how many workers (sizing), AWS and the load (run_lambda).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import add

from grapeshot_launcher.bundle import Bundle, Contents, make_bundle
from grapeshot_launcher.bundle.wheels import Machine, pip_download
from grapeshot_launcher.cloud.resources import Site, site_problems, vcpus
from grapeshot_launcher.cloud.tags import parse_tags
from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.options import LambdaOptions
from grapeshot_launcher.platforms import Limits
from grapeshot_launcher.platforms.lambda_ import flush_interval
from grapeshot_launcher.prepare import WHOLE, Test, prepare
from grapeshot_launcher.relay import windows_of
from grapeshot_launcher.results.cost import Estimate, Tariff, estimate
from grapeshot_launcher.results.regions import workers_in
from grapeshot_launcher.sizing import size, user_weight
from grapeshot_launcher.views.plan import number, plural
from grapeshot_worker.arrivals import duration
from grapeshot_worker.plan import Window
from grapeshot_worker.script.load import with_dotenv

READY, READY_IN_VPC = 120.0, 240.0  # s for cold starts, and for network interfaces
START_DELAY = 4.0  # s from Go to the start: every worker looks at the record once a second
KEPT = 60.0  # s of a worker's time for its start and its end
LEAD = 90.0  # s that a generation of workers is started before its window
TAIL = (
    120.0  # s of its time after its window, for users that are still under way; the worker keeps 15 s of them
)
SHORTEST = 300  # s of a worker's time that a load of several generations takes at least
MARGIN = 20.0  # s of that for the end: the last users, the last messages
SILENCE = 60.0  # s
STOP = (
    5.0  # s for a last word after a stop: a cancelled job has ten in all, and what is late lies in the bucket
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A run from Lambda that can begin: the test, its archive, what was asked for, why so many workers."""

    options: LambdaOptions
    test: Test
    bundle: Bundle
    limits: Limits
    tags: Mapping[str, str]
    estimate: Estimate
    why: str = ""

    @property
    def processes(self) -> int:
        """Engine processes in a worker: one for each vCPU."""
        return vcpus(self.options.memory_size)


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
    _check_regions(options)
    test = prepare(options.run, environ=environ, now=now, cpus=1)
    test = replace(test, windows=cut_for(options, duration(test.plan)))
    limits = limits_of(options, duration(test.plan))
    why = ""
    if options.count is not None:
        test = replace(test, workers=options.count, copies=True)
    elif options.run.workers is None:
        sizing = size(test.script, test.plan, processes=vcpus(options.memory_size))
        test, why = replace(test, workers=sizing.workers), sizing.why
        if sizing.workers < len(options.regions) <= test.users:
            test, why = replace(test, workers=len(options.regions)), f"{len(options.regions)} regions"
    if test.workers < len(options.regions):
        raise SettingsRefused(
            f"The run has {plural(test.workers, 'worker')} for {len(options.regions)} regions.",
            cause="Each region needs a worker of its own, and each worker that shares the load a user.",
            remedy="Name fewer regions (--region), or use more workers (--workers, --count).",
        )
    test = replace(test, regions=options.regions)
    expected = _estimate(options, test, limits)
    made_for = machine() if machine else Machine(options.architecture)
    bundle = make_bundle(_contents(test, environ), made_for, download=pip_download(environ))
    script = replace(test.script, warnings=(*test.script.warnings, *bundle.warnings))
    return Settled(
        options=options,
        test=replace(test, script=script),
        bundle=bundle,
        limits=limits,
        tags=tags,
        estimate=expected,
        why=why,
    )


def _check_regions(options: LambdaOptions) -> None:
    """Refuse regions that can't be, or not together."""
    sites = [Site(account="0" * 12, region=each, prefix=options.prefix) for each in options.regions]
    problems = dict.fromkeys(problem for site in sites for problem in site_problems(site))
    if len({site.partition for site in sites}) > 1:
        problems[
            "the regions belong to different partitions of AWS, whose accounts have nothing in common"
        ] = None
    if options.subnet_ids and len(sites) > 1:
        problems["--subnet-ids: a subnet is in one region, so a run in a VPC has one region (--region)"] = (
            None
        )
    if problems:
        raise SettingsRefused("\n".join(problems))


def tariff(options: LambdaOptions, workers: int, *, region: str) -> Tariff:
    """Say what the workers of a run are charged by in a region; `workers` are those of all regions."""
    return Tariff(
        region=region,
        architecture=options.architecture,
        memory=options.memory_size,
        flush_interval=flush_interval(workers),
    )


def _estimate(options: LambdaOptions, test: Test, limits: Limits) -> Estimate:
    """Estimate what a run will cost; SettingsRefused when that is more than it may."""
    _, user = user_weight(test.script.scenarios)
    sections = [part for part in (test.script.before, test.script.after) if part]
    in_each = [
        estimate(
            tariff(options, test.workers, region=region),
            workers=workers,
            sections=len(sections) if region == options.region else 0,
            windows=[min(each.end, duration(test.plan)) - each.start for each in test.windows],
            user=user,
            delay=limits.start_delay,
            lead=limits.lead,
            timeout=options.timeout,
        )
        for region, workers in workers_in(options.regions, test.workers).items()
    ]
    expected = reduce(add, in_each)
    if options.max_cost is not None and expected.expected > options.max_cost:
        raise SettingsRefused(
            f"The run is expected to cost {_dollars(expected.expected)};"
            f" --max-cost allows {_dollars(options.max_cost)}.",
            cause=f"It has {plural(test.workers, 'worker')} of {options.memory_size} MB, for phases of"
            f" {number(duration(test.plan))} s.",
            remedy="Use fewer workers (--workers, --count) or less memory (--memory-size), shorten the phases, or"
            " raise --max-cost.",
        )
    return expected


def _dollars(value: float) -> str:
    """Write dollars with four decimals at most, less than one with four digits, and never with an exponent.

    >>> _dollars(1.0), _dollars(1200.0), _dollars(1.23456), _dollars(0.000001234567), _dollars(1e-06), _dollars(0.0)
    ('$1', '$1200', '$1.2346', '$0.000001235', '$0.000001', '$0')
    """
    rounded = f"{value:.4f}" if value >= 1 else f"{value:.3e}"
    return f"${Decimal(rounded).normalize():f}"


def cut_for(options: LambdaOptions, seconds: float) -> tuple[Window, ...]:
    """Cut a load of so many seconds into windows that workers live through; SettingsRefused when they live too short.

    A load that fits into one worker's time stays whole.
    """
    longest = options.timeout - KEPT
    if seconds <= longest:
        return (WHOLE,)
    if options.timeout < SHORTEST:
        raise SettingsRefused(
            f"The script's phases last {number(seconds)} s, which is too long for workers that live"
            f" {options.timeout} s.",
            cause=f"Of a worker's time (--timeout) {number(KEPT)} s are kept for its start and its end; to be relieved"
            f" by others it must live {SHORTEST} s or more.",
            remedy=f"Raise --timeout (900 at most), or shorten the phases to {number(max(longest, 0.0))} s.",
        )
    return windows_of(seconds, lifetime=options.timeout, lead=LEAD, tail=TAIL)


def limits_of(options: LambdaOptions, seconds: float) -> Limits:
    """Give the limits of workers of a load of so many seconds; SettingsRefused when they live too short for it.

    A worker's time runs from its start. What it needs to get ready must leave enough for its window of the load.
    """
    windows = cut_for(options, seconds)
    ready = READY_IN_VPC if options.subnet_ids else READY
    kept = MARGIN if len(windows) == 1 else TAIL
    return Limits(
        ready=min(ready, options.timeout - seconds / len(windows) - START_DELAY - kept),
        lead=LEAD,
        silence=SILENCE,
        stop=STOP,
        start_delay=START_DELAY,
        late_cause="The account may run fewer functions at once than there are workers, the image takes long to load,"
        " or workers can't reach SQS and S3 (in a VPC: through a NAT gateway or endpoints). The function's log in"
        " CloudWatch says more.",
        late_remedy="Ask AWS for a higher quota of concurrent executions, or use fewer workers (--workers) with more"
        " memory; let hooks wait inside functions, not at import.",
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
