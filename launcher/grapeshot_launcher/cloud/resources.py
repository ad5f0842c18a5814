"""What should stand in AWS, as plain data: names, lifecycle rules, function settings, queue attributes (pure).

Leaves to others: permissions (policy), tags (tags), making it so (provision).

Names carry everything that must not be shared. The bucket and the role belong to an account; the function's name
is a hash of everything that shapes it, so that a later run with equal settings finds it, and one with other
settings or another image never changes a function that somebody uses; the queue belongs to one run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

PREFIX = "artilleryio"
REPOSITORY = "grapeshot-worker"
REVISION = "grapeshot-1"  # of the role and its policy; a policy that changes gets a new one

Architecture = Literal["arm64", "x86_64"]
ARCHITECTURES: tuple[Architecture, ...] = ("arm64", "x86_64")
MEMORY = (128, 10_240)  # MB that Lambda offers
TIMEOUT = (1, 900)  # s that Lambda offers
MEMORY_OF_A_VCPU = 1769  # MB; the Lambda guide's "equivalent of one vCPU"
MOST_VCPUS = 6  # what 10,240 MB get

# Region prefix → partition; of several that fit the first one holds.
PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
)

TEST_DATA, METADATA = "tests/", "metadata/"
LIFECYCLE: tuple[tuple[str, str, int], ...] = (  # name, prefix, days
    ("GrapeshotTestData", TEST_DATA, 2),
    ("GrapeshotRunMetadata", METADATA, 7),
)

QUEUE_ATTRIBUTES: Mapping[str, str] = {
    "MessageRetentionPeriod": "3600",  # s; a queue that a killed launcher left behind empties itself
    "VisibilityTimeout": "60",
    "ReceiveMessageWaitTimeSeconds": "20",
}

_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,22}[a-z0-9])?")  # 24: a bucket's name has 63 characters at most
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")
_IMAGE = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_ECR = re.compile(r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.[^/]+/")
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/[\w+=,.@/-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """An account and a region, and the prefix of every name there."""

    account: str
    region: str
    prefix: str = PREFIX

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to."""
        return partition_of(self.region)

    @property
    def bucket(self) -> str:
        """The bucket of all runs in the region."""
        return f"{self.prefix}-test-data-{self.account}-{self.region}"

    @property
    def role(self) -> str:
        """The default role of the functions."""
        return f"{self.prefix}-default-lambda-role-{REVISION}"

    @property
    def role_arn(self) -> str:
        """The ARN of the default role."""
        return self.arn("iam", f"role/{self.role}", region="")

    @property
    def policy(self) -> str:
        """The policy of the default role."""
        return f"{self.prefix}-lambda-policy-{REVISION}"

    @property
    def policy_arn(self) -> str:
        """The ARN of that policy."""
        return self.arn("iam", f"policy/{self.policy}", region="")

    def queue(self, run_id: str) -> str:
        """Name the queue of a run.

        >>> Site(account="123456789012", region="eu-west-1").queue("t3ab4_x")
        'artilleryio-t3ab4_x'
        """
        wanted = f"{self.prefix}-{run_id}"
        name = re.sub(r"[^A-Za-z0-9_-]", "-", wanted)
        if name == wanted and len(name) <= 80:
            return name
        # Cut or changed, two run ids could get one name: the hash keeps them apart.
        return f"{name[:71]}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """Write an ARN of this account; global services take region ""."""
        return f"arn:{self.partition}:{service}:{self.region if region is None else region}:{self.account}:{resource}"


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionSettings:
    """Everything that shapes a function. `image` is an ECR reference by digest, `role` an ARN."""

    image: str
    role: str
    memory: int = 4096  # MB
    architecture: Architecture = "arm64"
    timeout: int = 900  # s
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()

    @property
    def in_vpc(self) -> bool:
        """Whether the function stands in a VPC of the account."""
        return bool(self.subnets)

    def request(self) -> dict[str, Any]:
        """Write what CreateFunction is told, without name and tags."""
        request: dict[str, Any] = {
            "PackageType": "Image",
            "Code": {"ImageUri": self.image},
            "Role": self.role,
            "Description": "A worker of Grapeshot, which makes load",
            "MemorySize": self.memory,
            "Timeout": self.timeout,
            "Architectures": [self.architecture],
        }
        if self.in_vpc:
            request["VpcConfig"] = {
                "SubnetIds": sorted(self.subnets),
                "SecurityGroupIds": sorted(self.security_groups),
            }
        return request

    def name(self, prefix: str = PREFIX) -> str:
        """Name the function by a hash of what shapes it; tags can change under the same name."""
        shape = json.dumps(self.request(), sort_keys=True, separators=(",", ":"))
        return f"{prefix}-grapeshot-{self.architecture}-{hashlib.sha256(shape.encode()).hexdigest()[:16]}"


def partition_of(region: str) -> str:
    """Tell the partition of a region by its name.

    >>> partition_of("eu-west-1"), partition_of("cn-north-1"), partition_of("us-gov-west-1")
    ('aws', 'aws-cn', 'aws-us-gov')
    """
    return next((partition for start, partition in PARTITIONS if region.startswith(start)), "aws")


def vcpus(memory: int) -> int:
    """Give the number of engine processes that a function of so many MB can keep busy.

    CPU comes in proportion to memory, 1,769 MB to a vCPU; a share is rounded, for Lambda shows more cores than it
    gives time on.

    >>> [vcpus(memory) for memory in (128, 1769, 3008, 4096, 8192, 10240)]
    [1, 1, 2, 2, 5, 6]
    """
    return max(1, min(MOST_VCPUS, int(memory / MEMORY_OF_A_VCPU + 0.5)))


def site_problems(site: Site) -> list[str]:
    """List what is wrong with a prefix and a region, before AWS is asked."""
    problems = []
    if not _PREFIX.fullmatch(site.prefix):
        problems.append(
            f"the prefix {site.prefix!r} can't begin the name of a bucket: use 1 to 24 lower-case letters, digits "
            "and hyphens, the first and the last of them no hyphen"
        )
    if not _REGION.fullmatch(site.region):
        problems.append(f"{site.region!r} is no region; regions look like eu-west-1")
    return problems


def function_problems(settings: FunctionSettings, site: Site) -> list[str]:
    """List everything that Lambda would refuse in the settings, before AWS is asked."""
    return [
        *_size_problems(settings),
        *_network_problems(settings),
        *_image_problems(settings.image, site),
        *role_problems(settings.role, site),
    ]


def _size_problems(settings: FunctionSettings) -> Iterable[str]:
    if not MEMORY[0] <= settings.memory <= MEMORY[1]:
        yield f"--memory-size {settings.memory}: Lambda offers {MEMORY[0]} to {MEMORY[1]} MB"
    if not TIMEOUT[0] <= settings.timeout <= TIMEOUT[1]:
        yield f"--timeout {settings.timeout}: Lambda offers {TIMEOUT[0]} to {TIMEOUT[1]} s"
    if settings.architecture not in ARCHITECTURES:
        yield f"--architecture {settings.architecture}: use {' or '.join(ARCHITECTURES)}"


def _network_problems(settings: FunctionSettings) -> Iterable[str]:
    if bool(settings.subnets) != bool(settings.security_groups):
        given, lacking = "--subnet-ids", "--security-group-ids"
        if settings.security_groups:
            given, lacking = lacking, given
        yield f"{given} needs {lacking} beside it: a function in a VPC has both"
    for flag, start, ids in (
        ("--subnet-ids", "subnet-", settings.subnets),
        ("--security-group-ids", "sg-", settings.security_groups),
    ):
        for one in ids:
            if not one.startswith(start):
                yield f"{flag}: {one!r} does not begin with {start!r}"


def _image_problems(image: str, site: Site) -> Iterable[str]:
    if not _IMAGE.fullmatch(image):
        yield f"the image {image!r} is not named by its digest (…@sha256:…), so what runs could change under its name"
    elif (registry := _ECR.match(image)) and registry.group(2) != site.region:
        yield (
            f"the image is in {registry.group(2)}, and Lambda only takes images of its own region, {site.region}: "
            f"run `grapeshot image publish --region {site.region}`"
        )


def role_problems(role: str, site: Site) -> Iterable[str]:
    """List why Lambda could not take this role."""
    parts = _ROLE.fullmatch(role)
    if parts is None:
        yield (
            f"--lambda-role-arn: {role!r} is no ARN of a role; they look like "
            f"arn:{site.partition}:iam::{site.account}:role/NAME"
        )
    elif parts.group(2) != site.account:
        yield (
            f"--lambda-role-arn: the role belongs to account {parts.group(2)}, and Lambda only takes roles of its own "
            f"account, {site.account}"
        )
    elif parts.group(1) != site.partition:
        yield (
            f"--lambda-role-arn: the role is in partition {parts.group(1)}, the region {site.region} in "
            f"{site.partition}"
        )


def merged_lifecycle(existing: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """Put our lifecycle rules among those of a bucket; None when they all stand there already.

    Rules of other names are somebody's own, and stay.
    """
    ours = [
        {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": days}}
        for name, prefix, days in LIFECYCLE
    ]
    if all(rule in existing for rule in ours):
        return None
    names = {rule["ID"] for rule in ours}
    return [*(dict(rule) for rule in existing if rule.get("ID") not in names), *ours]


def metadata_key(run_id: str) -> str:
    """Give the key of what is kept of a run for a week."""
    return f"{METADATA}{run_id}.json"
