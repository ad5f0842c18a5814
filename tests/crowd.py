"""A run from many workers on an embedded AWS in this process, and everything that can be seen of it from outside.

Leaves to others: what must hold (the tests). The workers are real processes; limits are shorter than a user's, so
that a worker that dies is missed sooner.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from grapeshot_launcher.errors import WorkerFailed
from grapeshot_launcher.options import LambdaOptions, RunOptions
from grapeshot_launcher.platforms.emulator import EmbeddedAws, Fault
from grapeshot_launcher.platforms.emulator.calls import Call, Middleware
from grapeshot_launcher.prepare_lambda import settle_run
from grapeshot_launcher.run_lambda import play
from grapeshot_launcher.screen import Screen
from grapeshot_worker.messages import Finished, Progress
from grapeshot_worker.wire import unpack
from target import Target

WHOLE = bool(
    os.environ.get("GRAPESHOT_TEST_CROWD")
)  # set by `make test-crowd`, which has the machine to itself
CROWD = 50 if WHOLE else 8  # workers of a run; more would starve the tests that run beside it
SILENCE = 8.0  # s without a word until a worker is given up; they speak every 2 s
VICTIM = 1  # index of the worker that dies
USERS_EACH = 12
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: {seconds}, arrivalCount: {users}}}]
scenarios:
  - flow:
      - get: {{url: /items}}
"""


class Onlooker:
    """Sees the calls that reach an embedded AWS: who is which worker, and what each left in the bucket."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.left: list[Finished] = []
        self._told = False
        self._keys: dict[str, int] = {}  # a sandbox's access key → its worker
        aws.faults.add(
            Fault(operation="sandbox:start", effect="kill", where=self._meet),
            Fault(operation="s3:PutObject", effect="fail", where=self._read),
        )  # neither ever strikes: looking is all they do

    def victim(self, call: Call) -> bool:
        return self._keys.get(call.access_key) == VICTIM

    def victim_after_its_first_users(self, call: Call) -> bool:
        """Whether it is about to speak again, after it told of users."""
        if not self.victim(call):
            return False
        told, message = self._told, unpack(call.json["MessageBody"])
        self._told = self._told or (isinstance(message, Progress) and message.tally.started > 0)
        return told

    def victim_leaving(self, call: Call) -> bool:
        return self.victim(call) and "/final/" in call.key

    def victim_has_left(self, call: Call) -> bool:
        return self.victim(call) and any(last.index == VICTIM for last in self.left)

    def _meet(self, call: Call) -> bool:
        self._keys[call.access_key] = call.json["index"]
        return False

    def _read(self, call: Call) -> bool:
        if "/final/" in call.key:
            message = unpack(call.body.decode("ascii"))
            if isinstance(message, Finished):
                self.left.append(message)
        return False


@dataclass
class Told:
    """How a run went; `refused`: in the words of its error."""

    code: int
    refused: str
    out: str
    err: str
    report: dict[str, Any]
    counted: int  # requests that reached the target
    left: list[Finished]
    objects: list[str]  # keys in the bucket, afterwards
    queues: list[str]
    processes: set[int]

    @property
    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = self.report["grapeshot"]["books"]
        return books

    @property
    def states(self) -> dict[int, str]:
        return {worker["index"]: worker["state"] for worker in self.report["grapeshot"]["workers"]}


@dataclass(frozen=True)
class Crowd:
    """Makes runs against a target."""

    target: Target
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def run(
        self,
        workers: int,
        deadly: Callable[[Onlooker], Fault] | None = None,
        *,
        ready: float = 120.0,
        silence: float = SILENCE,
        seconds: int = 6,
        users_each: int = USERS_EACH,
        text: str = SCRIPT,
        memory_size: int = 1769,
        middleware: Middleware | None = None,
    ) -> Told:
        """Run a script of this text from so many workers of so many MB, a load of `seconds`; limits in seconds.

        `deadly` makes the fault that kills one of them, or another one; `middleware` sees every call first.
        """
        script, file = self.folder / "script.yml", self.folder / "report.json"
        users = workers * users_each
        filled = text.format(target=self.target.url, users=users, seconds=seconds)
        script.write_text(filled, encoding="utf-8")
        options = LambdaOptions(
            run=RunOptions(script=str(script), workers=workers, output=str(file)),
            memory_size=memory_size,
            emulate="processes",
        )
        before, out, err = self._counted(), io.StringIO(), io.StringIO()
        with EmbeddedAws(middleware=middleware) as aws:
            for name, value in aws.environ.items():
                self.monkeypatch.setenv(name, value)
            onlooker = Onlooker(aws)
            if deadly is not None:
                aws.faults.add(deadly(onlooker))
            settled = settle_run(options, environ=os.environ, now=NOON)
            settled = replace(settled, limits=replace(settled.limits, ready=ready, silence=silence))
            code, refused = 0, ""
            with Screen(out, err) as screen:
                try:
                    code = asyncio.run(play(settled, screen, asyncio.Queue(), image=aws.image_uri()))
                except WorkerFailed as error:
                    code, refused = error.exit_code, error.message
            bucket = f"artilleryio-test-data-{aws.account}-{aws.region}"
            listed = boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
            queues = boto3.client("sqs").list_queues().get("QueueUrls", [])
        return Told(
            code=code,
            refused=refused,
            out=out.getvalue(),
            err=err.getvalue(),
            report=json.loads(file.read_text(encoding="utf-8")),
            counted=self._counted() - before,
            left=onlooker.left,
            objects=[one["Key"] for one in listed],
            queues=queues,
            processes=processes_of(aws.endpoint_url),
        )

    def _counted(self) -> int:
        return self.target.stats().get("/items 200", 0)


def processes_of(url: str) -> set[int]:
    """The living processes whose environment leads to an embedded AWS."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if url.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found


def nothing_is_left(told: Told) -> bool:
    """Whether queue, the run's objects and every process are gone, and the user was told so."""
    assert told.queues == []
    assert {key.rpartition("/")[0] for key in told.objects} == {"tests/bundles", "metadata"}
    assert told.processes == set()
    assert "Removed: queue artilleryio-" in told.out
    assert " objects of the run from bucket artilleryio-test-data-" in told.out
    return True
