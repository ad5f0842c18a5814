"""Names, settings, tags and policies: what should stand in AWS, as plain data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_launcher.cloud.policy import (
    EXTRAS,
    MANAGED_POLICIES,
    caller_statements,
    granting_sid,
    managed_policy_arns,
    policy_text,
    trust_policy,
    worker_policy,
)
from grapeshot_launcher.cloud.resources import (
    QUEUE_ATTRIBUTES,
    FunctionSettings,
    Site,
    function_problems,
    merged_lifecycle,
    metadata_key,
    partition_of,
    site_problems,
    vcpus,
)
from grapeshot_launcher.cloud.tags import TagsRefused, parse_tags
from grapeshot_worker.invocation import bundle_key, run_prefix

ACCOUNT = "123456789012"
SITE = Site(account=ACCOUNT, region="eu-west-1")
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/grapeshot-worker@sha256:{'a' * 64}"
SETTINGS = FunctionSettings(image=IMAGE, role=SITE.role_arn)


# Names


def test_the_names_of_an_account_and_region() -> None:
    """As documented; the prefix changes all of them."""
    names = (SITE.bucket, SITE.role, SITE.policy, SITE.queue("t1"))
    other = replace(SITE, prefix="acme")

    assert names == (
        "artilleryio-test-data-123456789012-eu-west-1",
        "artilleryio-default-lambda-role-grapeshot-1",
        "artilleryio-lambda-policy-grapeshot-1",
        "artilleryio-t1",
    )
    assert (other.bucket, other.role, other.policy, other.queue("t1")) == tuple(
        name.replace("artilleryio", "acme") for name in names
    )


def test_every_region_has_the_partition_that_the_sdk_knows() -> None:
    """For all regions where Lambda is."""
    session = boto3.session.Session()
    regions = {
        region: partition
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("lambda", partition)
    }

    assert len(regions) > 30
    assert {region: partition_of(region) for region in regions} == regions
    assert [region for region in regions if site_problems(replace(SITE, region=region))] == []


def test_arns_name_the_partition() -> None:
    """China and GovCloud have their own."""
    assert replace(SITE, region="cn-north-1").role_arn.startswith(f"arn:aws-cn:iam::{ACCOUNT}:role/")
    assert replace(SITE, region="us-gov-west-1").policy_arn.startswith("arn:aws-us-gov:iam::")


@given(st.text(min_size=1, max_size=200))
def test_a_queue_s_name_is_one_that_sqs_takes(run_id: str) -> None:
    """Whatever the run id: 80 letters, digits, hyphens and underscores at most."""
    name = SITE.queue(run_id)

    assert name.startswith("artilleryio-")
    assert len(name) <= 80
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_run_ids_that_are_cut_keep_their_queues_apart() -> None:
    """Their names differ even when they begin alike."""
    assert SITE.queue("x" * 100) != SITE.queue("x" * 101)
    assert SITE.queue("a.b") != SITE.queue("a-b")


@pytest.mark.parametrize("prefix", ["", "Acme", "-a", "a-", "a_b", "a" * 25, "ä"])
def test_a_prefix_that_cannot_begin_a_bucket_s_name_is_refused(prefix: str) -> None:
    """Before AWS is asked."""
    assert len(site_problems(replace(SITE, prefix=prefix))) == 1


def test_the_longest_prefix_leaves_room_for_every_name() -> None:
    """63 characters for a bucket, 64 for a role and a function."""
    site = Site(account=ACCOUNT, region="us-isof-south-1", prefix="a" * 24)

    assert site_problems(site) == []
    assert len(site.bucket) <= 63
    assert len(site.role) <= 64
    assert len(replace(SETTINGS, architecture="x86_64").name(site.prefix)) <= 64


def test_a_mistyped_region_is_refused() -> None:
    """It would look like a network fault later."""
    assert site_problems(replace(SITE, region="ireland")) == [
        "'ireland' is no region; regions look like eu-west-1"
    ]


# The function


def test_a_function_s_name_says_what_it_is() -> None:
    """Prefix, architecture, and 16 digits."""
    assert SETTINGS.name().startswith("artilleryio-grapeshot-arm64-")
    assert len(SETTINGS.name()) == len("artilleryio-grapeshot-arm64-") + 16


@pytest.mark.parametrize(
    "change",
    [
        {"image": IMAGE.replace("a" * 64, "b" * 64)},
        {"memory": 2048},
        {"architecture": "x86_64"},
        {"timeout": 600},
        {"role": f"arn:aws:iam::{ACCOUNT}:role/other"},
        {"subnets": ("subnet-1",), "security_groups": ("sg-1",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_shapes_a_function_shapes_its_name(change: dict[str, Any]) -> None:
    """So no run meets a function of other settings."""
    assert replace(SETTINGS, **change).name() != SETTINGS.name()


def test_the_order_of_subnets_does_not_make_another_function() -> None:
    """They are a set."""
    one = replace(SETTINGS, subnets=("subnet-1", "subnet-2"), security_groups=("sg-1",))

    assert replace(one, subnets=("subnet-2", "subnet-1")).name() == one.name()


def test_good_settings_have_no_problems() -> None:
    """The defaults."""
    assert function_problems(SETTINGS, SITE) == []


def test_all_problems_of_the_settings_are_told_at_once() -> None:
    """Each with its flag."""
    bad = FunctionSettings(
        image="worker:latest",
        role="admin",
        memory=64,
        architecture="riscv",  # type: ignore[arg-type]
        timeout=1000,
        subnets=("vpc-1",),
    )
    text = "\n".join(function_problems(bad, SITE))

    for word in (
        "--memory-size 64", "--timeout 1000", "--architecture riscv", "--subnet-ids needs --security-group-ids",
        "'vpc-1' does not begin with 'subnet-'", "not named by its digest", "--lambda-role-arn: 'admin' is no ARN",
    ):  # fmt: skip
        assert word in text


def test_security_groups_alone_are_refused() -> None:
    """The reference ignores them in silence."""
    problems = function_problems(replace(SETTINGS, security_groups=("sg-1",)), SITE)

    assert problems == ["--security-group-ids needs --subnet-ids beside it: a function in a VPC has both"]


def test_an_image_of_another_region_is_refused() -> None:
    """Lambda would refuse it later, less clearly."""
    (problem,) = function_problems(replace(SETTINGS, image=IMAGE.replace("eu-west-1", "us-east-1")), SITE)

    assert "grapeshot image publish --region eu-west-1" in problem


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("arn:aws:iam::999999999999:role/r", "account 999999999999"),
        (f"arn:aws-cn:iam::{ACCOUNT}:role/r", "partition aws-cn"),
        (f"arn:aws:iam::{ACCOUNT}:user/r", "is no ARN of a role"),
    ],
)
def test_a_role_that_lambda_cannot_take_is_refused(role: str, words: str) -> None:
    """Of another account or partition, or no role."""
    (problem,) = function_problems(replace(SETTINGS, role=role), SITE)

    assert words in problem


@given(st.integers(128, 10_240))
def test_the_processes_of_a_function_fit_its_share_of_cpu(memory: int) -> None:
    """At least one, at most six, never half a vCPU more than there is."""
    assert 1 <= vcpus(memory) <= 6
    assert vcpus(memory) == 1 or vcpus(memory) <= memory / 1769 + 0.5


# Bucket and queue


def test_run_objects_and_metadata_expire() -> None:
    """What a run writes lies under the prefixes of the two rules."""
    rules = merged_lifecycle([])
    assert rules is not None
    days = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules}

    assert days == {"tests/": 2, "metadata/": 7}
    assert run_prefix("t1").startswith("tests/")
    assert bundle_key("0").startswith("tests/")
    assert metadata_key("t1").startswith("metadata/")


def test_rules_that_stand_are_not_written_again() -> None:
    """And one of ours that was changed is set right."""
    rules = merged_lifecycle([])
    assert rules is not None
    spoiled = [{**rules[0], "Expiration": {"Days": 90}}, rules[1]]

    assert merged_lifecycle(rules) is None
    assert merged_lifecycle(spoiled) == rules


def test_the_queue_is_a_standard_one_with_long_polls() -> None:
    """No FIFO: order and duplicates are told by number."""
    assert "FifoQueue" not in QUEUE_ATTRIBUTES
    assert QUEUE_ATTRIBUTES["ReceiveMessageWaitTimeSeconds"] == "20"


# Tags


def test_tags_are_divided_at_commas_and_first_colons() -> None:
    """Spaces around them go."""
    assert parse_tags(" team : load , url:http://x:80,empty:") == {
        "team": "load",
        "url": "http://x:80",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("team", "has no colon"),
        (":x", "empty key"),
        ("k" * 129 + ":x", "129 characters"),
        ("k:" + "v" * 257, "257 characters"),
        ("aws:x:y", "belong to AWS"),
        ("AWS:x:y", "belong to AWS"),
        ("k:a;b", "'a;b' has characters"),
        ("k:a,k:b", "given twice"),
        (",".join(f"k{n}:v" for n in range(51)), "51 tags"),
        ("", "has no colon"),
    ],
)
def test_a_fault_of_a_tag_is_told(text: str, words: str) -> None:
    """By the rules of AWS."""
    with pytest.raises(TagsRefused, match=r"^Invalid --aws-tags value:") as caught:
        parse_tags(text)

    assert words in caught.value.message
    assert caught.value.exit_code == 1


def test_all_faults_of_the_tags_are_told_at_once() -> None:
    """In their order."""
    with pytest.raises(TagsRefused) as caught:
        parse_tags("team,:x,a:b,a:c")

    assert caught.value.message.count("\n") == 3


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9_]{1,20}", fullmatch=True).filter(lambda key: key != "aws"),
        st.from_regex(r"[a-z0-9_:/=+@-]{0,20}", fullmatch=True),
        min_size=1,
        max_size=50,
    )
)
def test_good_tags_come_back(tags: dict[str, str]) -> None:
    """Whatever they are."""
    assert parse_tags(",".join(f"{key}:{value}" for key, value in tags.items())) == tags


# Policies

DOCUMENTED = {
    "CreateOrGetLambdaRole": (
        {"iam:CreateRole", "iam:GetRole", "iam:PassRole", "iam:AttachRolePolicy"},
        f"arn:aws:iam::{ACCOUNT}:role/artilleryio-default-lambda-role-*",
    ),
    "CreateLambdaPolicy": (
        {"iam:CreatePolicy"},
        f"arn:aws:iam::{ACCOUNT}:policy/artilleryio-lambda-policy-*",
    ),
    "SQSPermissions": ({"sqs:*"}, f"arn:aws:sqs:*:{ACCOUNT}:artilleryio*"),
    "SQSListQueues": ({"sqs:ListQueues"}, "*"),
    "LambdaPermissions": (
        {
            "lambda:InvokeFunction",
            "lambda:CreateFunction",
            "lambda:DeleteFunction",
            "lambda:GetFunctionConfiguration",
        },
        f"arn:aws:lambda:*:{ACCOUNT}:function:artilleryio-*",
    ),
    "EcrPullImagePermissions": (
        {"ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"},
        f"arn:aws:ecr:*:{ACCOUNT}:repository/grapeshot-worker",
    ),
    "S3Permissions": (
        {
            "s3:CreateBucket",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:PutObject",
            "s3:ListBucket",
            "s3:GetLifecycleConfiguration",
            "s3:PutLifecycleConfiguration",
        },
        ["arn:aws:s3:::artilleryio-test-data-*", "arn:aws:s3:::artilleryio-test-data-*/*"],
    ),
}


def test_the_caller_s_policy_is_the_documented_one() -> None:
    """With the account's own worker repository in the place of the vendor's."""
    policy = json.loads(policy_text(account=ACCOUNT))

    assert policy["Version"] == "2012-10-17"
    assert {s["Sid"]: (set(s["Action"]), s["Resource"]) for s in policy["Statement"]} == DOCUMENTED
    assert {s["Effect"] for s in policy["Statement"]} == {"Allow"}


def test_a_policy_for_a_region_names_region_and_partition() -> None:
    """And holds nowhere else."""
    text = policy_text(account=ACCOUNT, region="cn-north-1", prefix="acme")

    assert f"arn:aws-cn:sqs:cn-north-1:{ACCOUNT}:acme*" in text
    assert "arn:aws:" not in text
    assert "artilleryio" not in text


def test_more_is_granted_only_when_asked_for() -> None:
    """Publishing and the extras add statements, and change none."""
    run = json.loads(policy_text())["Statement"]
    publish = json.loads(policy_text(publish=True))["Statement"]
    everything = json.loads(policy_text(publish=True, extras=True))["Statement"]

    assert run == caller_statements()
    assert [s["Sid"] for s in publish[len(run) :]] == ["EcrLogin", "EcrPublishImage"]
    assert [s["Sid"] for s in everything[len(publish) :]] == ["LambdaExtras", "LookAround"]


def test_every_policy_fits_into_what_iam_takes() -> None:
    """6,144 characters without white space, for a managed policy."""
    text = policy_text(region="ap-southeast-1", prefix="a" * 24, publish=True, extras=True)

    assert len("".join(text.split())) <= 6144


def test_every_action_of_the_border_is_granted_by_a_statement() -> None:
    """A denied call can name the one that grants it."""
    for action in ("s3:ListBucket", "sqs:DeleteQueue", "iam:AttachRolePolicy", "lambda:InvokeFunction"):
        assert granting_sid(action) in DOCUMENTED
    for group in EXTRAS.values():
        assert {granting_sid(action) for action in group} <= {"LambdaExtras", "LookAround"}


def test_only_lambda_may_take_on_the_worker_s_role() -> None:
    """By the partition's name for it."""
    for region, service in (
        ("eu-west-1", "lambda.amazonaws.com"),
        ("cn-north-1", "lambda.amazonaws.com.cn"),
    ):
        (statement,) = json.loads(trust_policy(replace(SITE, region=region)))["Statement"]

        assert statement["Principal"] == {"Service": service}


def test_the_worker_may_send_and_keep_objects_of_runs() -> None:
    """And nothing else."""
    statements = json.loads(worker_policy(SITE))["Statement"]

    assert {action for s in statements for action in s["Action"]} == {
        "sqs:SendMessage",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
    }
    assert all("artilleryio" in s["Resource"] for s in statements)


def test_the_managed_policies_are_those_of_the_guide() -> None:
    """Logs, and network interfaces."""
    assert managed_policy_arns(SITE) == [f"arn:aws:iam::aws:policy/{name}" for name in MANAGED_POLICIES]
