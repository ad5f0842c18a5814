"""Whole runs that AWS fails: each operation in turn, of the launcher and of the workers.

It fails for good, is denied, or is throttled for a while. Whatever it is, the command ends in time, says so once, and
leaves nothing of the run behind. Every day some faults are tried; `make test-faults` tries all of them.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("moto")

from enforced_account import Account, Caller, Ran, allow, enforced, write_script
from grapeshot_launcher.platforms.emulator import Fault
from grapeshot_launcher.platforms.emulator.calls import Call
from grapeshot_worker.invocation import ControlRecord
from iam_front import role_of
from target import Target

ALL = os.environ.get("GRAPESHOT_TEST_ALL_FAULTS") == "1"
pytestmark = pytest.mark.timeout(3600 if ALL else 240)
AT_ONCE = 4  # runs; most of their time is waiting
FOR_GOOD = 1_000_000  # calls
LOAD = 12  # s of a load in which a fault begins: workers look for orders every second, the lease is renewed every ten
LIMIT = 200.0  # s of a run that AWS fails: the limits of every wait, and this machine's own time

Who = Literal["launcher", "worker"]
Effect = Literal["fail", "deny", "throttle"]
End = Literal["refused", "passes", "warned"]

EVERYTHING = {"Version": "2012-10-17", "Statement": [allow("*", "*")]}

# What a run makes of an operation that fails for good: it is refused, it does without, or it warns of what it lacks.
OPERATIONS: dict[tuple[Who, str], End] = {
    ("launcher", "sts:GetCallerIdentity"): "refused",
    ("launcher", "ecr:BatchGetImage"): "refused",
    ("launcher", "iam:GetRole"): "refused",
    ("launcher", "iam:CreateRole"): "refused",
    ("launcher", "iam:CreatePolicy"): "refused",
    ("launcher", "iam:AttachRolePolicy"): "refused",
    ("launcher", "lambda:GetAccountSettings"): "passes",
    ("launcher", "lambda:GetFunctionConfiguration"): "refused",
    ("launcher", "lambda:CreateFunction"): "refused",
    ("launcher", "lambda:PutFunctionEventInvokeConfig"): "passes",
    ("launcher", "lambda:Invoke"): "refused",
    ("launcher", "s3:HeadBucket"): "refused",
    ("launcher", "s3:CreateBucket"): "refused",
    ("launcher", "s3:GetBucketLifecycleConfiguration"): "warned",
    ("launcher", "s3:PutBucketLifecycleConfiguration"): "warned",
    ("launcher", "s3:GetObject"): "passes",
    ("launcher", "s3:PutObject"): "refused",
    ("launcher", "s3:HeadObject"): "refused",
    ("launcher", "s3:ListObjectsV2"): "warned",
    ("launcher", "s3:DeleteObjects"): "warned",
    ("launcher", "sqs:CreateQueue"): "refused",
    ("launcher", "sqs:ReceiveMessage"): "refused",
    ("launcher", "sqs:DeleteMessageBatch"): "passes",
    ("launcher", "sqs:GetQueueUrl"): "warned",
    ("launcher", "sqs:DeleteQueue"): "warned",
    ("worker", "s3:GetObject"): "refused",
    ("worker", "s3:PutObject"): "refused",
    ("worker", "sqs:SendMessage"): "refused",
}
# Who can't take something away says what stays, and how it goes.
STAYS = {
    "s3:ListObjectsV2": ("could not be removed", "They expire within two days."),
    "s3:DeleteObjects": ("could not be removed", "They expire within two days."),
    "sqs:GetQueueUrl": ("could not be removed", "aws sqs delete-queue --queue-url"),
    "sqs:DeleteQueue": ("could not be removed", "aws sqs delete-queue --queue-url"),
}


@dataclass(frozen=True)
class Case:
    """One fault: `first` is the call from which on the operation fails, `begun`: not before the load has begun."""

    who: Who
    operation: str
    effect: Effect
    first: int = 1
    begun: bool = False

    def __str__(self) -> str:
        later = f" {self.first}" if self.first > 1 else ""
        return f"{self.who} {self.operation} {self.effect}{later}" + (" in the load" if self.begun else "")


# Once the load has begun, workers do without much: what the queue lacks is read in the bucket, and the other way round.
LATER: dict[Case, End] = {
    Case("launcher", "lambda:Invoke", "fail", 2): "refused",
    Case("launcher", "s3:PutObject", "fail", begun=True): "passes",
    Case("launcher", "sqs:ReceiveMessage", "fail", begun=True): "passes",
    Case("worker", "s3:GetObject", "fail", begun=True): "passes",
    Case("worker", "s3:PutObject", "fail", begun=True): "passes",
    Case("worker", "sqs:SendMessage", "fail", begun=True): "passes",
}
EVERY_DAY = [
    Case("launcher", "lambda:CreateFunction", "fail"),
    Case("launcher", "lambda:Invoke", "deny", 2),
    Case("launcher", "s3:DeleteObjects", "fail"),
    Case("launcher", "sqs:DeleteQueue", "fail"),
    Case("launcher", "sqs:ReceiveMessage", "throttle"),
    Case("worker", "sqs:SendMessage", "throttle"),
]
EFFECTS: tuple[Effect, ...] = ("fail", "deny", "throttle")
CASES = [Case(*at, effect) for effect in EFFECTS for at in OPERATIONS] + list(LATER) if ALL else EVERY_DAY


@dataclass(frozen=True)
class Seen:
    """What a run came to: how it ended, what it left behind, and how often its fault struck."""

    ran: Ran
    left: list[str]
    struck: int


@dataclass(frozen=True)
class Seens:
    """A run without faults, its operations, and all the runs with them."""

    good: Ran
    operations: set[tuple[Who, str]]
    seen: dict[Case, Seen]


@pytest.fixture(scope="module")
def seens(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seens]:
    script = write_script(tmp_path_factory.mktemp("faults"), target.url)
    longer = write_script(tmp_path_factory.mktemp("longer"), target.url, seconds=LOAD)
    with enforced() as account, ThreadPoolExecutor(AT_ONCE) as pool:
        caller = account.caller("good", EVERYTHING)
        running = pool.submit(account.run, caller, script, run_id="good", limit=LIMIT)
        numbered = list(enumerate(CASES))
        found = list(
            pool.map(lambda case: play(account, longer if case[1].begun else script, *case), numbered)
        )
        good = running.result()
        worker = account.site().role_arn
        operations: set[tuple[Who, str]] = set()
        for key, operation in account.iam.operations:
            if key == caller.key:
                operations.add(("launcher", operation))
            elif role_of(key) == worker:
                operations.add(("worker", operation))
        yield Seens(good, operations, dict(zip(CASES, found, strict=True)))


def play(account: Account, script: Path, number: int, case: Case) -> Seen:
    """Have a test run in a part of the account where nothing is yet, with one fault."""
    run_id, prefix = f"fault-{number}", f"artilleryio-f{number}"
    caller = account.caller(run_id, EVERYTHING)
    met = fault(account, case, caller, prefix)
    account.aws.faults.add(met)
    ran = account.run(caller, script, "--timeout", "120", run_id=run_id, prefix=prefix, limit=LIMIT)
    struck = sum(by is met for by, _ in account.aws.faults.struck)
    return Seen(ran, account.left(run_id, prefix), struck)


def fault(account: Account, case: Case, caller: Caller, prefix: str) -> Fault:
    """Strike the calls of one run, from the first one that it strikes on: all of them, or three."""
    role = account.site(prefix).role_arn
    begins = [math.inf]  # epoch s, once the launcher has told it

    def strikes(call: Call) -> bool:
        by_launcher = call.access_key == caller.key
        if by_launcher and call.operation == "s3:PutObject" and call.path.endswith("/control.json"):
            with contextlib.suppress(ValueError):
                begins[0] = ControlRecord.from_json(call.body).start_at or begins[0]
        if call.operation != case.operation or (case.begun and time.time() < begins[0]):
            return False
        return by_launcher if case.who == "launcher" else role_of(call.access_key) == role

    struck = partial(Fault, operation="*", first=case.first, where=strikes)
    match case.effect:
        case "throttle":
            return struck(effect="throttle", times=3)
        case "deny":
            return struck(effect="fail", times=FOR_GOOD, code="AccessDenied", status=403)
        case "fail":
            return struck(effect="fail", times=FOR_GOOD)


def test_the_operations_are_those_of_a_good_run(seens: Seens) -> None:
    """All of them are known, so that a new one gets its faults too."""
    assert seens.good.code == 0, seens.good.err
    assert seens.operations == set(OPERATIONS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_is_told_once_and_leaves_nothing(seens: Seens, case: Case) -> None:
    """The command ends by itself, without a traceback; what it can't remove it names, and says how it goes."""
    ran, left = seens.seen[case].ran, seens.seen[case].left
    assert seens.seen[case].struck
    end = LATER.get(case, OPERATIONS[case.who, case.operation])
    end = "passes" if case.effect == "throttle" else end

    assert "Traceback" not in ran.err + ran.out
    assert "fault of Grapeshot" not in ran.err
    assert len(ran.errors) == (end == "refused"), ran.err
    assert (ran.code != 0) == (end == "refused"), ran.err
    assert ("Warning: " in ran.err) == (end == "warned"), ran.err
    if case.effect == "deny" and end == "refused":
        assert re.search("What to do: (Grant the statement|Allow) ", ran.err), ran.err
    if case.effect != "throttle" and case.operation in STAYS:
        assert all(part in ran.err for part in STAYS[case.operation])
        assert left
    else:
        assert left == []
