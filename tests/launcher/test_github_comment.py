"""The comment of a pull request: one, kept up to date, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from github_api import GitHubApi, serve
from grapeshot_launcher.github.comment import CommentFailed, Thread, keep_comment, marker

MARK = marker("ci", "load", "a.yml")


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    with serve() as running:
        yield running


def thread(api: GitHubApi, *, token: str = "t0k3n") -> Thread:
    return Thread(api=api.address, repository=api.repository, number=7, token=token)


def bodies(api: GitHubApi) -> list[str]:
    return [comment["body"] for comment in api.comments.get(7, [])]


def test_there_is_one_comment_however_often_it_is_written(api: GitHubApi) -> None:
    """The second text takes the place of the first, even behind pages of others."""
    for number in range(130):
        api.say(7, f"talk {number}")

    keep_comment(thread(api), MARK, "first")
    keep_comment(thread(api), MARK, "second")

    assert bodies(api)[130:] == [f"{MARK}\nsecond"]


def test_two_load_tests_have_a_comment_each(api: GitHubApi) -> None:
    """They are told apart by workflow, job and script."""
    keep_comment(thread(api), MARK, "one")
    keep_comment(thread(api), marker("ci", "load", "b.yml"), "two")

    assert len(bodies(api)) == 2


def test_a_stranger_s_comment_is_left_alone(api: GitHubApi) -> None:
    """Anybody can write one that begins like ours."""
    api.say(7, f"{MARK}\nmine")
    api.say(7, f"{MARK}\nof a maintainer", association="MEMBER")

    keep_comment(thread(api), MARK, "ours")

    assert bodies(api) == [f"{MARK}\nmine", f"{MARK}\nours"]


@pytest.mark.parametrize(
    ("status", "word"), [(403, "pull-requests: write"), (404, "pull-requests: write"), (500, "")]
)
def test_a_refusal_says_what_to_do(api: GitHubApi, status: int, word: str) -> None:
    """Most often it is the permission."""
    api.status = status

    with pytest.raises(CommentFailed) as failure:
        keep_comment(thread(api), MARK, "x")

    assert str(status) in failure.value.message
    assert word in failure.value.remedy


def test_nobody_there_is_told_too() -> None:
    """A runner without a way to the API."""
    nowhere = Thread(api="http://127.0.0.1:9", repository="a/b", number=1, token="t")

    with pytest.raises(CommentFailed, match="could not be commented on"):
        keep_comment(nowhere, MARK, "x")


def test_the_pull_request_is_found_in_the_event(tmp_path: Path) -> None:
    """As the runner leaves it."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}))
    environ = {"GITHUB_EVENT_PATH": str(event), "GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "acme/shop"}

    assert Thread.of(environ) == Thread(
        api="https://api.github.com", repository="acme/shop", number=7, token="t"
    )


@pytest.mark.parametrize("event", ["{}", "[]", "not json", '{"pull_request": null}', None])
def test_without_a_pull_request_there_is_nothing_to_comment_on(tmp_path: Path, event: str | None) -> None:
    """A push has none."""
    path = tmp_path / "event.json"
    if event is not None:
        path.write_text(event)
    environ = {"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": "push", "GITHUB_TOKEN": "t"}

    with pytest.raises(CommentFailed, match="no pull request") as failure:
        Thread.of(environ)

    assert "push" in failure.value.cause


def test_without_a_token_nothing_is_tried(tmp_path: Path) -> None:
    """It would be refused anyway."""
    event = tmp_path / "event.json"
    event.write_text('{"pull_request": {"number": 7}}')

    with pytest.raises(CommentFailed, match="without a token"):
        Thread.of({"GITHUB_EVENT_PATH": str(event)})
