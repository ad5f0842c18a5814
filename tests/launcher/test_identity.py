"""Identity tokens from GitHub's runner: how they are asked for, what they say, and why there may be none."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from github_identity import GitHubIdentity, decoded, pull_request, runner_environ
from grapeshot_launcher.cloud.errors import LoginFailed
from grapeshot_launcher.cloud.identity import PAUSES, ask_identity, claims_of, from_fork

AUDIENCE = "sts.amazonaws.com"


@pytest.fixture
def github() -> Iterator[GitHubIdentity]:
    with GitHubIdentity() as running:
        yield running


def failed(environ: dict[str, str], pauses: list[float] | None = None) -> LoginFailed:
    """Ask in vain and give the failure."""
    with pytest.raises(LoginFailed) as caught:
        ask_identity(
            environ, AUDIENCE, mask=lambda _: None, pause=(pauses if pauses is not None else []).append
        )
    return caught.value


def test_a_token_is_asked_for_and_masked(github: GitHubIdentity) -> None:
    """For the audience, with the job's own token; its claims are read as another's library reads them."""
    github.claims |= {"environment": "prod", "sub": "repo:acme/shop:environment:prod"}
    masked: list[str] = []

    identity = ask_identity(github.environ(), "a&b", mask=masked.append)

    said = decoded(identity.token)
    assert github.asked == ["a&b"]
    assert masked == [identity.token] == github.issued
    assert identity.claims.subject == said["sub"] == "repo:acme/shop:environment:prod"
    assert (identity.claims.audience, identity.claims.expires) == ("a&b", said["exp"])
    assert (identity.claims.repository, identity.claims.ref) == ("acme/shop", "refs/heads/main")
    assert (identity.claims.event, identity.claims.environment) == ("push", "prod")
    assert identity.token not in repr(identity)


def test_passing_trouble_is_waited_out(github: GitHubIdentity) -> None:
    """Server faults and throttling are tried again, with growing pauses."""
    github.answers += [(503, "busy"), (429, "slow down"), (500, "")]
    pauses: list[float] = []

    identity = ask_identity(github.environ(), AUDIENCE, mask=lambda _: None, pause=pauses.append)

    assert identity.claims.subject
    assert pauses == list(PAUSES[:3])


def test_lasting_trouble_is_told(github: GitHubIdentity) -> None:
    """After the last attempt, and as something that may pass."""
    github.answers += [(502, "bad gateway")] * 5
    pauses: list[float] = []

    error = failed(github.environ(), pauses)

    assert (error.name, error.passing) == ("identity-unreachable", True)
    assert "502: bad gateway" in error.cause
    assert pauses == list(PAUSES)
    assert github.answers == []


def test_attempts_have_a_deadline(github: GitHubIdentity) -> None:
    """No attempt begins that the time does not allow."""
    github.answers += [(502, "")] * 5
    seconds = iter([0.0, 14.0, 15.0])

    with pytest.raises(LoginFailed):
        ask_identity(
            github.environ(), AUDIENCE, mask=lambda _: None, pause=lambda _: None, clock=lambda: next(seconds)
        )

    assert len(github.asked) == 2


def test_nobody_answers(github: GitHubIdentity) -> None:
    """A port where nobody listens; the failure does not repeat the address."""
    error = failed(github.environ(ACTIONS_ID_TOKEN_REQUEST_URL="http://127.0.0.1:1/secret-path"))

    assert error.name == "identity-unreachable"
    assert error.cause == "ConnectionError"
    assert error.passing


@pytest.mark.parametrize(("status", "text"), [(403, "Forbidden"), (400, "bad\naudience"), (302, "")])
def test_a_refusal_is_shown(github: GitHubIdentity, status: int, text: str) -> None:
    """At once, with status and text on one line."""
    github.answers.append((status, text))

    error = failed(github.environ())

    assert (error.name, error.passing) == ("identity-refused", False)
    assert str(status) in error.message
    assert error.cause == " ".join(text.split())
    assert len(github.asked) == 1


def test_a_wrong_bearer_is_refused(github: GitHubIdentity) -> None:
    """The service knows its jobs."""
    assert failed(github.environ(ACTIONS_ID_TOKEN_REQUEST_TOKEN="another")).name == "identity-refused"


@pytest.mark.parametrize(
    "text", ["<html>", "[]", "{}", '{"value": ""}', '{"value": 1}', '{"value": "no.jwt"}', '{"value": "a.W10.c"}']
)  # fmt: skip
def test_what_is_no_token_is_told(github: GitHubIdentity, text: str) -> None:
    """A proxy's page, an empty value, or anything else that is no JSON Web Token."""
    github.answers.append((200, text))

    assert failed(github.environ()).name == "identity-unreadable"


def test_no_permission_is_told_with_the_lines_to_add() -> None:
    """The two variables are missing."""
    error = failed(runner_environ())

    assert error.name == "no-id-token-permission"
    assert "id-token: write" in error.snippet
    assert "reusable workflow" in error.advice
    assert error.remedy.endswith("        contents: read")


@pytest.mark.parametrize("head", ["stranger/shop", None])
def test_a_fork_is_told_from_a_missing_permission(tmp_path: Path, head: str | None) -> None:
    """By the event's two repositories; a fork may have been deleted meanwhile."""
    error = failed(runner_environ(**pull_request(tmp_path, head=head)))

    assert error.name == "fork-pull-request"
    assert "pull_request_target" in error.advice


def test_an_own_pull_request_lacks_the_permission(tmp_path: Path) -> None:
    """From a branch of the repository itself, also if that is a fork of something."""
    error = failed(runner_environ(**pull_request(tmp_path, head="acme/shop")))

    assert error.name == "no-id-token-permission"


@pytest.mark.parametrize("event", ["", "[]", '"x"', "{"])
def test_an_event_that_tells_nothing(tmp_path: Path, event: str) -> None:
    """Is no reason to fail otherwise."""
    path = tmp_path / "event.json"
    path.write_text(event, encoding="utf-8")

    assert failed(runner_environ(GITHUB_EVENT_PATH=str(path))).name == "no-id-token-permission"


def test_pull_request_target_is_no_fork_s_event() -> None:
    """Its jobs may have tokens."""
    event = {"pull_request": {"head": {"repo": {"full_name": "x/y"}}, "base": {"repo": {"full_name": "a/b"}}}}

    assert from_fork("pull_request", event)
    assert not from_fork("pull_request_target", event)


def test_a_laptop_is_no_runner() -> None:
    """It is told so, not sent to look for a workflow."""
    assert failed({}).name == "not-on-github"


def test_several_audiences_are_shown_together() -> None:
    """A token may be meant for more than one."""
    body = base64.urlsafe_b64encode(json.dumps({"aud": ["a", "b"]}).encode()).decode().rstrip("=")

    assert claims_of(f"h.{body}.s").audience == "a, b"
