"""Logging in to AWS without a stored key: GitHub says who the job is, AWS lends it a role.

Leaves to others: GitHub's side (identity), AWS's side (role_session), the words for failures (login_failures).

    login = Login(role="arn:aws:iam::123456789012:role/GrapeshotLoadTests", region="eu-west-1")
    session = credentials(login, environ=os.environ, mask=github.mask, warn=screen.warn)
    Aws("eu-west-1", session)

Without a role there is nothing to do: the SDK finds what an earlier step left in the environment. Whatever is secret is
masked before anybody could print it. A session is renewed for as long as it is used, each time with a new token, for
tokens live five minutes and sessions an hour.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grapeshot_launcher.cloud.errors import LoginFailed
from grapeshot_launcher.cloud.identity import Identity, Mask, ask_identity
from grapeshot_launcher.cloud.login_failures import failure
from grapeshot_launcher.cloud.resources import partition_of
from grapeshot_launcher.cloud.sts_refusals import TOO_LONG, RoleArn, refused_token

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.aws import Session
    from grapeshot_launcher.cloud.role_session import Keys

AUDIENCE = "sts.amazonaws.com"
SHORTEST, DEFAULT, LONGEST = 900, 3600, 43_200  # s that a session may last; any role allows the default
LONGEST_NAME = 64
WAITS = (1.0, 2.0, 4.0)  # s before a first login that failed like this is tried again
AGAIN = frozenset({"token-unverified", "sts-busy"})  # the others that pass have been tried again already

_ROLE = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/[\w+=,.@/-]{1,512}", re.ASCII
)
_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_AUDIENCE = re.compile(r"[!-~]{1,255}")

TokenSource = Callable[[], Identity]
Warn = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """The role to take on, and how: `duration` in seconds; no session name means one made of repository and run."""

    role: str
    region: str
    audience: str = AUDIENCE
    session_name: str = ""
    duration: int = DEFAULT
    mask_account: bool = False


def credentials(
    login: Login | None,
    *,
    environ: Mapping[str, str],
    mask: Mask,
    warn: Warn,
    pause: Callable[[float], object] = time.sleep,
) -> Session | None:
    """Take on a role and give a session of the SDK; None without a role: then the SDK finds credentials by itself.

    LoginFailed says what prevents it. It waits for GitHub and for AWS, half a minute each at most.
    """
    if login is None or not login.role.strip():
        return None
    role = role_of(login)
    if login.mask_account:
        mask(role.account)

    def ask() -> Identity:
        return ask_identity(environ, login.audience, mask=mask, pause=pause)

    name = login.session_name or session_name(environ)
    return role_session(login, role, name, token_source=ask, mask=mask, warn=warn, pause=pause)


def role_of(login: Login) -> RoleArn:
    """Check what can be checked before anything is asked, and give the role; LoginFailed."""
    found = _ROLE.fullmatch(login.role.strip())
    if found is None:
        raise failure("malformed-role", role=login.role)
    role = RoleArn(text=found[0], partition=found["partition"], account=found["account"])
    wanted = partition_of(login.region)
    if role.partition != wanted:
        raise failure(
            "wrong-partition", role=role.text, region=login.region, partition=role.partition, wanted=wanted
        )
    if not SHORTEST <= login.duration <= LONGEST:
        raise failure(
            "wrong-setting",
            problem=f"its session can't last {login.duration} s",
            remedy=f"Choose a duration from {SHORTEST} to {LONGEST} s, within what the role allows.",
        )
    if login.session_name and not _NAME.fullmatch(login.session_name):
        raise failure(
            "wrong-setting",
            problem=f"its session can't be called {login.session_name!r}",
            remedy="A session's name has 2 to 64 letters, digits and _+=,.@- characters.",
        )
    if not _AUDIENCE.fullmatch(login.audience):
        raise failure(
            "wrong-setting",
            problem=f"{login.audience!r} is no audience",
            remedy=f"Leave the audience out; {AUDIENCE} is what AWS expects.",
        )
    return role


def session_name(environ: Mapping[str, str]) -> str:
    """Name a session after repository and run, so that CloudTrail tells whose calls these were.

    >>> session_name({"GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "17"})
    'grapeshot-acme-shop-17'
    """
    run = re.sub(r"\D", "", environ.get("GITHUB_RUN_ID", ""))[:20] or "0"
    repository = re.sub(r"[^\w+=,.@-]", "-", environ.get("GITHUB_REPOSITORY", ""), flags=re.ASCII)
    front = f"grapeshot-{repository}".rstrip("-")
    return f"{front[: LONGEST_NAME - len(run) - 1]}-{run}"


def role_session(
    login: Login,
    role: RoleArn,
    name: str,
    *,
    token_source: TokenSource,
    mask: Mask,
    warn: Warn,
    pause: Callable[[float], object] = time.sleep,
) -> Session:
    """Take on a role now, and give a session of the SDK that renews itself; LoginFailed."""
    from grapeshot_launcher.cloud.role_session import Renewal, RoleCredentials, session_of

    exchange = Exchange(login, role, name, token_source=token_source, mask=mask, warn=warn)
    for wait in WAITS:
        try:
            renewal = Renewal(exchange)
            break
        except LoginFailed as error:
            if error.name not in AGAIN:
                raise
        pause(wait)
    else:
        renewal = Renewal(exchange)
    return session_of(RoleCredentials(renewal), login.region)


class Exchange:
    """Exchanges a new token for new keys, each time it is called."""

    def __init__(
        self, login: Login, role: RoleArn, name: str, *, token_source: TokenSource, mask: Mask, warn: Warn
    ) -> None:
        self._login, self._role, self._name = login, role, name
        self._token_source, self._mask, self._warn = token_source, mask, warn
        self._duration = login.duration

    def __call__(self) -> Keys:
        """Give new keys, masked; LoginFailed."""
        from grapeshot_launcher.cloud.role_session import StsRefused, StsUnreachable, assume_role

        identity = self._token_source()
        try:
            keys = assume_role(
                self._role.text,
                identity.token,
                region=self._login.region,
                session_name=self._name,
                duration=self._duration,
            )
        except StsRefused as error:
            if TOO_LONG.search(error.message) and self._duration > DEFAULT:
                self._shorten()
                return self()
            raise refused_token(
                error.code, error.message, role=self._role, region=self._login.region, claims=identity.claims
            ) from error
        except StsUnreachable as error:
            raise failure("sts-unreachable", region=self._login.region, reason=str(error)) from error
        for secret in (keys.access_key, keys.secret_key, keys.token):
            self._mask(secret)
        return keys

    def _shorten(self) -> None:
        self._warn(
            f"The role's sessions can't last {self._duration} s, so this one lasts {DEFAULT} s and is renewed. "
            "MaxSessionDuration of the role sets the limit."
        )
        self._duration = DEFAULT
