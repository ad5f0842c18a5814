"""`grapeshot doctor` of somebody who has a policy and no more: what it finds, and that it changes nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

pytest.importorskip("moto")

from enforced_account import GRAPESHOT, Account, Caller, enforced
from github_identity import GitHubIdentity
from grapeshot_launcher.cloud.policy import policy_text

pytestmark = pytest.mark.timeout(120)  # several commands, on a machine that is busy


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with enforced() as running:
        yield running


def examined(
    account: Account, caller: Caller, *flags: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GRAPESHOT, "doctor", "--region", account.aws.region, *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**account.environ(caller), **(environ or {})},
    )


def lines(done: subprocess.CompletedProcess[str], judgement: str) -> list[str]:
    """What was judged so."""
    return [
        line[12:] for line in done.stdout.splitlines() if line.startswith(f"{judgement} ") and line[11] == " "
    ]


def test_the_printed_policy_is_found_enough(account: Account) -> None:
    """Nothing is `not ok`; what can't be tried is named; nothing is made."""
    caller = account.caller("well", policy_text(account=account.number))
    done = examined(account, caller)

    good = "\n".join(lines(done, "ok"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert lines(done, "not ok") == []
    assert f"account {account.number}" in good
    assert "clock: " in good
    assert "region: us-east-1 answers" in good
    assert "a single manifest for arm64" in good
    assert "the first run makes it" in good
    for action in ("sqs:ListQueues", "sqs:GetQueueUrl", "lambda:GetFunctionConfiguration", "iam:GetRole"):
        assert f"permission {action}" in good
    assert "lambda:CreateFunction" in "\n".join(lines(done, "can't tell"))
    assert account.client("s3", account.owner).list_buckets()["Buckets"] == []


@pytest.mark.parametrize(
    ("sid", "named"),
    [
        ("SQSListQueues", "sqs:ListQueues"),
        ("SQSPermissions", "sqs:GetQueueUrl"),
        ("LambdaPermissions", "lambda:GetFunctionConfiguration"),
        ("CreateOrGetLambdaRole", "iam:GetRole"),
        ("EcrPullImagePermissions", "ecr:BatchGetImage"),
    ],
)
def test_a_lacking_permission_is_named_with_its_statement(account: Account, sid: str, named: str) -> None:
    """And the exit code says so."""
    policy = json.loads(policy_text(account=account.number))
    policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] != sid]
    done = examined(account, account.caller(f"without-{sid}", policy))

    assert done.returncode == 1
    assert any(named in line for line in lines(done, "not ok")), done.stdout
    assert sid in done.stdout


def test_what_a_run_would_stumble_over_is_found(account: Account) -> None:
    """An image that is not there, a role of another account; the embedded AWS has no quota to ask for."""
    policy = policy_text(account=account.number, extras=True)
    role = "arn:aws:iam::999999999999:role/theirs"
    done = examined(
        account,
        account.caller("stumbling", policy),
        *("--image", "x.dkr.ecr.us-east-1.amazonaws.com/grapeshot-worker:none"),
        *("--lambda-role-arn", role),
    )

    bad = "\n".join(lines(done, "not ok"))
    assert done.returncode == 1
    assert any(line.startswith("concurrency: ") for line in lines(done, "can't tell"))
    assert "image: The worker image is not in the region's registry." in bad
    assert "role: --lambda-role-arn: the role belongs to account 999999999999" in bad


def test_unknown_keys_are_told_as_such(account: Account) -> None:
    """Nothing else can be known then."""
    done = examined(account, Caller("nobody", "AKIAUNKNOWN", "x"), environ={"AWS_ACCESS_KEY_ID": ""})

    assert done.returncode == 1
    assert lines(done, "not ok")[0].startswith("credentials: ")


def test_on_github_the_token_s_subject_is_shown(account: Account) -> None:
    """It is what the role's trust policy must name; the token itself is masked."""
    caller = account.caller("job", policy_text(account=account.number))
    with GitHubIdentity() as github:
        done = examined(account, caller, environ={**github.environ(), "GITHUB_ACTIONS": "true"})
    without = examined(account, caller, environ={"GITHUB_ACTIONS": "true"})

    assert "its subject is repo:acme/shop:ref:refs/heads/main" in done.stdout
    assert f"::add-mask::{github.issued[0]}" in done.stdout
    assert any("identity token" in line for line in lines(without, "can't tell"))
