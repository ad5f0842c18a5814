"""Whole runs of somebody who has the printed policy and no more: the real command, real workers, every call judged."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("moto")

from enforced_account import (
    GRAPESHOT,
    REFERENCE_ACCOUNT,
    Account,
    Caller,
    Ran,
    documented,
    enforced,
    write_script,
)
from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.engine import Engine
from grapeshot_launcher.cloud.image import PublishedImage, publish
from grapeshot_launcher.cloud.policy import PUSH_ACTIONS, caller_statements, policy_text, worker_policy
from grapeshot_launcher.cloud.recipe import Recipe
from grapeshot_worker.aws import AwsMailbox
from grapeshot_worker.errors import CloudError
from iam_front import glob, lambda_may_pull
from target import Target

pytestmark = pytest.mark.timeout(180)  # whole runs, several at a time, of which each takes ten seconds

BUCKET = "artilleryio-test-data-ACCOUNT-us-east-1"
ROLE = "role/artilleryio-default-lambda-role-grapeshot-1"
FUNCTION = "function:artilleryio-grapeshot-arm64-HASH"
IMAGE = "repository/grapeshot-worker"
EXTRAS = "artilleryio-extras"  # the prefix of the run with extras; Lambda may pull for all that begin with artilleryio-

# Everything that a run asks for; a new call belongs here, into the policy, and before that into somebody's thoughts.
EVERY_RUN = {
    f"ecr:BatchGetImage {IMAGE}",
    f"iam:GetRole {ROLE}",
    f"iam:AttachRolePolicy {ROLE}",
    "iam:CreatePolicy policy/artilleryio-lambda-policy-grapeshot-1",
    f"lambda:GetFunctionConfiguration {FUNCTION}",
    f"lambda:InvokeFunction {FUNCTION}",
    f"s3:ListBucket {BUCKET}",
    f"s3:GetLifecycleConfiguration {BUCKET}",
    f"s3:GetObject {BUCKET}/tests/bundles/HASH.tar.gz",
    f"s3:GetObject {BUCKET}/tests/RUN/stop.json",
    f"s3:PutObject {BUCKET}/tests/RUN/control.json",
    f"s3:PutObject {BUCKET}/metadata/RUN.json",
    f"s3:DeleteObject {BUCKET}/*",
    "sqs:CreateQueue artilleryio-RUN",
    "sqs:ReceiveMessage artilleryio-RUN",
    "sqs:DeleteMessage artilleryio-RUN",
    "sqs:GetQueueUrl artilleryio-RUN",
    "sqs:DeleteQueue artilleryio-RUN",
}
FIRST_RUN = EVERY_RUN | {
    f"iam:CreateRole {ROLE}",
    f"iam:PassRole {ROLE}",
    f"lambda:CreateFunction {FUNCTION}",
    f"s3:CreateBucket {BUCKET}",
    f"s3:PutLifecycleConfiguration {BUCKET}",
    f"s3:PutObject {BUCKET}/tests/bundles/HASH.tar.gz",
}
WORKER = {
    f"s3:GetObject {BUCKET}/tests/RUN/control.json",
    f"s3:GetObject {BUCKET}/tests/bundles/HASH.tar.gz",
    f"s3:PutObject {BUCKET}/tests/RUN/claims/SLOT",
    f"s3:PutObject {BUCKET}/tests/RUN/final/SLOT",
    "sqs:SendMessage artilleryio-RUN",
}
# What a run tries, and does without.
OPTIONAL = {"lambda:GetAccountSettings *", f"lambda:PutFunctionEventInvokeConfig {FUNCTION}"}
# What the policy holds and these runs do not use. It stays because the documented policy has it.
UNUSED = {
    "sqs:ListQueues": "a run knows its queue by its name",
    "lambda:DeleteFunction": "for a function that AWS could not make: it must go before it can be made again",
    "ecr:GetDownloadUrlForLayer": "CreateFunction asks for it where the image is another account's",
}
PUBLISHING = {
    "ecr:GetAuthorizationToken *",
    *(
        f"ecr:{action} {IMAGE}"
        for action in (
            *("DescribeRepositories", "CreateRepository", "PutLifecyclePolicy", "DescribeImages"),
            *("GetRepositoryPolicy", "SetRepositoryPolicy", "BatchCheckLayerAvailability", "PutImage"),
            *("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"),
        )
    ),
}


# What the policy for publishing holds beyond that.
UNUSED_PUBLISHING = {
    "ecr:BatchGetImage": "a push looks whether the registry has the manifest already",
    "ecr:GetDownloadUrlForLayer": "a push may look at a layer that is there",
}


def plain(permissions: set[tuple[str, str]], account: Account) -> set[str]:
    """Write permissions with what differs from run to run by a word for it."""
    found = set()
    for action, resource in permissions:
        text = resource.split(":", 5)[-1].replace(account.number, "ACCOUNT")
        text = re.sub(r"\b[0-9a-f]{64}\b|(?<=arm64-)[0-9a-f]{16}\b", "HASH", text)
        text = re.sub(r"(?<=/)load-0-\d+$", "SLOT", text)
        found.add(f"{action} " + re.sub(r"\brun-[a-z]+\b", "RUN", text))
    return found


def printed(account: Account, *flags: str) -> str:
    """Give the policy as the command prints it for this account."""
    command = [GRAPESHOT, "iam", "policy", "--account", account.number, *flags]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


class Pusher:
    """An engine that builds nothing, and pushes with the calls that ECR makes of a `docker push`."""

    def __init__(self, ecr: Any) -> None:
        self._ecr = ecr

    def __enter__(self) -> Pusher:
        return self

    def __exit__(self, *reason: object) -> None:
        pass

    def build(self, recipe: Recipe, **settings: Any) -> str:
        return "sha256:built"

    def size(self, image: str) -> int:
        return 200_000_000

    def push(self, image: str, *, uri: str, tag: str, **settings: Any) -> str:
        name = uri.partition("/")[2]
        layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 1}
        layer |= {"digest": "sha256:" + "a" * 64}
        for operation, more in (
            ("batch_check_layer_availability", {"layerDigests": [layer["digest"]]}),
            ("initiate_layer_upload", {}),
            (
                "upload_layer_part",
                {"uploadId": "u", "partFirstByte": 0, "partLastByte": 0, "layerPartBlob": b"x"},
            ),
            ("complete_layer_upload", {"uploadId": "u", "layerDigests": [layer["digest"]]}),
        ):
            # moto keeps no layers and may fail; whether one may put them was judged before.
            with suppress(self._ecr.exceptions.ClientError):
                getattr(self._ecr, operation)(repositoryName=name, **more)
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": layer, "layers": [layer]})
        digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        self._ecr.put_image(
            repositoryName=name,
            imageManifest=manifest,
            imageManifestMediaType=kind,
            imageTag=tag,
            imageDigest=digest,
        )
        return digest


@dataclass
class Story:
    """An account where the image was published, and tests were run: a first, a second, one with extras."""

    account: Account
    image: PublishedImage
    callers: dict[str, Caller]
    runs: dict[str, Ran]

    def used(self, name: str) -> set[str]:
        return plain(self.account.iam.used(self.callers[name].arn), self.account)

    def denied(self, name: str) -> set[str]:
        return plain(self.account.iam.denied(self.callers[name].arn), self.account)

    def workers(self) -> set[str]:
        return plain(self.account.iam.used(self.account.site().role_arn), self.account)


@pytest.fixture(scope="module")
def script(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_script(tmp_path_factory.mktemp("script"), target.url)


@pytest.fixture(scope="module")
def story(script: Path) -> Iterator[Story]:
    with enforced(repository="somebody-elses") as account, ThreadPoolExecutor() as pool:
        flags = {
            "publisher": ["--publish"],
            "first": [],
            "second": [],
            "extras": ["--extras", "--prefix", EXTRAS],
        }
        callers = {name: account.caller(name, printed(account, *more)) for name, more in flags.items()}
        image = published(account, callers["publisher"])
        first = account.run(callers["first"], script, run_id="run-a")
        extras = pool.submit(
            account.run, callers["extras"], script, "--aws-tags", "team:a", run_id="run-b", prefix=EXTRAS
        )
        second = account.run(callers["second"], script, run_id="run-c")
        yield Story(account, image, callers, {"first": first, "second": second, "extras": extras.result()})


def published(account: Account, publisher: Caller) -> PublishedImage:
    with pytest.MonkeyPatch.context() as environ:
        for name, value in account.aws.environ.items():
            environ.setenv(name, value)
        ecr = Aws(account.aws.region, session=account.session(publisher))
        engine = cast("Engine", Pusher(account.client("ecr", publisher)))
        return publish(ecr, architecture="arm64", say=lambda text: None, connect=lambda: engine)


def actions(permissions: set[str]) -> set[str]:
    return {permission.split()[0] for permission in permissions}


def test_the_printed_policy_is_the_documented_one(story: Story) -> None:
    """But for the worker image's repository, which is the account's own."""
    statements = json.loads(printed(story.account))["Statement"]
    for statement in statements:
        del statement["Sid"]
        found = statement["Resource"]
        statement["Resource"] = [found] if isinstance(found, str) else found
    there = documented(story.account.number)
    expected = json.loads(
        json.dumps(there).replace(
            f"{REFERENCE_ACCOUNT}:repository/artillery-worker", f"{story.account.number}:{IMAGE}"
        )
    )

    assert {"Version": "2012-10-17", "Statement": statements} == expected


def test_publishing_needs_no_more_than_its_policy(story: Story) -> None:
    """From an account without the repository to an image that can be used; every call is known."""
    assert story.image.fresh
    assert story.denied("publisher") == set()
    assert story.used("publisher") == PUBLISHING
    assert set(PUSH_ACTIONS) - actions(story.used("publisher")) == set(UNUSED_PUBLISHING)


def test_after_publishing_lambda_may_pull_for_our_functions(story: Story) -> None:
    """So CreateFunction needs no right to write the repository's policy, and others' functions get nothing."""
    function = f"arn:aws:lambda:us-east-1:{story.account.number}:function:"

    assert lambda_may_pull("us-east-1", "grapeshot-worker", f"{function}artilleryio-grapeshot-arm64-1")
    assert not lambda_may_pull("us-east-1", "grapeshot-worker", f"{function}somebody-elses")


def test_a_first_run_needs_no_more_than_the_policy(story: Story) -> None:
    """Everything is created, the load is made, and only what a run does without was refused."""
    ran = story.runs["first"]

    assert (ran.code, ran.err) == (0, "")
    assert "Verdict: pass" in ran.out
    assert story.used("first") == FIRST_RUN
    assert story.denied("first") == OPTIONAL
    assert story.account.left("run-a") == []


def test_a_later_run_creates_only_its_own_things(story: Story) -> None:
    """And asks for less."""
    ran = story.runs["second"]

    assert (ran.code, ran.err) == (0, "")
    assert story.used("second") == EVERY_RUN
    assert story.denied("second") == OPTIONAL
    assert story.account.left("run-c") == []


def test_workers_need_no_more_than_their_policy(story: Story) -> None:
    """Each call of theirs is known, and none was refused."""
    assert story.workers() == WORKER
    assert story.account.iam.denied(story.account.site().role_arn) == set()


def test_what_the_policy_holds_beyond_is_known(story: Story) -> None:
    """Each action that no run used has its reason."""
    granted = {a for s in json.loads(printed(story.account))["Statement"] for a in s["Action"]}
    used = actions(story.used("first") | story.used("second"))
    unused = {grant for grant in granted if not any(glob(grant, action) for action in used)}

    assert unused == set(UNUSED)


def test_a_worker_s_policy_holds_nothing_beyond(story: Story) -> None:
    """Its only action that a good run does not use tells a worker of an ended run that it is over."""
    statements = json.loads(worker_policy(story.account.site()))["Statement"]
    granted = {action for statement in statements for action in statement["Action"]}

    assert granted - actions(story.workers()) == {"s3:ListBucket"}


def test_a_worker_sees_that_its_record_is_gone(story: Story) -> None:
    """With s3:ListBucket a missing object is missing; without, it could be a refusal as well."""
    account, site = story.account, story.account.site()
    policy = json.loads(worker_policy(site))
    blind = {
        **policy,
        "Statement": [s for s in policy["Statement"] if s["Sid"] != "TellMissingFromDenied"],
    }

    def look(name: str, document: Any) -> bytes | None:
        worker = account.caller(name, document)
        s3, sqs = account.client("s3", worker), account.client("sqs", worker)
        mailbox = AwsMailbox(bucket=site.bucket, queue_url="", s3=s3, sqs=sqs)
        return mailbox.get("tests/run-over/control.json")

    assert look("worker", policy) is None
    with pytest.raises(CloudError, match="AccessDenied"):
        look("blind-worker", blind)


def test_with_the_extras_nothing_is_denied(story: Story, script: Path) -> None:
    """Lambda repeats nothing, the quota is looked at, and function and queue get their tags."""
    account, ran = story.account, story.runs["extras"]
    lambdas = account.client("lambda", account.owner)
    (function,) = [
        f for f in lambdas.list_functions()["Functions"] if f["FunctionName"].startswith(f"{EXTRAS}-")
    ]
    settings = lambdas.get_function_event_invoke_config(FunctionName=function["FunctionName"])

    assert (ran.code, ran.err) == (0, "")
    assert story.denied("extras") == set()
    assert settings["MaximumRetryAttempts"] == 0
    assert lambdas.list_tags(Resource=function["FunctionArn"])["Tags"] == {"team": "a"}
    assert "sqs:TagQueue" in actions(story.used("extras"))


LACKING = {
    "CreateOrGetLambdaRole": "iam:GetRole",
    "CreateLambdaPolicy": "iam:CreatePolicy",
    "SQSPermissions": "sqs:CreateQueue",
    "LambdaPermissions": "lambda:GetFunctionConfiguration",
    "EcrPullImagePermissions": "ecr:BatchGetImage",
    "S3Permissions": "s3:ListBucket",
}


def test_every_statement_that_a_run_needs_is_tried_without() -> None:
    """All but the one for listing queues."""
    assert LACKING.keys() == {s["Sid"] for s in caller_statements()} - {"SQSListQueues"}


@pytest.mark.parametrize("sid", LACKING)
def test_a_statement_that_is_lacking_is_named(story: Story, script: Path, sid: str) -> None:
    """In an empty account the run ends at once, with one message that names action and statement; nothing stays."""
    prefix = f"artilleryio-{sid[:12].lower()}"
    policy = json.loads(policy_text(account=story.account.number, prefix=prefix))
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Sid"] != sid]
    caller = story.account.caller(prefix, policy)
    ran = story.account.run(caller, script, run_id="run-d", prefix=prefix)

    assert ran.code == 11
    assert len(ran.errors) == 1
    assert "Warning" not in ran.err
    assert LACKING[sid] in ran.err
    assert f"Grant the statement {sid}," in ran.err
    assert "Traceback" not in ran.err
    assert ran.seconds < 20
    assert story.account.left("run-d", prefix) == []
