"""The AWS calls that look at what stands there and take it away: those of `clean`, `stop` and `doctor`, not of a run.

Leaves to others: the SDK itself and the calls of a run (aws), what is a leftover (leftovers).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from grapeshot_launcher.cloud.errors import Missing


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of a bucket, and when it was written, in epoch seconds."""

    key: str
    written: float


class Listing(ABC):
    """Calls that list and remove; each raises an AwsError for anything that is not the answer."""

    @abstractmethod
    def client(self, service: str) -> Any:
        """Give the SDK's client of a service."""

    @abstractmethod
    def calling(self, action: str, resource: str) -> AbstractContextManager[None]:
        """Make an AwsError of whatever the SDK raises."""

    def list_queues(self, prefix: str) -> list[str]:
        """Give the URLs of all queues whose names begin so."""
        urls: list[str] = []
        more: dict[str, str] = {}
        while True:
            with self.calling("sqs:ListQueues", f"queues {prefix}*"):
                answer = self.client("sqs").list_queues(QueueNamePrefix=prefix, MaxResults=1000, **more)
            urls += answer.get("QueueUrls", [])
            if not answer.get("NextToken"):
                return urls
            more = {"NextToken": answer["NextToken"]}

    def queue_attributes(self, url: str) -> Mapping[str, str] | None:
        """Give the attributes of a queue as SQS writes them; None when there is none."""
        try:
            with self.calling("sqs:GetQueueAttributes", f"queue {url}"):
                answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except Missing:
            return None
        return dict(answer.get("Attributes", {}))

    def stored(self, bucket: str, prefix: str) -> list[Stored]:
        """Give all objects with a prefix, in order."""
        found: list[Stored] = []
        more: dict[str, str] = {}
        while True:
            with self.calling("s3:ListBucket", f"bucket {bucket}"):
                answer = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
            found += [
                Stored(entry["Key"], float(entry["LastModified"].timestamp()))
                for entry in answer.get("Contents", [])
            ]
            if not answer.get("NextContinuationToken"):
                return found
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def delete_bucket(self, bucket: str) -> None:
        """Delete a bucket, which must be empty."""
        with self.calling("s3:DeleteBucket", f"bucket {bucket}"):
            self.client("s3").delete_bucket(Bucket=bucket)

    def list_functions(self) -> list[str]:
        """Give the names of all functions of the region."""
        names: list[str] = []
        more: dict[str, str] = {}
        while True:
            with self.calling("lambda:ListFunctions", "the region's functions"):
                answer = self.client("lambda").list_functions(**more)
            names += [function["FunctionName"] for function in answer["Functions"]]
            if not answer.get("NextMarker"):
                return names
            more = {"Marker": answer["NextMarker"]}

    # What `doctor` asks

    def time_there(self) -> float | None:
        """Give AWS's time, in epoch seconds, from the head of an answer, be it a refusal; None without one."""
        sts = self.client("sts")
        with self.calling("sts:GetCallerIdentity", "the AWS account"):
            try:
                answer = sts.get_caller_identity()
            except sts.exceptions.ClientError as error:  # a clock that is far off is refused itself
                answer = error.response
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        try:
            return parsedate_to_datetime(date).timestamp() if date else None
        except ValueError:
            return None

    def simulate(
        self, principal: str, actions: Sequence[str], resources: str | Sequence[str]
    ) -> dict[str, str]:
        """Give IAM's decision for each action of a user or role: `allowed`, or a kind of denial."""
        arns = [resources] if isinstance(resources, str) else list(resources)
        with self.calling("iam:SimulatePrincipalPolicy", principal):
            answer = self.client("iam").simulate_principal_policy(
                PolicySourceArn=principal, ActionNames=list(actions), ResourceArns=arns
            )
        decisions: dict[str, str] = {}
        for result in answer["EvaluationResults"]:
            # Of several resources, one that allows it is enough: an action is about one kind of them.
            if decisions.get(result["EvalActionName"]) != "allowed":
                decisions[result["EvalActionName"]] = result["EvalDecision"]
        return decisions

    def manifest_type(self, address: str) -> str:
        """Give the media type of an image's manifest, by its address with digest; "" when there is none."""
        registry, _, named = address.partition("/")
        repository, _, digest = named.partition("@")
        with self.calling("ecr:BatchGetImage", f"repository {repository}"):
            answer = self.client("ecr").batch_get_image(
                registryId=registry.split(".")[0],
                repositoryName=repository,
                imageIds=[{"imageDigest": digest}],
            )
        return str(next((image.get("imageManifestMediaType", "") for image in answer.get("images", [])), ""))
