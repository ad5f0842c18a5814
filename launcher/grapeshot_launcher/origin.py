"""Where a run comes from, as its CI tells: the commit, the branch, the page of the job (pure).

Leaves to others: keeping it in the report (run), showing it (views).
"""

from __future__ import annotations

from collections.abc import Mapping


def origin(environ: Mapping[str, str]) -> dict[str, str]:
    """Give what GitHub Actions says of the job, by the report's keys; nothing elsewhere.

    >>> origin({"GITHUB_ACTIONS": "true", "GITHUB_SHA": "c0ffee", "GITHUB_REF_NAME": "main"})
    {'commit': 'c0ffee', 'ref': 'main'}
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return {}
    server, repository, run = (
        environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    )
    found = {
        "commit": environ.get("GITHUB_SHA", ""),
        "ref": environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF_NAME", ""),
        "runUrl": f"{server}/{repository}/actions/runs/{run}" if server and repository and run else "",
    }
    return {name: value for name, value in found.items() if value}
