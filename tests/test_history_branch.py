"""The lines of docs/history.md that keep reports in a branch: run as they stand there, against a repository on disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sample_report
from grapeshot_launcher.views.report_json import report_file

PAGE = (Path(__file__).parent.parent / "docs/history.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("Without a bucket")[2].partition("Artifacts expire")[0]
# What actions/checkout leaves: one commit, and a remote of which any branch may be fetched.
CHECKOUT = """
git init -q . && git remote add origin {url}
git fetch -q --no-tags --depth=1 origin +refs/heads/main:refs/remotes/origin/main
git checkout -q -B main refs/remotes/origin/main
"""


def lines() -> tuple[str, str, str]:
    """Those that make the branch, those of the workflow, those that make the page."""
    once, kept, shown = re.findall(r"```\w+\n(.*?)```", SECTION, re.DOTALL)
    return once, textwrap.dedent(kept.partition("- run: |\n")[2]), shown


def sh(text: str, folder: Path, **variables: str) -> None:
    """Run lines as a runner of GitHub does, without anybody's settings of git."""
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    path = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", text],
        cwd=folder,
        env={**os.environ, **own, **path, **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="NOT TESTED: reports in a branch. There is no git")
def test_reports_are_kept_in_a_branch(tmp_path: Path) -> None:
    """The branch is made once, two jobs add to it, each from a checkout of one commit, and the page has both."""
    once, kept, shown = lines()
    report, origin, mine = tmp_path / "report.json", tmp_path / "origin.git", tmp_path / "mine/clone"
    author = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    sh(f"git init -q --bare -b main {origin} && git init -q -b main {mine}", tmp_path)
    sh(f"git commit -q --allow-empty -m first && git push -q {origin} main", mine, **author)
    sh(f"git remote add origin {origin}\n{once}", mine, **author)

    for job in ("1", "2"):
        report.write_bytes(report_file(sample_report.report(run_id=f"run{job}")))
        checkout = tmp_path / f"job{job}/checkout"
        checkout.mkdir(parents=True)
        sh(CHECKOUT.format(url=origin.as_uri()), checkout)
        step = kept.replace("${{ steps.load.outputs.report-json }}", str(report))
        sh(step, checkout, GITHUB_RUN_ID=job, GITHUB_RUN_ATTEMPT="1", GITHUB_SHA="0" * 40)
    sh(shown, mine)

    assert sorted(path.name for path in (tmp_path / "mine/history").glob("*.json")) == [
        "1-1.json",
        "2-1.json",
    ]
    page = (mine / "trend.html").read_text(encoding="utf-8")
    assert "run1" in page
    assert "run2" in page
