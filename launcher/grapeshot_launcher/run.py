"""The story of a run: the script, `before`, the load, `after`, the report, the verdict.

Leaves to others: every chapter of it.

What was measured outlives what goes wrong around it: when the person stops the run, when workers are lost, or when
`after` fails, the report is still made, and marked for what it is. What `before` has set up, `after` takes down: it
runs once `before` is done, whatever becomes of the load, unless the place of the workers fails.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from grapeshot_launcher.conduct import assemble, conduct_load, conduct_section
from grapeshot_launcher.crew import Crew, Inbox
from grapeshot_launcher.errors import Interrupted, WorkerFailed, noted, told
from grapeshot_launcher.options import RunOptions
from grapeshot_launcher.options.again import command_line
from grapeshot_launcher.origin import origin
from grapeshot_launcher.platforms import Platform
from grapeshot_launcher.platforms.processes import Processes, usable_cpus
from grapeshot_launcher.prepare import Test, prepare
from grapeshot_launcher.publish import live_report, make_refusal, make_report, publish, publish_refusal
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.settle import settle
from grapeshot_launcher.signals import listening
from grapeshot_launcher.views.console import plain, plain_lines, run_id_line
from grapeshot_launcher.views.plan import plan_line, plan_table, plural
from grapeshot_launcher.watch import Watch
from grapeshot_worker.errors import GrapeshotError

if TYPE_CHECKING:
    from grapeshot_launcher.serve import LivePage

AFTER_STOP = 30.0  # s for `after` when the run was stopped or refused: somebody waits for its end


def nobody(report: Report) -> None:
    """Keep no report."""


Keep = Callable[[Report], object]


def run(
    options: RunOptions,
    *,
    environ: Mapping[str, str],
    leave: Callable[[int], object] | None,
    keep: Keep = nobody,
) -> int:
    """Run a script on this machine and give the exit code; `leave` ends the process at once (None: never).

    `keep` gets the report. Raises ScriptError and other GrapeshotErrors for what prevents the run.
    """
    test = prepare(options, environ=environ, now=datetime.now().astimezone(), cpus=usable_cpus())

    platform = Processes(test.environ)

    async def main(screen: Screen, page: LivePage | None) -> int:
        def leave_nothing(code: int) -> None:
            assert leave is not None
            platform.kill_all()
            screen.still()
            leave(code)

        inbox: Inbox = asyncio.Queue()
        with listening(inbox, leave=leave_nothing if leave else None):
            facts = {"command": command_line(options), **origin(environ)}
            kept, live = shown_live(keep, page)
            stage = Stage(platform, screen, inbox, time.time, facts=lambda: facts, keep=kept, live=live)
            return await tell(test, stage)

    with ExitStack() as stack:
        screen = stack.enter_context(Screen(sys.stdout, sys.stderr, quiet=options.quiet))
        page = live_page(test, stack, screen)
        return asyncio.run(main(screen, page))


def live_page(test: Test, stack: ExitStack, screen: Screen) -> LivePage | None:
    """Serve the live page of a run until the stack is left, if one is asked for, and say where."""
    if not (test.options.serve or test.options.serve_port):
        return None
    from grapeshot_launcher.serve import LivePage  # late: it brings Jinja2

    page = stack.enter_context(LivePage(test.options.serve_port or 0))
    now = time.time()
    page.show(partial(live_report, test, started=now, now=now, facts={}))
    screen.say(f"Live page: {page.url}")
    return page


def shown_live(
    keep: Keep, page: LivePage | None
) -> tuple[Keep, Callable[[Callable[[], Report]], object] | None]:
    """Give who keeps the report, and who gets it while it grows; with a live page, it is among the first."""
    if page is None:
        return keep, None

    def both(report: Report) -> None:
        page.finish(report)
        keep(report)

    return both, page.show


def check(options: RunOptions, *, environ: Mapping[str, str]) -> int:
    """Print the problems of a script and what it would do; ScriptError when it could not run.

    One worker is made ready and dismissed: only so it is known that the author's functions can be loaded.
    """
    test = prepare(options, environ=environ, now=datetime.now().astimezone(), cpus=usable_cpus())
    screen = Screen(sys.stdout, sys.stderr)
    _warn(test, screen)
    asyncio.run(rehearse(test, Stage(Processes(test.environ), screen, asyncio.Queue(), time.time)))
    found = len(test.warnings)
    warnings = plural(found, "warning")
    screen.say(f"{options.script}: " + (f"it runs, with {warnings}." if found else "no problems found."))
    screen.say(plain_lines(plan_table(test.script, test.plan, workers=test.workers)))
    return 0


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run plays on: where workers run, where text goes, what is heard; `clock` gives epoch seconds.

    `announced`: what comes first was told already, before the workers' place was made ready. `facts` is asked at the
    end for what the report tells of the place; `keep` gets the report as it is published. `live` gets, for each period,
    how a report of the load so far is made.
    """

    platform: Platform
    screen: Screen
    inbox: Inbox
    clock: Callable[[], float]
    announced: bool = False
    facts: Callable[[], Mapping[str, Any]] = dict
    keep: Keep = nobody
    live: Callable[[Callable[[], Report]], object] | None = None


async def rehearse(test: Test, stage: Stage) -> None:
    """Make one worker ready and let it go; WorkerFailed says why it can't be."""
    async with Crew(stage.platform, test.assignments("load", {})[:1], stage.inbox) as crew:
        await assemble(crew, Watch(test, stage.screen, stage.platform.limits), clock=stage.clock)


async def tell(test: Test, stage: Stage) -> int:
    """Run a prepared test on a stage, and give the exit code."""
    if not stage.announced:
        announce(test, stage.screen)
    watch = _watch(test, stage)
    variables = await _section("before", test, stage, watch, {}) if test.script.before else {}
    began = stage.clock()
    relay = [test.assignments("load", variables, generation=each) for each in range(len(test.windows))]
    try:
        async with Crew(stage.platform, relay[0], stage.inbox) as crew:
            load = await conduct_load(crew, watch, clock=stage.clock, relay=relay[1:])
    except Interrupted:
        await _after_all(test, stage, watch, variables)
        raise
    except WorkerFailed as error:  # none was ready to make load; what fails later is in `load`
        refused = make_refusal(
            test, error, watch.collector, started=began, ended=stage.clock(), facts=stage.facts()
        )
        stage.keep(refused)
        publish_refusal(refused, stage.screen, file=test.report)
        await _after_all(test, stage, watch, variables)
        raise
    ended = stage.clock()
    started = [each for generation in relay[: watch.collector.generations] for each in generation]
    await settle(watch.collector, stage.platform, started)
    watch.over(ended, stopped=load.stopped_by is not None)
    failure = load.broken
    if test.script.after and load.stopped_by is None and failure is None:
        try:
            await _section("after", test, stage, watch, variables)
        except GrapeshotError as error:
            failure = error
    report = make_report(
        test,
        load,
        watch.collector,
        started=watch.start or began,
        ended=ended,
        facts=stage.facts(),
        clocks=stage.platform.clocks(),
    )
    try:
        stage.keep(report)
        publish(report, stage.screen, file=test.report)
    finally:
        if load.broken is not None and test.script.after:
            stage.screen.warn("`after` was not run: the place of the workers can't be reached.")
        elif (
            load.stopped_by is not None
        ):  # whoever stops a job waits for seconds only: the report comes first
            await _after_all(test, stage, watch, variables)
    if failure is not None:
        if failure is not load.broken:  # which was told when it happened
            stage.screen.warn(plain_lines(told(failure)))
        return report.verdict.exit_code or failure.exit_code
    return report.verdict.exit_code


def _watch(test: Test, stage: Stage) -> Watch:
    """Make the load's audience; with a live page, it hands over each period how the report so far is made."""

    def look(now: float) -> None:
        if stage.live is None or watch.start is None:
            return
        heard = watch.collector
        make = partial(
            live_report, test, periods=heard.periods(), tallies=heard.tallies(), facts=stage.facts()
        )
        stage.live(partial(make, started=watch.start, now=now))

    watch = Watch(test, stage.screen, stage.platform.limits, look=look)
    return watch


async def _after_all(test: Test, stage: Stage, watch: Watch, variables: Mapping[str, Any]) -> None:
    """Run `after` of a run that was stopped or refused, in AFTER_STOP seconds; its own fault is only told."""
    if not test.script.after:
        return
    stage.screen.show(f"Running `after`, for at most {AFTER_STOP:.0f} s.")
    try:
        async with asyncio.timeout(AFTER_STOP):
            await _section("after", test, stage, watch, variables)
    except TimeoutError:
        stage.screen.warn(f"`after` was not done after {AFTER_STOP:.0f} s, and was ended.")
    except GrapeshotError as error:
        stage.screen.warn(plain_lines(told(error)))


async def _section(
    part: Literal["before", "after"], test: Test, stage: Stage, watch: Watch, variables: Mapping[str, Any]
) -> dict[str, Any]:
    async with Crew(stage.platform, test.assignments(part, variables), stage.inbox) as crew:
        return await conduct_section(part, crew, watch, clock=stage.clock)


def announce(test: Test, screen: Screen) -> None:
    """Print what comes first: the run's id, what the author should know, the plan."""
    screen.say(run_id_line(test.run_id))
    if test.options.name:
        screen.show(f"Name: {plain(test.options.name)}")
    _warn(test, screen)
    screen.show(plan_line(test.plan, workers=test.workers, copies=test.copies) + "\n")


def _warn(test: Test, screen: Screen) -> None:
    for problem in test.warnings:
        screen.warn(plain_lines(noted(problem)))
