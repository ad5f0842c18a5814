"""GitHub's word for who a job is: an identity token (OIDC), asked from the runner.

Leaves to others: what AWS makes of it (oidc), the words for its refusals (login_failures).

A job with `permissions: id-token: write` finds two environment variables: an address, and a token that may be shown
there alone. The answer is a JSON Web Token, good for five minutes; each use takes a new one. We read its claims and do
not check its signature: AWS does that, and we only need them to tell a person what GitHub really said.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grapeshot_launcher.cloud.login_failures import failure

TIMEOUT = 5.0  # s for one answer
WITHIN = 15.0  # s for all attempts
PAUSES = (0.5, 1.0, 2.0, 4.0)  # s between attempts
URL, TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
BUSY = frozenset({408, 429})  # statuses below 500 that pass

Mask = Callable[[str], None]  # keeps a text out of every log from now on


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """What a token says of its job; a claim that is not there is empty. `expires` is in epoch seconds."""

    subject: str = ""
    audience: str = ""
    issuer: str = ""
    repository: str = ""
    ref: str = ""
    event: str = ""
    environment: str = ""
    expires: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Identity:
    """A token, and what it says."""

    token: str
    claims: Claims


def claims_of(token: str) -> Claims:
    """Read a token's claims, unchecked; ValueError if it is no JSON Web Token."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("not three parts")
    body = parts[1]
    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if not isinstance(said, dict):
        raise ValueError("no claims")
    audience = said.get("aud", "")
    return Claims(
        subject=str(said.get("sub", "")),
        audience=", ".join(map(str, audience)) if isinstance(audience, list) else str(audience),
        issuer=str(said.get("iss", "")),
        repository=str(said.get("repository", "")),
        ref=str(said.get("ref", "")),
        event=str(said.get("event_name", "")),
        environment=str(said.get("environment", "")),
        expires=float(said.get("exp", 0)),
    )


def from_fork(event_name: str, event: Mapping[str, Any]) -> bool:
    """Tell whether an event is a pull request from another repository, whose jobs get no identity token.

    Jobs of `pull_request_target` belong to the repository itself, wherever the changes come from.
    """
    request = event.get("pull_request")
    if not isinstance(request, Mapping) or event_name == "pull_request_target":
        return False
    head, base = ((request.get(side) or {}).get("repo") or {} for side in ("head", "base"))
    return bool(head.get("full_name") != base.get("full_name"))  # a deleted fork has none


def ask_identity(
    environ: Mapping[str, str],
    audience: str,
    *,
    mask: Mask,
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Identity:
    """Ask GitHub's runner for a new token that is meant for `audience`; LoginFailed says why there is none."""
    url, key = environ.get(URL, ""), environ.get(TOKEN, "")
    if not url or not key:
        raise _no_permission(environ)
    token = _ask(url, key, audience, pause=pause, until=clock() + WITHIN, clock=clock)
    mask(token)
    try:
        return Identity(token=token, claims=claims_of(token))
    except ValueError as error:
        raise failure("identity-unreadable", reason="what it sent is no JSON Web Token") from error


def _no_permission(environ: Mapping[str, str]) -> Exception:
    """Say why the runner offers no tokens."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return failure("not-on-github")
    event: object = {}
    try:
        with open(environ.get("GITHUB_EVENT_PATH", ""), encoding="utf-8") as file:
            event = json.load(file)
    except (OSError, ValueError):
        pass  # then it can't tell us more than the variables that are missing
    if isinstance(event, Mapping) and from_fork(environ.get("GITHUB_EVENT_NAME", ""), event):
        return failure("fork-pull-request")
    return failure("no-id-token-permission")


def _ask(
    url: str,
    key: str,
    audience: str,
    *,
    pause: Callable[[float], object],
    until: float,
    clock: Callable[[], float],
) -> str:
    """Get a token; again, while what stands in the way passes and there is time."""
    for wait in (*PAUSES, None):
        status, answer = _answer(url, key, audience)
        if status == 200:
            return _value(answer)
        if status and status < 500 and status not in BUSY:
            raise failure("identity-refused", status=status, reason=answer)
        if wait is None or clock() + wait > until:
            raise failure("identity-unreachable", reason=f"{status}: {answer}" if status else answer)
        pause(wait)
    raise AssertionError("the last attempt either answers or raises")


def _answer(url: str, key: str, audience: str) -> tuple[int, str]:
    """Make one request and give status and text; status 0 when there was no answer."""
    import requests  # late: it takes a tenth of a second, which a run without a role need not wait for

    def bearer(request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, not as a header: a line in .netrc would replace a header.
        request.headers["Authorization"] = f"bearer {key}"
        return request

    try:
        answer = requests.get(
            url,
            params={"audience": audience},
            auth=bearer,
            headers={"Accept": "application/json; api-version=2.0"},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return 0, type(error).__name__  # its text would hold the address
    return answer.status_code, answer.text


def _value(answer: str) -> str:
    try:
        value = json.loads(answer)["value"]
    except (ValueError, KeyError, TypeError) as error:
        raise failure("identity-unreadable", reason="its answer is no JSON with a `value`") from error
    if not isinstance(value, str) or not value:
        raise failure("identity-unreadable", reason="the `value` of its answer is empty")
    return value
