"""A runner of GitHub's that knows composite actions only: it takes the steps from action.yml and runs them.

Leaves to others: what the steps must do (the tests).

Steps with `uses` are not run: they are stubs, which give the outputs that a test names. Of expressions it knows what
action.yml may use in values: a name of a context, such as `inputs.script`. Everything else is a fault of the test.
Formats and files are those of "Metadata syntax for GitHub Actions" and "Workflow commands".
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
NAME = re.compile(r"\$\{\{\s*([a-z]+(?:\.[\w-]+)+)\s*\}\}")
LIMIT = 1 << 20  # bytes of a step's summary; one more and GitHub drops all of it
SHELL = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an action went: the exit code of the step that failed, or 0; the log of all steps."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    seconds: float


@dataclass(kw_only=True)
class Job:
    """What is around an action: `place` is empty at first; `environ` is the job's; `stubs` by the used action."""

    place: Path
    environ: Mapping[str, str]
    stubs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    token: str = "ghs_0123456789"
    temp: Path | None = None  # the runner's folder, where what was installed stays for the next
    during: Callable[[subprocess.Popen[str], Path], None] | None = None  # gets the last step as it begins
    patience: float = 120.0  # s for a step

    def run(self, **inputs: str) -> Ended:
        """Run action.yml with inputs, dashes written as underscores."""
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= action["inputs"].keys(), given.keys() - action["inputs"].keys()
        contexts: dict[str, Any] = {
            "inputs": {name: given.get(name, each["default"]) for name, each in action["inputs"].items()},
            "github": {"action_path": str(ROOT), "token": self.token},
            "runner": {"temp": str(self.temp or self.place / "temp")},
            "steps": {},
        }
        Path(contexts["runner"]["temp"]).mkdir(parents=True, exist_ok=True)
        (self.place / "log").write_text("")
        began, code, steps = time.monotonic(), 0, action["runs"]["steps"]
        for number, step in enumerate(steps):
            if "uses" in step:
                outputs = dict(self.stubs[step["uses"].partition("@")[0]])
            else:
                during = self.during if number == len(steps) - 1 else None
                code, outputs = self._step(number, step, contexts, during)
            if step.get("id"):
                contexts["steps"][step["id"]] = {"outputs": outputs}
            if code:
                break
        summaries = sorted(self.place.glob("summary*"))
        assert all(path.stat().st_size <= LIMIT for path in summaries)
        return Ended(
            code=code,
            log=(self.place / "log").read_text(),
            outputs={name: fill(each["value"], contexts) for name, each in action["outputs"].items()},
            summary="".join(path.read_text() for path in summaries),
            seconds=time.monotonic() - began,
        )

    def _step(
        self,
        number: int,
        step: Mapping[str, Any],
        contexts: Mapping[str, Any],
        during: Callable[[subprocess.Popen[str], Path], None] | None,
    ) -> tuple[int, dict[str, str]]:
        assert step["shell"] == "bash"
        script, log = self.place / f"step{number}.sh", self.place / "log"
        script.write_text(fill(step["run"], contexts))
        files = {name: self.place / f"{name}{number}" for name in ("output", "summary", "env", "path")}
        for path in files.values():
            path.write_text("")
        environ = {
            **self.environ,
            **{name: fill(str(value), contexts) for name, value in step.get("env", {}).items()},
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "GITHUB_ENV": str(files["env"]),
            "GITHUB_PATH": str(files["path"]),
            "RUNNER_TEMP": contexts["runner"]["temp"],
        }
        with log.open("a") as output:
            process = subprocess.Popen(
                [*SHELL, str(script)],
                env=environ,
                cwd=self.environ["GITHUB_WORKSPACE"],
                stdout=output,
                stderr=output,
                text=True,
            )
            try:
                if during is not None:
                    during(process, log)
                code = process.wait(self.patience)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        assert files["env"].read_text() == files["path"].read_text() == "", "the job must stay as it is"
        return code, read_outputs(files["output"].read_text())


def fill(text: str, contexts: Mapping[str, Any]) -> str:
    """Fill in the expressions of a text."""

    def value(found: re.Match[str]) -> str:
        names, at = found[1].split("."), contexts
        for name in names:
            at = at.get(name, {})  # as on GitHub: what is not there is empty
        return "" if at == {} else str(at)

    filled = NAME.sub(value, text)
    assert "${{" not in filled, filled
    return filled


def read_outputs(text: str) -> dict[str, str]:
    """Read an outputs file as the runner does: `name=value`, or `name<<delimiter`, lines, delimiter."""
    lines, found = text.split("\n"), {}
    while lines:
        line = lines.pop(0)
        if (block := re.fullmatch(r"([\w-]+)<<(.+)", line)) is not None:
            value = []
            while (line := lines.pop(0)) != block[2]:
                value.append(line)
            found[block[1]] = "\n".join(value)
        elif line:
            name, sign, rest = line.partition("=")
            assert sign, line
            found[name] = rest
    return found


def obeyed(log: str) -> list[str]:
    """Give the commands that a runner would obey in a log."""
    stopped, found = "", []
    for line in log.splitlines():
        if stopped:
            stopped = "" if line == f"::{stopped}::" else stopped
        elif line.startswith("::stop-commands::"):
            stopped = line.removeprefix("::stop-commands::")
        elif line.lstrip().startswith("::"):  # the runner minds no blanks
            found.append(line)
    return found


def bare_environ(workspace: Path) -> dict[str, str]:
    """Give the environment of a job on GitHub, with nothing of this machine but where programs are."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "42",
        "GITHUB_SHA": "c0ffee" * 6 + "c0ff",
        "GITHUB_REF_NAME": "main",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_WORKFLOW": "ci",
        "GITHUB_JOB": "load",
    }
