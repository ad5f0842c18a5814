"""Who is compared: for each client, the command that makes a scenario's load with it.

Leaves to others: where it is found (installs), running the commands (measure). A client that can't do a scenario gives
no command for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import scenarios
from installs import find
from scenarios import CLIENTS, LARGE, Scenario

HERE = Path(__file__).parent
LONG = 3600  # seconds; every client is ended by the measurement
_LUA_CAPTURE = """token = body:match('"token":"([^"]*)"')"""
_LUA_CHECK = """right = status == 200 and headers["Content-Type"] == "application/json" and token
if not right then wrong = wrong + 1 end"""
URLS = 1000  # written down for a client that knows no templates but takes a list


@dataclass(frozen=True)
class Peer:
    """A client that is not installed has no program and runs nothing."""

    name: str
    program: str | None
    asking: str = "--version"  # what makes the program tell its version

    def version(self) -> str:
        """Give the program's version, or nothing where it does not tell."""
        command = [str(self.program), self.asking]
        return _version_in(command) if self.asking else "(version not told)"

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
        if scenario.named:
            return None
        lines = ["local n, wrong = 0, 0"]
        turn = f"n % {scenario.requests} + 1" if scenario.requests > 1 else "n + 1"
        if scenario.upload:  # one request for all: filling in a URL would copy the body each time
            lines.append(f'wrk.method, wrk.path = "POST", "{scenario.folder}/1"')
            lines.append(f'wrk.body = string.rep("u", {LARGE})')
        else:
            making = f'n = {turn}; return wrk.format("GET", "{scenario.folder}/" .. n)'
            lines.append(f"request = function() {making} end")
        if scenario.capture:
            check = _LUA_CHECK if scenario.expect else ""
            lines.append(f"response = function(status, headers, body) {_LUA_CAPTURE} {check} end")
        script = folder / "wrk.lua"
        script.write_text("\n".join(lines), encoding="utf-8")
        fresh = ["-H", "Connection: close"] if scenario.fresh else []
        return [str(self.program), "-t1", f"-c{CLIENTS}", f"-d{LONG}s", "-s", str(script), *fresh, target]


class Hey(Peer):
    """Go, no templates and no captures: its URL is always the same."""

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        if scenario.capture or scenario.requests > 1:
            return None
        how = ["-disable-keepalive"] if scenario.fresh else []
        if scenario.upload:
            how += ["-m", "POST", "-D", str(scenarios.large_body(folder))]
        url = f"{target}{scenario.folder}/1"
        return [str(self.program), "-z", f"{LONG}s", "-c", str(CLIENTS), "-cpus", "1", *how, url]


class Vegeta(Peer):
    """Go, made for constant rates; as fast as it can over a list of URLs, no captures."""

    def version(self) -> str:
        """Ask Go, which knows what it has built."""
        return _version_in(["go", "version", "-m", str(self.program)], r"\tmod\t\S+\tv(\S+)")

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        most = ["-workers", str(CLIENTS), "-max-workers", str(CLIENTS), "-max-connections", str(CLIENTS)]
        return self._attack(scenario, target, folder, ["-rate", "0", *most])

    def arrive(self, scenario: Scenario, target: str, folder: Path, rate: int) -> list[str] | None:
        return self._attack(scenario, target, folder, ["-rate", str(rate)])

    def _attack(self, scenario: Scenario, target: str, folder: Path, pace: list[str]) -> list[str] | None:
        if scenario.capture or scenario.named:
            return None
        urls = _urls(scenario, target)
        method, how = "GET", ["-keepalive=false"] if scenario.fresh else []
        if scenario.upload:
            method, how = "POST", ["-body", str(scenarios.large_body(folder))]
        targets = folder / "vegeta.txt"
        targets.write_text("".join(f"{method} {url}\n" for url in urls), encoding="utf-8")
        # Bodies are read and thrown away: kept, they would become a part of its results.
        how += ["-max-body", "0", "-http2=false", "-insecure", "-duration", "0", "-output", "/dev/null"]
        return [str(self.program), "attack", "-targets", str(targets), *pace, *how]


class Oha(Peer):
    """Rust, over a list of URLs, no captures."""

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        if scenario.capture or scenario.named:
            return None
        how = ["--disable-keepalive"] if scenario.fresh else []
        if scenario.upload:
            how += ["-m", "POST", "-D", str(scenarios.large_body(folder))]
        # A list, not a pattern: oha escapes a pattern's dots itself, and an address escaped twice is another address.
        listed = folder / "oha.txt"
        listed.write_text("\n".join(_urls(scenario, target)) + "\n", encoding="utf-8")
        often = ["-z", f"{LONG}s", "-c", str(CLIENTS), "--no-tui", "--insecure", "--worker-threads", "1"]
        return [str(self.program), *often, *how, "--urls-from-file", str(listed)]


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

    def version(self) -> str:
        """Give the version, and the form of the request path: that of the modules which this process finds too."""
        found = find_spec("grapeshot_worker.traffic.exchange")
        compiled = found is not None and str(found.origin).endswith(".so")
        return f"{super().version()} ({'compiled' if compiled else 'in Python'})"

    def _run(self, script: Path) -> list[str]:
        return [*super()._run(script), "--workers", "1", "-o", str(script.with_name("report.json"))]


class Locust(Peer):
    """Python with gevent, its fast HTTP client."""

    def loop(self, scenario: Scenario, target: str, folder: Path) -> list[str] | None:
        return self._run(scenario.key, target, CLIENTS)

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
        Wrk("wrk", find("wrk"), "-v"),
        Oha("oha", find("oha")),
        Hey("hey", find("hey"), ""),
        Vegeta("vegeta", find("vegeta")),
        Scripted("Artillery", find("artillery")),
        Locust("Locust", find("locust")),
    ]


def environment() -> dict[str, str]:
    """Give the clients' environment: one worker each, nothing sent home, no proxy between them and the server."""
    own = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**own, "ARTILLERY_DISABLE_TELEMETRY": "true", "WORKERS": "1", "GOMAXPROCS": "1"}


def _urls(scenario: Scenario, target: str) -> list[str]:
    """Give the URLs of a client that takes a list."""
    count = scenario.requests if scenario.requests > 1 else URLS
    return [f"{target}{scenario.folder}/{number}" for number in range(1, count + 1)]


def _version_in(command: list[str], pattern: str = r"(\d+\.\d+[\w.]*)") -> str:
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "(version not told)"
    found = re.search(pattern, run.stdout + run.stderr)
    return found.group(1) if found else "(version not told)"
