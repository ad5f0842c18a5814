"""A session of a role that stays good for as long as a run lasts: the SDK's credentials, renewed with new tokens.

Leaves to others: GitHub's tokens (identity), what a refusal means (sts_refusals), when to log in at all (oidc).

A session lasts an hour by default. Its last third is for renewing it: the SDK asks for that when it signs a call, and a
renewal that fails costs nothing yet, for the session is still good; the next one follows after a pause. When little is
left, `check` says so, and the run ends in good order while it can still tell its workers to stop and clear up.

    0 ──────────────────────── 2/3 ─────────────── 5/6 ──────────── 1
      used as it is             renewed when used    check refuses    every call refuses
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore import UNSIGNED
from botocore import exceptions as sdk
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.session import get_session

from grapeshot_launcher.cloud.errors import AwsError
from grapeshot_launcher.cloud.login_failures import failure

if TYPE_CHECKING:
    from boto3.session import Session

CONNECT_TIMEOUT, READ_TIMEOUT, ATTEMPTS = 3.0, 5.0, 3
AHEAD = timedelta(minutes=15)  # before its end a session is renewed, at most
RESERVE = timedelta(minutes=2)  # for ending a run whose session can't be renewed, at most
PAUSE = timedelta(seconds=15)  # between two attempts
LAST = timedelta(seconds=1)  # nobody begins a call with less
SKEW = timedelta(seconds=30)  # between AWS's clock and ours that goes unnoticed

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Keys:
    """A session's credentials, and when it began and ends on this machine's clock."""

    access_key: str
    secret_key: str
    token: str
    begins: datetime
    ends: datetime


class StsRefused(Exception):
    """STS's answer was a refusal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class StsUnreachable(Exception):
    """There was no answer from STS."""


def assume_role(
    role_arn: str, token: str, *, region: str, session_name: str, duration: int, clock: Clock = utc_now
) -> Keys:
    """Take on a role for `duration` seconds; StsRefused or StsUnreachable.

    The call is not signed: the token is all it needs. The session's end is put on this machine's clock, which may go
    wrong by minutes without anybody noticing.
    """
    core = get_session()
    core.set_config_variable("sts_regional_endpoints", "regional")
    config = Config(
        signature_version=UNSIGNED,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra="grapeshot",
    )
    try:
        client: Any = core.create_client("sts", region_name=region, config=config)
        answer = client.assume_role_with_web_identity(
            RoleArn=role_arn, RoleSessionName=session_name, WebIdentityToken=token, DurationSeconds=duration
        )
    except sdk.ClientError as error:
        fault = error.response.get("Error", {})
        raise StsRefused(str(fault.get("Code", "")), str(fault.get("Message", ""))) from error
    except (sdk.BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise StsUnreachable(str(error)) from error
    given = answer["Credentials"]
    now = clock()
    return Keys(
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        token=given["SessionToken"],
        begins=now,
        ends=given["Expiration"] - _ahead_of(now, answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")),
    )


def _ahead_of(now: datetime, date: str) -> timedelta:
    """Tell by how much AWS's clock is ahead of ours, by the date of its answer; nothing when it hardly is."""
    try:
        ahead = parsedate_to_datetime(date) - now
    except (ValueError, TypeError):  # no date, or one without a zone
        return timedelta()
    return ahead if abs(ahead) > SKEW else timedelta()


class Renewal:
    """A session's keys, old and new; `assume` gives new ones, or raises an AwsError."""

    def __init__(self, assume: Callable[[], Keys], clock: Clock = utc_now) -> None:
        self._assume, self._clock = assume, clock
        self._lock = threading.Lock()
        self._error: AwsError | None = None
        self._not_before = clock()
        self.keys = assume()

    @property
    def ahead(self) -> timedelta:
        """How long before its end a session is renewed."""
        return min(AHEAD, (self.keys.ends - self.keys.begins) / 3)

    def renewed(self) -> Keys:
        """Give new keys; while that fails the old ones, if they are still good, else LoginFailed."""
        with self._lock:
            if self._clock() >= self._not_before:
                try:
                    self.keys, self._error = self._assume(), None
                except AwsError as error:
                    self._error = error
                    self._not_before = self._clock() + PAUSE
            if self._error is not None and self.keys.ends - self._clock() <= LAST:
                raise failure("session-ended", **_told(self._error)) from self._error
            return self.keys

    def check(self) -> None:
        """Raise LoginFailed when the session ends soon and could not be renewed."""
        left, whole = self.keys.ends - self._clock(), self.keys.ends - self.keys.begins
        if self._error is not None and left < min(RESERVE, whole / 6):
            seconds = max(left.total_seconds(), 0.0)
            raise failure("session-ending", left=seconds, **_told(self._error)) from self._error


def _told(error: AwsError) -> dict[str, str]:
    return {"reason": " ".join(filter(None, (error.message, error.cause))), "advice": _advice(error)}


def _advice(error: AwsError) -> str:
    return str(getattr(error, "advice", error.remedy))


class RoleCredentials(RefreshableCredentials):
    """The SDK's view of a Renewal."""

    def __init__(self, renewal: Renewal, clock: Clock = utc_now) -> None:
        keys = renewal.keys
        self.renewal = renewal
        super().__init__(
            keys.access_key,
            keys.secret_key,
            keys.token,
            expiry_time=keys.ends,
            refresh_using=lambda: _metadata(renewal.renewed()),
            method="web-identity",
            time_fetcher=clock,
            advisory_timeout=max(1, int(renewal.ahead.total_seconds())),
            mandatory_timeout=max(1, int(LAST.total_seconds())),
        )

    def check(self) -> None:
        """Raise LoginFailed when the session ends soon and could not be renewed, having tried once more."""
        self.get_frozen_credentials()
        self.renewal.check()


def _metadata(keys: Keys) -> dict[str, Any]:
    return {
        "access_key": keys.access_key,
        "secret_key": keys.secret_key,
        "token": keys.token,
        "expiry_time": keys.ends.isoformat(),
    }


class _Given(CredentialProvider):
    """Hands the SDK credentials that are there already."""

    METHOD = "grapeshot"

    def __init__(self, credentials: RoleCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RoleCredentials:
        return self._credentials


def session_of(credentials: RoleCredentials, region: str) -> Session:
    """Make a session of the SDK that signs with these credentials, whatever else it could find."""
    from boto3.session import Session

    core = get_session()
    core.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
    return Session(botocore_session=core, region_name=region)
