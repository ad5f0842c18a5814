"""`grapeshot run-lambda --emulate=docker` for real: containers of the published image against the target."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest

from grapeshot_launcher.platforms.emulator.container_keeper import LABEL
from target import Target
from waiting import wait_until

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.image import PublishedImage

pytestmark = pytest.mark.timeout(300)

GRAPESHOT = str(Path(sys.executable).with_name("grapeshot"))
USERS = [f"user{number:02}" for number in range(30)]

SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: 8, arrivalRate: 15}}]
  processor: hooks.py
  payload: {{path: users.csv, fields: [user], order: sequence}}
  plugins: {{expect: {{}}, ensure: {{conditions: [{{expression: vusers.created == 120}}]}}}}
before:
  flow: [{{get: {{url: /health}}}}]
scenarios:
  - flow:
      - function: look
      - get:
          url: /search?q={{{{ user }}}}
          capture: {{json: $.query, as: asked}}
          expect: [{{statusCode: 200}}]
      - post:
          url: /echo
          json: {{user: "{{{{ asked }}}}"}}
          capture: {{json: $.json.user, as: echoed}}
          expect: [{{statusCode: 200}}, {{hasProperty: json.user}}]
      - function: compare
after:
  flow: [{{get: {{url: /xml}}}}]
"""

# What a worker finds around it is looked at once in each engine process, and counted with every user.
HOOKS = """
import json, os, resource, shutil, subprocess, sys
import builtfor

assert builtfor.PYTHON == "%d.%d" % sys.version_info[:2]

def memory():
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if os.path.exists(path):
            return int(open(path).read()) >> 20

def writable():
    found = []
    for place, folders, _ in os.walk("/"):
        if place == "/":
            folders[:] = [name for name in folders if name not in ("proc", "sys", "tmp")]
        if place == "/dev" and "mqueue" in folders:
            folders.remove("mqueue")  # message queues: no files
        found += [place] if os.access(place, os.W_OK) else []
    return found

def runs_from_tmp():
    shutil.copy("/bin/true", f"/tmp/true-{os.getpid()}")
    return subprocess.run([f"/tmp/true-{os.getpid()}"]).returncode == 0

status = dict(line.split(":", 1) for line in open("/proc/self/status"))
LIMITS = json.dumps({
    "shm": os.path.exists("/dev/shm"),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "writable": writable(),
    "tmp": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize >> 20,
    "runs from tmp": runs_from_tmp(),
    "user": [os.getuid(), os.getgid()],
    "rights": int(status["CapEff"], 16),
    "gains rights": status["NoNewPrivs"].strip() == "0",
    "memory": memory(),
})
WORKER = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]

def look(context, events):
    events.emit("counter", "limits " + LIMITS, 1)
    events.emit("counter", f"engine {WORKER} {os.getpid()}", 1)
    events.emit("counter", "row " + context.vars["user"], 1)

def compare(context, events):
    assert context.vars["echoed"] == context.vars["user"]
    events.emit("counter", "compared", 1)
"""
LIMITS = {
    "shm": False,
    "files": [1024, 1024],
    "writable": [],
    "tmp": 512,
    "runs from tmp": True,
    "user": [993, 990],
    "rights": 0,
    "gains rights": False,
    "memory": 4096,
}


def write_wheel(folder: Path, minor: int) -> None:
    """Write a package whose wheel, like one with compiled parts, is for one version of Python alone."""
    about = "builtfor-1.0.dist-info"
    with zipfile.ZipFile(folder / f"builtfor-1.0-cp3{minor}-none-any.whl", "w") as wheel:
        wheel.writestr("builtfor.py", f"PYTHON = '3.{minor}'\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: builtfor\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nTag: cp3{minor}-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


class Run:
    """One run of the command, with everything it needs in a folder of its own."""

    def __init__(self, folder: Path, engine: str, image: str) -> None:
        self._folder, self._engine, self._image = folder, engine, image
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, script: str, hooks: str, *flags: str) -> subprocess.Popen[str]:
        (self._folder / "script.yml").write_text(script, encoding="utf-8")
        (self._folder / "hooks.py").write_text(hooks, encoding="utf-8")
        (self._folder / "users.csv").write_text("\n".join(USERS) + "\n", encoding="utf-8")
        (self._folder / "requirements.txt").write_text("builtfor==1.0\n", encoding="utf-8")
        for minor in range(11, 15):
            write_wheel(self._folder, minor)
        command = [GRAPESHOT, "run-lambda", "--emulate=docker", "--image", self._image, *flags]
        command += ["-o", str(self._folder / "report.json"), "script.yml"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env={
                **os.environ,
                "DOCKER_HOST": self._engine,
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self._folder),
            },
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self._folder / "report.json").read_text(encoding="utf-8"))
        return report


@pytest.fixture
def run(tmp_path: Path, engine: str, published: PublishedImage) -> Iterator[Run]:
    with contextlib.closing(Run(tmp_path, engine, published.uri)) as made:
        yield made


def ours(client: docker.DockerClient) -> list[str]:
    """Give the states of all containers of runs."""
    return [each.status for each in client.containers.list(all=True, filters={"label": LABEL})]


def test_a_run_in_containers_is_right_to_the_unit(
    run: Run, target: Target, client: docker.DockerClient
) -> None:
    """Plan, books, counters and what the target counted are one number; every worker had Lambda's limits."""
    before = target.stats()
    process = run.start(SCRIPT.format(target=target.url), HOOKS, "--workers", "3", "--memory-size", "4096")
    out, err = process.communicate(timeout=200)
    after = target.stats()
    answered = {route: after[route] - before.get(route, 0) for route in after}

    assert process.returncode == 0, out + err

    report = run.report()
    books, counters = report["grapeshot"]["books"], report["aggregate"]["counters"]
    engines = [name.split() for name in counters if name.startswith("engine ")]

    assert report["grapeshot"]["verdict"] == "pass"
    assert (books["planned"], books["started"], books["lost"]) == (120, 120, 0)
    assert counters["vusers.created"] == counters["vusers.completed"] == counters["compared"] == 120
    assert counters["http.requests"] == counters["http.codes.200"] == 240
    assert answered["/search 200"] == answered["/echo 200"] == 120
    assert (answered["/health 200"], answered["/xml 200"]) == (1, 1)
    assert {name: counters[f"row {name}"] for name in USERS} == dict.fromkeys(USERS, 4)
    assert {k: v for k, v in counters.items() if k.startswith("limits ")} == {
        f"limits {json.dumps(LIMITS)}": 120
    }
    assert len({worker for _, worker, _ in engines}) == 3
    assert len(engines) == 6
    assert ours(client) == []
    assert "Warning" not in err, err


def test_a_worker_without_memory_is_named_and_the_run_is_invalid(
    run: Run, target: Target, client: docker.DockerClient
) -> None:
    """One row's user takes more than the worker has: Linux ends it, its users are lost, the others go on."""
    hungry = """
def look(context, events):
    if context.vars["user"] == "user17":
        context.vars["all of it"] = b"x" * (1 << 30)

def compare(context, events):
    pass
"""
    process = run.start(SCRIPT.format(target=target.url), hungry, "--workers", "3", "--memory-size", "512")
    out, err = process.communicate(timeout=200)

    assert process.returncode == 11, out + err

    report = run.report()
    books = report["grapeshot"]["books"]
    assert report["grapeshot"]["verdict"] == "invalid"
    assert books["planned"] == 120 == books["started"] + books["lost"]
    assert 0 < books["lost"] < 40
    assert "SIGKILL" in out + err
    assert ours(client) == []


def test_a_killed_launcher_leaves_no_container(run: Run, target: Target, client: docker.DockerClient) -> None:
    """Neither the one that works nor the one that is frozen, which no signal ends on every Linux."""
    script = SCRIPT.format(target=target.url).replace("/xml}}]", "/xml}}, {think: 60}]")
    asked = target.stats().get("/xml 200", 0)
    process = run.start(script, HOOKS, "--workers", "2", "--memory-size", "1769")
    wait_until(lambda: target.stats().get("/xml 200", 0) > asked, limit=60)
    wait_until(lambda: set(ours(client)) == {"paused", "running"}, limit=60)

    process.kill()
    process.communicate(timeout=20)
    wait_until(lambda: ours(client) == [], limit=60)

    assert process.returncode == -9
