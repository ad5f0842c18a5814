"""An account that lets in who shows the right identity token: the embedded AWS, STS's judgement, a role, a provider.

Leaves to others: tokens (github_identity), judging them (sts_front), permissions (iam_front).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from github_identity import ISSUER, GitHubIdentity
from grapeshot_launcher.cloud.errors import LoginFailed
from grapeshot_launcher.cloud.oidc import Login, credentials
from grapeshot_launcher.cloud.policy import policy_text
from grapeshot_launcher.platforms.emulator import EmbeddedAws
from iam_front import IamFront
from sts_front import StsFront

REGION = "eu-west-1"
AUDIENCE = "sts.amazonaws.com"
MAIN = "repo:acme/shop:ref:refs/heads/main"
NAME = "GrapeshotLoadTests"


class Cloud:
    """An embedded AWS that judges tokens and permissions, GitHub, and what was masked and warned of."""

    def __init__(self, aws: EmbeddedAws, github: GitHubIdentity, sts: StsFront, iam: IamFront) -> None:
        self.aws, self.github, self.sts, self.iam = aws, github, sts, iam
        self.masked: list[str] = []
        self.warned: list[str] = []
        self.role = f"arn:aws:iam::{aws.account}:role/{NAME}"
        self._iam: Any = boto3.client(
            "iam",
            endpoint_url=aws.endpoint_url,
            region_name=REGION,
            aws_access_key_id=aws.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="x",
        )

    @property
    def provider(self) -> str:
        return f"arn:aws:iam::{self.aws.account}:oidc-provider/{ISSUER.removeprefix('https://')}"

    def provide(self, *audiences: str) -> None:
        """Make the account's identity provider, with these audiences."""
        self._iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=list(audiences or [AUDIENCE]))

    def make_role(self, statement: dict[str, Any] | None = None, *, longest: int = 14_400) -> None:
        """Make the role with the documented policy, trusting by this statement."""
        statements = [statement or self.trust({"sub": MAIN})]
        self._iam.create_role(
            RoleName=NAME,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
            MaxSessionDuration=longest,
        )
        policy = policy_text(
            account=self.aws.account, region=None, prefix="artilleryio", publish=True, extras=True
        )
        self._iam.put_role_policy(RoleName=NAME, PolicyName="run", PolicyDocument=policy)

    def clear(self) -> None:
        """Take away role and provider, so that the next test finds an empty account."""
        for provider in self._iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
            self._iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider["Arn"])
        if any(role["RoleName"] == NAME for role in self._iam.list_roles()["Roles"]):
            self._iam.delete_role_policy(RoleName=NAME, PolicyName="run")
            self._iam.delete_role(RoleName=NAME)

    def trust(self, equal: dict[str, str], like: dict[str, str] | None = None) -> dict[str, Any]:
        host = ISSUER.removeprefix("https://")
        conditions = {"StringEquals": {"aud": AUDIENCE, **equal}, "StringLike": like or {}}
        return {
            "Effect": "Allow",
            "Principal": {"Federated": self.provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                operator: {f"{host}:{claim}": value for claim, value in values.items()}
                for operator, values in conditions.items()
                if values
            },
        }

    def log_in(self, pause: Callable[[float], object] = lambda _: None, **settings: Any) -> Any:
        """Log in with the role, and give the session."""
        login = Login(**{"role": self.role, "region": REGION, **settings})
        return credentials(
            login,
            environ=self.github.environ(),
            mask=self.masked.append,
            warn=self.warned.append,
            pause=pause,
        )

    def refused(self, **settings: Any) -> LoginFailed:
        """Log in, in vain, and give the failure; no token is in it."""
        with pytest.raises(LoginFailed) as caught:
            self.log_in(**settings)
        error = caught.value
        assert set(self.github.issued) <= set(self.masked)
        assert not any(token in error.message + error.cause + error.remedy for token in self.github.issued)
        return error
