"""Programs and a small system out of Debian's archive, unpacked into a folder: nothing is installed on this machine.

Leaves to others: what they are for (docker_engine, loopback_registry, stand_in_base).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

USR_MERGED = ("bin", "sbin", "lib", "lib64")  # links into /usr that packages rely on


class Unavailable(Exception):
    """What can't be had here, and why."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Unpacked programs. `path` finds one; `environ` lets them find each other and their libraries."""

    root: Path

    def path(self, name: str) -> str:
        found = shutil.which(name, path=self.environ["PATH"])
        if found is None:
            raise Unavailable(f"{name} is not in Debian's packages as expected")
        return found

    @property
    def environ(self) -> dict[str, str]:
        folders = [str(self.root / "usr" / name) for name in ("bin", "sbin")]
        libraries = [str(folder) for folder in sorted((self.root / "usr/lib").glob("*-linux-gnu*"))]
        return {
            **os.environ,
            "PATH": os.pathsep.join([*folders, os.environ["PATH"]]),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        }


def programs(packages: Sequence[str], place: Path) -> Programs:
    """Unpack packages with what this machine lacks of their dependencies."""
    archives = _download(packages, place / "archives")
    root = place / "programs"
    for archive in archives:
        subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
    return Programs(root)


def system(packages: Sequence[str], place: Path) -> Path:
    """Unpack packages with all of their dependencies, as the root of a system; no script of theirs is run."""
    nothing = place / "nothing-installed"
    place.mkdir(parents=True, exist_ok=True)
    nothing.write_text("")
    archives = _download(packages, place / "archives", "-o", f"Dir::State::status={nothing}")
    root = place / "system"
    for name in USR_MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for archive in archives:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as tar:
            subprocess.run(
                ["tar", "-x", "--keep-directory-symlink", "-C", root], stdin=tar.stdout, check=True
            )
    return root


def _download(packages: Sequence[str], into: Path, *options: str) -> list[Path]:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable("this is no Debian: there is no apt-get")
    (into / "partial").mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "install", "--download-only", "-y", "-qq", "--no-install-recommends"]
    command += ["-o", f"Dir::Cache::archives={into}/", *options, *packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:  # the usual reason on a fresh machine: it has no lists yet
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, timeout=300, check=False)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise Unavailable(f"apt-get can't fetch {' '.join(packages)}: {done.stderr.strip()[-300:]}")
    return sorted(into.glob("*.deb"))
