"""The life of one engine process: an assignment comes in, messages go out.

Leaves to others: pipes and signals (__main__), the load itself (traffic), starting processes (processes).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grapeshot_worker
from grapeshot_worker.arrivals import arrivals, duration, planned
from grapeshot_worker.errors import MORE_MEMORY, Exit, GrapeshotError, ScriptError, StepError
from grapeshot_worker.messages import (
    Control,
    Facts,
    Failed,
    Finished,
    Go,
    Message,
    Progress,
    Ready,
    Stop,
    Tally,
)
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.recorder import Recorder
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.plan import Assignment, Plan, Window
from grapeshot_worker.script.model import TestScript
from grapeshot_worker.script.parse import parse_script
from grapeshot_worker.script.payload import Drawer
from grapeshot_worker.traffic.hooks import Hooks, load_module
from grapeshot_worker.traffic.notices import Notices, Results
from grapeshot_worker.traffic.runner import Runner, run_once
from grapeshot_worker.traffic.user import Engine
from grapeshot_worker.traffic.users import Cast, base_variables
from grapeshot_worker.traffic.wire.connection import Connector
from grapeshot_worker.traffic.wire.pool import SharedPool
from grapeshot_worker.usage import Usage, peak_memory

clock = time.perf_counter


class Session:
    """Carries out one assignment. `send` takes messages; `controls` gives Go and Stop, None when the parent is gone."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        send: Callable[[Message], None],
        controls: asyncio.Queue[Control | None],
        environ: Mapping[str, str],
        print_line: Callable[[str], None],
    ) -> None:
        self._assignment = assignment
        self._send = send
        self._controls = controls
        self._environ = environ
        self._print = print_line
        self._sequence = 0
        self._stopped = asyncio.Event()
        self._lag = Sketch()
        self._usage = Usage(clock, time.process_time)

    async def run(self) -> None:
        """Do the part; every fault becomes one Failed message."""
        try:
            script, engine, cast = self._prepare()
            try:
                if self._assignment.part == "load":
                    await self._load(script, engine, cast)
                else:
                    await self._section(script, cast)
            finally:
                if engine.pool is not None:
                    engine.pool.close()
        except ScriptError as error:
            problems = "\nError: ".join(str(p) for p in error.problems if p.severity == "error")
            self._fail(GrapeshotError(problems, exit_code=error.exit_code))
        except GrapeshotError as error:
            self._fail(error)
        except MemoryError as error:
            self._fail(_out_of_memory(error))

    # ---- the parts ----

    async def _load(self, script: TestScript, engine: Engine, cast: Cast) -> None:
        plan, share = Plan(script.phases, self._assignment.seed), self._assignment.share
        window = self._assignment.window
        mine = planned(plan, share, window)
        runner = Runner(
            cast, arrivals(plan, share, window), planned=mine, phases=script.phases, share=share, clock=clock
        )
        self._send(Ready(**self._stamp(), planned=mine))
        start = await self._start_moment()
        if start is None:
            self._finish(engine, runner)
            return
        self._usage = Usage(clock, time.process_time)
        load = asyncio.create_task(runner.run(start))
        watch = asyncio.create_task(self._watch(runner))
        report = asyncio.create_task(self._report(engine, runner))
        try:
            await load
        except MemoryError:
            self._send_progress(engine, runner)  # what was measured is no less true
            raise
        else:
            # The reference's last phase lasts to its end too, be it a pause.
            await self._until(start + min(duration(plan), window.end))
        finally:
            watch.cancel()
            report.cancel()
        self._finish(engine, runner)

    async def _section(self, script: TestScript, cast: Cast) -> None:
        part = self._assignment.part
        section = script.before if part == "before" else script.after
        variables: dict[str, Any] = {}
        self._send(Ready(**self._stamp(), planned=0))
        if section is not None and await self._start_moment() is not None:
            try:
                variables = await self._until_stopped(run_once(cast.once(section)))
            except StepError as error:
                raise GrapeshotError(
                    f"The `{part}` section failed: {error.name}",
                    cause="One of its steps ended in an error.",
                    remedy="Run its requests by hand against the target; no load is started when `before` fails.",
                    exit_code=Exit.FAILED,
                ) from error
        captured = {k: v for k, v in variables.items() if k not in cast.engine.base}
        self._send(Finished(**self._stamp(), periods=(), tally=Tally(), facts=Facts(), variables=captured))

    # ---- what they are made of ----

    def _prepare(self) -> tuple[TestScript, Engine, Cast]:
        assignment = self._assignment
        share = assignment.share
        rng = random.Random(f"{assignment.seed}/{assignment.generation}/{share.index}/{share.count}")
        script = parse_script(assignment.source, rng=rng, environ=self._environ, read_text=_read_text)
        namespace = script.plugins.endpoints.namespace if script.plugins.endpoints else ""
        # One reading of both clocks: a step of the wall clock during the run moves no measurement.
        recorder = Recorder(clock, epoch=time.time() - clock(), endpoint_namespace=namespace)
        module = load_module(script.processor) if script.processor else None
        notices = Notices(self._print)
        connector = Connector(script.http, environ=self._environ, directory=script.source.directory)
        engine = Engine(
            script=script,
            recorder=recorder,
            connector=connector,
            pool=SharedPool(connector, script.http.pool) if script.http.pool else None,
            hooks=Hooks(module, recorder, notices),
            rng=rng,
            clock=clock,
            print_line=self._print,
            notices=notices,
            results=Results(self._print, clock),
            base={**base_variables(script, self._environ), **assignment.variables},
        )
        # One draw for each arrival: those before the window were drawn by an earlier generation.
        earlier = Window(0.0, assignment.window.start)
        drawn = planned(Plan(script.phases, assignment.seed), share, earlier)
        stripes = [(p, assignment.process if p.every_worker else share) for p in script.payloads]
        drawers = [Drawer(p, stripe.index, stripe.count, rng, drawn=drawn) for p, stripe in stripes]
        return script, engine, Cast(engine, drawers)

    async def _start_moment(self) -> float | None:
        """Wait for Go and give its moment on this process's clock; None for a Stop or a parent that is gone."""
        control = await self._controls.get()
        if not isinstance(control, Go):
            return None
        return clock() + (control.start_at - time.time())

    async def _watch(self, runner: Runner) -> None:
        while True:
            control = await self._controls.get()
            if control is None or isinstance(control, Stop):
                self._stopped.set()
                runner.stop()
                return

    async def _until(self, moment: float) -> None:
        """Wait for a moment of this process's clock, or for the stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(moment - clock()):
                await self._stopped.wait()

    async def _until_stopped(self, section: Any) -> dict[str, Any]:
        work = asyncio.ensure_future(section)
        stop = asyncio.ensure_future(self._controls.get())
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not work.done():
            work.cancel()
            return {}
        variables: dict[str, Any] = await work
        return variables

    async def _report(self, engine: Engine, runner: Runner) -> None:
        while True:
            await asyncio.sleep(self._assignment.flush_interval)
            self._usage.sample()
            self._send_progress(engine, runner)
            sys.stdout.flush()

    def _send_progress(self, engine: Engine, runner: Runner) -> None:
        at = engine.recorder.now()
        tally = runner.counts.tally(active=runner.active, ended=False)
        self._send(Progress(**self._stamp(), periods=self._flush(engine), tally=tally, at=at))

    def _finish(self, engine: Engine, runner: Runner) -> None:
        self._usage.sample()
        engine.results.close()
        periods = self._flush(engine)
        tally = runner.counts.tally(active=0, ended=True)
        facts = self._facts(runner.counts.out_of_files)
        self._send(Finished(**self._stamp(), periods=periods, tally=tally, facts=facts))

    def _facts(self, out_of_files: int) -> Facts:
        return Facts(
            pid=os.getpid(),
            cpu=round(self._usage.mean, 3),
            busiest_cpu=round(self._usage.busiest, 3),
            lag_p99=round(self._lag.quantile(0.99), 3) if self._lag.count else 0.0,
            lag_max=round(self._lag.max, 3),
            peak_memory=peak_memory(),
            open_files_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            out_of_files=out_of_files,
            python=platform.python_version(),
            version=grapeshot_worker.__version__,
        )

    def _flush(self, engine: Engine) -> tuple[Period, ...]:
        periods = engine.recorder.flush()
        for period in periods:
            lag = period.sketches.get("vusers.start_lag")
            if lag is not None:
                self._lag = self._lag.merge(lag)
        return periods

    def _fail(self, error: GrapeshotError) -> None:
        code = error.exit_code
        self._send(
            Failed(
                **self._stamp(), message=error.message, cause=error.cause, remedy=error.remedy, exit_code=code
            )
        )

    def _stamp(self) -> dict[str, Any]:
        self._sequence += 1
        a = self._assignment
        return {
            "run_id": a.run_id,
            "generation": a.generation,
            "index": a.share.index,
            "sequence": self._sequence,
        }


def _out_of_memory(error: MemoryError) -> GrapeshotError:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return GrapeshotError(
        f"An engine process ran out of memory{where}.",
        cause="A function of the script, a response or a CSV file takes more than there is.",
        remedy=MORE_MEMORY,
        exit_code=Exit.WORKER,
    )


def _read_text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
