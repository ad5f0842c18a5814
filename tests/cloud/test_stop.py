"""`grapeshot stop` beside a run of the command: two processes that have nothing in common but the account."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto")

from command_runs import PAUSE, asked, loaded, served
from enforced_account import Account, Caller, enforced
from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.policy import policy_text
from grapeshot_launcher.options import StopOptions
from grapeshot_launcher.stop import stop
from target import Target

pytestmark = pytest.mark.timeout(120)  # whole runs


@pytest.fixture
def account() -> Iterator[Account]:
    with enforced() as running:
        yield running


def stopped_here(account: Account, caller: Caller, run_id: str) -> list[tuple[float, str]]:
    """Carry the command out in this process, and give what it said, and when."""
    said: list[tuple[float, str]] = []
    with pytest.MonkeyPatch.context() as environ:
        for name, value in account.aws.environ.items():
            environ.setenv(name, value)
        aws = Aws(account.aws.region, session=account.session(caller))
        options = StopOptions(run_id=run_id, region=account.aws.region)
        assert stop(options, say=lambda text: said.append((time.monotonic(), text)), aws=aws) == 0
    return said


def test_a_run_is_stopped_from_another_machine(account: Account, target: Target, tmp_path: Path) -> None:
    """No request is sent 3 s after the word; the report is marked, the things are gone; and the policy is enough."""
    runner = account.caller("runner", policy_text(account=account.number))
    with loaded(account, runner, target, tmp_path, "t-stop") as process:
        wrong = asked(account, runner, "stop", "t-stob")
        said = stopped_here(account, runner, "t-stop")
        PAUSE.wait(max(0.0, said[0][0] + 3.0 - time.monotonic()))
        after = served(target)
        out, err = process.communicate(timeout=60)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    late = asked(account, runner, "stop", "t-stop")

    assert wrong.returncode == 1
    assert "There is no run t-stob in us-east-1" in wrong.stderr
    assert "Running there now: t-stop." in wrong.stderr
    assert [text for _, text in said] == [
        "Run t-stop was asked to stop.",
        "Its workers are told to stop; its launcher reports what was measured.",
    ]
    assert process.returncode == 130, err
    assert served(target) == after
    assert "Verdict: stopped" in out
    assert "stopped from another machine (grapeshot stop)" in out
    assert report["grapeshot"]["verdict"] == "stopped"
    assert report["grapeshot"]["books"]["lost"] == 0
    assert report["grapeshot"]["books"]["started"] == report["aggregate"]["counters"]["vusers.created"]
    assert account.left("t-stop") == []
    assert late.returncode == 1
    assert "Run t-stop is over already." in late.stderr
    assert "No run is running there now." in late.stderr


def test_a_run_whose_launcher_is_gone_cannot_be_asked(
    account: Account, target: Target, tmp_path: Path
) -> None:
    """The command says so in time, and what to do."""
    runner = account.caller("runner", policy_text(account=account.number))
    with loaded(account, runner, target, tmp_path, "t-gone") as process:
        process.kill()
        process.wait()
    unheard = asked(account, runner, "stop", "t-gone")

    assert unheard.returncode == 1
    assert "has not answered within 15 s" in unheard.stderr
    assert "stop by themselves within 60 s" in unheard.stderr
