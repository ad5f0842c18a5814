"""Where peers are found, and getting those that are missing into a folder that is kept for the next run.

Leaves to others: running them (peers). Nothing is installed anywhere else, and nothing without being asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / "grapeshot-bench-peers"
LIMIT = 1800  # seconds for one of them; oha is compiled, which takes minutes


@dataclass(frozen=True)
class Install:
    """How a peer gets into FOLDER: the file it is there, and commands that are run one after the other."""

    file: str
    commands: Sequence[Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)


INSTALLS = {
    "vegeta": Install(
        "bin/vegeta",
        [["go", "install", "github.com/tsenart/vegeta/v12@latest"]],
        {"GOBIN": str(FOLDER / "bin")},
    ),
    "oha": Install("bin/oha", [["cargo", "install", "--locked", "--root", str(FOLDER), "oha"]]),
    "artillery": Install(
        "artillery/node_modules/.bin/artillery",
        [["npm", "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER / "artillery"), "artillery@2"]],
        # Artillery brings a browser along, which HTTP load does not need.
        {"PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"},
    ),
    "locust": Install(
        "locust/bin/locust",
        [
            [sys.executable, "-m", "venv", str(FOLDER / "locust")],
            [str(FOLDER / "locust/bin/pip"), "install", "--quiet", "locust"],
        ],
    ),
}


def find(name: str) -> str | None:
    """Give the program: what the variable of its name says (`OHA=…`), else on the PATH, else in FOLDER."""
    given = os.environ.get(name.upper()) or shutil.which(name)
    if given or name not in INSTALLS:
        return given
    installed = FOLDER / INSTALLS[name].file
    return str(installed) if installed.exists() else None


def install_missing() -> None:
    """Install what isn't found; what can't be installed is told in a line, and the run goes on without it."""
    FOLDER.mkdir(exist_ok=True)
    for name, missing in INSTALLS.items():
        if find(name) is None and (fault := install(missing)):
            sys.stderr.write(f"{name} could not be installed, going on without it: {fault}\n")


def install(missing: Install) -> str | None:
    """Run an installation's commands; give what went wrong, in a line."""
    for command in missing.commands:
        if shutil.which(command[0]) is None:
            return f"{command[0]} is not installed"
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **missing.environment},
                stdout=sys.stderr,  # the tables have standard output
                stderr=subprocess.PIPE,
                text=True,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{command[0]} took more than {LIMIT} seconds"
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            return f"{command[0]} ended with exit code {done.returncode} ({last})"
    return None
