"""Where a run comes from, as its CI tells: the commit, the branch, the page of the job (pure).

Leaves to others: keeping it in the report (run), showing it (views).

Every CI names the three in variables of its own; the table has the names that its documentation gives. Outside of a CI
nothing is told: what is checked out need not be what is running under the load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final
from urllib.parse import quote

from grapeshot_launcher.options.again import without_login


@dataclass(frozen=True, kw_only=True, slots=True)
class Ci:
    """How a CI is known, and its variables: of several the first that is set holds. `url` are patterns of them."""

    mark: str  # the variable by which it is known
    value: str | None = "true"  # what that holds, in any case of letters; None: anything
    commit: tuple[str, ...]
    ref: tuple[str, ...]  # of a pull request its own branch, not the one it goes to
    url: tuple[str, ...]


CIS: Final[Mapping[str, Ci]] = {
    "GitHub Actions": Ci(
        mark="GITHUB_ACTIONS",
        commit=("GITHUB_SHA",),
        ref=("GITHUB_HEAD_REF", "GITHUB_REF_NAME"),
        url=("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",),
    ),
    "GitLab CI": Ci(
        mark="GITLAB_CI",
        commit=("CI_COMMIT_SHA",),
        ref=("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"),
        url=("{CI_JOB_URL}", "{CI_PIPELINE_URL}"),
    ),
    "CircleCI": Ci(
        mark="CIRCLECI",
        commit=("CIRCLE_SHA1",),
        ref=("CIRCLE_BRANCH", "CIRCLE_TAG"),
        url=("{CIRCLE_BUILD_URL}",),
    ),
    "Buildkite": Ci(
        mark="BUILDKITE",
        commit=("BUILDKITE_COMMIT",),
        ref=("BUILDKITE_BRANCH", "BUILDKITE_TAG"),
        url=("{BUILDKITE_BUILD_URL}",),
    ),
    "Azure Pipelines": Ci(
        mark="TF_BUILD",
        commit=("SYSTEM_PULLREQUEST_SOURCECOMMITID", "BUILD_SOURCEVERSION"),
        ref=("SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"),
        url=("{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",),
    ),
    "Bitbucket Pipelines": Ci(
        mark="BITBUCKET_BUILD_NUMBER",
        value=None,
        commit=("BITBUCKET_COMMIT",),
        ref=("BITBUCKET_BRANCH", "BITBUCKET_TAG"),
        url=("https://bitbucket.org/{BITBUCKET_REPO_FULL_NAME}/pipelines/results/{BITBUCKET_BUILD_NUMBER}",),
    ),
    "Travis CI": Ci(
        mark="TRAVIS",
        commit=("TRAVIS_PULL_REQUEST_SHA", "TRAVIS_COMMIT"),
        ref=("TRAVIS_PULL_REQUEST_BRANCH", "TRAVIS_BRANCH"),
        url=("{TRAVIS_JOB_WEB_URL}", "{TRAVIS_BUILD_WEB_URL}"),
    ),
    # The last one: its variables are the least its own.
    "Jenkins": Ci(
        mark="JENKINS_URL",
        value=None,
        commit=("GIT_COMMIT",),
        ref=("CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"),
        url=("{BUILD_URL}",),
    ),
}
_PREFIXES: Final = ("refs/heads/", "refs/tags/", "origin/")  # of Azure Pipelines, and of Jenkins' GIT_BRANCH
_SYMBOLIC: Final = ("HEAD",)  # what Buildkite calls a commit that it has not looked up


def origin(environ: Mapping[str, str]) -> dict[str, str]:
    """Give what the CI says of the job, by the report's keys; nothing elsewhere.

    >>> origin({"GITHUB_ACTIONS": "true", "GITHUB_SHA": "c0ffee", "GITHUB_REF_NAME": "main"})
    {'commit': 'c0ffee', 'ref': 'main'}
    """
    ci = next((each for each in CIS.values() if _is_here(each, environ)), None)
    if ci is None:
        return {}
    commit, ref = (next((environ[n] for n in names if environ.get(n)), "") for names in (ci.commit, ci.ref))
    for prefix in _PREFIXES:
        ref = ref.removeprefix(prefix)
    found = {
        "commit": "" if commit in _SYMBOLIC else commit,
        "ref": ref,
        "runUrl": next(filter(None, (_filled(pattern, environ) for pattern in ci.url)), ""),
    }
    return {name: value for name, value in found.items() if value}


def _is_here(ci: Ci, environ: Mapping[str, str]) -> bool:
    said = environ.get(ci.mark, "")
    return bool(said) if ci.value is None else said.lower() == ci.value


def _filled(pattern: str, environ: Mapping[str, str]) -> str:
    """Fill a pattern; nothing when a part of it is not told. A project's name may have spaces."""
    values = {name: environ.get(name, "") for _, name, _, _ in Formatter().parse(pattern) if name}
    if not all(values.values()):
        return ""
    return without_login(quote(pattern.format_map(values), safe="/:?#[]@!$&'()*+,;=%~"))
