"""Runs from two regions of the embedded AWS: real workers in both, one load, one report."""

from __future__ import annotations

import asyncio
import io
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

pytest.importorskip("moto")

from command_runs import PAUSE
from enforced_account import enforced, write_script
from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.policy import policy_text
from grapeshot_launcher.crew import Inbox
from grapeshot_launcher.options import LambdaOptions, RunOptions, StopOptions
from grapeshot_launcher.platforms.emulator import EmbeddedAws, Fault
from grapeshot_launcher.prepare_lambda import settle_run
from grapeshot_launcher.run_lambda import play
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.stop import stop
from grapeshot_worker.errors import GrapeshotError
from target import Target, serve

pytestmark = pytest.mark.timeout(120)  # whole runs

HERE, THERE = "eu-west-1", "us-east-1"
RATE = 20
SCRIPT = """
config:
  target: {target}
  phases: [{{duration: {seconds}, arrivalRate: {rate}}}]
scenarios: [{{flow: [{{get: {{url: /}}}}]}}]
"""


@dataclass(frozen=True)
class Ended:
    """How a run ended: its code, or what it raised, what it printed, what its report says under `grapeshot`."""

    code: int
    error: GrapeshotError | None
    printed: str
    report: dict[str, Any]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(region=HERE, others=[THERE]) as running:
        for name, value in running.environ.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def target() -> Iterator[Target]:
    with serve() as running:
        yield running


Beside = Callable[[], Awaitable[None]]


def ran(
    aws: EmbeddedAws,
    target: Target,
    folder: Path,
    *,
    seconds: int,
    workers: int = 4,
    beside: Beside | None = None,
) -> Ended:
    """Run from both regions; `beside` goes on at the same time."""
    script, file = folder / "script.yml", folder / "report.json"
    script.write_text(SCRIPT.format(target=target.url, seconds=seconds, rate=RATE), encoding="utf-8")
    run = RunOptions(script=str(script), workers=workers, output=str(file))
    options = LambdaOptions(run=run, regions=(HERE, THERE), memory_size=1769, emulate="processes")
    environ = {**os.environ, "ARTILLERY_TEST_RUN_ID": "t-regions"}
    settled = settle_run(options, environ=environ, now=datetime(2026, 11, 26, 12, tzinfo=UTC))
    out, err = io.StringIO(), io.StringIO()

    async def both() -> int:
        inbox: Inbox = asyncio.Queue()
        other = asyncio.ensure_future(beside()) if beside else None
        code = await play(settled, screen, inbox, image=aws.image_uri())
        if other is not None:
            await other
        return code

    code, error = -1, None
    with Screen(out, err) as screen:
        try:
            code = asyncio.run(both())
        except GrapeshotError as raised:
            error = raised
    report = json.loads(file.read_text(encoding="utf-8"))["grapeshot"] if file.exists() else {}
    return Ended(code, error, out.getvalue() + err.getvalue(), report)


def loaded(target: Target) -> None:
    """Wait until the load has begun."""
    until = time.monotonic() + 60
    while not target.requests and time.monotonic() < until:
        PAUSE.wait(0.1)


def left(region: str) -> list[str]:
    """List what is left of runs in a region: queues, and objects of runs but the archives kept for later ones."""
    queues = boto3.client("sqs", region_name=region).list_queues().get("QueueUrls", [])
    s3 = boto3.client("s3", region_name=region)
    names = [each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].endswith(region)]
    keys = [each["Key"] for name in names for each in s3.list_objects_v2(Bucket=name).get("Contents", [])]
    return [*queues, *(key for key in keys if "t-regions" in key and not key.startswith("metadata/"))]


def functions(region: str) -> list[str]:
    """Name the functions in a region."""
    client = boto3.client("lambda", region_name=region)
    return [each["FunctionName"] for each in client.list_functions()["Functions"]]


def test_two_regions_make_one_load(aws: EmbeddedAws, target: Target, tmp_path: Path) -> None:
    """To the unit; each region has a function, and costs; nothing of the run is left in either."""
    ended = ran(aws, target, tmp_path, seconds=3)
    settings = ended.report["settings"]

    assert ended.code == 0, ended.printed
    assert (
        ended.report["books"]["planned"]
        == ended.report["books"]["started"]
        == 3 * RATE
        == len(target.requests)
    )
    assert settings["region"] == f"{HERE}, {THERE}"
    assert f"--region {HERE},{THERE}" in settings["command"]
    assert settings["function"].split(", ") == [*functions(HERE), *functions(THERE)]
    assert set(settings["costByRegion"]) == {HERE, THERE}
    assert sum(settings["costByRegion"].values()) == pytest.approx(settings["costUsd"], abs=2e-4)
    parts = ended.report["regions"]
    assert [(part["region"], part["workers"], part["planned"], part["started"]) for part in parts] == [
        (region, 2, 3 * RATE // 2, 3 * RATE // 2) for region in (HERE, THERE)
    ]
    assert [part["counters"]["http.requests"] for part in parts] == [3 * RATE // 2] * 2
    assert all(part["costUsd"] > 0 for part in parts)
    assert [worker["region"] for worker in ended.report["workers"]] == [HERE, THERE] * 2
    assert "By region" in ended.printed
    assert left(HERE) == left(THERE) == []


def test_a_region_that_can_not_serve_refuses_the_run_and_leaves_nothing_in_the_other(
    aws: EmbeddedAws, target: Target, tmp_path: Path
) -> None:
    """No load is made anywhere."""
    denied = Fault(
        operation="sqs:CreateQueue",
        effect="fail",
        times=1000,
        code="AccessDenied",
        status=403,
        where=lambda call: call.region == THERE,
    )
    aws.faults.add(denied)

    ended = ran(aws, target, tmp_path, seconds=3)

    assert ended.error is not None
    assert THERE in ended.error.message
    assert not target.requests
    assert left(HERE) == left(THERE) == []


def test_a_region_that_fails_under_load_ends_the_load_of_the_other(
    aws: EmbeddedAws, target: Target, tmp_path: Path
) -> None:
    """Half of a load is not the plan: the run is invalid, soon, and its books say what is lost and what was dropped."""
    seconds = 60

    async def broken() -> None:
        await asyncio.to_thread(loaded, target)
        aws.faults.add(
            Fault(
                operation="sqs:ReceiveMessage",
                effect="fail",
                times=1000,
                code="AccessDenied",
                status=403,
                where=lambda call: call.region == THERE,
            )
        )

    ended = ran(aws, target, tmp_path, seconds=seconds, beside=broken)
    books = ended.report["books"]

    assert ended.report["verdict"] == "invalid", ended.printed
    assert len(target.requests) < seconds * RATE / 2
    assert books["planned"] == books["started"] + sum(books["dropped"].values()) + books["lost"]
    assert books["lost"] > 0
    assert books["dropped"]["stopped"] > 0
    assert left(HERE) == left(THERE) == []


def test_a_stop_in_any_of_the_regions_stops_the_run(aws: EmbeddedAws, target: Target, tmp_path: Path) -> None:
    """The other machine need not know all of them."""

    async def stopped() -> None:
        await asyncio.to_thread(loaded, target)
        options = StopOptions(run_id="t-regions", region=THERE)
        assert await asyncio.to_thread(stop, options, say=said.append, aws=Aws(THERE)) == 0

    said: list[str] = []
    ended = ran(aws, target, tmp_path, seconds=60, beside=stopped)
    books = ended.report["books"]

    assert said[0] == "Run t-regions was asked to stop."
    assert ended.report["verdict"] == "stopped"
    assert books["planned"] == books["started"] + books["dropped"]["stopped"]
    assert left(HERE) == left(THERE) == []


def test_the_printed_policy_is_enough_for_several_regions(target: Target, tmp_path: Path) -> None:
    """The image is this version's, which each region has; the role is made by whoever comes first."""
    with enforced(others=[HERE]) as account:
        runner = account.caller("runner", policy_text(account=account.number))
        ended = account.run(
            runner, write_script(tmp_path, target.url), run_id="t-policy", regions=f"{THERE},{HERE}"
        )

    assert ended.code == 0, ended.out + ended.err
    assert len(target.requests) == 10
    assert not [line for line in ended.err.splitlines() if "denied" in line]
