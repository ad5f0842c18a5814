"""One comment in a pull request that is kept up to date, however often the workflow runs.

Leaves to others: its text (views).

The comment is known again by a line that GitHub does not show, which names the workflow, the job and the script: two
load tests of one pull request have a comment each. All of it is GitHub's REST API, "Issue comments".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from grapeshot_worker.errors import GrapeshotError

TIMEOUT: Final = (5.0, 20.0)  # s to connect, to answer
PAGE, PAGES = 100, 30  # comments looked through


class CommentFailed(GrapeshotError):
    """The comment could not be written; the run itself is not affected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Thread:
    """The conversation of a pull request."""

    api: str  # https://api.github.com
    repository: str  # owner/name
    number: int
    token: str

    @staticmethod
    def of(environ: Mapping[str, str]) -> Thread:
        """Find the pull request that the job is for; CommentFailed when there is none, or no token."""
        event = _event(environ)
        number = (event.get("pull_request") or {}).get("number")
        if not isinstance(number, int):
            raise CommentFailed(
                "There is no pull request to comment on.",
                cause=f"The workflow was started by {environ.get('GITHUB_EVENT_NAME') or 'another event'}.",
                remedy="Leave comment-pr out, or run the workflow on pull_request.",
            )
        token = environ.get("GITHUB_TOKEN", "")
        if not token:
            raise CommentFailed(
                "The pull request can't be commented on without a token.",
                remedy="The Action hands `github.token` over by itself; do not set GITHUB_TOKEN to nothing.",
            )
        api = environ.get("GITHUB_API_URL") or "https://api.github.com"
        return Thread(api=api, repository=environ.get("GITHUB_REPOSITORY", ""), number=number, token=token)


def marker(*parts: str) -> str:
    """Give the line by which a comment is known again."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
    return f"<!-- grapeshot {digest} -->"


def keep_comment(thread: Thread, mark: str, body: str) -> None:
    """Write the comment that has this mark, or change the one that has it; CommentFailed when GitHub refuses."""
    text = f"{mark}\n{body}"
    known = _find(thread, mark)
    if known is None:
        _ask(thread, "POST", f"issues/{thread.number}/comments", {"body": text})
    else:
        _ask(thread, "PATCH", f"issues/comments/{known}", {"body": text})


def _find(thread: Thread, mark: str) -> int | None:
    for page in range(1, PAGES + 1):
        comments = _ask(thread, "GET", f"issues/{thread.number}/comments?per_page={PAGE}&page={page}")
        for comment in comments:
            if str(comment.get("body") or "").startswith(mark) and _ours(comment):
                return int(comment["id"])
        if len(comments) < PAGE:
            return None
    return None


def _ours(comment: Mapping[str, Any]) -> bool:
    """Whether a comment is a bot's or a maintainer's: anybody may write one that begins like ours."""
    kind = (comment.get("user") or {}).get("type")
    return kind == "Bot" or comment.get("author_association") in ("OWNER", "MEMBER", "COLLABORATOR")


def _ask(thread: Thread, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {thread.token}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    url = f"{thread.api}/repos/{thread.repository}/{path}"
    try:
        answer = requests.request(method, url, headers=headers, json=body, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise CommentFailed("The pull request could not be commented on.", cause=str(error)) from error
    if answer.status_code in (401, 403, 404):
        raise CommentFailed(
            f"GitHub does not allow a comment in the pull request ({answer.status_code}).",
            cause="The job's token may not write to pull requests; in one from a fork it never may.",
            remedy="Add `pull-requests: write` to the job's permissions.",
        )
    if not answer.ok:
        raise CommentFailed(f"The comment was refused: {answer.status_code} {answer.reason}.")
    try:
        return answer.json()
    except ValueError as error:
        raise CommentFailed("GitHub's answer can't be read.", cause=str(error)) from error


def _event(environ: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        read = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_bytes())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
