"""The shell in workflows and actions: where it is, and what shellcheck says about it, in the lines of the file.

    python tests/run_steps.py FILE...       prints the faults, and leaves with 1 if there are any

Leaves to others: the files' form (GitHub's schemas) and their safety in general (zizmor).

An expression inside a `run:` is a fault by itself. GitHub puts its value into the script as text, so that whoever
chooses the value (the name of a branch, the input of an action) writes code; passed by `env:` it stays a value.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

DIALECTS = {"bash", "sh"}
USUAL = "bash"  # what the runners take where a step of a workflow names no shell


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """One `run:`. `line` is that of its first line of script, in `file`, counted from 1."""

    file: str
    line: int
    shell: str
    text: str


def run_steps(file: str, text: str) -> list[RunStep]:
    """Find every `run:` of a workflow or action, in order; YAMLError if it is no YAML."""
    return list(_below(file, yaml.compose(text, Loader=yaml.SafeLoader)))


def _below(file: str, node: yaml.Node | None) -> Iterator[RunStep]:
    match node:
        case yaml.SequenceNode():
            for item in node.value:
                yield from _below(file, item)
        case yaml.MappingNode():
            values = {key.value: value for key, value in node.value}
            run, shell = values.get("run"), values.get("shell")
            if isinstance(run, yaml.ScalarNode):
                first = run.start_mark.line + (2 if run.style in ("|", ">") else 1)
                words = str(shell.value).split() if isinstance(shell, yaml.ScalarNode) else [USUAL]
                yield RunStep(file=file, line=first, shell=words[0], text=run.value)
            for value in values.values():
                yield from _below(file, value)
        case _:
            pass


def expressions(step: RunStep) -> list[str]:
    """Give a fault for each line with an expression in it."""
    return [
        f"{step.file}:{step.line + number}: an expression inside `run`: pass its value by `env`"
        for number, line in enumerate(step.text.splitlines())
        if "${{" in line
    ]


def faults(step: RunStep) -> list[str]:
    """Give what is wrong with a step's shell, a line for each fault."""
    if step.shell not in DIALECTS:
        return [f"{step.file}:{step.line}: nothing here checks `shell: {step.shell}`; use bash"]
    return expressions(step) or _shellcheck(step)


def _shellcheck(step: RunStep) -> list[str]:
    command = [
        str(Path(sys.executable).with_name("shellcheck")),
        f"--shell={step.shell}",
        "--format=json1",
        "-",
    ]
    done = subprocess.run(command, input=step.text, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode not in (0, 1):
        return [f"{step.file}:{step.line}: shellcheck could not read this: {done.stderr.strip()}"]
    return [
        f"{step.file}:{step.line + one['line'] - 1}: {one['message']} [SC{one['code']}]"
        for one in json.loads(done.stdout)["comments"]
    ]


def main(files: list[str]) -> int:
    """Print the faults of all steps in some files; give 1 if there are any."""
    found = [
        fault for file in files for step in run_steps(file, Path(file).read_text()) for fault in faults(step)
    ]
    sys.stderr.write("".join(f"{fault}\n" for fault in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
