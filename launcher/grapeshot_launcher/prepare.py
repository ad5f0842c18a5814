"""What is settled before a run: its id, its script, its plan, its workers, and where its report goes.

Leaves to others: what a script means (the worker's `script`), doing any of it (run).

All of this fails, if it does, before any load is made and before any process is started.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from grapeshot_launcher.errors import BaselineRefused, OutputRefused, SettingsRefused
from grapeshot_launcher.options import RunOptions
from grapeshot_launcher.results.earlier import EarlierRun, read_earlier
from grapeshot_launcher.results.redacted import redacted_script
from grapeshot_worker.arrivals import planned
from grapeshot_worker.errors import Problem
from grapeshot_worker.languages import fault_finder
from grapeshot_worker.plan import Assignment, Part, Plan, Share, Window
from grapeshot_worker.script.expression import expression_problem
from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script, with_dotenv
from grapeshot_worker.script.model import Check, TestScript
from grapeshot_worker.script.parse import parse_script

RUN_ID_LETTERS = "3456789abcdefghjkmnpqrtwxyz"  # no two of them look alike
RUN_ID_LENGTHS = (4, 29, 4)
WHOLE = Window()


@dataclass(frozen=True, kw_only=True, slots=True)
class Test:
    """A run that can begin. `environ` is what its workers get; `workers` how many there are.

    Workers that are `copies` make the whole plan each, else they share it.
    """

    __test__ = False  # not a test class of pytest

    options: RunOptions
    run_id: str
    script: TestScript
    plan: Plan
    users: int
    workers: int
    environ: Mapping[str, str]
    report: Path | None
    copies: bool = False
    windows: tuple[Window, ...] = (WHOLE,)  # of the load, each for one generation of workers
    regions: tuple[str, ...] = ()  # of AWS where workers run, who take turns; none on one's own machine
    thresholds: tuple[Check, ...] = ()  # beyond the script's own checks
    baseline: EarlierRun | None = None  # to compare with
    shown: str | None = None  # the script's text for the report, without its secrets

    def assignments(
        self, part: Part, variables: Mapping[str, object], *, generation: int = 0
    ) -> list[Assignment]:
        """Give what each worker of a part is told; the sections around the load take one worker.

        Each generation of workers makes one window of the load.
        """
        count = self.workers if part == "load" else 1
        copies = self.copies and part == "load"
        return [
            Assignment(
                run_id=self.run_id,
                source=self.script.source,
                share=Share() if copies else Share(index, count),
                copy=index if copies else None,
                part=part,
                window=self.windows[generation] if part == "load" else Window(),
                generation=generation,
                variables=dict(variables),
            )
            for index in range(count)
        ]

    def planned(self, window: Window = WHOLE) -> dict[int, int]:
        """Count the users that the workers of each share are to start, in a window or the whole load."""
        return {
            each.index: planned(Plan(self.plan.phases, each.seed), each.share, window)
            for each in self.assignments("load", {})
        }

    @property
    def checks(self) -> tuple[Check, ...]:
        """What the run's metrics must satisfy: the script's checks, then those asked for beside it."""
        return (*(self.script.plugins.ensure or ()), *self.thresholds)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the author should know, although the script runs."""
        return self.script.warnings


def prepare(options: RunOptions, *, environ: Mapping[str, str], now: datetime, cpus: int) -> Test:
    """Read the script and settle the run.

    `cpus` is how many workers use the platform fully. Raises ScriptError with all problems of the script,
    SettingsRefused for thresholds that can't be read, BaselineRefused for an earlier report that can't, and
    OutputRefused when the report could not be written.
    """
    report = report_path(options.output, now)
    baseline = earlier_run(options.baseline)
    thresholds = threshold_checks(options.thresholds)
    run_id = environ.get("ARTILLERY_TEST_RUN_ID") or new_run_id(random.SystemRandom())
    rng = random.Random(run_id)
    source = load_script(
        _script_options(options, run_id), environ=environ, read_text=_read, functions=builtin_functions(rng)
    )
    everything, _ = with_dotenv(options.dotenv, environ, read_text=_read)
    fault = fault_finder(directory=source.directory, environ=everything)
    script = parse_script(source, rng=rng, environ=everything, read_text=_read, fault=fault)
    plan = Plan(script.phases, run_id)
    users = planned(plan)
    return Test(
        options=options,
        run_id=run_id,
        script=script,
        plan=plan,
        users=users,
        workers=worker_count(options.workers, cpus=cpus, users=users),
        environ=everything,
        report=report,
        thresholds=thresholds,
        baseline=baseline,
        shown=redacted_script(_read(options.script), options.script),
    )


def earlier_run(path: str | None) -> EarlierRun | None:
    """Read the report of `--baseline`; BaselineRefused when there is none, or it can't be understood."""
    if path is None:
        return None
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        cause = getattr(error, "strerror", None) or str(error)
        remedy = "Give --baseline a report that an earlier run wrote, or leave it out."
        raise BaselineRefused(
            f"The earlier report {path} can't be read", cause=cause, remedy=remedy
        ) from error
    return read_earlier(data, path)


def threshold_checks(expressions: Sequence[str]) -> tuple[Check, ...]:
    """Make strict checks of `--threshold` expressions; SettingsRefused names all that can't be read.

    >>> threshold_checks(["vusers.failed == 0"])[0].label
    'vusers.failed == 0'
    """
    found = ((text, expression_problem(text)) for text in expressions)
    if problems := [f"The threshold {text} can't be read: {problem}" for text, problem in found if problem]:
        raise SettingsRefused(
            "\n".join(problems),
            remedy="Write comparisons of metrics, such as: http.response_time.p99 < 200 and vusers.failed == 0.",
        )
    return tuple(Check(label=text, expression=text) for text in expressions)


def worker_count(asked: int | None, *, cpus: int, users: int) -> int:
    """Give the number of workers: as asked, else one for each CPU; but none without a user of its own.

    >>> worker_count(None, cpus=8, users=1000), worker_count(4, cpus=8, users=3), worker_count(9, cpus=8, users=0)
    (8, 3, 1)
    """
    return max(1, min(asked or cpus, users))


def new_run_id(rng: random.Random) -> str:
    """Make a run id in the reference's form: `t`, then 4, 29 and 4 letters."""
    return "t" + "_".join("".join(rng.choices(RUN_ID_LETTERS, k=length)) for length in RUN_ID_LENGTHS)


def report_path(output: str | None, now: datetime) -> Path | None:
    """Give the file of the report: a directory gets one named by the moment.

    Raises OutputRefused when the place does not exist or can't be written to: better now than after the load.
    """
    if output is None:
        return None
    path = Path(output)
    try:
        if path.is_dir():
            path = path / f"artillery_report_{now:%Y%m%d_%H%M%S}.json"
        if not path.parent.is_dir():
            remedy = "Create the directory, or change --output."
            raise OutputRefused(f"Path does not exist: {output}", remedy=remedy)
        _try_writing(path)
    except OSError as error:
        cause = error.strerror or str(error)
        remedy = "Change its permissions, or --output."
        raise OutputRefused(f"The report can't be written to {path}", cause=cause, remedy=remedy) from error
    return path


def _try_writing(path: Path) -> None:
    """Open the file as it will be opened, and leave no trace: permissions tell less than half of what can fail."""
    existed = path.exists()
    with path.open("ab"):
        pass
    if not existed:
        path.unlink()


def _script_options(options: RunOptions, run_id: str) -> ScriptOptions:
    return ScriptOptions(
        script=options.script,
        inputs=options.inputs,
        config=options.config,
        environment=options.environment,
        target=options.target,
        insecure=options.insecure,
        payload=options.payload,
        variables=options.variables,
        overrides=options.overrides,
        dotenv=options.dotenv,
        solo=options.solo,
        scenario_name=options.scenario_name,
        test_id=run_id,
    )


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
