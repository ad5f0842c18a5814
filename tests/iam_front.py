"""AWS's permissions for the embedded AWS: every call is judged by the policies that its caller has.

    iam = IamFront()
    with EmbeddedAws(middleware=iam) as aws: …
    iam.audit                       what was asked for, and what was answered

The policies are read from the embedded IAM at each call, so one that a test creates is the one that counts. The
owner of the account (aws.environ) may do everything; a role may what its policies say; an unknown key may nothing.
A call may need several permissions; one that is in no table needs one that nobody has, so the tables fail closed.
What AWS asks for was taken from its service authorization reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from grapeshot_launcher.platforms.emulator import ACCESS_KEY
from grapeshot_launcher.platforms.emulator.calls import (
    Application,
    Call,
    Environ,
    StartResponse,
    read_call,
    refusal,
)
from grapeshot_launcher.platforms.emulator.front import give, read_body

Context = Mapping[str, str]  # condition keys, in small letters, and their values
Need = tuple[str, str, Context]  # action, resource, what conditions may ask about
Statement = dict[str, Any]

# Operations whose permission has another name, and the part of the bucket they are about.
S3_ACTIONS = {
    "ListBuckets": "ListAllMyBuckets",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "DeleteObjects": "DeleteObject",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
}
SQS_ACTIONS = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
WHOLE_SERVICE = {
    "sqs:ListQueues",
    "ecr:GetAuthorizationToken",
    "lambda:ListFunctions",
    "lambda:GetAccountSettings",
}
FREE = {"sts:GetCallerIdentity", "sts:AssumeRoleWithWebIdentity"}
PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
REFUSALS = {"s3": ("AccessDenied", 403), "iam": ("AccessDenied", 403), "sts": ("AccessDenied", 403)}


@dataclass(frozen=True)
class Decision:
    """One permission that was asked for."""

    caller: str
    action: str
    resource: str
    allowed: bool


class IamFront:
    """A middleware of the embedded AWS."""

    def __init__(self) -> None:
        self.audit: list[Decision] = []
        self.operations: list[tuple[str, str]] = []  # every call of a role: its access key, the operation

    def __call__(self, application: Application) -> Application:
        def guarded(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            call = read_call(environ, read_body(environ))
            if call.access_key == ACCESS_KEY:
                return application(environ, start_response)
            self.operations.append((call.access_key, call.operation))
            if call.operation in FREE:
                return application(environ, start_response)
            role = role_of(call.access_key)
            if role is None:
                message = "The security token included in the request is invalid."
                return give(refusal(call, "InvalidClientTokenId", message, status=403), start_response)
            for action, resource, context in needs(call):
                allowed = permits(statements(role), action, resource, context)
                self.audit.append(Decision(role, action, resource, allowed))
                if not allowed:
                    code, status = REFUSALS.get(call.service, ("AccessDeniedException", 400))
                    message = (
                        f"User: {role} is not authorized to perform: {action} on resource: {resource} "
                        f"because no identity-based policy allows the {action} action"
                    )
                    return give(refusal(call, code, message, status=status), start_response)
            return application(environ, start_response)

        return guarded

    def used(self, caller: str) -> set[tuple[str, str]]:
        """Everything that a role was allowed: the least that its policies must hold."""
        return {(one.action, one.resource) for one in self.audit if one.caller == caller and one.allowed}

    def denied(self, caller: str) -> set[tuple[str, str]]:
        """Everything that a role was refused."""
        return {(one.action, one.resource) for one in self.audit if one.caller == caller and not one.allowed}


# ---- who calls, and what its policies say ----


def account() -> str:
    from moto.core.models import DEFAULT_ACCOUNT_ID

    return DEFAULT_ACCOUNT_ID


def role_of(access_key: str) -> str | None:
    """The ARN of the role whose session has this key."""
    from moto.sts.models import sts_backends

    session = sts_backends[account()]["aws"].get_assumed_role_from_access_key(access_key)
    return session.role_arn if session else None


def statements(role_arn: str) -> list[Statement]:
    """All statements of a role's inline and attached policies."""
    from moto.iam.models import iam_backends

    role = iam_backends[account()]["aws"].get_role_by_arn(role_arn)
    documents = list(role.policies.values())
    for policy in role.managed_policies.values():
        documents += [
            version.document for version in policy.versions if version.is_default and version.document
        ]
    found: list[Statement] = []
    for document in documents:
        content = json.loads(document)["Statement"]
        found += [content] if isinstance(content, dict) else content
    return found


def permits(policy: Iterable[Statement], action: str, resource: str, context: Context) -> bool:
    """An explicit Deny wins; otherwise some statement must allow it."""
    effects = {s["Effect"] for s in policy if applies(s, action, resource, context)}
    return effects == {"Allow"}


def applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    if "NotAction" in statement or "NotResource" in statement:
        raise ValueError("NotAction and NotResource are not understood here")
    return (
        any(glob(p.lower(), action.lower()) for p in listed(statement["Action"]))
        and any(glob(p, resource) for p in listed(statement["Resource"]))
        and all(
            holds(operator, values, context.get(key.lower()))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def holds(operator: str, values: str | list[str], actual: str | None) -> bool:
    match operator:
        case "StringEquals":
            return actual is not None and actual in listed(values)
        case "StringLike" | "ArnLike":
            return actual is not None and any(glob(value, actual) for value in listed(values))
        case _:
            raise ValueError(f"the condition operator {operator} is not understood here")


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in glob), re.DOTALL)


def glob(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


# ---- what a call needs ----


def needs(call: Call) -> Iterator[Need]:
    """Every permission that a call asks for."""
    region = {"aws:requestedregion": call.region}
    name = call.operation.partition(":")[2]
    if name == "Unknown":
        yield f"{call.service}:UNMAPPED_{call.method}", "*", region
        return
    match call.service:
        case "s3":
            yield from _s3_needs(call, name, region)
        case "sqs":
            yield f"sqs:{SQS_ACTIONS.get(name, name)}", _queue(call), region
            if call.json.get("tags"):
                yield "sqs:TagQueue", _queue(call), region
        case "iam":
            yield from _iam_needs(call, name, region)
        case "sts":
            yield call.operation, call.form.get("RoleArn", "*"), region
        case "lambda":
            yield from _lambda_needs(call, name, region)
        case "ecr":
            for repository in _repositories(call):
                yield call.operation, repository, region
        case _:
            yield f"{call.service}:UNMAPPED_{name}", "*", region


def _s3_needs(call: Call, name: str, context: Context) -> Iterator[Need]:
    resource = f"arn:aws:s3:::{call.bucket}" + (f"/{call.key}" if call.key else "")
    if name == "DeleteObjects":
        resource += "/*"
    if name == "CopyObject":
        yield "s3:UNMAPPED_CopyObject", resource, context  # its source is in a header: nobody needs it yet
    prefix = {"s3:prefix": call.query.get("prefix", "")}
    yield f"s3:{S3_ACTIONS.get(name, name)}", resource if call.bucket else "*", {**context, **prefix}
    if name in {"GetObject", "HeadObject"} and not object_exists(call.bucket, call.key):
        # S3 does not tell everybody that an object is not there.
        yield "s3:ListBucket", f"arn:aws:s3:::{call.bucket}", {**context, "s3:prefix": ""}


def object_exists(bucket: str, key: str) -> bool:
    from moto.s3.models import s3_backends

    found = s3_backends[account()]["aws"].buckets.get(bucket)
    return found is None or unquote(key) in found.keys


def _queue(call: Call) -> str:
    if call.operation in WHOLE_SERVICE:
        return "*"
    name = call.json.get("QueueName") or str(call.json.get("QueueUrl", "")).rpartition("/")[2]
    return f"arn:aws:sqs:{call.region}:{account()}:{name}"


def _repositories(call: Call) -> list[str]:
    names = call.json.get("repositoryNames") or [call.json.get("repositoryName")]
    if call.operation in WHOLE_SERVICE or None in names:
        return ["*"]
    owner = call.json.get("registryId") or account()
    return [f"arn:aws:ecr:{call.region}:{owner}:repository/{name}" for name in names]


def _iam_needs(call: Call, name: str, context: Context) -> Iterator[Need]:
    form, owner = call.form, f"arn:aws:iam::{account()}"
    path = form.get("Path", "/")
    resource = "*"
    if "RoleName" in form:
        resource = f"{owner}:role{path}{form['RoleName']}"
        context = {**context, "iam:policyarn": form.get("PolicyArn", "")}
    elif "PolicyArn" in form:
        resource = form["PolicyArn"]
    elif "PolicyName" in form:
        resource = f"{owner}:policy{path}{form['PolicyName']}"
    yield f"iam:{name}", resource, context
    if name in {"CreateRole", "CreatePolicy"} and any(field.startswith("Tags.") for field in form):
        yield f"iam:Tag{name.removeprefix('Create')}", resource, context


def _lambda_needs(call: Call, name: str, context: Context) -> Iterator[Need]:
    function = f"arn:aws:lambda:{call.region}:{account()}:function:{call.function}"
    if name in {"TagResource", "UntagResource", "ListTags"}:
        function = unquote(call.path).partition("/tags/")[2]
    resource = "*" if call.operation in WHOLE_SERVICE else function
    yield f"lambda:{'InvokeFunction' if name == 'Invoke' else name}", resource, context
    if name != "CreateFunction":
        return
    settings = call.json
    yield "iam:PassRole", settings["Role"], {**context, "iam:passedtoservice": "lambda.amazonaws.com"}
    if settings.get("Tags"):
        yield "lambda:TagResource", function, context
    if (settings.get("VpcConfig") or {}).get("SubnetIds"):
        for action in ("DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs"):
            yield f"ec2:{action}", "*", context
    yield from _image_needs(settings.get("Code", {}).get("ImageUri", ""), function, context)


def _image_needs(uri: str, function: str, context: Context) -> Iterator[Need]:
    """Of another account's repository the caller must be able to pull; into an own one Lambda writes its right."""
    found = re.match(r"(\d+)\.dkr\.ecr\.([^.]+)\.amazonaws\.com/([^:@]+)", uri)
    if not found:
        return
    owner, region, name = found.groups()
    resource = f"arn:aws:ecr:{region}:{owner}:repository/{name}"
    if owner != account():
        for action in PULL:
            yield action, resource, context
    elif not lambda_may_pull(region, name, function):
        yield "ecr:GetRepositoryPolicy", resource, context
        yield "ecr:SetRepositoryPolicy", resource, context


def lambda_may_pull(region: str, repository: str, function: str) -> bool:
    """Whether an own repository's policy lets Lambda read it for a function (its ARN)."""
    from moto.ecr.models import ecr_backends

    found = ecr_backends[account()][region].repositories.get(repository)
    policy = json.loads(found.policy) if found and found.policy else {"Statement": []}
    source = {"aws:sourcearn": function}
    return any(
        statement.get("Principal") == {"Service": "lambda.amazonaws.com"}
        and all(permits([{**statement, "Resource": "*"}], action, "*", source) for action in PULL)
        for statement in policy["Statement"]
    )
