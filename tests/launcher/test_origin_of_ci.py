"""Where a run comes from: commit, branch and page, from the variables of each CI."""

from __future__ import annotations

import pytest

from grapeshot_launcher.origin import CIS, origin

SHA = "0123456789abcdef0123456789abcdef01234567"

# Name of the CI: its variables for a push, then what a pull request changes, then the branch of that.
SAID: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "GitHub Actions": (
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SHA": SHA,
            "GITHUB_REF_NAME": "main",
            "GITHUB_SERVER_URL": "https://ci.example",
            "GITHUB_REPOSITORY": "a/b",
            "GITHUB_RUN_ID": "7",
        },
        {"GITHUB_REF_NAME": "5/merge", "GITHUB_HEAD_REF": "fix"},
        "https://ci.example/a/b/actions/runs/7",
    ),
    "GitLab CI": (
        {"GITLAB_CI": "true", "CI_COMMIT_SHA": SHA, "CI_COMMIT_REF_NAME": "main", "CI_JOB_URL": "https://ci.example/-/jobs/7"},
        {"CI_COMMIT_REF_NAME": "refs/merge-requests/5/head", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "fix"},
        "https://ci.example/-/jobs/7",
    ),
    "CircleCI": (
        {"CIRCLECI": "true", "CIRCLE_SHA1": SHA, "CIRCLE_BRANCH": "main", "CIRCLE_BUILD_URL": "https://ci.example/7"},
        {"CIRCLE_BRANCH": "fix"},
        "https://ci.example/7",
    ),
    "Buildkite": (
        {"BUILDKITE": "true", "BUILDKITE_COMMIT": SHA, "BUILDKITE_BRANCH": "main", "BUILDKITE_BUILD_URL": "https://ci.example/7"},
        {"BUILDKITE_BRANCH": "fix"},
        "https://ci.example/7",
    ),
    "Azure Pipelines": (
        {
            "TF_BUILD": "True",
            "BUILD_SOURCEVERSION": SHA,
            "BUILD_SOURCEBRANCH": "refs/heads/main",
            "SYSTEM_COLLECTIONURI": "https://ci.example/org/",
            "SYSTEM_TEAMPROJECT": "my project",
            "BUILD_BUILDID": "7",
        },
        {
            "BUILD_SOURCEVERSION": "a merge",
            "SYSTEM_PULLREQUEST_SOURCECOMMITID": SHA,
            "BUILD_SOURCEBRANCH": "refs/pull/5/merge",
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/fix",
        },
        "https://ci.example/org/my%20project/_build/results?buildId=7",
    ),
    "Bitbucket Pipelines": (
        {
            "BITBUCKET_BUILD_NUMBER": "7",
            "BITBUCKET_COMMIT": SHA,
            "BITBUCKET_BRANCH": "main",
            "BITBUCKET_REPO_FULL_NAME": "a/b",
        },
        {"BITBUCKET_BRANCH": "fix"},
        "https://bitbucket.org/a/b/pipelines/results/7",
    ),
    "Travis CI": (
        {"TRAVIS": "true", "TRAVIS_COMMIT": SHA, "TRAVIS_BRANCH": "main", "TRAVIS_JOB_WEB_URL": "https://ci.example/7"},
        {"TRAVIS_COMMIT": "a merge", "TRAVIS_PULL_REQUEST_SHA": SHA, "TRAVIS_PULL_REQUEST_BRANCH": "fix"},
        "https://ci.example/7",
    ),
    "Jenkins": (
        {"JENKINS_URL": "https://ci.example/", "GIT_COMMIT": SHA, "GIT_BRANCH": "origin/main", "BUILD_URL": "https://ci.example/7/"},
        {"BRANCH_NAME": "PR-5", "CHANGE_BRANCH": "fix"},
        "https://ci.example/7/",
    ),
}  # fmt: skip


@pytest.mark.parametrize("ci", CIS)
def test_a_push_tells_commit_branch_and_page(ci: str) -> None:
    """Each CI says it in words of its own; the report has the same keys for all."""
    environ, _, url = SAID[ci]

    assert origin(environ) == {"commit": SHA, "ref": "main", "runUrl": url}


@pytest.mark.parametrize("ci", CIS)
def test_a_pull_request_is_of_its_own_branch(ci: str) -> None:
    """The branch is the one that is to be merged, not a name made up for the merge."""
    environ, change, url = SAID[ci]

    assert origin(environ | change) == {"commit": SHA, "ref": "fix", "runUrl": url}


@pytest.mark.parametrize("ci", CIS)
def test_a_ci_that_tells_nothing_is_told_of_by_nothing(ci: str) -> None:
    """Variables that are missing or empty leave their key out, and no half of an address is made."""
    mark = CIS[ci].mark
    environ, _, _ = SAID[ci]

    assert origin({name: (value if name == mark else "") for name, value in environ.items()}) == {}


@pytest.mark.parametrize("environ", [{}, {"CI": "true"}, {"GITHUB_ACTIONS": "false", "GITHUB_SHA": SHA}])
def test_outside_of_a_ci_nothing_is_told(environ: dict[str, str]) -> None:
    """What happens to be checked out need not be what is under load."""
    assert origin(environ) == {}


def test_a_login_in_an_address_is_not_told() -> None:
    """A report is published."""
    environ = {"JENKINS_URL": "x", "BUILD_URL": "https://ada:secret@ci.example/7/"}

    assert origin(environ) == {"runUrl": "https://…@ci.example/7/"}


def test_a_commit_without_its_name_is_none() -> None:
    """Buildkite calls a commit HEAD until it has looked it up, which would make all commits one."""
    environ, _, _ = SAID["Buildkite"]

    assert "commit" not in origin(environ | {"BUILDKITE_COMMIT": "HEAD"})
