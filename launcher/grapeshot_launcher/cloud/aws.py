"""The launcher's AWS calls, one method each: the only place that knows the SDK.

Leaves to others: what to call when (bucket, role, function, queue, image), what a refusal means (refusals), and the
calls that no run makes (aws_listing).

Every method makes one call, waits for it within the SDK's time limits, and raises a AwsError for anything that is
not the answer. Clients are made when first used, for making one costs noticeable time; they serve all threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grapeshot_launcher.cloud.aws_listing import Listing
from grapeshot_launcher.cloud.errors import Conflict, Missing, NotReady
from grapeshot_launcher.cloud.refusals import Answer, Asked, refusal, unasked, unreachable
from grapeshot_launcher.cloud.repository import Repository, StoredImage
from grapeshot_launcher.cloud.states import FunctionState

if TYPE_CHECKING:
    from boto3.session import Session as Session
    from botocore.config import Config

CONNECT_TIMEOUT = 5.0  # s
READ_TIMEOUT = 15.0  # s of silence; more than a long poll takes, and less than a lease can do without
ATTEMPTS = 5  # of the SDK, with growing pauses, for throttling and passing faults
CONNECTIONS = 64  # at once, to each service


@dataclass(frozen=True, slots=True)
class Received:
    """A message of a queue, what to delete it with, and when the queue took it, in epoch seconds by AWS's clock."""

    body: str
    receipt: str
    taken_at: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose credentials these are."""

    account: str
    arn: str


class Aws(Listing):
    """The calls to one region. With a session, its credentials are used; else what the SDK finds by itself."""

    def __init__(self, region: str, session: Session | None = None) -> None:
        import boto3  # late: it takes a quarter of a second, which `--help` need not wait for
        from botocore.config import Config

        self.region = region
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._config: Config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            user_agent_extra="grapeshot",
        )
        with self.calling("sts:GetCallerIdentity", "the AWS profile"):  # a profile can be unknown
            self._session = session or boto3.session.Session(region_name=region)

    # Who we are

    def caller(self) -> Caller:
        """Tell whose credentials these are; the first call of all, for it needs no permission."""
        with self.calling("sts:GetCallerIdentity", "the AWS account"):
            answer = self.client("sts").get_caller_identity()
        return Caller(answer["Account"], answer["Arn"])

    def check_credentials(self) -> None:
        """Raise LoginFailed when the session of a role ends soon and can't be renewed; else do nothing."""
        from grapeshot_launcher.cloud.role_session import RoleCredentials

        credentials = self._session.get_credentials()
        if isinstance(credentials, RoleCredentials):
            credentials.check()

    # S3

    def head_bucket(self, bucket: str, owner: str) -> str:
        """Give the region of a bucket of this account, "" when S3 does not tell; Missing when there is none."""
        with self.calling("s3:ListBucket", f"bucket {bucket}"):
            answer = self.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=owner)
        return str(answer.get("BucketRegion", ""))

    def create_bucket(self, bucket: str) -> None:
        """Create a bucket in the region."""
        # us-east-1 is where a bucket goes without a constraint, and is refused as one.
        where: dict[str, Any] = {}
        if self.region != "us-east-1":
            where = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        with self.calling("s3:CreateBucket", f"bucket {bucket}"):
            self.client("s3").create_bucket(Bucket=bucket, **where)

    def lifecycle(self, bucket: str) -> list[dict[str, Any]]:
        """Give the lifecycle rules of a bucket."""
        try:
            with self.calling("s3:GetLifecycleConfiguration", f"bucket {bucket}"):
                answer = self.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)
        except Missing as error:
            if error.code == "NoSuchLifecycleConfiguration":
                return []
            raise
        return list(answer.get("Rules", []))

    def put_lifecycle(self, bucket: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Set all lifecycle rules of a bucket."""
        with self.calling("s3:PutLifecycleConfiguration", f"bucket {bucket}"):
            self.client("s3").put_bucket_lifecycle_configuration(
                Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)}
            )

    def put_object(self, bucket: str, key: str, body: bytes, *, new: bool = False) -> None:
        """Write an object; if it must be `new`, Conflict when it is there already."""
        condition = {"IfNoneMatch": "*"} if new else {}
        with self.calling("s3:PutObject", f"{bucket}/{key}"):
            self.client("s3").put_object(Bucket=bucket, Key=key, Body=body, **condition)

    def get_object(self, bucket: str, key: str) -> bytes | None:
        """Read an object; None when there is none."""
        try:
            with self.calling("s3:GetObject", f"{bucket}/{key}"):
                return bytes(self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
        except Missing:
            return None

    def object_age(self, bucket: str, key: str, now: float) -> float | None:
        """Give the seconds since an object was written, at epoch second `now`; None when there is none."""
        try:
            with self.calling("s3:GetObject", f"{bucket}/{key}"):
                answer = self.client("s3").head_object(Bucket=bucket, Key=key)
        except Missing:
            return None
        return now - float(answer["LastModified"].timestamp())

    def list_objects(self, bucket: str, prefix: str, *, after: str = "") -> list[str]:
        """Give up to 1,000 keys with a prefix, in order, those behind `after`."""
        with self.calling("s3:ListBucket", f"bucket {bucket}"):
            answer = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix, StartAfter=after)
        return [entry["Key"] for entry in answer.get("Contents", [])]

    def delete_objects(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete up to 1,000 objects."""
        objects = [{"Key": key} for key in keys]
        with self.calling("s3:DeleteObject", f"bucket {bucket}"):
            answer = self.client("s3").delete_objects(
                Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
            )
        for fault in answer.get("Errors", []):  # the call succeeds even if nothing could be deleted
            asked = Asked(
                action="s3:DeleteObject", resource=f"{bucket}/{fault.get('Key')}", region=self.region
            )
            raise refusal(asked, Answer(code=fault.get("Code", ""), message=fault.get("Message", "")))

    # IAM

    def role(self, name: str) -> str | None:
        """Give the ARN of a role; None when there is none."""
        try:
            with self.calling("iam:GetRole", f"role {name}"):
                return str(self.client("iam").get_role(RoleName=name)["Role"]["Arn"])
        except Missing:
            return None

    def create_role(self, name: str, trust: str) -> str:
        """Create a role and give its ARN; Conflict when it exists."""
        with self.calling("iam:CreateRole", f"role {name}"):
            answer = self.client("iam").create_role(
                RoleName=name,
                AssumeRolePolicyDocument=trust,
                Description="What Grapeshot's workers in Lambda may do",
            )
        return str(answer["Role"]["Arn"])

    def create_policy(self, name: str, document: str) -> None:
        """Create a policy; Conflict when it exists."""
        with self.calling("iam:CreatePolicy", f"policy {name}"):
            self.client("iam").create_policy(PolicyName=name, PolicyDocument=document)

    def attach_policy(self, role: str, policy_arn: str) -> None:
        """Attach a policy to a role; one that is attached stays so."""
        with self.calling("iam:AttachRolePolicy", f"role {role}"):
            self.client("iam").attach_role_policy(RoleName=role, PolicyArn=policy_arn)

    # Lambda

    def function(self, name: str) -> FunctionState | None:
        """Tell how a function is; None when there is none."""
        try:
            with self.calling("lambda:GetFunctionConfiguration", f"function {name}"):
                answer = self.client("lambda").get_function_configuration(FunctionName=name)
        except Missing:
            return None
        return FunctionState(
            state=answer.get("State", "Active"),
            reason=answer.get("StateReason", ""),
            reason_code=answer.get("StateReasonCode", ""),
            architecture=next(iter(answer.get("Architectures", [])), ""),
            memory=answer.get("MemorySize", 0),
            timeout=answer.get("Timeout", 0),
            role=answer.get("Role", ""),
        )

    def create_function(self, name: str, request: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Create a function; NotReady while its role is too new, Conflict when it exists."""
        tagged = {"Tags": dict(tags)} if tags else {}  # even an empty map would need lambda:TagResource
        with self.calling("lambda:CreateFunction", f"function {name}"):
            self.client("lambda").create_function(FunctionName=name, **request, **tagged)

    def delete_function(self, name: str) -> None:
        """Delete a function."""
        with self.calling("lambda:DeleteFunction", f"function {name}"):
            self.client("lambda").delete_function(FunctionName=name)

    def tag_function(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a function."""
        with self.calling("lambda:TagResource", f"function {arn}"):
            self.client("lambda").tag_resource(Resource=arn, Tags=dict(tags))

    def forgo_retries(self, name: str, age: int = 60) -> None:
        """Have Lambda never repeat an asynchronous invocation, and drop one it could not start in `age` seconds."""
        with self.calling("lambda:PutFunctionEventInvokeConfig", f"function {name}"):
            self.client("lambda").put_function_event_invoke_config(
                FunctionName=name, MaximumRetryAttempts=0, MaximumEventAgeInSeconds=age
            )

    def invoke(self, name: str, payload: str) -> None:
        """Have a function run once, without waiting for it."""
        with self.calling("lambda:InvokeFunction", f"function {name}"):
            self.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload.encode())

    def wake_function(self, name: str) -> None:
        """Touch a function that sleeps: the call is refused and wakes it. To one that is awake it is an empty event."""
        try:
            with self.calling("lambda:InvokeFunction", f"function {name}"):
                self.client("lambda").invoke(
                    FunctionName=name, InvocationType="RequestResponse", Payload=b'{"wake": true}'
                )
        except (NotReady, Conflict):
            return

    def concurrency(self) -> int:
        """Give how many invocations the account may have at once in the region, all functions together."""
        with self.calling("lambda:GetAccountSettings", "the account's settings"):
            answer = self.client("lambda").get_account_settings()
        return int(answer["AccountLimit"]["UnreservedConcurrentExecutions"])

    # SQS

    def create_queue(self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]) -> str:
        """Create a queue and give its URL; Conflict when one of its name was deleted in the last minute."""
        tagged = {"tags": dict(tags)} if tags else {}
        with self.calling("sqs:CreateQueue", f"queue {name}"):
            answer = self.client("sqs").create_queue(QueueName=name, Attributes=dict(attributes), **tagged)
        return str(answer["QueueUrl"])

    def queue_url(self, name: str) -> str | None:
        """Give the URL of a queue; None when there is none."""
        try:
            with self.calling("sqs:GetQueueUrl", f"queue {name}"):
                return str(self.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])
        except Missing:
            return None

    def delete_queue(self, url: str) -> None:
        """Delete a queue; one that is gone stays so."""
        try:
            with self.calling("sqs:DeleteQueue", f"queue {url}"):
                self.client("sqs").delete_queue(QueueUrl=url)
        except Missing:
            return

    def receive(self, url: str, *, wait: int) -> list[Received]:
        """Take up to ten messages, waiting so many seconds for the first (fewer than READ_TIMEOUT).

        They hide for a minute.
        """
        with self.calling("sqs:ReceiveMessage", f"queue {url}"):
            answer = self.client("sqs").receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=wait,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        return [_received(message) for message in answer.get("Messages", [])]

    def delete_messages(self, url: str, receipts: Sequence[str]) -> None:
        """Delete up to ten messages that were received; one that stays comes again, and is known by its number."""
        entries = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(receipts)]
        with self.calling("sqs:DeleteMessage", f"queue {url}"):
            self.client("sqs").delete_message_batch(QueueUrl=url, Entries=entries)

    # ECR; what publishing an image asks for

    def ecr_repository(self, name: str) -> Repository | None:
        """Describe a repository; None when there is none."""
        try:
            with self.calling("ecr:DescribeRepositories", f"repository {name}"):
                answer = self.client("ecr").describe_repositories(repositoryNames=[name])
        except Missing:
            return None
        return _repository(answer["repositories"][0])

    def ecr_create_repository(self, name: str) -> Repository | None:
        """Create a repository with immutable tags and scan on push; None when it was created meanwhile."""
        try:
            with self.calling("ecr:CreateRepository", f"repository {name}"):
                answer = self.client("ecr").create_repository(
                    repositoryName=name,
                    imageTagMutability="IMMUTABLE",
                    imageScanningConfiguration={"scanOnPush": True},
                )
        except Conflict:
            return None
        return _repository(answer["repository"])

    def ecr_put_lifecycle_policy(self, name: str, policy: str) -> None:
        """Set which images expire."""
        with self.calling("ecr:PutLifecyclePolicy", f"repository {name}"):
            self.client("ecr").put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=policy)

    def ecr_repository_policy(self, name: str) -> str | None:
        """Give who may do what with a repository, as JSON; None when nothing is said."""
        try:
            with self.calling("ecr:GetRepositoryPolicy", f"repository {name}"):
                return str(self.client("ecr").get_repository_policy(repositoryName=name)["policyText"])
        except Missing:
            return None

    def ecr_set_repository_policy(self, name: str, policy: str) -> None:
        """Say who may do what with a repository."""
        with self.calling("ecr:SetRepositoryPolicy", f"repository {name}"):
            self.client("ecr").set_repository_policy(repositoryName=name, policyText=policy)

    def ecr_image(self, name: str, tag: str) -> StoredImage | None:
        """Describe the image of a tag; None when there is none."""
        try:
            with self.calling("ecr:DescribeImages", f"image {name}:{tag}"):
                answer = self.client("ecr").describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])
        except Missing:
            return None
        found = answer["imageDetails"][0]
        return StoredImage(
            digest=found["imageDigest"],
            media_type=found.get("imageManifestMediaType", ""),
            size=found.get("imageSizeInBytes", 0),
        )

    def ecr_authorization_token(self) -> str:
        """Give base64 of `user:password`, good for twelve hours."""
        with self.calling("ecr:GetAuthorizationToken", "the registry"):
            answer = self.client("ecr").get_authorization_token()
        return str(answer["authorizationData"][0]["authorizationToken"])

    # The border itself

    def client(self, service: str) -> Any:
        """Give the SDK's client of a service."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,  # type: ignore[call-overload]
                    region_name=self.region,
                    config=self._config,
                )
            return self._clients[service]

    @contextmanager
    def calling(self, action: str, resource: str) -> Iterator[None]:
        """Make a AwsError of whatever the SDK raises."""
        from botocore import exceptions as sdk

        asked = Asked(action=action, resource=resource, region=self.region)
        try:
            yield
        except sdk.ClientError as error:
            fault = error.response.get("Error", {})
            answer = Answer(
                code=str(fault.get("Code", "")),
                message=str(fault.get("Message", "")),
                status=int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
            )
            raise refusal(asked, answer) from error
        except (sdk.HTTPClientError, sdk.ConnectionError, sdk.IncompleteReadError) as error:
            raise unreachable(asked, str(error)) from error
        except (sdk.BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
            raise unasked(asked, type(error).__name__, str(error)) from error


def _received(message: Mapping[str, Any]) -> Received:
    stamp = message.get("Attributes", {}).get("SentTimestamp")  # in ms
    return Received(message["Body"], message["ReceiptHandle"], int(stamp) / 1000 if stamp else None)


def _repository(described: Mapping[str, Any]) -> Repository:
    return Repository(
        name=described["repositoryName"],
        arn=described["repositoryArn"],
        uri=described["repositoryUri"],
        immutable=described.get("imageTagMutability") == "IMMUTABLE",
    )
