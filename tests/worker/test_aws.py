"""The worker's calls to S3 and SQS, as boto makes them, against stubbed answers."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.stub import Stubber

from grapeshot_worker.aws import AwsMailbox
from grapeshot_worker.errors import CloudError

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/artilleryio-t1"
KEY = {"Bucket": "bucket", "Key": "key"}


class Stubs:
    """A mailbox whose answers are written down first."""

    def __init__(self, **more: Any) -> None:
        options: Any = {
            "region_name": "eu-west-1",
            "aws_access_key_id": "id",
            "aws_secret_access_key": "key",
            "config": Config(retries={"total_max_attempts": 1}),
            **more,
        }
        s3, sqs = boto3.client("s3", **options), boto3.client("sqs", **options)
        self.s3, self.sqs = Stubber(s3), Stubber(sqs)
        self.mailbox = AwsMailbox(bucket="bucket", queue_url=QUEUE, s3=s3, sqs=sqs)


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    """Answers are used up in order, all of them."""
    stubs = Stubs()
    with stubs.s3, stubs.sqs:
        yield stubs
        stubs.s3.assert_no_pending_responses()
        stubs.sqs.assert_no_pending_responses()


def test_an_object_is_read(stubs: Stubs) -> None:
    """Its whole body."""
    stubs.s3.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"body"), 4)}, KEY)

    assert stubs.mailbox.get("key") == b"body"


def test_an_object_that_is_not_there_is_none(stubs: Stubs) -> None:
    """This is an answer, not a fault."""
    stubs.s3.add_client_error("get_object", "NoSuchKey", http_status_code=404)

    assert stubs.mailbox.get("key") is None


def test_an_object_is_written(stubs: Stubs) -> None:
    """Whatever was there."""
    stubs.s3.add_response("put_object", {}, {**KEY, "Body": b"body"})
    stubs.mailbox.put("key", b"body")


def test_a_new_object_is_written_on_one_condition(stubs: Stubs) -> None:
    """That nobody has written it before."""
    stubs.s3.add_response("put_object", {}, {**KEY, "Body": b"body", "IfNoneMatch": "*"})

    assert stubs.mailbox.put_new("key", b"body")


def test_a_new_object_that_exists_is_not_written(stubs: Stubs) -> None:
    """The answer is no."""
    stubs.s3.add_client_error("put_object", "PreconditionFailed", http_status_code=412)

    assert not stubs.mailbox.put_new("key", b"body")


def test_a_message_is_sent(stubs: Stubs) -> None:
    """To the run's queue."""
    stubs.sqs.add_response("send_message", {}, {"QueueUrl": QUEUE, "MessageBody": "text"})
    stubs.mailbox.send("text")


CALLS: list[tuple[str, str, Callable[[AwsMailbox], Any], str]] = [
    ("s3", "get_object", lambda mailbox: mailbox.get("key"), "s3:GetObject on bucket/key"),
    ("s3", "put_object", lambda mailbox: mailbox.put("key", b""), "s3:PutObject on bucket/key"),
    ("s3", "put_object", lambda mailbox: mailbox.put_new("key", b""), "s3:PutObject on bucket/key"),
    ("sqs", "send_message", lambda mailbox: mailbox.send(""), f"sqs:SendMessage on {QUEUE}"),
]


@pytest.mark.parametrize(("service", "operation", "call", "words"), CALLS)
def test_a_denied_call_names_action_and_place(
    stubs: Stubs, service: str, operation: str, call: Callable[[AwsMailbox], Any], words: str
) -> None:
    """And what to allow; it may be that the role is just being made."""
    getattr(stubs, service).add_client_error(operation, "AccessDenied", "not you", http_status_code=403)
    with pytest.raises(CloudError) as caught:
        call(stubs.mailbox)

    assert words in caught.value.message
    assert caught.value.cause == "not you"
    assert words.split()[0] in caught.value.remedy
    assert caught.value.passing


@pytest.mark.parametrize(
    ("code", "status", "passing"),
    [
        ("InternalError", 500, True),
        ("ServiceUnavailable", 503, True),
        ("SlowDown", 503, True),
        ("RequestThrottled", 400, True),
        ("RequestTimeout", 400, True),
        ("ConditionalRequestConflict", 409, True),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, False),
        ("NoSuchBucket", 404, False),
        ("InvalidAccessKeyId", 403, False),
    ],
)
def test_what_may_pass_and_what_does_not(stubs: Stubs, code: str, status: int, passing: bool) -> None:
    """Only what may pass is worth another try."""
    stubs.s3.add_client_error("put_object", code, http_status_code=status)
    with pytest.raises(CloudError) as caught:
        stubs.mailbox.put("key", b"")

    assert caught.value.passing is passing
    assert code in caught.value.message


@pytest.mark.parametrize("listening", [False, True])
def test_no_answer_may_pass(listening: bool) -> None:
    """A connection that is refused, or closed without an answer; the words think of a VPC."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if listening:
            threading.Thread(target=lambda: server.accept()[0].close()).start()
        else:
            server.close()
        stubs = Stubs(endpoint_url=f"http://127.0.0.1:{port}")
        with pytest.raises(CloudError, match="no answer") as caught:
            stubs.mailbox.put("key", b"")

    assert caught.value.passing
    assert "VPC" in caught.value.cause


def test_a_mailbox_is_opened_without_a_call() -> None:
    """A region that can't be is told in words."""
    AwsMailbox.open(region="eu-west-1", bucket="bucket", queue_url=QUEUE)
    with pytest.raises(CloudError):
        AwsMailbox.open(region="not a region", bucket="bucket", queue_url=QUEUE)
