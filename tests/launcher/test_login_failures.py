"""The texts for logins that fail: complete, safe to print, and the same in the documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from fake_aws import inline
from grapeshot_launcher.cloud.calls import Reach
from grapeshot_launcher.cloud.errors import LoginFailed
from grapeshot_launcher.cloud.identity import Claims
from grapeshot_launcher.cloud.login_failures import TEXTS, failure, one_line
from grapeshot_launcher.cloud.oidc import session_name
from grapeshot_launcher.cloud.sts_refusals import RoleArn, refused_token, trust_statement
from grapeshot_launcher.errors import told
from grapeshot_launcher.platforms.lambda_calls import AwsCloud
from virtual_time import run_virtually

PAGE = Path(__file__).parents[2] / "docs/oidc.md"
WORDS = {
    "reason",
    "role",
    "region",
    "partition",
    "wanted",
    "problem",
    "remedy",
    "audience",
    "client",
    "provider",
}
WORDS |= {"account", "issuer", "subject", "hints", "advice"}
CLAIMS = Claims(subject="repo:acme/shop:pull_request", audience="sts.amazonaws.com", issuer="https://issuer")
ROLE = RoleArn(text="arn:aws-cn:iam::123456789012:role/r", partition="aws-cn", account="123456789012")


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_can_be_told(name: str) -> None:
    """What happened and what to do; every word of its templates is one that its makers know."""
    error = failure(name, code="Code", status=403, left=110.0, **{word: f"«{word}»" for word in WORDS})

    assert error.message
    assert error.advice
    assert error.name == name
    assert "{" not in told(error)


def test_the_documentation_lists_every_failure() -> None:
    """By name, with when it appears, in the order of the code."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [(name, text.when) for name, text in TEXTS.items()]


def test_a_foreign_text_stays_on_one_line() -> None:
    """So that it is no command to the runner, and fills no log."""
    error = failure("identity-refused", status=400, reason="no\n::error::x\n" + "y" * 1000)

    assert "\n" not in error.cause
    assert len(one_line("y" * 1000)) == 400


def test_braces_of_others_are_left_alone() -> None:
    """They are no templates."""
    assert failure("identity-refused", status=400, reason="{role} {0}").cause == "{role} {0}"


def test_a_statement_names_the_partition_and_the_issuer() -> None:
    """For a role in China, and a GitHub server of one's own."""
    statement = json.loads(trust_statement(ROLE, CLAIMS))

    assert statement["Principal"] == {"Federated": "arn:aws-cn:iam::123456789012:oidc-provider/issuer"}
    assert statement["Condition"]["StringEquals"] == {
        "issuer:aud": CLAIMS.audience,
        "issuer:sub": CLAIMS.subject,
    }


def test_an_audience_in_a_command_is_quoted() -> None:
    """It is somebody's setting, and goes into a shell."""
    claims = Claims(subject="s", audience="a;b", issuer="https://issuer")

    error = refused_token(
        "InvalidIdentityToken", "Incorrect token audience", role=ROLE, region="cn-north-1", claims=claims
    )

    assert "--client-id 'a;b'" in error.snippet


@pytest.mark.parametrize(
    ("repository", "run", "expected"),
    [
        ("acme/shop", "17", "grapeshot-acme-shop-17"),
        ("a/" + "x" * 100, "1234567890", "grapeshot-a-" + "x" * 41 + "-1234567890"),
        ("", "", "grapeshot-0"),
        ("é/ü", "1", "grapeshot-1"),
    ],
)
def test_sessions_are_named_after_the_run(repository: str, run: str, expected: str) -> None:
    """In the letters that AWS takes, 64 at most, with the run's number whole."""
    name = session_name({"GITHUB_REPOSITORY": repository, "GITHUB_RUN_ID": run})

    assert name == expected
    assert len(name) <= 64


def test_a_lease_is_not_renewed_with_a_dying_session() -> None:
    """Then the run ends while its workers can still be told; the lease is left as it is."""
    renewed: list[str] = []

    class Dying:
        def check_credentials(self) -> None:
            raise failure("session-ending", left=100.0, reason="Timeout", advice="Run again.")

    class Standing:
        class control:
            @staticmethod
            async def renew() -> None:
                renewed.append("yes")

    reach = Reach(aws=cast(Any, Dying()), call=inline, warn=renewed.append)

    with pytest.raises(LoginFailed) as caught:
        run_virtually(AwsCloud(reach, cast(Any, Standing)).renew())

    assert not caught.value.passing
    assert renewed == []
