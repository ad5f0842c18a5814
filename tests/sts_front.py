"""AWS STS's judgement of identity tokens, for the embedded AWS: signature, age, audience, trust policy.

    sts = StsFront(github.key.public_key())
    with EmbeddedAws(middleware=sts) as aws: …

Identity providers and roles are read from the embedded IAM at each call. Sessions really end: their keys are refused
from then on. `lasts` makes every session that short, in seconds. `refusals` are given instead of an answer, one a call:
code, message, status. Codes and messages are those that AWS is known for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from grapeshot_launcher.platforms.emulator.calls import (
    Application,
    Call,
    Environ,
    StartResponse,
    read_call,
    refusal,
)
from grapeshot_launcher.platforms.emulator.front import give, read_body
from iam_front import account, holds, listed

OPERATION = "sts:AssumeRoleWithWebIdentity"
NOT_AUTHORIZED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
Refusal = tuple[str, str, int]  # code, message, status


class StsFront:
    """A middleware of the embedded AWS; `then` is another one behind it."""

    def __init__(
        self, key: RSAPublicKey, *, then: Callable[[Application], Application] | None = None
    ) -> None:
        self._then = then
        self.forget(key)

    def forget(self, key: RSAPublicKey) -> None:
        """Begin anew, with another issuer's key."""
        self.key = key
        self.lasts: float | None = None
        self.refusals: list[Refusal] = []
        self.asked: list[Mapping[str, str]] = []  # the fields of every exchange

    def __call__(self, application: Application) -> Application:
        behind = self._then(application) if self._then else application

        def front(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            call = read_call(environ, read_body(environ))
            refused = self._judge(call) if call.operation == OPERATION else ended(call)
            if refused:
                code, message, status = refused
                return give(refusal(call, code, message, status=status), start_response)
            if call.operation == OPERATION and self.lasts is not None:
                body = urlencode({**call.form, "DurationSeconds": int(self.lasts)}).encode()
                environ = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            return behind(environ, start_response)

        return front

    def _judge(self, call: Call) -> Refusal | None:
        self.asked.append(call.form)
        if self.refusals:
            return self.refusals.pop(0)
        return judge(call.form, self.key)


def ended(call: Call) -> Refusal | None:
    """Refuse the keys of a session that is over."""
    from moto.sts.models import sts_backends

    session = sts_backends[account()]["aws"].get_assumed_role_from_access_key(call.access_key)
    if session is None or session.expiration > datetime.now(session.expiration.tzinfo):
        return None
    code = "ExpiredToken" if call.service in {"s3", "sts", "iam"} else "ExpiredTokenException"
    return code, "The security token included in the request is expired", 403 if code.endswith("n") else 400


def judge(form: Mapping[str, str], key: RSAPublicKey) -> Refusal | None:
    """Say why an exchange is refused; None if it is not."""
    from moto.iam.models import iam_backends

    token, arn = form.get("WebIdentityToken", ""), form.get("RoleArn", "")
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return "InvalidIdentityToken", "The ID Token provided is not a valid JWT.", 400
    issuer = str(claims.get("iss", ""))
    iam = iam_backends[arn.split(":")[4]]["aws"]
    provider = iam.open_id_providers.get(
        f"arn:aws:iam::{arn.split(':')[4]}:oidc-provider/{issuer.removeprefix('https://')}"
    )
    if provider is None:
        return "InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}", 400
    if claims.get("aud") not in provider.client_id_list:
        return "InvalidIdentityToken", "Incorrect token audience", 400
    try:
        jwt.decode(token, key, algorithms=["RS256"], audience=provider.client_id_list)
    except jwt.ExpiredSignatureError:
        message = (
            f"Token expired: current date/time {int(time.time())} must be before the expiration "
            f"date/time {int(claims['exp'])}"
        )
        return "ExpiredTokenException", message, 400
    except jwt.InvalidTokenError:
        message = "Couldn't retrieve verification key from your identity provider"
        return "InvalidIdentityToken", message, 400
    role = next((role for role in iam.roles.values() if role.arn == arn), None)
    if role is None or not trusts(json.loads(role.assume_role_policy_document), provider.arn, claims):
        return "AccessDenied", NOT_AUTHORIZED, 403
    if int(form.get("DurationSeconds", 3600)) > int(role.max_session_duration or 3600):
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        return "ValidationError", message, 400
    return None


def trusts(policy: Mapping[str, Any], provider: str, claims: Mapping[str, Any]) -> bool:
    """Whether a trust policy lets in a token of this provider."""
    issuer = provider.partition("oidc-provider/")[2]
    context = {f"{issuer}:{name}".lower(): str(claims.get(name, "")) for name in ("aud", "sub")}
    statements = policy["Statement"]
    return any(
        statement["Effect"] == "Allow"
        and OPERATION in listed(statement["Action"])
        and provider in listed((statement.get("Principal") or {}).get("Federated", []))
        and all(
            holds(operator, values, context.get(name.lower()))
            for operator, names in statement.get("Condition", {}).items()
            for name, values in names.items()
        )
        for statement in ([statements] if isinstance(statements, dict) else statements)
    )
