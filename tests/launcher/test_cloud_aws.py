"""The launcher's border to AWS, on the SDK with its answers stubbed; and what its refusals are told as."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from boto3.session import Session
from botocore import exceptions as sdk
from botocore.model import StringShape
from botocore.response import StreamingBody
from botocore.stub import Stubber

from grapeshot_launcher.cloud.aws import Aws, Caller, Received
from grapeshot_launcher.cloud.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    ExpiredCredentials,
    FunctionFailed,
    InvalidCredentials,
    LoginFailed,
    Missing,
    NoCredentials,
    NotReady,
    Throttled,
    Unavailable,
    Unreachable,
)
from grapeshot_launcher.cloud.refusals import Answer, Asked, refusal
from grapeshot_launcher.cloud.resources import FunctionSettings, Site
from grapeshot_launcher.cloud.states import REASONS, FunctionState, changed, failed, late

ACCOUNT = "123456789012"
SITE = Site(account=ACCOUNT, region="eu-west-1")
FUNCTION = "artilleryio-grapeshot-arm64-0123456789abcdef"
ASKED = Asked(action="lambda:CreateFunction", resource=f"function {FUNCTION}", region="eu-west-1")


def border(region: str = "eu-west-1") -> Aws:
    return Aws(region, Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"))


@pytest.fixture
def aws() -> Aws:
    return border()


def stub(aws: Aws, service: str) -> Stubber:
    stubber = Stubber(aws.client(service))
    stubber.activate()
    return stubber


def test_the_caller_is_told_by_sts(aws: Aws) -> None:
    """Account and ARN."""
    answer = {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/ann", "UserId": "u"}
    stub(aws, "sts").add_response("get_caller_identity", answer)

    assert aws.caller() == Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann")


def test_a_bucket_is_looked_for_as_this_accounts_own(aws: Aws) -> None:
    """S3 itself refuses another owner's."""
    expected = {"Bucket": SITE.bucket, "ExpectedBucketOwner": ACCOUNT}
    stub(aws, "s3").add_response("head_bucket", {"BucketRegion": "eu-west-1"}, expected)

    assert aws.head_bucket(SITE.bucket, ACCOUNT) == "eu-west-1"


@pytest.mark.parametrize(
    ("region", "constraint"),
    [
        ("eu-west-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
        ("us-east-1", {}),  # the constraint us-east-1 is refused
    ],
)
def test_a_bucket_is_created_in_the_region(region: str, constraint: dict[str, Any]) -> None:
    """With a location constraint, except in us-east-1."""
    aws = border(region)
    stubber = stub(aws, "s3")
    stubber.add_response("create_bucket", {}, {"Bucket": "b", **constraint})
    aws.create_bucket("b")

    stubber.assert_no_pending_responses()


def test_a_bucket_without_lifecycle_has_no_rules(aws: Aws) -> None:
    """S3 answers with an error."""
    stub(aws, "s3").add_client_error("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration")

    assert aws.lifecycle("b") == []


def test_a_new_object_is_written_on_condition(aws: Aws) -> None:
    """Of two that create it, one learns that it was second."""
    stubber = stub(aws, "s3")
    expected = {"Bucket": "b", "Key": "k", "Body": b"x", "IfNoneMatch": "*"}
    stubber.add_response("put_object", {}, expected)
    stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    aws.put_object("b", "k", b"x", new=True)

    with pytest.raises(Conflict):
        aws.put_object("b", "k", b"x", new=True)


def test_an_object_is_read_or_missing(aws: Aws) -> None:
    """A missing one is None, not a failure."""
    stubber = stub(aws, "s3")
    stubber.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"body"), 4)})
    stubber.add_client_error("get_object", "NoSuchKey")

    assert aws.get_object("b", "k") == b"body"
    assert aws.get_object("b", "k") is None


def test_the_age_of_an_object(aws: Aws) -> None:
    """In seconds since it was written."""
    written = datetime(2026, 1, 1, tzinfo=UTC)
    stubber = stub(aws, "s3")
    stubber.add_response("head_object", {"LastModified": written})
    stubber.add_client_error("head_object", "404")

    assert aws.object_age("b", "k", written.timestamp() + 60) == 60
    assert aws.object_age("b", "k", 0) is None


def test_objects_are_listed_behind_a_key(aws: Aws) -> None:
    """One page for each call."""
    expected = {"Bucket": "b", "Prefix": "tests/", "StartAfter": "tests/a"}
    stub(aws, "s3").add_response("list_objects_v2", {"Contents": [{"Key": "tests/b"}]}, expected)

    assert aws.list_objects("b", "tests/", after="tests/a") == ["tests/b"]


def test_an_object_that_cannot_be_deleted_is_a_failure(aws: Aws) -> None:
    """Although S3's answer as a whole is 200."""
    answer = {"Errors": [{"Key": "k", "Code": "AccessDenied", "Message": "no"}]}
    stub(aws, "s3").add_response("delete_objects", answer)

    with pytest.raises(AccessDenied, match="s3:DeleteObject on b/k"):
        aws.delete_objects("b", ["k"])


def test_a_role_is_found_or_missing(aws: Aws) -> None:
    """By its ARN."""
    stubber = stub(aws, "iam")
    role = {
        "Path": "/",
        "RoleName": "r",
        "RoleId": "AROAEXAMPLEEXAMPLE",
        "Arn": "arn:aws:iam::123456789012:role/r",
        "CreateDate": 0,
    }
    stubber.add_response("get_role", {"Role": role})
    stubber.add_client_error("get_role", "NoSuchEntity")

    assert aws.role("r") == role["Arn"]
    assert aws.role("r") is None


def test_a_function_is_asked_for_with_the_call_that_the_policy_grants(aws: Aws) -> None:
    """GetFunctionConfiguration, not GetFunction."""
    stubber = stub(aws, "lambda")
    answer = {
        "State": "Pending",
        "StateReason": "being made",
        "StateReasonCode": "Creating",
        "Architectures": ["arm64"],
        "MemorySize": 4096,
        "Timeout": 900,
        "Role": SITE.role_arn,
    }
    stubber.add_response("get_function_configuration", answer, {"FunctionName": FUNCTION})
    stubber.add_client_error("get_function_configuration", "ResourceNotFoundException")

    assert aws.function(FUNCTION) == FunctionState(
        state="Pending",
        reason="being made",
        reason_code="Creating",
        architecture="arm64",
        memory=4096,
        timeout=900,
        role=SITE.role_arn,
    )
    assert aws.function(FUNCTION) is None


@pytest.mark.parametrize("tags", [{}, {"team": "load"}])
def test_a_function_is_created_as_it_is_described(aws: Aws, tags: dict[str, str]) -> None:
    """The SDK accepts the request; without tags none are sent, for even none would need a permission."""
    image = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/grapeshot-worker@sha256:{'a' * 64}"
    settings = FunctionSettings(
        image=image, role=SITE.role_arn, subnets=("subnet-1",), security_groups=("sg-1",)
    )
    expected = {"FunctionName": FUNCTION, **settings.request(), **({"Tags": tags} if tags else {})}
    stubber = stub(aws, "lambda")
    stubber.add_response("create_function", {}, expected)
    aws.create_function(FUNCTION, settings.request(), tags)

    stubber.assert_no_pending_responses()


def test_an_invocation_is_asynchronous(aws: Aws) -> None:
    """Nobody waits for fifteen minutes."""
    stubber = stub(aws, "lambda")
    expected = {"FunctionName": FUNCTION, "InvocationType": "Event", "Payload": b"{}"}
    stubber.add_response("invoke", {"StatusCode": 202}, expected)
    aws.invoke(FUNCTION, "{}")

    stubber.assert_no_pending_responses()


def test_retries_are_forgone(aws: Aws) -> None:
    """None at all, and no event older than a minute."""
    stubber = stub(aws, "lambda")
    expected = {"FunctionName": FUNCTION, "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    stubber.add_response("put_function_event_invoke_config", {}, expected)
    aws.forgo_retries(FUNCTION)

    stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    "code", ["ResourceNotReadyException", "CodeArtifactUserPendingException", "ResourceConflictException"]
)
def test_a_sleeping_function_refuses_the_call_that_wakes_it(aws: Aws, code: str) -> None:
    """The refusal is the answer."""
    stub(aws, "lambda").add_client_error("invoke", code)

    aws.wake_function(FUNCTION)


def test_the_concurrency_of_the_account(aws: Aws) -> None:
    """What is not reserved for other functions."""
    limit = {"UnreservedConcurrentExecutions": 10}
    stub(aws, "lambda").add_response("get_account_settings", {"AccountLimit": limit})

    assert aws.concurrency() == 10


def test_a_queue_from_its_creation_to_its_end(aws: Aws) -> None:
    """Created, read, deleted; a queue that is gone can be deleted again."""
    stubber = stub(aws, "sqs")
    tagged = {"QueueName": "q", "Attributes": {"VisibilityTimeout": "60"}, "tags": {"a": "b"}}
    stubber.add_response("create_queue", {"QueueUrl": "https://q"}, tagged)
    message = {"Body": "text", "ReceiptHandle": "r1", "Attributes": {"SentTimestamp": "1795421580125"}}
    asked = {
        "QueueUrl": "https://q",
        "MaxNumberOfMessages": 10,
        "WaitTimeSeconds": 2,
        "MessageSystemAttributeNames": ["SentTimestamp"],
    }
    stubber.add_response("receive_message", {"Messages": [message]}, asked)
    stubber.add_response("receive_message", {}, asked)
    entries = [{"Id": "0", "ReceiptHandle": "r1"}]
    deleted: dict[str, Any] = {"Successful": [], "Failed": []}
    stubber.add_response("delete_message_batch", deleted, {"QueueUrl": "https://q", "Entries": entries})
    stubber.add_response("delete_queue", {}, {"QueueUrl": "https://q"})
    stubber.add_client_error("delete_queue", "AWS.SimpleQueueService.NonExistentQueue")
    stubber.add_client_error("get_queue_url", "QueueDoesNotExist")

    assert aws.create_queue("q", {"VisibilityTimeout": "60"}, {"a": "b"}) == "https://q"
    assert aws.receive("https://q", wait=2) == [Received("text", "r1", 1_795_421_580.125)]
    assert aws.receive("https://q", wait=2) == []
    aws.delete_messages("https://q", ["r1"])
    aws.delete_queue("https://q")
    aws.delete_queue("https://q")
    assert aws.queue_url("q") is None


def test_a_repository_and_its_images(aws: Aws) -> None:
    """As ECR describes them; what is missing is None."""
    stubber = stub(aws, "ecr")
    described = {
        "repositoryName": "worker",
        "repositoryArn": "arn:r",
        "repositoryUri": "host/worker",
        "imageTagMutability": "IMMUTABLE",
    }
    stubber.add_client_error("describe_repositories", "RepositoryNotFoundException")
    stubber.add_response("create_repository", {"repository": described})
    stubber.add_client_error("create_repository", "RepositoryAlreadyExistsException")
    stubber.add_response("describe_repositories", {"repositories": [described]})
    stubber.add_client_error("get_repository_policy", "RepositoryPolicyNotFoundException")
    image = {"imageDigest": "sha256:1", "imageManifestMediaType": "m", "imageSizeInBytes": 5}
    stubber.add_response("describe_images", {"imageDetails": [image]})
    stubber.add_client_error("describe_images", "ImageNotFoundException")
    token = {"authorizationData": [{"authorizationToken": "QVdTOng="}]}
    stubber.add_response("get_authorization_token", token)

    assert aws.ecr_repository("worker") is None
    created = aws.ecr_create_repository("worker")
    assert created is not None
    assert created.uri == "host/worker"
    assert aws.ecr_create_repository("worker") is None
    assert aws.ecr_repository("worker") == created
    assert aws.ecr_repository_policy("worker") is None
    found = aws.ecr_image("worker", "t")
    assert found is not None
    assert (found.digest, found.size) == ("sha256:1", 5)
    assert aws.ecr_image("worker", "t") is None
    assert aws.ecr_authorization_token() == "QVdTOng="


# Refusals


def test_the_sdk_s_failures_are_translated(aws: Aws) -> None:
    """By what can be done about them."""
    for raised, expected in (
        (sdk.NoCredentialsError(), NoCredentials),
        (sdk.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), NoCredentials),
        (sdk.ProfileNotFound(profile="p"), NoCredentials),
        (sdk.UnauthorizedSSOTokenError(), ExpiredCredentials),
        (sdk.EndpointConnectionError(endpoint_url="https://x"), Unreachable),
        (sdk.ReadTimeoutError(endpoint_url="https://x"), Unreachable),
        (sdk.IncompleteReadError(actual_bytes=1, expected_bytes=2), Unreachable),
        (sdk.SSLError(endpoint_url="https://x", error=OSError("bad")), Unreachable),
        (sdk.InvalidRegionError(region_name="!"), Unreachable),
        (ValueError("Invalid endpoint: x"), Unreachable),
        (sdk.ParamValidationError(report="no"), AwsError),
    ):
        with pytest.raises(AwsError) as caught, aws.calling("sqs:CreateQueue", "queue q"):
            raise raised

        assert type(caught.value) is expected, raised
        assert caught.value.remedy


def test_a_profile_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")

    with pytest.raises(NoCredentials) as caught:
        Aws("eu-west-1").caller()

    assert "no-such-profile" in caught.value.cause


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", AccessDenied),
        ("AccessDeniedException", AccessDenied),
        ("403", AccessDenied),
        ("ExpiredToken", ExpiredCredentials),
        ("ExpiredTokenException", ExpiredCredentials),
        ("InvalidClientTokenId", InvalidCredentials),
        ("UnrecognizedClientException", InvalidCredentials),
        ("SignatureDoesNotMatch", InvalidCredentials),
        ("TooManyRequestsException", Throttled),
        ("ThrottlingException", Throttled),
        ("SlowDown", Throttled),
        ("ServiceUnavailable", Unavailable),
        ("InternalError", Unavailable),
        ("404", Missing),
        ("NoSuchBucket", Missing),
        ("EntityAlreadyExists", Conflict),
        ("QueueDeletedRecently", Conflict),
        ("PreconditionFailed", Conflict),
        ("ResourceNotReadyException", NotReady),
        ("SomethingNew", AwsError),
    ],
)
def test_a_refusal_is_one_of_few_kinds(code: str, kind: type[AwsError]) -> None:
    """With AWS's code, its message as the cause, and a remedy."""
    error = refusal(ASKED, Answer(code=code, message="what AWS said"))

    assert type(error) is kind
    assert error.code == code
    assert error.cause == "what AWS said"
    assert error.remedy


def test_only_what_passes_is_marked_as_passing() -> None:
    """Throttling, AWS's own faults, a lost answer, a thing that is not ready yet."""
    kinds = set(AwsError.__subclasses__()) - {LoginFailed}  # whose texts say it, each for itself
    passing = {kind for kind in kinds if kind("x").passing}

    assert passing == {Throttled, Unavailable, Unreachable, NotReady}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_fault_of_aws_itself_passes(aws: Aws, status: int) -> None:
    """Whatever its code: the status says whose fault it is."""
    stubber = stub(aws, "s3")
    stubber.add_client_error("put_object", "SomethingNew", http_status_code=status)

    with pytest.raises(Unavailable, match="SomethingNew") as caught:
        aws.put_object("b", "k", b"")

    assert caught.value.passing


def test_a_denied_call_names_action_resource_and_statement() -> None:
    """What AWS says goes before what was asked: a CreateFunction needs several permissions."""
    message = (
        f"User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: iam:PassRole on resource: "
        f"{SITE.role_arn} because no identity-based policy allows the iam:PassRole action"
    )
    error = refusal(ASKED, Answer(code="AccessDeniedException", message=message))

    assert error.message == f"AWS denied iam:PassRole on {SITE.role_arn} in {SITE.region}."
    assert "CreateOrGetLambdaRole" in error.remedy
    assert "`grapeshot iam policy`" in error.remedy


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("ecr:PutImage", "grapeshot iam policy --publish"),
        ("lambda:TagResource", "grapeshot iam policy --extras"),
        ("s3:DeleteBucket", "no statement of the documented policy"),
    ],
)
def test_a_denied_call_beyond_a_run_names_what_prints_its_statement(action: str, words: str) -> None:
    """Or says that nothing does."""
    asked = Asked(action=action, resource="it", region="eu-west-1")

    assert words in refusal(asked, Answer(code="AccessDenied", message="")).remedy


def test_an_explicit_deny_is_not_ours_to_grant() -> None:
    """An organisation's policy wins over any statement."""
    message = "not authorized to perform: sqs:CreateQueue with an explicit deny in a service control policy"
    error = refusal(ASKED, Answer(code="AccessDenied", message=message))

    assert "service control policy" in error.remedy


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        ("The role defined for the function cannot be assumed by Lambda.", NotReady, "seconds"),
        ("Lambda was unable to configure … because the KMS key is invalid for CreateGrant.", NotReady, ""),
        ("The provided execution role does not have permissions to call CreateNetworkInterface on EC2", NotReady, ""),
        ("Source image x:y does not exist. Provide a valid source image.", FunctionFailed, "image publish"),
        ("Lambda does not have permission to access the ECR image. Check …", FunctionFailed, "policy"),
        (
            "The image manifest, config or layer media type for the source image x is not supported.",
            FunctionFailed,
            "index",
        ),
        (
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008",
            FunctionFailed,
            "--memory-size",
        ),
        ("The subnet ID 'subnet-1' does not exist", FunctionFailed, "--subnet-ids"),
        ("Something else", AwsError, "AWS's message"),
    ],
)  # fmt: skip
def test_what_create_function_says_with_one_code_is_told_apart(
    message: str, kind: type[AwsError], words: str
) -> None:
    """By its text."""
    error = refusal(ASKED, Answer(code="InvalidParameterValueException", message=message))

    assert type(error) is kind
    assert words in error.remedy


# States


def reason_codes() -> list[str]:
    shape = botocore.session.get_session().get_service_model("lambda").shape_for("StateReasonCode")
    assert isinstance(shape, StringShape)
    return list(shape.enum)


def test_every_state_reason_of_lambda_is_explained_with_a_remedy() -> None:
    """Those that the SDK knows; one that comes later is told in AWS's words."""
    for code in [*reason_codes(), "OfNextYear"]:
        error = failed(FUNCTION, FunctionState(state="Failed", reason_code=code, reason="as AWS says it"))

        assert "as AWS says it" in error.cause
        assert error.remedy


def test_the_reasons_we_explain_exist() -> None:
    """A mistyped code would never be met."""
    assert set(REASONS) <= set(reason_codes())


def test_a_late_function_says_how_long_was_waited() -> None:
    """And what it was waiting for."""
    found = FunctionState(state="Pending", reason_code="SubnetOutOfIPAddresses")
    error = late(FUNCTION, found, 240.0)

    assert "240 s" in error.message
    assert "addresses" in error.cause


def test_a_function_as_it_was_made_is_not_told_as_changed() -> None:
    """What AWS does not tell is no difference."""
    settings = FunctionSettings(image="x", role=SITE.role_arn)

    assert changed(FUNCTION, FunctionState(architecture="arm64", memory=4096, timeout=900), settings) is None
