"""The workflows and the action: what they may do, what they are made of, and that they fit each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from run_steps import RunStep, expressions, faults, run_steps
from versions import complaints, versions

ROOT = Path(__file__).parent.parent
ACTION = ROOT / "action.yml"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FILES = [*WORKFLOWS, *(path for path in [ACTION] if path.exists())]

# Who may write, and what: all others read the repository at most.
WRITERS = {
    ("publish-worker", "publish"): {"id-token", "attestations"},
    ("load-test", "publish"): {"id-token", "attestations"},
    ("load-test", "aws"): {"id-token"},
    ("release", "tag"): {"contents"},
    ("release", "image"): {"actions"},
}


def named(path: Path) -> str:
    return path.stem


def read(path: Path) -> Any:
    """Give a file's content with every scalar as text: `on` stays a word, and `false` what was written."""
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(path)["jobs"]
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in [read(path)["runs"]] if path == ACTION else jobs(path).values():
        yield from job.get("steps", ())


@pytest.mark.parametrize("path", FILES, ids=named)
def test_actions_of_others_are_pinned_by_commit(path: Path) -> None:
    """A tag can be moved by whoever takes over a repository, a commit can't; its version stands behind it."""
    uses = re.findall(r"^[ -]*uses: *(.*)$", path.read_text(), re.MULTILINE)
    pinned = r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"

    assert [one for one in uses if not (one.startswith("./") or re.fullmatch(pinned, one))] == []


def test_one_action_has_one_version() -> None:
    """No file stays behind when a pin is raised."""
    found = {
        (name, commit)
        for path in FILES
        for name, commit in re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40} # v[\d.]+)", path.read_text())
    }

    assert len(found) == len({name for name, _ in found})
    assert len(found) >= 4


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_permissions_are_given_job_by_job(path: Path) -> None:
    """A workflow gives nothing to all of its jobs; each says what it needs."""
    assert read(path)["permissions"] in ("", {})
    assert [name for name, job in jobs(path).items() if not job.get("permissions")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_who_may_write_is_listed(path: Path) -> None:
    """Each permission beyond reading is one of the table, and the table has no more than is used."""
    writes = {
        (path.stem, name): {what for what, how in job["permissions"].items() if how != "read"}
        for name, job in jobs(path).items()
    }

    assert {job: what for job, what in writes.items() if what} == {
        job: what for job, what in WRITERS.items() if job[0] == path.stem
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_every_job_has_a_time_limit(path: Path) -> None:
    """A job that hangs ends after its own limit, not after the six hours of GitHub's."""
    limits = {name: job.get("timeout-minutes") for name, job in jobs(path).items() if "uses" not in job}

    assert {name: limit for name, limit in limits.items() if not limit or int(limit) > 30} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_every_workflow_says_what_happens_to_a_second_run(path: Path) -> None:
    """Its concurrency group has a name of its own, for a called workflow has the name of its caller."""
    assert read(path)["concurrency"]["group"].startswith(path.stem)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_checkouts_keep_no_credentials(path: Path) -> None:
    """The token of a job does not stay in the checkout, where any later step could take it."""
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]

    assert [step for step in checkouts if step.get("with", {}).get("persist-credentials") != "false"] == []


@pytest.mark.parametrize("path", FILES, ids=named)
def test_values_reach_scripts_by_the_environment(path: Path) -> None:
    """No expression stands inside a `run`."""
    assert [fault for step in run_steps(named(path), path.read_text()) for fault in expressions(step)] == []


def test_the_example_knows_the_action() -> None:
    """Inputs and outputs that workflows use of this action are declared by it, and what it requires is given."""
    action = read(ACTION) if ACTION.exists() else None
    used = [step for path in WORKFLOWS for step in steps(path) if step.get("uses") == "./"]
    wanted = {
        output
        for path in WORKFLOWS
        for step in steps(path)
        if step.get("uses") == "./" and "id" in step
        for output in re.findall(rf"steps\.{step['id']}\.outputs\.([\w-]+)", path.read_text())
    }

    assert len(used) == 2
    assert wanted == {"verdict", "requests", "report-html"}
    if action is not None:
        required = {name for name, one in action["inputs"].items() if one.get("required") == "true"}
        for step in used:
            assert required <= set(step["with"]) <= set(action["inputs"])
        assert wanted <= set(action["outputs"])


def test_the_major_tag_is_moved_by_a_release() -> None:
    """The release workflow starts the publishing workflow that exists, and asks for a version by hand only."""
    text = (ROOT / ".github/workflows/release.yml").read_text()
    (started,) = re.findall(r"gh workflow run ([\w.-]+)", text)

    assert "workflow_dispatch" in read(ROOT / ".github/workflows" / started)["on"]
    assert list(read(ROOT / ".github/workflows/release.yml")["on"]) == ["workflow_dispatch"]


# ---- run_steps.py, which `make lint` runs ----

STEPS = """\
jobs:
  one:
    steps:
      - run: echo plain
      - shell: sh
        run: |
          echo first
          echo second
      - uses: ./
  two:
    defaults:
      run: {shell: bash}
    steps:
      - {shell: python, run: print()}
"""


def test_every_run_is_found_with_its_line_and_shell() -> None:
    """Wherever it stands, on one line or on several; a `run` of defaults is none."""
    found = [(step.line, step.shell, step.text) for step in run_steps("f", STEPS)]

    assert found == [
        (4, "bash", "echo plain"),
        (7, "sh", "echo first\necho second\n"),
        (14, "python", "print()"),
    ]


def test_an_expression_in_a_script_is_a_fault() -> None:
    """Its line is the one in the file."""
    step = RunStep(file="f", line=10, shell="bash", text="echo one\necho ${{ github.ref }}\n")

    assert faults(step) == ["f:11: an expression inside `run`: pass its value by `env`"]


def test_what_shellcheck_says_has_the_line_of_the_file() -> None:
    """A variable without quotes, on the second line of a script that begins on the tenth."""
    (fault,) = faults(RunStep(file="f", line=10, shell="bash", text='set -e\nrm "$1" $2\n'))

    assert fault.startswith("f:11: ")
    assert fault.endswith("[SC2086]")


def test_a_script_that_nothing_checks_is_a_fault() -> None:
    """Another shell than bash and sh."""
    (fault,) = faults(RunStep(file="f", line=3, shell="pwsh", text="ls"))

    assert fault == "f:3: nothing here checks `shell: pwsh`; use bash"


def test_good_shell_has_no_faults() -> None:
    """Nothing is said against quotes and checked results."""
    assert faults(RunStep(file="f", line=1, shell="bash", text='cd "$HOME" || exit 1\n')) == []


# ---- versions.py, which a release runs ----


def test_all_places_say_the_same_version() -> None:
    """Both packages, what the launcher needs of the worker, and what the worker says itself."""
    found = versions()

    assert len(found) == 4
    assert len(set(found.values())) == 1


@pytest.mark.parametrize(
    "asked", ["", "1", "1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "1.2.3\n", "1.2.3; ls", "1.2.٣"]
)
def test_only_three_numbers_are_a_version(asked: str) -> None:
    """What reaches tags and commands after this check can't be anything else."""
    (complaint,) = complaints(asked, {"here": asked})

    assert "is no version" in complaint


def test_the_version_of_the_repository_can_be_released() -> None:
    """There is nothing against it, and something against its successor, in each place."""
    found = versions()
    (version,) = set(found.values())

    assert complaints(version, found) == []
    assert len(complaints(f"1{version}", found)) == len(found)
