"""The ECR repository of the worker image: how it should be, and making it so.

Leaves to others: the calls (an `Ecr`, which is `aws.Aws`), pushing into it (engine).

Lambda takes images from ECR in its own region only, so each region has a repository of its own. What it needs:

- **Immutable tags**, and each image under a tag made of its content: no image is ever replaced under a function.
- **A lifecycle that never expires an image in use**: Lambda keeps fetching blocks of an image for as long as the
  function lives, and cannot wake a function whose image is gone. Only untagged images go, and ours all have a tag.
- **A repository policy that lets Lambda pull**, for functions of this account, this region and our prefix. Where it
  is missing, whoever creates a function must be allowed to write it; set when publishing, a run needs no such right.

What somebody has put on an existing repository stays: statements of others are kept, its lifecycle is not touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from grapeshot_launcher.errors import ImageFailed

PULL_STATEMENT = "GrapeshotLambdaPull"
UNTAGGED_DAYS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A repository as ECR describes it; `uri` is what images are pushed to, without a tag."""

    name: str
    arn: str
    uri: str
    immutable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredImage:
    """An image as ECR describes it; `size` is in bytes, compressed."""

    digest: str
    media_type: str
    size: int = 0


class Ecr(Protocol):
    """What publishing asks of AWS, one call each; None is "there is none"."""

    def ecr_repository(self, name: str) -> Repository | None:
        """DescribeRepositories, of one."""

    def ecr_create_repository(self, name: str) -> Repository | None:
        """CreateRepository with immutable tags and scan on push; None when it was created meanwhile by another."""

    def ecr_put_lifecycle_policy(self, name: str, policy: str) -> None:
        """PutLifecyclePolicy."""

    def ecr_repository_policy(self, name: str) -> str | None:
        """GetRepositoryPolicy; JSON."""

    def ecr_set_repository_policy(self, name: str, policy: str) -> None:
        """SetRepositoryPolicy."""

    def ecr_image(self, name: str, tag: str) -> StoredImage | None:
        """DescribeImages, of one tag."""

    def ecr_authorization_token(self) -> str:
        """GetAuthorizationToken: base64 of `user:password`."""


def ensure_repository(ecr: Ecr, name: str, *, prefix: str, say: Callable[[str], None]) -> Repository:
    """Give the repository, after making it what it should be; functions whose names begin with `prefix` may pull."""
    repository = ecr.ecr_repository(name)
    if repository is None:
        say(f"Creating the repository {name}")
        repository = _create(ecr, name)
    if repository is None:
        raise ImageFailed(
            f"The ECR repository {name} could not be created.",
            cause="It was deleted while it was being set up.",
            remedy="Repeat.",
        )
    if not repository.immutable:
        say(f"Note: tags of the repository {name} can be overwritten; immutable ones are safer.")
    now = ecr.ecr_repository_policy(name)
    wanted = with_pull_statement(now, repository.arn, prefix=prefix)
    if wanted != now:
        ecr.ecr_set_repository_policy(name, wanted)
    return repository


def _create(ecr: Ecr, name: str) -> Repository | None:
    created = ecr.ecr_create_repository(name)
    if created is None:
        return ecr.ecr_repository(name)
    ecr.ecr_put_lifecycle_policy(name, lifecycle_policy())
    return created


def lifecycle_policy() -> str:
    """Write the lifecycle policy: what has lost its tag goes after a month, nothing else does."""
    rule = {
        "rulePriority": 1,
        "description": f"Untagged images, {UNTAGGED_DAYS} days after their push; images in use have a tag",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": UNTAGGED_DAYS,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})


def pull_statement(repository_arn: str, *, prefixes: Sequence[str]) -> dict[str, Any]:
    """Write the statement that lets Lambda pull for the functions of one account and region, of some prefixes.

    The function's ARN names the account, so one condition holds both.
    """
    _, partition, _, region, account, _ = repository_arn.split(":", 5)
    service = "lambda.amazonaws.com.cn" if partition == "aws-cn" else "lambda.amazonaws.com"
    functions = [f"arn:{partition}:lambda:{region}:{account}:function:{prefix}-*" for prefix in prefixes]
    return {
        "Sid": PULL_STATEMENT,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"StringLike": {"aws:SourceArn": functions[0] if len(functions) == 1 else functions}},
    }


def with_pull_statement(policy: str | None, repository_arn: str, *, prefix: str) -> str:
    """Give a repository policy that has our statement; the same text when it had it.

    Statements of others stay, and so does the right of functions with other prefixes.
    """
    document: dict[str, Any] = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    found: Any = document["Statement"]
    statements: list[dict[str, Any]] = found if isinstance(found, list) else [found]
    known = [name for s in statements if s.get("Sid") == PULL_STATEMENT for name in _prefixes(s)]
    ours = pull_statement(repository_arn, prefixes=[*known, *({prefix} - {*known})])
    if ours in statements:
        return policy or json.dumps(document)
    others = (s for s in statements if s.get("Sid") != PULL_STATEMENT)
    return json.dumps({**document, "Statement": [*others, ours]})


def _prefixes(statement: Mapping[str, Any]) -> list[str]:
    """Read the prefixes back out of a statement of ours."""
    functions = statement.get("Condition", {}).get("StringLike", {}).get("aws:SourceArn", [])
    listed = [functions] if isinstance(functions, str) else functions
    return [found[1] for each in listed if (found := re.search(r":function:([^:*]+)-\*$", str(each)))]
