"""The documented policy, call by call: what it lets a run do, and what it refuses, as AWS's own evaluation would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from enforced_account import FOREIGN, REFERENCE_ACCOUNT, TRUST, Account, Caller, allow, documented, enforced
from iam_front import Decision, permits

BUCKET = "artilleryio-test-data-123456789012-us-east-1"
ROLE = "artilleryio-default-lambda-role-grapeshot-1"


class Documented:
    """An account in which somebody, the runner, has the documented policy."""

    def __init__(self, account: Account) -> None:
        self.account, self.aws, self.iam = account, account.aws, account.iam
        self.runner = account.caller("runner", documented(account.number))

    def client(self, service: str, caller: Caller | None = None) -> Any:
        return self.account.client(service, caller or self.runner)


@pytest.fixture(scope="module")
def account() -> Iterator[Documented]:
    with enforced() as within:
        made, owner = Documented(within), within.owner
        role = f"arn:aws:iam::{within.number}:role/{ROLE}"
        made.client("s3", owner).create_bucket(Bucket=BUCKET)
        made.client("s3", owner).put_object(Bucket=BUCKET, Key="there", Body=b"x")
        made.client("iam", owner).create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST)
        made.client("sqs", owner).create_queue(QueueName="artilleryio-q")
        made.client("lambda", owner).create_function(
            FunctionName="artilleryio-f", Role=role, PackageType="Image", Code={"ImageUri": FOREIGN}
        )
        yield made


Try = Callable[[Documented], object]


def queue(account: Documented) -> str:
    return f"{account.aws.endpoint_url}/{account.aws.account}/artilleryio-q"


def create(account: Documented, name: str, image: str = FOREIGN, **more: Any) -> object:
    return account.client("lambda").create_function(
        FunctionName=name,
        Role=f"arn:aws:iam::{account.aws.account}:role/{ROLE}",
        PackageType="Image",
        Code={"ImageUri": image},
        **more,
    )


def s3(operation: str, **settings: Any) -> Try:
    return lambda account: getattr(account.client("s3"), operation)(**{"Bucket": BUCKET, **settings})


def on(service: str, operation: str, **settings: Any) -> Try:
    return lambda account: getattr(account.client(service), operation)(**settings)


def sqs(operation: str, **settings: Any) -> Try:
    return lambda account: getattr(account.client("sqs"), operation)(QueueUrl=queue(account), **settings)


RULES = {
    "Rules": [{"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "tests/"}, "Expiration": {"Days": 2}}]
}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
NOTHING = json.dumps({"Version": "2012-10-17", "Statement": [allow("sqs:SendMessage", "*")]})
TAGS = [{"Key": "team", "Value": "a"}]
NEW_ROLE = {"AssumeRolePolicyDocument": TRUST}

ALLOWED: dict[str, Try] = {
    "s3 CreateBucket": s3("create_bucket", Bucket="artilleryio-test-data-other"),
    "s3 HeadBucket": s3("head_bucket"),
    "s3 PutObject": s3("put_object", Key="k", Body=b"x"),
    "s3 GetObject": s3("get_object", Key="there"),
    "s3 HeadObject": s3("head_object", Key="there"),
    "s3 DeleteObject": s3("delete_object", Key="gone"),
    "s3 ListObjectsV2": s3("list_objects_v2"),
    "s3 PutBucketLifecycleConfiguration": s3(
        "put_bucket_lifecycle_configuration", LifecycleConfiguration=RULES
    ),
    "iam GetRole": on("iam", "get_role", RoleName=ROLE),
    "iam CreateRole": on("iam", "create_role", RoleName="artilleryio-default-lambda-role-x", **NEW_ROLE),
    "iam AttachRolePolicy": on("iam", "attach_role_policy", RoleName=ROLE, PolicyArn=BASIC),
    "iam CreatePolicy": on(
        "iam", "create_policy", PolicyName="artilleryio-lambda-policy-x", PolicyDocument=NOTHING
    ),
    "lambda CreateFunction, foreign image": lambda a: create(a, "artilleryio-new"),
    "lambda CreateFunction, own image that Lambda may pull": lambda a: create(
        a, "artilleryio-own", a.aws.image_uri()
    ),
    "lambda GetFunctionConfiguration": on(
        "lambda", "get_function_configuration", FunctionName="artilleryio-f"
    ),
    "lambda Invoke": on("lambda", "invoke", FunctionName="artilleryio-f", InvocationType="DryRun"),
    "lambda DeleteFunction": lambda a: (
        create(a, "artilleryio-gone"),
        a.client("lambda").delete_function(FunctionName="artilleryio-gone"),
    ),
    "sqs CreateQueue": on("sqs", "create_queue", QueueName="artilleryio-new", tags={"a": "b"}),
    "sqs SendMessage": sqs("send_message", MessageBody="m"),
    "sqs ReceiveMessage": sqs("receive_message"),
    "sqs GetQueueAttributes": sqs("get_queue_attributes", AttributeNames=["All"]),
    "sqs GetQueueUrl": on("sqs", "get_queue_url", QueueName="artilleryio-q"),
    "sqs ListQueues": on("sqs", "list_queues"),
    "sts GetCallerIdentity": on("sts", "get_caller_identity"),
}

DENIED: dict[str, tuple[str, Try]] = {
    "s3 CreateBucket of another name": ("s3:CreateBucket", s3("create_bucket", Bucket="somebody-elses")),
    "s3 DeleteBucket": ("s3:DeleteBucket", s3("delete_bucket")),
    "s3 GetBucketLocation": ("s3:GetBucketLocation", s3("get_bucket_location")),
    "s3 ListBuckets": ("s3:ListAllMyBuckets", on("s3", "list_buckets")),
    "s3 PutPublicAccessBlock": (
        "s3:PutBucketPublicAccessBlock",
        s3("put_public_access_block", PublicAccessBlockConfiguration={"BlockPublicAcls": True}),
    ),
    "s3 PutBucketPolicy": ("s3:PutBucketPolicy", s3("put_bucket_policy", Policy="{}")),
    "s3 an operation in no table": ("s3:UNMAPPED_GET", s3("get_bucket_website")),
    "iam CreateRole without a suffix": (
        "iam:CreateRole",
        on("iam", "create_role", RoleName="artilleryio-default-lambda-role", **NEW_ROLE),
    ),
    "iam CreateRole with tags": (
        "iam:TagRole",
        on("iam", "create_role", RoleName="artilleryio-default-lambda-role-t", Tags=TAGS, **NEW_ROLE),
    ),
    "iam GetPolicy": (
        "iam:GetPolicy",
        on("iam", "get_policy", PolicyArn="arn:aws:iam::123456789012:policy/artilleryio-lambda-policy-x"),
    ),
    "iam PutRolePolicy": (
        "iam:PutRolePolicy",
        on("iam", "put_role_policy", RoleName=ROLE, PolicyName="p", PolicyDocument=NOTHING),
    ),
    "iam ListAttachedRolePolicies": (
        "iam:ListAttachedRolePolicies",
        on("iam", "list_attached_role_policies", RoleName=ROLE),
    ),
    "iam DeleteRole": ("iam:DeleteRole", on("iam", "delete_role", RoleName=ROLE)),
    "lambda CreateFunction with tags": (
        "lambda:TagResource",
        lambda a: create(a, "artilleryio-tagged", Tags={"a": "b"}),
    ),
    "lambda CreateFunction in a VPC": (
        "ec2:DescribeSecurityGroups",
        lambda a: create(
            a, "artilleryio-vpc", VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
        ),
    ),
    "lambda CreateFunction, own image that Lambda may not pull": (
        "ecr:GetRepositoryPolicy",
        lambda a: create(
            a, "artilleryio-private", f"{a.aws.account}.dkr.ecr.us-east-1.amazonaws.com/private:1"
        ),
    ),
    "lambda CreateFunction of another name": ("lambda:CreateFunction", lambda a: create(a, "mine")),
    "lambda GetFunction": ("lambda:GetFunction", on("lambda", "get_function", FunctionName="artilleryio-f")),
    "lambda ListFunctions": ("lambda:ListFunctions", on("lambda", "list_functions")),
    "lambda PutFunctionEventInvokeConfig": (
        "lambda:PutFunctionEventInvokeConfig",
        on(
            "lambda",
            "put_function_event_invoke_config",
            FunctionName="artilleryio-f",
            MaximumRetryAttempts=0,
        ),
    ),
    "lambda PutFunctionConcurrency": (
        "lambda:PutFunctionConcurrency",
        on(
            "lambda",
            "put_function_concurrency",
            FunctionName="artilleryio-f",
            ReservedConcurrentExecutions=1,
        ),
    ),
    "lambda GetAccountSettings": ("lambda:GetAccountSettings", on("lambda", "get_account_settings")),
    "sqs CreateQueue of another name": ("sqs:CreateQueue", on("sqs", "create_queue", QueueName="mine")),
    "ecr GetAuthorizationToken": ("ecr:GetAuthorizationToken", on("ecr", "get_authorization_token")),
    "ecr CreateRepository": ("ecr:CreateRepository", on("ecr", "create_repository", repositoryName="new")),
    "logs": ("logs:UNMAPPED_DescribeLogGroups", on("logs", "describe_log_groups")),
    "sts AssumeRole": (
        "sts:AssumeRole",
        on("sts", "assume_role", RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="session"),
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_the_documented_policy_allows(account: Documented, name: str) -> None:
    """What a run needs goes through."""
    ALLOWED[name](account)


@pytest.mark.parametrize("name", DENIED)
def test_the_documented_policy_denies(account: Documented, name: str) -> None:
    """What the policy does not list is refused, and the audit names the permission that was lacking."""
    action, call = DENIED[name]
    seen = len(account.iam.audit)
    with pytest.raises(ClientError) as refused:
        call(account)
    lacking = [decision for decision in account.iam.audit[seen:] if not decision.allowed]

    assert refused.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}
    assert [decision.action.startswith(action) for decision in lacking] == [True]


def test_an_unknown_key_is_refused(account: Documented) -> None:
    """Nobody is anonymous."""
    with pytest.raises(ClientError) as refused:
        account.client("sqs", Caller("nobody", "ASIA" + "X" * 16, "x")).list_queues()

    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_the_audit_is_the_least_policy(account: Documented) -> None:
    """One CreateFunction asks for four permissions, and all of them are written down."""
    seen = len(account.iam.audit)
    create(account, "artilleryio-audited")
    runner = f"arn:aws:iam::{account.aws.account}:role/runner"
    lambdas = f"arn:aws:lambda:us-east-1:{account.aws.account}:function:artilleryio-audited"
    image = f"arn:aws:ecr:us-east-1:{REFERENCE_ACCOUNT}:repository/artillery-worker"

    assert account.iam.audit[seen:] == [
        Decision(runner, "lambda:CreateFunction", lambdas, True),
        Decision(runner, "iam:PassRole", f"arn:aws:iam::{account.aws.account}:role/{ROLE}", True),
        Decision(runner, "ecr:BatchGetImage", image, True),
        Decision(runner, "ecr:GetDownloadUrlForLayer", image, True),
    ]


def test_an_attached_policy_counts_at_once(account: Documented) -> None:
    """A managed policy that is made and attached in the test is the one that is enforced."""
    iam = account.client("iam", account.account.owner)
    later = account.account.caller(
        "later", {"Version": "2012-10-17", "Statement": [allow("sqs:ListQueues", "*")]}
    )
    with pytest.raises(ClientError):
        account.client("s3", later).head_bucket(Bucket=BUCKET)
    document = {"Version": "2012-10-17", "Statement": [allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}")]}
    policy = iam.create_policy(PolicyName="late", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="later", PolicyArn=policy)

    account.client("s3", later).head_bucket(Bucket=BUCKET)


ONLY_LAMBDA = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
ONLY_OURS = {
    "StringLike": {"iam:PolicyARN": ["arn:aws:iam::*:policy/artilleryio-*", "arn:aws:iam::aws:*Basic*"]}
}


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        ({}, {}, True),
        (ONLY_LAMBDA, {"iam:passedtoservice": "lambda.amazonaws.com"}, True),
        (ONLY_LAMBDA, {"iam:passedtoservice": "ec2.amazonaws.com"}, False),
        (ONLY_LAMBDA, {}, False),
        (ONLY_OURS, {"iam:policyarn": "arn:aws:iam::123456789012:policy/artilleryio-p"}, True),
        (ONLY_OURS, {"iam:policyarn": "arn:aws:iam::aws:policy/AdministratorAccess"}, False),
        ({**ONLY_LAMBDA, **ONLY_OURS}, {"iam:passedtoservice": "lambda.amazonaws.com"}, False),
    ],
)
def test_conditions_must_all_hold(condition: Any, context: dict[str, str], allowed: bool) -> None:
    """StringEquals and StringLike against the call's keys; a key that the call lacks does not match."""
    statement = {**allow("iam:*", "*"), "Condition": condition}

    assert permits([statement], "iam:PassRole", "arn:any", context) is allowed


@pytest.mark.parametrize(
    ("actions", "resource", "allowed"),
    [
        ("S3:getobject", "arn:aws:s3:::b/k", True),
        ("s3:Get*", "arn:aws:s3:::b/?", True),
        ("s3:Get*", "arn:aws:s3:::B/k", False),
        ("s3:GetObjectAcl", "*", False),
    ],
)
def test_patterns(actions: str, resource: str, allowed: bool) -> None:
    """Actions are compared without regard to case, resources with it; * and ? are the only wildcards."""
    assert permits([allow(actions, resource)], "s3:GetObject", "arn:aws:s3:::b/k", {}) is allowed


def test_a_deny_wins() -> None:
    """Whatever else allows it."""
    deny = {**allow("s3:DeleteObject", "*"), "Effect": "Deny"}

    assert permits([allow("s3:*", "*"), deny], "s3:GetObject", "arn:x", {})
    assert not permits([allow("s3:*", "*"), deny], "s3:DeleteObject", "arn:x", {})


def test_unknown_conditions_are_no_guess() -> None:
    """An operator that is not understood stops the test instead of deciding something."""
    statement = {**allow("s3:*", "*"), "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    with pytest.raises(ValueError, match="Bool"):
        permits([statement], "s3:GetObject", "arn:x", {})
