"""A docker engine: the one that runs here, or one of our own that leaves nothing behind.

Leaves to others: where its program comes from (debian).

Ours touches no network settings: no bridge, no packet filter rules. Containers use the host's network.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker

from image.debian import Programs, Unavailable

PATIENCE = 300  # tenths of a second until a new engine must answer


def running_engine() -> str | None:
    """Give the address of an engine that answers already, None when there is none."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return host if answers(host) else None


def answers(host: str) -> bool:
    """Ask an engine whether it is there."""
    if host.startswith("unix://"):  # asked by the SDK in vain, it would leave an open socket to the collector
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(host.removeprefix("unix://")):
                return False
    try:
        client = docker.DockerClient(base_url=host)
    except docker.errors.DockerException:
        return False
    with contextlib.closing(client):
        return bool(client.ping())


@contextlib.contextmanager
def own_engine(programs: Programs, place: Path) -> Iterator[str]:
    """Start an engine that keeps everything in `place`, and end it with all of its mounts; gives its address."""
    if os.geteuid() != 0:
        raise Unavailable("a docker engine of our own needs root; run as root, or start Docker")
    host = f"unix://{place}/s"
    command = [
        *(
            ["setpriv", "--pdeathsig", "SIGTERM"] if shutil.which("setpriv") else []
        ),  # a killed test run ends it too
        programs.path("dockerd"),
        *("--host", host, "--data-root", f"{place}/data", "--exec-root", f"{place}/exec"),
        *("--pidfile", f"{place}/pid", "--iptables=false", "--ip6tables=false", "--bridge=none"),
    ]
    log = place / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=programs.environ, stdout=output, stderr=output)
    try:
        _wait(process, host, log)
        yield host
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _unmount(place)


def mounts_below(place: Path) -> list[str]:
    """List what is mounted below a folder, the innermost first."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((m for m in mounted if m.startswith(f"{place}/")), key=len, reverse=True)


def _wait(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    for _ in range(PATIENCE):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
            break
        if answers(host):
            return
    raise Unavailable("the docker engine did not start: " + log.read_text()[-800:])


def _unmount(place: Path) -> None:
    for mount in mounts_below(place):
        subprocess.run(["umount", "--lazy", mount], check=False)
