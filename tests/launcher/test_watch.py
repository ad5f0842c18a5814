"""What the launcher says of a load as it goes, moment by moment: here, whether its own checks have to end it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grapeshot_launcher.options import RunOptions
from grapeshot_launcher.platforms import Limits
from grapeshot_launcher.prepare import prepare
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.watch import Watch
from grapeshot_worker.messages import Progress, Tally
from grapeshot_worker.metrics.period import Period

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
START = 1_795_435_200  # epoch s, on a period's boundary
LABEL = "vusers.failed < 5"
SCRIPT = f"""
config:
  target: http://127.0.0.1:9
  phases: [{{duration: 60, arrivalRate: 4}}]
  plugins: {{ensure: {{conditions: [{{expression: {LABEL}, abortOnFail: true}}]}}}}
scenarios: [{{flow: [{{get: {{url: /}}}}]}}]
"""


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A load of one worker that starts at START."""
    path = tmp_path / "script.yml"
    path.write_text(SCRIPT, encoding="utf-8")
    options = RunOptions(script=str(path), workers=1)
    test = prepare(options, environ={"ARTILLERY_TEST_RUN_ID": "t1"}, now=NOON, cpus=2)
    watching = Watch(test, Screen(io.StringIO(), io.StringIO()), Limits())
    watching.started(START)
    return watching


def said(second: int, *failed: tuple[int, int]) -> Progress:
    """What the worker says at a second: users that failed, each with the window's beginning before it."""
    periods = tuple(Period(start=(START + s) * 1000, counters={"vusers.failed": n}) for s, n in failed)
    return Progress(
        run_id="t1", generation=0, index=0, sequence=second, periods=periods, tally=Tally(), at=START + second
    )


def test_a_period_that_still_fills_ends_nothing(watch: Watch) -> None:
    """Whatever is in it: the load ends when the worker has reported past the period's end."""
    watch.heard(said(9, (0, 9)), START + 9.0)
    before = watch.tick(START + 9.5)
    watch.heard(said(11), START + 11.0)
    abort = watch.tick(START + 11.5)

    assert before is None
    assert abort is not None
    assert (abort.found, abort.after) == (f"{LABEL} (vusers.failed = 9)", 11.5)


def test_what_comes_late_for_a_period_ends_nothing(watch: Watch) -> None:
    """It is in the final numbers, and in no evaluation under way; neither is a window that comes after a later one."""
    watch.heard(said(21, (10, 1)), START + 21.0)
    first = watch.tick(START + 21.5)
    watch.heard(said(22, (10, 50), (0, 50)), START + 22.0)
    watch.heard(said(31, (20, 1)), START + 31.0)
    second = watch.tick(START + 31.5)

    assert first is second is None
    assert sum(period.counters.get("vusers.failed", 0) for period in watch.collector.periods()) == 102


def test_what_is_due_at_the_end_ends_nothing(watch: Watch) -> None:
    """The last periods are shown when all workers have gone; their checks are the report's."""
    watch.heard(said(5, (0, 9)), START + 5.0)
    watch.over(START + 6.0, stopped=False)

    assert watch.tick(START + 20.0) is None
