"""What a run finds and leaves in AWS, on an account in memory and on virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest

from fake_aws import ACCOUNT, Bucket, FakeAws, Function, Role, inline
from grapeshot_launcher.cloud.calls import Reach
from grapeshot_launcher.cloud.control import RENEWAL
from grapeshot_launcher.cloud.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    ExpiredCredentials,
    FunctionFailed,
    NotReady,
    Throttled,
    Unreachable,
)
from grapeshot_launcher.cloud.policy import managed_policy_arns, worker_policy
from grapeshot_launcher.cloud.provision import Desired, Standing, provisioned
from grapeshot_launcher.cloud.resources import FunctionSettings, Site
from grapeshot_launcher.cloud.states import FunctionState
from grapeshot_worker.invocation import LEASE_LIMIT, ControlRecord, control_key, run_prefix
from virtual_time import run_virtually

SITE = Site(account=ACCOUNT, region="eu-west-1")
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/grapeshot-worker@sha256:{'a' * 64}"
SETTINGS = FunctionSettings(image=IMAGE, role=SITE.role_arn)
RUN = "t3ab4_run"
DESIRED = Desired(site=SITE, run_id=RUN, function=SETTINGS, metadata={"workers": 3})
FUNCTION = SETTINGS.name()
NOW = 1_700_000_000.0


async def nothing(standing: Standing) -> None:
    pass


async def provision(
    aws: FakeAws,
    desired: Desired = DESIRED,
    *,
    work: Callable[[Standing], Awaitable[None]] = nothing,
    warnings: list[str] | None = None,
    told: list[str] | None = None,
    now: float = NOW,
) -> Standing:
    """Provision, work, and clean up; gives what stood meanwhile."""
    said: list[str] = [] if warnings is None else warnings
    heard: list[str] = [] if told is None else told
    reach = Reach(aws=aws, call=inline, warn=said.append, tell=heard.append)
    async with provisioned(reach, desired, now=lambda: now) as standing:
        await work(standing)
    return standing


def prepared() -> FakeAws:
    """An account in which a run has been."""
    aws = FakeAws()
    run_virtually(provision(aws, replace(DESIRED, run_id="an-earlier-run")))
    aws.calls.clear()
    return aws


def elapsed(aws: FakeAws, desired: Desired = DESIRED) -> float:
    async def main() -> float:
        start = asyncio.get_running_loop().time()
        await provision(aws, desired)
        return asyncio.get_running_loop().time() - start

    return run_virtually(main())


def test_in_an_empty_account_everything_is_made() -> None:
    """Bucket with its rules, role with its policies, function without retries; the run's own things beside them."""
    aws = FakeAws()

    async def look(standing: Standing) -> None:
        assert list(aws.queues) == [standing.queue_url]
        assert control_key(RUN) in aws.objects

    standing = run_virtually(provision(aws, work=look))

    assert standing.made == {"bucket", "role", "function"}
    assert standing.retries_off
    assert {rule["Filter"]["Prefix"] for rule in aws.buckets[SITE.bucket].rules} == {"tests/", "metadata/"}
    assert aws.roles[SITE.role].attached == {*managed_policy_arns(SITE), SITE.policy_arn}
    assert aws.policies[SITE.policy_arn] == worker_policy(SITE)
    assert aws.functions[FUNCTION].request == SETTINGS.request()
    assert aws.functions[FUNCTION].retries == 0


def test_a_later_run_makes_only_its_own_things() -> None:
    """Bucket, role and function are found again."""
    aws = prepared()
    standing = run_virtually(provision(aws))

    assert standing.made == frozenset()
    assert not {"create_bucket", "put_lifecycle", "create_role", "create_function"} & set(aws.calls)


def test_afterwards_the_runs_own_things_are_gone() -> None:
    """Queue, control record and what the workers wrote; the metadata stays for its week. The user is told."""
    aws, told = FakeAws(), list[str]()

    async def write(standing: Standing) -> None:
        for n in range(2500):
            aws.put_object(standing.bucket, f"{run_prefix(RUN)}claims/load-0-{n}", b"")

    run_virtually(provision(aws, work=write, told=told))

    assert aws.queues == {}
    assert list(aws.objects) == [f"metadata/{RUN}.json"]
    assert told == [
        f"Removed: queue {SITE.queue(RUN)}",
        f"Removed: 2501 objects of the run from bucket {SITE.bucket}",
    ]
    assert json.loads(aws.objects[f"metadata/{RUN}.json"]) == {"run_id": RUN, "workers": 3}


def test_workers_are_told_to_stop_before_anything_is_taken_away() -> None:
    """A worker that everybody thought lost sees `stop`, not only that the record is gone."""
    aws = FakeAws()
    seen: list[str] = []

    async def watch(standing: Standing) -> None:
        aws.calls.clear()

    standing = run_virtually(provision(aws, work=watch))
    seen = aws.calls

    assert standing.control.record.state == "stop"
    assert seen.index("put_object") < seen.index("delete_queue") < seen.index("delete_objects")


def test_a_failing_run_is_cleaned_up_after() -> None:
    """What the block raises goes on, and nothing stays."""
    aws = FakeAws()

    async def fail(standing: Standing) -> None:
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        run_virtually(provision(aws, work=fail))

    assert aws.queues == {}
    assert not any(key.startswith("tests/") for key in aws.objects)


# Faults at every call


def leaving_objects(aws: FakeAws) -> Callable[[Standing], Awaitable[None]]:
    """Act as a worker: on the bucket itself, so that only the launcher's calls are counted."""

    async def work(standing: Standing) -> None:
        aws.buckets[standing.bucket].objects[f"{run_prefix(RUN)}claims/load-0-0"] = b""

    return work


def calls_of_a_run(aws: FakeAws) -> int:
    run_virtually(provision(aws, work=leaving_objects(aws)))
    return len(aws.calls)


@pytest.mark.parametrize("answer_is_lost", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize(
    "fault",
    [
        AccessDenied("denied"),
        Throttled("throttled"),
        Unreachable("no answer"),
        ExpiredCredentials("expired"),
        AwsError("InternalError"),
        Conflict("conflict"),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("make", [FakeAws, prepared], ids=["new account", "later run"])
def test_a_fault_at_any_call_leaves_nothing_behind(
    make: Callable[[], FakeAws], fault: AwsError, answer_is_lost: bool
) -> None:
    """Whichever call fails, before or after it had its effect: no queue and no object of the run stays."""
    for turn in range(1, calls_of_a_run(make()) + 1):
        aws = make()
        aws.fail_at, aws.fault, aws.answer_is_lost = turn, fault, answer_is_lost
        with suppress(AwsError):  # some faults end the run, others are overcome
            run_virtually(provision(aws, work=leaving_objects(aws)))

        failed = aws.calls[turn - 1]
        assert aws.queues == {}, f"call {turn}, {failed}"
        assert not any(key.startswith("tests/") for key in aws.objects), f"call {turn}, {failed}"


@pytest.mark.parametrize("make", [FakeAws, prepared], ids=["new account", "later run"])
def test_a_stop_at_any_call_leaves_nothing_behind(make: Callable[[], FakeAws]) -> None:
    """Ctrl-C while any call before the clean-up is under way: no queue and no object of the run stays."""
    turn = 0
    while True:
        turn += 1
        aws = make()
        working: list[bool] = []

        async def main(aws: FakeAws = aws, turn: int = turn, working: list[bool] = working) -> bool:
            async def work(standing: Standing) -> None:
                working.append(True)

            async def call_in_turns(
                function: Callable[..., object], /, *args: object, **kwargs: object
            ) -> object:
                answer = function(*args, **kwargs)
                await asyncio.sleep(0)  # a cancellation reaches the caller here, after the effect
                return answer

            reach = Reach(aws=aws, call=call_in_turns, warn=print)  # type: ignore[arg-type]

            async def everything() -> None:
                async with provisioned(reach, DESIRED, now=lambda: NOW) as standing:
                    await work(standing)

            task = asyncio.ensure_future(everything())
            aws.fail_at, aws.on_turn = turn, task.cancel
            await asyncio.wait([task])
            return task.cancelled()

        cancelled = run_virtually(main())
        if working:
            break
        assert cancelled
        assert aws.queues == {}, f"call {turn}, {aws.calls[turn - 1]}"
        assert not any(key.startswith("tests/") for key in aws.objects), f"call {turn}, {aws.calls[turn - 1]}"

    assert turn > 8


def test_what_cannot_be_removed_is_told_with_the_command_that_does() -> None:
    """After several attempts; the run itself was fine."""
    aws = FakeAws()
    warnings: list[str] = []

    async def lose_permission(standing: Standing) -> None:
        aws.denied = {"delete_queue", "delete_objects"}

    run_virtually(provision(aws, work=lose_permission, warnings=warnings))

    assert "aws sqs delete-queue" in warnings[0]
    assert "expire within two days" in warnings[1]
    assert aws.calls.count("delete_queue") > 1


# The run's id


def test_a_run_id_in_use_is_refused_and_its_run_left_alone() -> None:
    """The second run touches nothing of the first one."""
    aws = FakeAws()

    async def begin_again(standing: Standing) -> None:
        with pytest.raises(AwsError, match="There is a run with the id") as caught:
            await provision(aws, now=NOW + 1)
        assert "ARTILLERY_TEST_RUN_ID" in caught.value.remedy
        assert standing.queue_url in aws.queues
        assert control_key(RUN) in aws.objects

    run_virtually(provision(aws, work=begin_again))


def test_a_run_id_used_again_at_once_gets_a_queue_of_another_name() -> None:
    """SQS refuses a name for a minute after its queue was deleted."""
    aws = FakeAws()
    first = run_virtually(provision(aws))
    second = run_virtually(provision(aws))

    assert second.queue_url == f"{first.queue_url}-2"
    assert aws.queues == {}


class NoQueues(FakeAws):
    """An account where the caller may do nothing with queues."""

    def create_queue(self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]) -> str:
        raise AccessDenied("denied: create")

    def queue_url(self, name: str) -> str | None:
        raise AccessDenied("denied: look")


def test_a_queue_that_may_not_be_made_is_not_complained_of() -> None:
    """There is none; a warning that it could not be removed would hide the reason."""
    warnings: list[str] = []
    with pytest.raises(AccessDenied, match="denied: create"):
        run_virtually(provision(NoQueues(), warnings=warnings))

    assert warnings == []


# The bucket


def test_a_foreign_bucket_of_our_name_is_not_used() -> None:
    """Its owner would read the bundles."""
    aws = FakeAws()
    aws.buckets[SITE.bucket] = Bucket("eu-west-1", owner="999999999999")

    with pytest.raises(AccessDenied, match="denies the use") as caught:
        run_virtually(provision(aws))

    assert "another account" in caught.value.cause
    assert aws.objects == {}


def test_a_bucket_in_another_region_is_told() -> None:
    """Its name says where it should be."""
    aws = FakeAws()
    aws.buckets[SITE.bucket] = Bucket("us-east-1")

    with pytest.raises(AwsError, match="is in us-east-1, not in eu-west-1"):
        run_virtually(provision(aws))


def test_lifecycle_rules_that_cannot_be_set_are_a_warning() -> None:
    """The run goes on."""
    aws = FakeAws()
    aws.denied = {"put_lifecycle"}
    warnings: list[str] = []
    run_virtually(provision(aws, warnings=warnings))

    assert any("may not expire" in warning for warning in warnings)


def test_somebody_s_own_lifecycle_rules_stay() -> None:
    """Ours come beside them."""
    aws = FakeAws()
    own = {"ID": "Mine", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}}
    aws.buckets[SITE.bucket] = Bucket("eu-west-1", rules=[own])
    run_virtually(provision(aws))

    assert own in aws.buckets[SITE.bucket].rules
    assert len(aws.buckets[SITE.bucket].rules) == 3


# The role


def test_a_half_made_role_is_mended() -> None:
    """An earlier run created it and then died."""
    aws = FakeAws()
    aws.roles[SITE.role] = Role(SITE.role_arn, "{}")
    standing = run_virtually(provision(aws))

    assert "role" not in standing.made
    assert aws.roles[SITE.role].attached == {*managed_policy_arns(SITE), SITE.policy_arn}


def test_a_prepared_role_need_not_be_changeable() -> None:
    """Who may not attach policies uses the role as it is, and is told."""
    aws = prepared()
    aws.denied = {"attach_policy", "create_policy"}
    warnings: list[str] = []
    run_virtually(provision(aws, warnings=warnings))

    assert any("complete" in warning for warning in warnings)


def test_a_role_of_ones_own_is_taken_as_it_is() -> None:
    """--lambda-role-arn: no call to IAM is made."""
    aws = FakeAws()
    own = f"arn:aws:iam::{ACCOUNT}:role/mine"
    standing = run_virtually(provision(aws, replace(DESIRED, function=replace(SETTINGS, role=own))))

    assert standing.role_arn == own
    assert not {"role", "create_role", "create_policy", "attach_policy"} & set(aws.calls)
    assert aws.functions[standing.function].request["Role"] == own


def test_lambda_gets_time_to_learn_of_a_new_role() -> None:
    """The creation is repeated until the role can be assumed."""
    aws = FakeAws()
    aws.role_unknown_for = 7
    took = elapsed(aws)

    assert FUNCTION in aws.functions
    assert 20 <= took <= 60


def test_a_role_that_never_can_be_assumed_ends_the_wait() -> None:
    """After a minute and a half, with AWS's reason."""
    aws = FakeAws()
    aws.role_unknown_for = 10_000

    with pytest.raises(NotReady, match="cannot be assumed"):
        run_virtually(provision(aws))

    assert 20 <= aws.calls.count("create_function") <= 31
    assert aws.queues == {}


# The function


def test_a_function_is_waited_for_until_it_is_active() -> None:
    """A new image takes a while."""
    aws = FakeAws()
    aws.new_states = [FunctionState(state="Pending", reason_code="Creating")] * 30 + [FunctionState()]

    assert 29 <= elapsed(aws) <= 32


@pytest.mark.parametrize(("vpc", "seconds"), [(False, 120), (True, 240)])
def test_a_function_that_stays_pending_ends_the_wait(vpc: bool, seconds: int) -> None:
    """Longer in a VPC; the message says why it is pending, and what to do."""
    aws = FakeAws()
    aws.new_states = [FunctionState(state="Pending", reason_code="Creating", reason="still at it")]
    network = {"subnets": ("subnet-1",), "security_groups": ("sg-1",)} if vpc else {}
    desired = replace(DESIRED, function=replace(SETTINGS, **network))  # type: ignore[arg-type]

    with pytest.raises(FunctionFailed, match=f"not ready after {seconds} s; it is Pending") as caught:
        run_virtually(provision(aws, desired))

    assert "still at it" in caught.value.cause
    assert caught.value.remedy
    assert aws.queues == {}


def test_a_function_that_failed_is_told_and_makes_way() -> None:
    """It would fail for ever under its name: it is deleted, and the next run makes it afresh."""
    aws = FakeAws()
    aws.new_states = [FunctionState(state="Failed", reason_code="ImageAccessDenied")]
    with pytest.raises(FunctionFailed, match="is Failed") as caught:
        run_virtually(provision(aws))

    assert "repository" in caught.value.remedy
    assert aws.functions == {}


def test_a_failed_function_of_an_earlier_run_is_made_afresh() -> None:
    """A run that was killed left it."""
    aws = FakeAws()
    aws.functions[FUNCTION] = Function({}, {}, [FunctionState(state="Failed")])
    standing = run_virtually(provision(aws))

    assert "function" in standing.made


def test_a_sleeping_function_is_woken() -> None:
    """After weeks without use; it is touched once, and waited for."""
    aws = FakeAws()
    aws.functions[FUNCTION] = Function({}, {}, [FunctionState(state="Inactive", reason_code="Idle")])
    run_virtually(provision(aws))

    assert aws.calls.count("wake_function") == 1


def test_a_function_that_was_changed_by_hand_is_told() -> None:
    """Its name says what it is: another architecture is another function."""
    aws = FakeAws()
    aws.functions[FUNCTION] = Function({}, {}, [FunctionState(architecture="x86_64", memory=4096)])

    with pytest.raises(FunctionFailed, match="the architecture is x86_64, not arm64") as caught:
        run_virtually(provision(aws))

    assert f"delete-function --function-name {FUNCTION}" in caught.value.remedy


def test_retries_that_cannot_be_switched_off_are_no_warning() -> None:
    """The documented policy does not allow it, and claims keep load from doubling."""
    aws = FakeAws()
    aws.denied = {"forgo_retries"}
    warnings: list[str] = []
    standing = run_virtually(provision(aws, warnings=warnings))

    assert not standing.retries_off
    assert warnings == []


def test_tags_go_to_function_and_queue() -> None:
    """A function that exists gets them too."""
    aws = prepared()
    tags = {"team": "load"}

    async def look(standing: Standing) -> None:
        assert aws.queues[standing.queue_url].tags == tags

    run_virtually(provision(aws, replace(DESIRED, tags=tags), work=look))

    assert aws.functions[FUNCTION].tags == tags


@pytest.mark.parametrize("make", [FakeAws, prepared], ids=["new function", "existing function"])
def test_tags_that_are_denied_are_a_warning(make: Callable[[], FakeAws]) -> None:
    """The documented policy has no lambda:TagResource."""
    aws = make()
    aws.denied, aws.denial = {"tag_function"}, "lambda:TagResource"
    warnings: list[str] = []
    run_virtually(provision(aws, replace(DESIRED, tags={"team": "load"}), warnings=warnings))

    assert len(warnings) == 1
    assert "tags" in warnings[0]


def test_a_failure_is_told_at_once() -> None:
    """Nobody waits for a pending function when the bucket is foreign."""
    aws = FakeAws()
    aws.buckets[SITE.bucket] = Bucket("eu-west-1", owner="999999999999")
    aws.new_states = [FunctionState(state="Pending")]

    async def main() -> float:
        start = asyncio.get_running_loop().time()
        with pytest.raises(AccessDenied):
            await provision(aws)
        return asyncio.get_running_loop().time() - start

    assert run_virtually(main()) < 2


# The control record


def test_the_control_record_waits_with_a_fresh_lease() -> None:
    """However long the function took."""
    aws = FakeAws()

    async def look(standing: Standing) -> None:
        record = ControlRecord.from_json(aws.objects[control_key(RUN)])
        assert record == ControlRecord(state="wait", renewed_at=NOW)

    run_virtually(provision(aws, work=look))


def test_the_control_record_is_renewed_while_the_run_lasts() -> None:
    """Several times within a lease; a failed renewal is told once and made up for."""
    aws = FakeAws()
    warnings: list[str] = []

    async def go(standing: Standing) -> None:
        await standing.control.say(ControlRecord(state="go", start_at=NOW + 5))
        keeping = asyncio.ensure_future(standing.control.keep())
        aws.calls.clear()
        aws.denied = {"put_object"}
        await asyncio.sleep(RENEWAL * 2.5)
        aws.denied = set()
        await asyncio.sleep(RENEWAL)
        keeping.cancel()
        record = ControlRecord.from_json(aws.objects[control_key(RUN)])
        assert (record.state, record.start_at) == ("go", NOW + 5)
        assert aws.calls.count("put_object") == 3

    run_virtually(provision(aws, work=go, warnings=warnings))

    assert RENEWAL * 3 < LEASE_LIMIT
    assert len(warnings) == 1
