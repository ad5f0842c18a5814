"""The worker's border to AWS: a few calls to S3 and SQS.

Leaves to others: trying again (courier), what is carried (shift, wire).

Every call is tried once and has a limit: 5 s to connect, 10 s of silence. Denied calls count as passing, because
a role that was made a moment ago is denied what it may do until its policies have spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.session import get_session  # boto3 on top of it takes a sixth of a worker's start

from grapeshot_worker.errors import CloudError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 10.0  # seconds to connect, and of silence

_SETTINGS: Any = {
    "connect_timeout": CONNECT_TIMEOUT,
    "read_timeout": READ_TIMEOUT,
    "retries": {"mode": "standard", "total_max_attempts": 1},
}
_PASSING = (
    "Throttl",
    "SlowDown",
    "Timeout",
    "Conflict",
    "Aborted",
    "Unavailable",
    "LimitExceeded",
    "AccessDenied",
)
_ABSENT = ("NoSuchKey", "404")
_EXISTS = ("PreconditionFailed", "412")


class Mailbox(Protocol):
    """What a worker asks of AWS: objects by key in one bucket, one queue. Every method may raise CloudError."""

    def get(self, key: str) -> bytes | None:
        """Give an object's body; None if there is no such object."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""
        ...

    def put_new(self, key: str, body: bytes) -> bool:
        """Write an object unless the key is taken; False if it is."""
        ...

    def send(self, text: str) -> None:
        """Put a message into the queue."""
        ...


class AwsMailbox:
    """A Mailbox of S3 and SQS; safe to use from several threads."""

    def __init__(self, *, bucket: str, queue_url: str, s3: S3Client, sqs: SQSClient) -> None:
        self._bucket, self._queue_url, self._s3, self._sqs = bucket, queue_url, s3, sqs

    @classmethod
    def open(cls, *, region: str, bucket: str, queue_url: str) -> AwsMailbox:
        """Make the clients, with the credentials of the environment; CloudError if that can't be done."""
        config = Config(**_SETTINGS)
        with _translated("a client", region):
            session = get_session()
            s3: Any = session.create_client("s3", region_name=region, config=config)
            sqs: Any = session.create_client("sqs", region_name=region, config=config)
        return cls(bucket=bucket, queue_url=queue_url, s3=s3, sqs=sqs)

    def get(self, key: str) -> bytes | None:
        """Give an object's body; None if there is no such object."""
        with _translated("s3:GetObject", f"{self._bucket}/{key}"):
            try:
                return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""
        with _translated("s3:PutObject", f"{self._bucket}/{key}"):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def put_new(self, key: str, body: bytes) -> bool:
        """Write an object unless the key is taken; False if it is."""
        with _translated("s3:PutObject", f"{self._bucket}/{key}"):
            try:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) in _EXISTS:
                    return False
                raise
        return True

    def send(self, text: str) -> None:
        """Put a message into the queue."""
        with _translated("sqs:SendMessage", self._queue_url):
            self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=text)


@contextmanager
def _translated(action: str, place: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = _code(error)
        denied = code.startswith("AccessDenied")
        raise CloudError(
            f"AWS refused {action} on {place}: {code}",
            cause=str(error.response.get("Error", {}).get("Message", "")),
            remedy=f"Allow {action} in a policy of the workers' role." if denied else "",
            passing=_status(error) >= 500 or any(word in code for word in _PASSING),
        ) from error
    except BotoCoreError as error:
        raise CloudError(
            f"{action} on {place} got no answer from AWS: {error}",
            cause="Workers in a VPC reach AWS only through a NAT gateway or VPC endpoints for S3 and SQS.",
            remedy="Give the subnets a way out, or run without --subnet-ids.",
            passing=isinstance(error, HTTPClientError | NoConnection | IncompleteReadError),
        ) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
