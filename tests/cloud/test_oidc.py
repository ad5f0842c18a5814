"""A keyless login against judging fronts: GitHub's tokens over HTTP, STS's verdict, permissions enforced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from github_identity import ISSUER, GitHubIdentity
from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.errors import AccessDenied, AwsError, LoginFailed
from grapeshot_launcher.cloud.identity import PAUSES
from grapeshot_launcher.cloud.oidc import Login, credentials
from grapeshot_launcher.cloud.role_session import RoleCredentials, assume_role
from grapeshot_launcher.options import LambdaOptions, RunOptions
from grapeshot_launcher.platforms.emulator import EmbeddedAws
from grapeshot_launcher.run_lambda import run_lambda
from iam_front import IamFront
from keyless_account import AUDIENCE, MAIN, NAME, REGION, Cloud
from sts_front import StsFront
from target import Target


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[EmbeddedAws, StsFront, IamFront]]:
    iam = IamFront()
    sts = StsFront(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(), then=iam)
    with EmbeddedAws(region=REGION, middleware=sts) as aws:
        yield aws, sts, iam


@pytest.fixture
def cloud(stage: tuple[EmbeddedAws, StsFront, IamFront], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    aws, sts, iam = stage
    for name, value in aws.environ.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    iam.audit.clear()
    with GitHubIdentity() as github:
        sts.forget(github.key.public_key())
        cloud = Cloud(aws, github, sts, iam)
        yield cloud
        cloud.clear()


def test_a_role_is_taken_on(cloud: Cloud) -> None:
    """With the token's audience, for the duration, under a name that tells the run; and its policy holds."""
    cloud.provide()
    cloud.make_role()

    aws = Aws(REGION, cloud.log_in(duration=7200))

    caller = aws.caller()
    bucket = f"artilleryio-test-data-{caller.account}-{REGION}"
    aws.create_bucket(bucket)
    aws.put_object(bucket, "k", b"x")
    url = aws.create_queue("artilleryio-q", {}, {})
    assert caller.arn == f"arn:aws:sts::{cloud.aws.account}:assumed-role/{NAME}/grapeshot-acme-shop-4711"
    assert aws.get_object(bucket, "k") == b"x"
    assert aws.receive(url, wait=0) == []
    assert cloud.github.asked == [AUDIENCE]
    assert [form["DurationSeconds"] for form in cloud.sts.asked] == ["7200"]
    with pytest.raises(AccessDenied):
        aws.create_bucket("somebody-elses")


def test_secrets_are_masked(cloud: Cloud) -> None:
    """The token before it goes out, then all three keys; the account only when asked to."""
    cloud.provide()
    cloud.make_role()

    keys = cloud.log_in().get_credentials().get_frozen_credentials()
    plain = list(cloud.masked)
    cloud.log_in(mask_account=True)

    assert plain == [cloud.github.issued[0], keys.access_key, keys.secret_key, keys.token]
    assert cloud.masked[4] == cloud.aws.account


def test_without_a_role_nothing_is_asked(cloud: Cloud) -> None:
    """What an earlier step left in the environment is used: the SDK finds it."""
    for login in (None, Login(role=" ", region=REGION)):
        assert credentials(login, environ={}, mask=cloud.masked.append, warn=cloud.warned.append) is None

    assert cloud.github.asked == cloud.masked == []


def test_a_role_goes_before_other_credentials(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment don't shadow the role's."""
    cloud.provide()
    cloud.make_role()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", cloud.aws.environ["AWS_ACCESS_KEY_ID"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")

    assert f"assumed-role/{NAME}" in Aws(REGION, cloud.log_in()).caller().arn


# ---- refusals ----


def test_no_provider(cloud: Cloud) -> None:
    """With the command that makes it, and the account it is missing in."""
    error = cloud.refused()

    assert (error.name, error.code) == ("no-provider", "InvalidIdentityToken")
    assert cloud.aws.account in error.message
    assert f"--url {ISSUER} --client-id-list {AUDIENCE}" in error.snippet
    assert "infra/" in error.advice


def test_a_wrong_audience(cloud: Cloud) -> None:
    """The token's audience is shown, and how to see and change what the provider expects."""
    cloud.provide("https://github.com/acme")

    error = cloud.refused()

    assert error.name == "wrong-audience"
    assert repr(AUDIENCE) in error.message
    assert f"--client-id {AUDIENCE}" in error.snippet
    assert cloud.provider in error.snippet


def test_another_audience_can_be_asked_for(cloud: Cloud) -> None:
    """Where provider and trust policy name it."""
    cloud.provide("https://github.com/acme")
    cloud.make_role(cloud.trust({"aud": "https://github.com/acme", "sub": MAIN}))

    assert cloud.log_in(audience="https://github.com/acme") is not None


@pytest.mark.parametrize(
    ("subject", "trusted", "hint"),
    [
        (MAIN, "repo:acme/shop:main", ":ref:main does not fit"),
        ("repo:acme/shop:environment:prod", MAIN, "in an environment"),
        ("repo:acme/shop:pull_request", MAIN, "names no branch"),
        ("repo:acme@11/shop@22:ref:refs/heads/main", MAIN, "policy for repo:acme/shop:"),
        (MAIN, "repo:acme/shop:*", "StringLike"),
    ],
)
def test_a_trust_policy_that_does_not_fit(cloud: Cloud, subject: str, trusted: str, hint: str) -> None:
    """The token's own subject is shown, with what people expect in its place, and a statement that does fit."""
    cloud.provide()
    cloud.make_role(cloud.trust({"sub": trusted}))
    cloud.github.claims["sub"] = subject

    error = cloud.refused()
    cloud._iam.update_assume_role_policy(
        RoleName=NAME,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [json.loads(error.snippet)]}),
    )

    assert (error.name, error.code) == ("not-trusted", "AccessDenied")
    assert f"sub = {subject!r}, aud = {AUDIENCE!r}" in error.cause
    assert hint in error.cause + error.advice
    assert cloud.log_in() is not None


def test_a_pattern_under_string_like_fits(cloud: Cloud) -> None:
    """As infra/ writes it."""
    cloud.provide()
    cloud.make_role(cloud.trust({}, {"sub": "repo:acme/shop:ref:refs/heads/*"}))

    assert cloud.log_in() is not None


def test_a_role_that_does_not_exist(cloud: Cloud) -> None:
    """AWS tells it from a trust policy that does not fit as little as we do."""
    cloud.provide()

    error = cloud.refused()

    assert error.name == "not-trusted"
    assert "there is no such role" in error.cause


def test_an_expired_token(cloud: Cloud) -> None:
    """A clock is wrong somewhere."""
    cloud.provide()
    cloud.make_role()
    cloud.github.lifetime = -5.0

    error = cloud.refused()

    assert error.name == "token-expired"
    assert "clock" in error.advice


def test_a_forged_token(cloud: Cloud) -> None:
    """Signed with another key than the issuer's; AWS could pass by its keys, so it is tried again."""
    cloud.provide()
    cloud.make_role()
    cloud.github.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pauses: list[float] = []

    error = cloud.refused(pause=pauses.append)

    assert (error.name, error.passing) == ("token-unverified", True)
    assert pauses == [1.0, 2.0, 4.0]
    assert len(set(cloud.github.issued)) == 4


def test_something_that_is_no_token_of_github_s(cloud: Cloud) -> None:
    """Another issuer's provider is looked for."""
    cloud.provide()
    cloud.github.claims["iss"] = "https://github.example/_services/token"

    assert "https://github.example/_services/token" in cloud.refused().message


@pytest.mark.parametrize(
    ("answer", "name", "part"),
    [
        (("RegionDisabledException", "STS is not activated in this region", 403), "region-disabled", REGION),
        (("PackedPolicyTooLarge", "too much", 400), "sts-refused", "PackedPolicyTooLarge"),
        (("ValidationError", "1 validation error detected", 400), "sts-refused", "ValidationError"),
        (("InvalidIdentityToken", "something new", 400), "sts-refused", "InvalidIdentityToken"),
    ],
)
def test_other_refusals(cloud: Cloud, answer: tuple[str, str, int], name: str, part: str) -> None:
    """By AWS's own word for it; they are not tried again."""
    cloud.sts.refusals.append(answer)

    error = cloud.refused()

    assert (error.name, error.code, error.passing) == (name, answer[0], False)
    assert part in error.message
    assert answer[1] in error.cause


def test_sts_busy_for_a_moment(cloud: Cloud) -> None:
    """Throttling passes; every further attempt has a token of its own."""
    cloud.provide()
    cloud.make_role()
    cloud.sts.refusals += [("Throttling", "Rate exceeded", 400)] * 3  # as often as the SDK tries
    pauses: list[float] = []

    session = cloud.log_in(pause=pauses.append)

    assert session is not None
    assert pauses == [1.0]
    assert len(cloud.github.issued) == 2


def test_sts_out_of_reach(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where it should be."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    error = cloud.refused()

    assert (error.name, error.passing) == ("sts-unreachable", True)


def test_github_out_of_reach(cloud: Cloud) -> None:
    """It is told by its own name, after as many attempts as a token is worth."""
    cloud.github.answers += [(503, "busy")] * (len(PAUSES) + 1)

    assert cloud.refused().name == "identity-unreachable"
    assert cloud.github.answers == []
    assert cloud.sts.asked == []


@pytest.mark.parametrize(
    ("settings", "name", "part"),
    [
        ({"role": NAME}, "malformed-role", NAME),
        ({"role": "arn:aws:sts::123456789012:assumed-role/a/b"}, "malformed-role", "assumed-role"),
        ({"role": "arn:aws-cn:iam::123456789012:role/a"}, "wrong-partition", "aws-cn"),
        ({"region": "us-gov-west-1"}, "wrong-partition", "aws-us-gov"),
        ({"duration": 899}, "wrong-setting", "899 s"),
        ({"duration": 43_201}, "wrong-setting", "43201 s"),
        ({"session_name": "a b"}, "wrong-setting", "'a b'"),
        ({"audience": ""}, "wrong-setting", "''"),
    ],
)
def test_what_can_t_be_asked_for(cloud: Cloud, settings: dict[str, Any], name: str, part: str) -> None:
    """It is refused before anybody is asked."""
    error = cloud.refused(**settings)

    assert error.name == name
    assert part in error.message
    assert cloud.github.asked == []


# ---- sessions ----


def test_a_role_with_shorter_sessions(cloud: Cloud) -> None:
    """An hour is what every role allows; a warning says so, and a new token is taken."""
    cloud.provide()
    cloud.make_role(longest=3600)

    session = cloud.log_in(duration=7200)

    assert session is not None
    assert [form["DurationSeconds"] for form in cloud.sts.asked] == ["7200", "3600"]
    assert len(set(cloud.github.issued)) == 2
    assert len(cloud.warned) == 1
    assert "7200 s" in cloud.warned[0]


def test_calls_across_the_end_of_a_session(cloud: Cloud) -> None:
    """A session in its last third is renewed by the next call, with a new token; secrets of both are masked."""
    cloud.provide()
    cloud.make_role()
    cloud.sts.lasts = 1
    session = cloud.log_in()
    cloud.sts.lasts = None
    first = cloud.masked[1]

    aws = Aws(REGION, session)
    aws.caller()
    aws.check_credentials()

    second = session.get_credentials().get_frozen_credentials().access_key
    assert first != second
    assert second in cloud.masked
    assert len(set(cloud.github.issued)) == len(cloud.sts.asked) == 2


def test_a_renewal_that_is_refused(cloud: Cloud) -> None:
    """Calls fail with why, as one of AWS's errors that does not pass: the run ends."""
    cloud.provide()
    cloud.make_role()
    cloud.sts.lasts = 1
    session = cloud.log_in()
    cloud.github.claims["sub"] = "repo:acme/shop:environment:prod"

    with pytest.raises(AwsError) as caught:
        Aws(REGION, session).caller()

    assert isinstance(caught.value, LoginFailed)
    assert (caught.value.name, caught.value.passing) == ("session-ended", False)
    assert "repo:acme/shop:environment:prod" in caught.value.cause


def test_other_credentials_are_not_looked_after(cloud: Cloud) -> None:
    """Whoever gave them looks after them."""
    session = boto3.session.Session("key", "secret")

    Aws(REGION, session).check_credentials()

    assert not isinstance(session.get_credentials(), RoleCredentials)


@pytest.mark.parametrize("minutes", [-10, 0, 10])
def test_a_wrong_clock_on_this_machine(cloud: Cloud, minutes: int) -> None:
    """A session is as long as it is, whatever time we think it is."""
    cloud.provide()
    cloud.make_role()
    now = datetime.now(UTC) + timedelta(minutes=minutes)

    keys = assume_role(
        cloud.role,
        cloud.github.token(AUDIENCE),
        region=REGION,
        session_name="test",
        duration=900,
        clock=lambda: now,
    )

    assert abs((keys.ends - now).total_seconds() - 900) < 5


def test_a_run_across_the_ends_of_sessions(
    cloud: Cloud, target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A whole run from workers, under the documented policy, with sessions that last some seconds each."""
    cloud.provide()
    cloud.make_role()
    cloud.sts.lasts = 6
    script = tmp_path / "script.yml"
    script.write_text(
        f"config:\n  target: {target.url}\n  phases: [{{duration: 8, arrivalRate: 5}}]\n"
        "scenarios:\n  - flow: [{get: {url: /json}}]\n",
        encoding="utf-8",
    )
    options = LambdaOptions(
        run=RunOptions(script=str(script), workers=2, output=str(tmp_path / "report.json")),
        regions=(REGION,),
        memory_size=1769,
        image=cloud.aws.image_uri(),
    )

    code = run_lambda(options, environ={}, leave=lambda _: None, log_in=cloud.log_in)

    out, err = capsys.readouterr()
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert code == 0, out + err
    assert report["grapeshot"]["books"]["started"] == 40
    assert len(set(cloud.github.issued)) >= 3
    assert cloud.iam.denied(cloud.role) == set()
