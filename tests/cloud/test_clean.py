"""A launcher that was killed: its workers end the load by themselves, and `clean` takes away what it has left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto")

from command_runs import PAUSE, asked, loaded, served
from crowd import WHOLE
from enforced_account import Account, enforced
from grapeshot_launcher.clean import clean
from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.policy import policy_text
from grapeshot_launcher.options import CleanOptions
from target import Target

pytestmark = pytest.mark.timeout(180)  # whole runs, of which one outlives its launcher by a minute


@pytest.fixture
def account() -> Iterator[Account]:
    with enforced() as running:
        yield running


def test_what_a_killed_launcher_left_is_removed(account: Account, target: Target, tmp_path: Path) -> None:
    """While it lives it is named and left alone; when its lease is over, the documented policy is enough."""
    runner = account.caller("runner", policy_text(account=account.number))
    with loaded(account, runner, target, tmp_path) as process:
        alive = asked(account, runner, "clean", "--yes")
        assert process.poll() is None
        process.kill()
        process.wait()
    left = account.left("t-left")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as environ:
        for name, value in account.aws.environ.items():
            environ.setenv(name, value)
        aws = Aws(account.aws.region, session=account.session(runner))
        options = CleanOptions(region=account.aws.region)
        listed = clean(options, say=said.append, aws=aws, now=lambda: time.time() + 61)
        still = account.left("t-left")
        # A minute later by the launcher's clock; the workers see that their record has gone, and stop.
        options = CleanOptions(region=account.aws.region, yes=True)
        removed = clean(options, say=said.append, aws=aws, now=lambda: time.time() + 61)

    assert (alive.returncode, alive.stderr) == (0, "")
    assert "Running: t-left, renewed" in alive.stdout
    assert "Removed" not in alive.stdout
    assert "artilleryio-t-left" in left
    assert "tests/t-left/control.json" in left
    assert (listed, still) == (0, left)
    assert removed == 0
    assert account.left("t-left") == []
    assert "Removed: queue artilleryio-t-left" in said
    assert any(line.startswith("Nothing was removed. Remove it with: grapeshot clean") for line in said)
    denied = {action for action, _ in account.iam.denied(runner.arn)}
    assert denied <= {
        "lambda:GetAccountSettings",
        "lambda:PutFunctionEventInvokeConfig",
    }  # the run's, not ours


def test_all_takes_what_later_runs_would_use(account: Account, target: Target, tmp_path: Path) -> None:
    """What the policy does not grant is named in a line each; who may do it is rid of everything but the role."""
    runner = account.caller("runner", policy_text(account=account.number))
    with loaded(account, runner, target, tmp_path) as process:
        in_use = asked(account, runner, "clean", "--all", "--yes")
        process.terminate()
        process.communicate(timeout=40)
    poor = asked(account, runner, "clean", "--all", "--yes")
    rich = asked(account, account.owner, "clean", "--all", "--yes")
    again = asked(account, account.owner, "clean", "--all", "--yes")

    assert "stay, because a run uses them" in in_use.stdout
    assert "Removed" not in in_use.stdout
    assert "lambda:ListFunctions is missing" in poor.stdout
    assert poor.returncode == 1
    assert "s3:DeleteBucket" in poor.stdout
    assert (rich.returncode, rich.stderr) == (0, "")
    assert "Removed: function artilleryio-grapeshot-arm64-" in rich.stdout
    assert "Removed: bucket artilleryio-test-data-" in rich.stdout
    assert "Kept: role artilleryio-default-lambda-role-" in rich.stdout
    assert "Nothing is left behind" in again.stdout


@pytest.mark.skipif(not WHOLE, reason="takes more than a minute: make test-crowd")
def test_a_load_ends_a_minute_after_its_launcher(account: Account, target: Target, tmp_path: Path) -> None:
    """Nobody helps: the workers see no renewal for 60 s, and stop. Then the command removes what is left."""
    runner = account.caller("runner", policy_text(account=account.number))
    with loaded(account, runner, target, tmp_path) as process:
        process.kill()
        killed = time.monotonic()
        process.wait()
    counts: list[tuple[float, int]] = []
    while (since := time.monotonic() - killed) < 70:
        counts.append((since, served(target)))
        PAUSE.wait(0.5)
    removed = asked(account, runner, "clean", "--yes")
    after = asked(account, runner, "clean")

    last = max(
        since for (since, count), (_, before) in zip(counts[1:], counts, strict=False) if count > before
    )
    assert 30 < last < 62, counts  # it went on, and it ended
    assert removed.returncode == 0, removed.stdout
    assert account.left("t-left") == []
    assert "Nothing is left behind" in after.stdout
