"""What a refusal of AWS means, and what to do about it: code and message of an answer → a typed error (pure).

Leaves to others: catching the SDK's errors (aws), and what else a caller knows (role, function).

AWS's own message names the action and the resource that were really denied, which can differ from the call: one
CreateFunction also passes a role and pulls an image. What it says goes before what the call says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from grapeshot_launcher.cloud.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    ExpiredCredentials,
    FunctionFailed,
    InvalidCredentials,
    Missing,
    NoCredentials,
    NotReady,
    Throttled,
    Unavailable,
    Unreachable,
)
from grapeshot_launcher.cloud.policy import granting_sid

DENIED = re.compile(r"(?:not authorized to perform|authorized to perform):? (?P<action>[a-z0-9-]+:\w+)")
ON = re.compile(r"on (?:the )?resource:? (?P<resource>\S+)")

# The SDK's own names for what keeps it from asking.
NO_CREDENTIALS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"}
)
EXPIRED_LOGIN = frozenset(
    {"UnauthorizedSSOTokenError", "SSOTokenLoadError", "TokenRetrievalError", "LoginRefreshRequired"}
)
WRONG_PLACE = frozenset(
    {"NoRegionError", "InvalidRegionError", "UnknownRegionError", "UnknownEndpointError", "ValueError"}
    | {"EndpointProviderError", "EndpointVariantError"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One call: the permission it needs, and what it is about, in words."""

    action: str
    resource: str
    region: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """AWS's refusal of it; `status` is HTTP's, 0 where it is not known."""

    code: str
    message: str
    status: int = 0


Telling = Callable[[Asked, Answer], AwsError]


def refusal(asked: Asked, answer: Answer) -> AwsError:
    """Make the error of a refusal."""
    tell = next((tell for codes, tell in _BY_CODE if answer.code in codes), None)
    if tell is None and answer.code == "InvalidParameterValueException":
        tell = next((tell for part, tell in _BY_TEXT if re.search(part, answer.message, re.IGNORECASE)), None)
    if tell is None and answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        tell = _unavailable
    error = (tell or _refused)(asked, answer)
    error.code = answer.code
    return error


def unreachable(asked: Asked, reason: str) -> AwsError:
    """Make the error of a call that got no answer."""
    return Unreachable(
        f"No answer from AWS in {asked.region} ({asked.action}).",
        cause=reason,
        remedy="Check the network, HTTPS_PROXY, AWS_ENDPOINT_URL, and the name of the region.",
    )


def unasked(asked: Asked, kind: str, reason: str) -> AwsError:
    """Make the error of a call that the SDK could not even make; `kind` is the SDK's name for the reason."""
    if kind in NO_CREDENTIALS:
        return NoCredentials(
            "There are no usable AWS credentials.",
            cause=reason,
            remedy="Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN); on "
            "GitHub, let the job assume a role. `aws sts get-caller-identity` shows whether they are found.",
        )
    if kind in EXPIRED_LOGIN:
        return _expired(asked, Answer(code=kind, message=reason))
    if kind in WRONG_PLACE:
        return unreachable(asked, reason)
    return AwsError(
        f"The AWS SDK could not ask for {asked.action} on {asked.resource} in {asked.region}.",
        cause=f"{kind}: {reason}",
        remedy="Check the AWS settings of this machine (environment, ~/.aws/config).",
    )


def _denied(asked: Asked, answer: Answer) -> AwsError:
    action, resource = asked.action, asked.resource
    if found := DENIED.search(answer.message):
        action = found["action"]
    if found := ON.search(answer.message):
        resource = found["resource"].rstrip(".,")
    sid = granting_sid(action)
    if "explicit deny" in answer.message:
        remedy = (
            "Something denies it explicitly (a service control policy, a boundary, a session policy): "
            "ask whoever keeps it."
        )
    elif sid is None:
        remedy = f"Allow {action} on it; no statement of the documented policy grants this."
    else:
        publish = " --publish" if sid.startswith("Ecr") and sid != "EcrPullImagePermissions" else ""
        publish = " --extras" if sid in {"LambdaExtras", "LookAround"} else publish
        remedy = (
            f"Grant the statement {sid}, as `grapeshot iam policy{publish}` prints it, to whoever runs this."
        )
    return AccessDenied(
        f"AWS denied {action} on {resource} in {asked.region}.",
        cause=answer.message or "403 Forbidden",
        remedy=remedy,
    )


def _expired(asked: Asked, answer: Answer) -> AwsError:
    return ExpiredCredentials(
        f"The AWS credentials have expired ({asked.action}).",
        cause=answer.message,
        remedy="Renew them (`aws sso login`, a new session token), or let the role's session last longer; then "
        "run again.",
    )


def _invalid(asked: Asked, answer: Answer) -> AwsError:
    return InvalidCredentials(
        f"AWS does not accept these credentials in {asked.region} ({asked.action}).",
        cause=answer.message,
        remedy="Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE, this "
        f"machine's clock, and that the region {asked.region} is enabled for the account.",
    )


def _throttled(asked: Asked, answer: Answer) -> AwsError:
    return Throttled(
        f"AWS throttles {asked.action} in {asked.region}, after several attempts.",
        cause=answer.message,
        remedy="Wait a minute and run again; where it comes back, start fewer runs at once, or ask "
        "AWS for a higher quota.",
    )


def _unavailable(asked: Asked, answer: Answer) -> AwsError:
    return Unavailable(
        f"AWS failed {asked.action} on {asked.resource} in {asked.region}, after several attempts: {answer.code}.",
        cause=answer.message,
        remedy="Wait until the region is well again (health.aws.amazon.com shows it), or run in another one.",
    )


def _missing(asked: Asked, answer: Answer) -> AwsError:
    return Missing(
        f"AWS has no {asked.resource} ({asked.action} in {asked.region}).",
        cause=answer.message,
        remedy="It may have been removed while it was in use; run again. Check the region as well.",
    )


def _conflict(asked: Asked, answer: Answer) -> AwsError:
    return Conflict(
        f"{asked.resource} exists already, or is being changed right now ({asked.action}).",
        cause=answer.message,
        remedy="Run again in a minute.",
    )


def _not_ready(asked: Asked, answer: Answer) -> AwsError:
    return NotReady(
        f"AWS can't use what {asked.resource} is made from yet.",
        cause=answer.message,
        remedy="A new role takes some seconds to be known everywhere. Where it stays so, check that the role trusts "
        "lambda.amazonaws.com, and that its policies are attached.",
    )


def _function(remedy: str) -> Telling:
    def tell(asked: Asked, answer: Answer) -> AwsError:
        return FunctionFailed(
            f"AWS refused to make {asked.resource} ({asked.action} in {asked.region}).",
            cause=answer.message,
            remedy=remedy,
        )

    return tell


def _refused(asked: Asked, answer: Answer) -> AwsError:
    return AwsError(
        f"AWS refused {asked.action} on {asked.resource} in {asked.region}: {answer.code}.",
        cause=answer.message,
        remedy="AWS's message says why; if it is none of your doing, run again.",
    )


_BY_CODE: tuple[tuple[frozenset[str], Telling], ...] = (
    (
        frozenset(
            {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}
            | {"AuthorizationError", "NotAuthorized", "AllAccessDisabled"}
        ),
        _denied,
    ),
    (
        frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}),
        _expired,
    ),
    (
        frozenset(
            {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken"}
            | {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "AuthFailure"}
            | {"RequestTimeTooSkewed", "OptInRequired", "MissingAuthenticationToken"}
            | {"MissingAuthenticationTokenException", "InvalidIdentityToken"}
        ),
        _invalid,
    ),
    (
        frozenset(
            {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException"}
            | {"RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown"}
            | {"AWS.SimpleQueueService.RequestThrottled", "PriorRequestNotComplete", "503"}
        ),
        _throttled,
    ),
    (
        frozenset(
            {"ServiceUnavailable", "InternalError", "InternalFailure", "InternalServerError"}
            | {"ServiceException", "ServiceFailure", "ServiceFailureException", "RequestTimeout"}
        ),
        _unavailable,
    ),
    (
        frozenset(
            {"NoSuchBucket", "NoSuchKey", "NoSuchEntity", "ResourceNotFoundException", "404", "NotFound"}
            | {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "ImageNotFoundException"}
            | {"RepositoryNotFoundException", "LifecyclePolicyNotFoundException"}
            | {"NoSuchLifecycleConfiguration", "RepositoryPolicyNotFoundException"}
        ),
        _missing,
    ),
    (
        frozenset(
            {"EntityAlreadyExists", "ResourceConflictException", "BucketAlreadyOwnedByYou"}
            | {"OperationAborted", "PreconditionFailed", "412", "ConditionalRequestConflict"}
            | {"QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", "QueueNameExists"}
            | {"QueueAlreadyExists", "RepositoryAlreadyExistsException", "ConcurrentModification"}
        ),
        _conflict,
    ),
    (
        frozenset(
            {"CodeArtifactUserPendingException", "ResourceNotReadyException"}  # waking, or still being made
        ),
        _not_ready,
    ),
)

# CreateFunction says nearly everything with one code; the text tells.
_BY_TEXT: tuple[tuple[str, Telling], ...] = (
    (r"cannot be assumed|\bKMS\b|permissions to call \w*NetworkInterface", _not_ready),
    (
        r"source image .*(does not exist|not found)|valid source image",
        _function(
            "Publish the worker image to this region: `grapeshot image publish --region REGION`, then run again."
        ),
    ),
    (
        r"permission to access the ECR image",
        _function(
            "The repository's policy must let lambda.amazonaws.com pull, and `grapeshot image publish` sets "
            "it: publish once more, with credentials that may."
        ),
    ),
    (
        r"media type|manifest.*not supported",
        _function(
            "Lambda takes no image index and no attestations: publish the image with `grapeshot image publish`."
        ),
    ),
    (r"same region", _function("Publish the worker image to the region of the run.")),
    (
        r"MemorySize",
        _function(
            "New accounts get less memory than Lambda offers: use a smaller --memory-size (3008 is often the "
            "limit), or ask AWS to raise the quota."
        ),
    ),
    (r"subnet|security ?group|\bVPC\b|\bENI\b", _function("Check --subnet-ids and --security-group-ids.")),
    (
        r"\brole\b",
        _function(
            "Check --lambda-role-arn: the role must exist in this account and trust lambda.amazonaws.com."
        ),
    ),
)
