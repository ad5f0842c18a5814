"""Who may do what: the caller's policy, the worker role's trust and its policy, as IAM documents (pure).

Leaves to others: creating them (role, the templates in infra/), and what a denied call is told as (refusals).

The caller's policy is the documented one of the reference, with the account's own worker repository in the place
of its vendor's: whoever was allowed to run the reference's Lambda tests is allowed to run these. Everything a run
calls is in it. What lies beyond (publishing an image, and the extras below) is asked for by its own commands and
flags.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from grapeshot_launcher.cloud.resources import PREFIX, REPOSITORY, Site, partition_of

Statement = dict[str, Any]
VERSION = "2012-10-17"
ACCOUNT = "123456789012"  # the example account of AWS's own documentation

MANAGED_POLICIES = (
    "service-role/AWSLambdaBasicExecutionRole",
    "service-role/AWSLambdaVPCAccessExecutionRole",
)

PUSH_ACTIONS = (
    "ecr:CreateRepository",
    "ecr:DescribeRepositories",
    "ecr:DescribeImages",
    "ecr:PutLifecyclePolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:SetRepositoryPolicy",
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)

# What a run uses when it may, by what it is for; the documented policy has none of it.
EXTRAS: Mapping[str, Sequence[str]] = {
    "retries of Lambda switched off": ("lambda:PutFunctionEventInvokeConfig",),
    "--aws-tags": ("lambda:TagResource",),
    "the check of the account's concurrency": ("lambda:GetAccountSettings",),
    "functions in a VPC": ("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
}


def policy_text(
    *,
    account: str = ACCOUNT,
    region: str | None = None,
    prefix: str = PREFIX,
    publish: bool = False,
    extras: bool = False,
) -> str:
    """Write the policy of whoever runs tests, as JSON.

    Without a region it holds in every region of the partition `aws`. `publish` adds what `grapeshot image publish`
    needs, `extras` what a run can do without.
    """
    statements = caller_statements(account=account, region=region, prefix=prefix)
    if publish:
        statements += publish_statements(account=account, region=region)
    if extras:
        statements += extra_statements(account=account, region=region, prefix=prefix)
    return json.dumps({"Version": VERSION, "Statement": statements}, indent=2)


def caller_statements(
    *, account: str = ACCOUNT, region: str | None = None, prefix: str = PREFIX
) -> list[Statement]:
    """Give the documented policy of a run."""
    arn = _Arns(account, region)
    role = arn("iam", f"role/{prefix}-default-lambda-role-*", everywhere=True)
    policy = arn("iam", f"policy/{prefix}-lambda-policy-*", everywhere=True)
    bucket = f"arn:{arn.partition}:s3:::{prefix}-test-data-*"
    return [
        _allow(
            "CreateOrGetLambdaRole",
            ["iam:CreateRole", "iam:GetRole", "iam:PassRole", "iam:AttachRolePolicy"],
            role,
        ),
        _allow("CreateLambdaPolicy", ["iam:CreatePolicy"], policy),
        _allow("SQSPermissions", ["sqs:*"], arn("sqs", f"{prefix}*")),
        _allow("SQSListQueues", ["sqs:ListQueues"], "*"),
        _allow(
            "LambdaPermissions",
            [
                "lambda:InvokeFunction",
                "lambda:CreateFunction",
                "lambda:DeleteFunction",
                "lambda:GetFunctionConfiguration",
            ],
            arn("lambda", f"function:{prefix}-*"),
        ),
        _allow(
            "EcrPullImagePermissions",
            ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
            arn("ecr", f"repository/{REPOSITORY}"),
        ),
        _allow(
            "S3Permissions",
            [
                "s3:CreateBucket",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:PutObject",
                "s3:ListBucket",
                "s3:GetLifecycleConfiguration",
                "s3:PutLifecycleConfiguration",
            ],
            [bucket, f"{bucket}/*"],
        ),
    ]


def publish_statements(*, account: str = ACCOUNT, region: str | None = None) -> list[Statement]:
    """Give what publishing the worker image needs beyond a run."""
    arn = _Arns(account, region)
    return [
        _allow("EcrLogin", ["ecr:GetAuthorizationToken"], "*"),
        _allow("EcrPublishImage", list(PUSH_ACTIONS), arn("ecr", f"repository/{REPOSITORY}")),
    ]


def extra_statements(
    *, account: str = ACCOUNT, region: str | None = None, prefix: str = PREFIX
) -> list[Statement]:
    """Give what a run makes use of when it may."""
    arn = _Arns(account, region)
    actions = sorted(action for group in EXTRAS.values() for action in group)
    everywhere = [a for a in actions if a.startswith("ec2:") or a == "lambda:GetAccountSettings"]
    ours = [a for a in actions if a not in everywhere]
    return [
        _allow("LambdaExtras", ours, arn("lambda", f"function:{prefix}-*")),
        _allow("LookAround", everywhere, "*"),
    ]


def granting_sid(action: str) -> str | None:
    """Name the statement that grants an action, in the documented policy or in the one for publishing.

    >>> granting_sid("sqs:CreateQueue"), granting_sid("ecr:PutImage"), granting_sid("s3:DeleteBucket")
    ('SQSPermissions', 'EcrPublishImage', None)
    """
    for statement in [*caller_statements(), *publish_statements(), *extra_statements()]:
        if any(fnmatchcase(action.lower(), pattern.lower()) for pattern in statement["Action"]):
            return str(statement["Sid"])
    return None


def trust_policy(site: Site) -> str:
    """Write the trust policy of the worker's role: Lambda may take it on, nobody else."""
    suffix = ".cn" if site.partition == "aws-cn" else ""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"lambda.amazonaws.com{suffix}"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": VERSION, "Statement": [statement]})


def managed_policy_arns(site: Site) -> list[str]:
    """Give AWS's own policies of the worker's role: writing logs, and network interfaces in a VPC."""
    return [f"arn:{site.partition}:iam::aws:policy/{name}" for name in MANAGED_POLICIES]


def worker_policy(site: Site) -> str:
    """Write what a worker may do: send to the runs' queues, read and write what belongs to runs in the bucket.

    The role serves all regions of the account. Listing is in it because S3 answers a GET for an object that is not
    there with 403 otherwise: a worker whose control record was removed must see that it is gone, and stop.
    """
    bucket = f"arn:{site.partition}:s3:::{site.prefix}-test-data-{site.account}-*"
    statements = [
        _allow("SendToRunQueues", ["sqs:SendMessage"], site.arn("sqs", f"{site.prefix}*", region="*")),
        _allow(
            "RunObjects",
            ["s3:GetObject", "s3:PutObject"],
            f"{bucket}/tests/*",
        ),
        _allow("TellMissingFromDenied", ["s3:ListBucket"], bucket),
    ]
    return json.dumps({"Version": VERSION, "Statement": statements})


class _Arns:
    """Writes ARNs of an account, in one region or in any."""

    def __init__(self, account: str, region: str | None) -> None:
        self.partition = partition_of(region or "")
        self._account, self._region = account, region or "*"

    def __call__(self, service: str, resource: str, *, everywhere: bool = False) -> str:
        region = "" if everywhere else self._region
        return f"arn:{self.partition}:{service}:{region}:{self._account}:{resource}"


def _allow(sid: str, actions: list[str], resource: str | list[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
