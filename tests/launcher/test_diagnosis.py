"""What `doctor` makes of what it sees."""

from __future__ import annotations

import pytest
from boto3.session import Session
from botocore.stub import Stubber

from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.diagnosis import (
    Finding,
    actions_of,
    of_attempt,
    of_clock,
    of_quota,
    of_simulation,
    untried,
)
from grapeshot_launcher.cloud.errors import AccessDenied, AwsError, Missing, Throttled

STATEMENT = {"Sid": "Two", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["b", "b/*"]}


@pytest.mark.parametrize(
    ("there", "judgement", "words"),
    [
        (1000.0, "ok", "0 s"),
        (900.0, "ok", "100 s ahead of"),
        (400.0, "not ok", "600 s ahead of"),
        (1600.0, "not ok", "600 s behind"),
        (None, "can't tell", "no date"),
    ],
)
def test_a_clock_that_is_far_off_is_not_ok(there: float | None, judgement: str, words: str) -> None:
    """AWS would refuse what it signs."""
    found = of_clock(1000.0, there)

    assert found.judgement == judgement
    assert words in found.what


@pytest.mark.parametrize(
    ("quota", "workers", "judgement"), [(10, None, "ok"), (10, 10, "ok"), (10, 11, "not ok")]
)
def test_a_quota_is_judged_by_the_workers_that_are_wanted(
    quota: int, workers: int | None, judgement: str
) -> None:
    """It is told in any case."""
    found = of_quota(quota, workers)

    assert found.judgement == judgement
    assert f"{quota} functions" in found.what


@pytest.mark.parametrize(
    ("error", "judgement"),
    [
        (None, "ok"),
        (Missing("none"), "ok"),
        (AccessDenied("denied", remedy="Grant it."), "not ok"),
        (Throttled("busy"), "can't tell"),
    ],
)
def test_a_call_tells_its_permission(error: AwsError | None, judgement: str) -> None:
    """To hear that a thing is not there, one must be allowed to look."""
    assert of_attempt("s3:GetObject", error).judgement == judgement


@pytest.mark.parametrize(
    ("decisions", "judgement", "named"),
    [
        ({"s3:GetObject": "allowed", "s3:PutObject": "allowed"}, "ok", "s3:PutObject"),
        ({"s3:GetObject": "allowed", "s3:PutObject": "implicitDeny"}, "not ok", "denied are s3:PutObject"),
        ({"s3:GetObject": "allowed"}, "can't tell", "nothing was said of s3:PutObject"),
    ],
)
def test_a_simulation_names_what_is_denied(decisions: dict[str, str], judgement: str, named: str) -> None:
    """And the statement that would grant it."""
    found = of_simulation(STATEMENT, decisions)

    assert found.judgement == judgement
    assert named in found.what


def test_what_was_not_tried_is_named() -> None:
    """With `sqs:*` written out, for nobody uses all of it."""
    assert untried([STATEMENT], ["s3:GetObject"]) == [
        Finding("can't tell", "permissions Two: s3:PutObject would have an effect")
    ]
    assert "sqs:DeleteQueue" in actions_of({"Action": ["sqs:*"]})


def test_an_action_is_allowed_if_one_resource_allows_it() -> None:
    """Of a bucket and its objects, an action is about one."""
    aws = Aws("eu-west-1", Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"))
    stubber = Stubber(aws.client("iam"))
    principal = "arn:aws:iam::123456789012:user/ann"
    results = [
        {"EvalActionName": "s3:GetObject", "EvalResourceName": "b", "EvalDecision": "implicitDeny"},
        {"EvalActionName": "s3:GetObject", "EvalResourceName": "b/*", "EvalDecision": "allowed"},
        {"EvalActionName": "s3:PutObject", "EvalResourceName": "b", "EvalDecision": "implicitDeny"},
    ]
    stubber.add_response(
        "simulate_principal_policy",
        {"EvaluationResults": results},
        {"PolicySourceArn": principal, "ActionNames": STATEMENT["Action"], "ResourceArns": ["b", "b/*"]},
    )
    stubber.activate()

    assert aws.simulate(principal, ["s3:GetObject", "s3:PutObject"], ["b", "b/*"]) == {
        "s3:GetObject": "allowed",
        "s3:PutObject": "implicitDeny",
    }
