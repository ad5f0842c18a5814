"""Who is compared: for each client where it is found, and the command that makes a scenario's load with it.

Leaves to others: running the commands (measure). A client that can't do a scenario gives no command for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import scenarios
from scenarios import CLIENTS, Scenario

HERE = Path(__file__).parent
FOLDER = Path(tempfile.gettempdir()) / "grapeshot-bench-peers"  # of --install-peers; kept for the next run
LONG = 3600  # seconds; every client is ended by the measurement


@dataclass(frozen=True)
class Peer:
    """A client that is not installed has no program and runs nothing."""

    name: str
    program: str | None
    asking: str = "--version"  # what makes the program tell its version

    def version(self) -> str:
        """Give the program's version, or nothing where it does not tell."""
        run = subprocess.run([str(self.program), self.asking], capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d+[\w.]*", run.stdout + run.stderr) if self.asking else None
        return found.group() if found else "(version not told)"

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        """Give the command of 50 clients in a closed loop."""
        raise NotImplementedError

    def arrive(self, scenario: Scenario, target: str, folder: Path, rate: int) -> list[str] | None:
        """Give the command of users who arrive at a rate; None for a client that only knows closed loops."""
        return None

    def park(self, target: str, folder: Path, users: int) -> list[str] | None:
        """Give the command of users who make one request and then think; None where there is no such thing."""
        return None


class Wrk(Peer):
    """C and LuaJIT: what one core can do. Its script fills in the URL and reads the token by a pattern."""

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        lines = [
            "local n = 0",
            f'request = function() n = n + 1; return wrk.format("GET", "{scenario.folder}/" .. n) end',
        ]
        if scenario.capture:
            lines.append("""response = function(_, _, body) token = body:match('"token":"([^"]*)"') end""")
        script = folder / "wrk.lua"
        script.write_text("\n".join(lines), encoding="utf-8")
        fresh = ["-H", "Connection: close"] if scenario.fresh else []
        return [str(self.program), "-t1", f"-c{CLIENTS}", f"-d{LONG}s", "-s", str(script), *fresh, target]


class Hey(Peer):
    """Go, no templates and no captures: its URL is always the same."""

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        if scenario.capture:
            return None
        fresh = ["-disable-keepalive"] if scenario.fresh else []
        url = f"{target}{scenario.folder}/1"
        return [str(self.program), "-z", f"{LONG}s", "-c", str(CLIENTS), "-cpus", "1", *fresh, url]


class Scripted(Peer):
    """A client that runs the script format: Grapeshot and Artillery, with the same scripts."""

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        return self._run(scenarios.looping(scenario, target, folder))

    def arrive(self, scenario: Scenario, target: str, folder: Path, rate: int) -> list[str] | None:
        return self._run(scenarios.arriving(scenario, target, folder, rate))

    def park(self, target: str, folder: Path, users: int) -> list[str] | None:
        return self._run(scenarios.parking(target, folder, users))

    def _run(self, script: Path) -> list[str]:
        return [str(self.program), "run", str(script), "-q"]


class Grapeshot(Scripted):
    """This project, with one engine process."""

    def _run(self, script: Path) -> list[str]:
        return [*super()._run(script), "--workers", "1", "-o", str(script.with_name("report.json"))]


class Locust(Peer):
    """Python with gevent, its fast HTTP client."""

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        name = "Fresh" if scenario.fresh else "Capture" if scenario.capture else "Get"
        return self._run(name, target, CLIENTS)

    def park(self, target: str, folder: Path, users: int) -> list[str] | None:
        return self._run("Parked", target, users)

    def _run(self, user: str, target: str, users: int) -> list[str]:
        script = str(HERE / "locustfile.py")
        much = ["-u", str(users), "-r", str(max(users // 10, CLIENTS)), "-t", f"{LONG}s"]
        quiet = ["--headless", "--skip-log", "--only-summary", "--reset-stats"]
        return [str(self.program), "-f", script, user, "--host", target, *much, *quiet]


def all_peers() -> list[Peer]:
    """Give every client we know, installed or not; Grapeshot first, wrk second: the measure of the others."""
    own = shutil.which(
        "grapeshot", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    return [
        Grapeshot("Grapeshot", own),
        Wrk("wrk", shutil.which("wrk"), "-v"),
        Hey("hey", shutil.which("hey"), ""),
        Scripted("Artillery", _find("artillery", FOLDER / "artillery/node_modules/.bin/artillery")),
        Locust("Locust", _find("locust", FOLDER / "locust/bin/locust")),
    ]


def environment() -> dict[str, str]:
    """Give the clients' environment: one worker each, nothing sent home."""
    return {**os.environ, "ARTILLERY_DISABLE_TELEMETRY": "true", "WORKERS": "1"}


def _find(name: str, installed: Path) -> str | None:
    given = os.environ.get(name.upper())
    return given or shutil.which(name) or (str(installed) if installed.exists() else None)


def install() -> None:
    """Install Artillery (npm) and Locust (pip) into a temporary folder, where they aren't installed yet."""
    FOLDER.mkdir(exist_ok=True)
    if _find("artillery", FOLDER / "artillery/node_modules/.bin/artillery") is None:
        npm = shutil.which("npm")
        if npm is None:
            sys.stderr.write("Artillery needs npm, which is not installed: going on without.\n")
        else:
            command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER / "artillery")]
            # Artillery brings a browser along, which HTTP load does not need.
            no_browser = {**os.environ, "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
            subprocess.run([*command, "artillery@2"], env=no_browser, check=True)
    if _find("locust", FOLDER / "locust/bin/locust") is None:
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER / "locust")], check=True)
        subprocess.run([str(FOLDER / "locust/bin/pip"), "install", "--quiet", "locust"], check=True)
