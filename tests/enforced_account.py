"""An AWS account under permissions, and runs in it by somebody who has no more than a policy says.

    with enforced() as account:
        runner = account.caller("runner", documented(account.number))
        ran = account.run(runner, script, run_id="t1")
        account.iam.denied(runner.arn)

A run is the command itself, in a process of its own, with the caller's keys; its workers are real.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from grapeshot_launcher.cloud.recipe import read_recipe
from grapeshot_launcher.cloud.resources import PREFIX, REPOSITORY, Site
from grapeshot_launcher.platforms.emulator import EmbeddedAws
from iam_front import IamFront

GRAPESHOT = str(Path(sys.executable).with_name("grapeshot"))
REGION = "us-east-1"
REFERENCE_ACCOUNT = "248481025674"  # whose worker image the documented policy names
FOREIGN = f"{REFERENCE_ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/artillery-worker:2"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def allow(actions: str, *resources: str, prefix: str = "") -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": [f"{prefix}{action}" for action in actions.split()],
        "Resource": list(resources),
    }


def documented(account: str) -> dict[str, Any]:
    """The policy that the reference's guide to run-lambda gives."""
    bucket = "arn:aws:s3:::artilleryio-test-data-*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow(
                "CreateRole GetRole PassRole AttachRolePolicy",
                f"arn:aws:iam::{account}:role/artilleryio-default-lambda-role-*",
                prefix="iam:",
            ),
            allow("iam:CreatePolicy", f"arn:aws:iam::{account}:policy/artilleryio-lambda-policy-*"),
            allow("sqs:*", f"arn:aws:sqs:*:{account}:artilleryio*"),
            allow("sqs:ListQueues", "*"),
            allow(
                "InvokeFunction CreateFunction DeleteFunction GetFunctionConfiguration",
                f"arn:aws:lambda:*:{account}:function:artilleryio-*",
                prefix="lambda:",
            ),
            allow(
                "GetDownloadUrlForLayer BatchGetImage",
                f"arn:aws:ecr:*:{REFERENCE_ACCOUNT}:repository/artillery-worker",
                prefix="ecr:",
            ),
            allow(
                "CreateBucket DeleteObject GetObject PutObject ListBucket GetLifecycleConfiguration "
                "PutLifecycleConfiguration",
                bucket,
                f"{bucket}/*",
                prefix="s3:",
            ),
        ],
    }


@dataclass(frozen=True)
class Caller:
    """A role's session: what AWS knows it by, and its keys."""

    arn: str
    key: str
    secret: str
    token: str | None = None


@dataclass(frozen=True)
class Ran:
    """How a run went; `seconds` from its start to its end."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def errors(self) -> list[str]:
        return re.findall(r"^Error: .*", self.err, re.MULTILINE)


class Account:
    """An embedded AWS under permissions, and its owner."""

    def __init__(self, aws: EmbeddedAws, iam: IamFront) -> None:
        self.aws, self.iam, self.number = aws, iam, aws.account
        self.owner = Caller("owner", aws.environ["AWS_ACCESS_KEY_ID"], aws.environ["AWS_SECRET_ACCESS_KEY"])
        self._clients: dict[tuple[str, Caller], Any] = {}

    def caller(self, name: str, policy: str | Mapping[str, Any]) -> Caller:
        """Make a role with this policy and take it on."""
        document = policy if isinstance(policy, str) else json.dumps(policy)
        iam = self.client("iam", self.owner)
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=document)
        session = self.client("sts", self.owner).assume_role(RoleArn=role, RoleSessionName="test")
        keys = session["Credentials"]
        return Caller(role, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def session(self, caller: Caller) -> boto3.Session:
        """Give an SDK session with the caller's keys; it needs `endpoint_url` for every client."""
        return boto3.Session(
            region_name=self.aws.region,
            aws_access_key_id=caller.key,
            aws_secret_access_key=caller.secret,
            aws_session_token=caller.token,
        )

    def client(self, service: str, caller: Caller) -> Any:
        """Give the SDK's client of a service, which asks once."""
        place = (service, caller)
        if place not in self._clients:
            self._clients[place] = self.session(caller).client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.aws.endpoint_url,
                config=Config(retries={"total_max_attempts": 1}, proxies={}),
            )
        return self._clients[place]

    def site(self, prefix: str = PREFIX) -> Site:
        return Site(account=self.number, region=self.aws.region, prefix=prefix)

    def environ(self, caller: Caller) -> dict[str, str]:
        """Give the variables with which a command calls this AWS."""
        keys = {
            "AWS_ACCESS_KEY_ID": caller.key,
            "AWS_SECRET_ACCESS_KEY": caller.secret,
            "AWS_SESSION_TOKEN": caller.token or "",
        }
        return {"PATH": os.environ.get("PATH", os.defpath), **self.aws.environ, **keys}

    def run(
        self,
        caller: Caller,
        script: Path,
        *flags: str,
        run_id: str,
        regions: str = REGION,
        prefix: str = PREFIX,
        limit: float = 150.0,
    ) -> Ran:
        """Have a script run by the command, two workers of one process each; it gets `limit` seconds."""
        began = time.monotonic()
        done = subprocess.run(
            [
                *(GRAPESHOT, "run-lambda", "--region", regions, "--prefix", prefix),
                *("--workers", "2", "--memory-size", "1769", *flags, str(script)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=limit,
            env={**self.environ(caller), "ARTILLERY_TEST_RUN_ID": run_id},
        )
        return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def left(self, run_id: str, prefix: str = PREFIX) -> list[str]:
        """Name what a run has left behind of its own: its queue, and its objects."""
        site = self.site(prefix)
        found = self.client("sqs", self.owner).list_queues(QueueNamePrefix=f"{prefix}-{run_id}")
        left = [url.rpartition("/")[2] for url in found.get("QueueUrls", [])]
        s3 = self.client("s3", self.owner)
        if site.bucket in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            objects = s3.list_objects_v2(Bucket=site.bucket, Prefix=f"tests/{run_id}/")
            left += [entry["Key"] for entry in objects.get("Contents", [])]
        return left


@contextmanager
def enforced(repository: str = REPOSITORY, others: Sequence[str] = ()) -> Iterator[Account]:
    """Have an account with the worker image of this version in a repository that Lambda may pull from.

    `others`: regions beside the first whose registry has it too.
    """
    iam = IamFront()
    tags = ("latest", read_recipe("arm64").tag)
    with EmbeddedAws(middleware=iam, repository=repository, tags=tags, region=REGION, others=others) as aws:
        yield Account(aws, iam)


SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: {seconds}, arrivalRate: 10}}]
scenarios:
  - flow:
      - get: {{url: /json}}
"""


def write_script(folder: Path, target: str, seconds: int = 1) -> Path:
    """Write a script of ten users a second."""
    script = folder / "script.yml"
    script.write_text(SCRIPT.format(target=target, seconds=seconds), encoding="utf-8")
    return script
