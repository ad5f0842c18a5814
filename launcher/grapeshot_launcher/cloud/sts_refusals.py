"""What AWS STS means when it refuses a token: code and message of its answer → a named failure (pure).

Leaves to others: the call (role_session), the words (login_failures).

STS answers "Not authorized to perform sts:AssumeRoleWithWebIdentity" for a role that does not exist, and for one whose
trust policy does not fit. Most often it is the subject, so we point at what people expect it to be and it is not.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from grapeshot_launcher.cloud.errors import LoginFailed
from grapeshot_launcher.cloud.identity import Claims
from grapeshot_launcher.cloud.login_failures import failure

BUSY = re.compile(
    r"Throttl|RequestLimitExceeded|TooManyRequests|ServiceUnavailable|InternalFailure|InternalError|SlowDown|^5\d\d$"
)
TOO_LONG = re.compile(r"DurationSeconds exceeds the MaxSessionDuration", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleArn:
    """The parts of a role's ARN."""

    text: str
    partition: str
    account: str

    def provider(self, issuer: str) -> str:
        """Give the ARN of the account's identity provider for an issuer."""
        return f"arn:{self.partition}:iam::{self.account}:oidc-provider/{bare(issuer)}"


# Code of the answer, part of its message, name of the failure; the first that fits counts.
NAMES = (
    (r"ExpiredToken", r"", "token-expired"),
    (r"InvalidIdentityToken", r"token audience", "wrong-audience"),
    (r"InvalidIdentityToken", r"No OpenIDConnect provider", "no-provider"),
    (r"InvalidIdentityToken", r"verification key|thumbprint|communicat", "token-unverified"),
    (r"IDPCommunicationError", r"", "token-unverified"),
    (r"AccessDenied", r"", "not-trusted"),
    (r"RegionDisabled", r"", "region-disabled"),
    (BUSY.pattern, r"", "sts-busy"),
)


def refused_token(code: str, message: str, *, role: RoleArn, region: str, claims: Claims) -> LoginFailed:
    """Make the failure of STS's answer to a token that says `claims`."""
    name = next((n for c, part, n in NAMES if re.search(c, code) and re.search(part, message)), "sts-refused")
    return failure(
        name,
        code=code,
        snippet=trust_statement(role, claims) if name == "not-trusted" else "",
        reason=message,
        role=role.text,
        account=role.account,
        region=region,
        subject=claims.subject,
        audience=claims.audience,
        client=shlex.quote(claims.audience),
        issuer=claims.issuer,
        provider=role.provider(claims.issuer),
        hints="".join(f" {hint}" for hint in hints(claims)),
    )


def trust_statement(role: RoleArn, claims: Claims) -> str:
    """Write the statement of a trust policy that lets in exactly the jobs whose tokens say this."""
    key = bare(claims.issuer)
    return json.dumps(
        {
            "Effect": "Allow",
            "Principal": {"Federated": role.provider(claims.issuer)},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {f"{key}:aud": claims.audience, f"{key}:sub": claims.subject},
            },
        },
        indent=2,
    )


def hints(claims: Claims) -> Iterator[str]:
    """Say what about a subject is often not expected."""
    repository, _, context = claims.subject.removeprefix("repo:").partition(":")
    if "@" in repository:
        yield (
            f"It names the repository with its ids ({repository}), as repositories made or renamed since July 2026 do: "
            f"a policy for repo:{re.sub(r'@[0-9]+', '', repository)}:… does not fit."
        )
    if context.startswith("environment:"):
        yield "The job runs in an environment, so it names that, and neither branch nor tag."
    elif context == "pull_request":
        yield "The job belongs to a pull request, so it names no branch."
    elif found := re.match(r"ref:refs/(heads|tags)/(.+)", context):
        yield f"It names the whole ref: a policy that ends in :{found[2]} or :ref:{found[2]} does not fit."


def bare(issuer: str) -> str:
    """Give an issuer's address as IAM writes it.

    >>> bare("https://token.actions.githubusercontent.com")
    'token.actions.githubusercontent.com'
    """
    return issuer.removeprefix("https://")
