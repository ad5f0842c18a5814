"""The packages of a `requirements.txt` beside the script, as a site-packages tree for the worker's platform.

Leaves to others: which of them the hooks import (imports), the rest of the bundle.

Only pinned packages, dependencies included: an unpinned one would make two runs of one script differ. Only wheels:
what must be compiled can't be compiled for another machine. pip resolves and downloads, with whatever index and cache
it is set up for; a wheel is a zip archive whose content, but for its `.data` folder, is what gets installed (the
binary distribution format, https://packaging.python.org/en/latest/specifications/binary-distribution-format/).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grapeshot_worker.errors import Place, Problem, ScriptError

PYTHON = "3.13"  # of the worker image
PLATFORMS = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC = (
    "manylinux2014",
    "manylinux_2_17",
    "manylinux_2_28",
    "manylinux_2_34",
)  # what the worker image's C library can load
DOWNLOAD_LIMIT = 300.0  # s


@dataclass(frozen=True, slots=True)
class Machine:
    """What wheels are for: Lambda's name of the processor, and the version of Python."""

    architecture: str
    python: str = PYTHON


# A file of requirements, the machine, and a folder to put the wheels in → what was said on failure, or None.
Download = Callable[[Path, Machine, Path], str | None]

_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*===?\s*([^\s;*,]+)\s*(?:;.*)?$")


def site_packages(requirements: Path, machine: Machine, *, download: Download) -> dict[str, bytes]:
    """Give the files of all packages by their names below site-packages.

    Raises ScriptError, with file and line, for what is not pinned and for what has no wheel.
    """
    pins = _pins(requirements)
    if not pins:
        return {}
    with tempfile.TemporaryDirectory(prefix="grapeshot-wheels-") as folder:
        said = download(requirements, machine, Path(folder))
        if said is not None:
            raise _refused(requirements, *_explained(said, machine))
        wheels = sorted(Path(folder).glob("*.whl"))
        _check_complete(requirements, wheels, pins)
        contents: dict[str, bytes] = {}
        for wheel in wheels:
            contents |= _unpacked(wheel, requirements)
        return contents


def top_level(contents: Mapping[str, bytes]) -> frozenset[str]:
    """Give the names that can be imported from a site-packages tree."""
    return frozenset(name.split("/")[0].split(".")[0] for name in contents)


def pip_download(environ: Mapping[str, str]) -> Download:
    """Give the download by pip, in a process of its own with `environ`."""

    def download(requirements: Path, machine: Machine, folder: Path) -> str | None:
        command = [sys.executable, "-m", "pip", *_pip_arguments(requirements, machine, folder)]
        try:
            done = subprocess.run(
                command,
                env=dict(environ),
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"pip was not done after {DOWNLOAD_LIMIT:.0f} s"
        return None if done.returncode == 0 else done.stderr or done.stdout or f"exit code {done.returncode}"

    return download


def _pip_arguments(requirements: Path, machine: Machine, folder: Path) -> list[str]:
    processor = PLATFORMS[machine.architecture]
    platforms = [word for libc in GLIBC for word in ("--platform", f"{libc}_{processor}")]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    target = ["--only-binary=:all:", "--implementation", "cp", "--python-version", machine.python, *platforms]
    return ["download", *quiet, *target, "--dest", str(folder), "--requirement", str(requirements)]


# ---- what is written ----


def _pins(requirements: Path) -> dict[str, str]:
    """Read name → version; ScriptError with every line that says something else."""
    pins: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in _lines(requirements):
        if match := _PIN.match(line):
            pins[_normal(match[1])] = match[2]
        else:
            problems.append(_problem(requirements, number, line))
    if problems:
        raise ScriptError(problems)
    return pins


def _lines(requirements: Path) -> Iterator[tuple[int, str]]:
    """Give the requirements with the numbers of their lines, without comments and hashes (which pip checks)."""
    try:
        text = requirements.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(requirements, f"it can't be read: {error}", "Save it as UTF-8 text.") from error
    held = ""
    for number, raw in enumerate(text.splitlines(), 1):
        held += re.sub(r"(^|\s)#.*", "", raw)
        if held.endswith("\\"):
            held = held[:-1] + " "
            continue
        line, held = re.sub(r"\s--hash=\S+", "", held).strip(), ""
        if line:
            yield number, line


def _problem(requirements: Path, number: int, line: str) -> Problem:
    remedy = "Write 'name==version': every run then has the same packages. `pip freeze` gives the versions."
    if line.startswith("-") or "://" in line or "@" in line:
        remedy = "Only packages of an index can be taken along, each as 'name==version'."
    place = Place(file=str(requirements), line=number)
    return Problem(message=f"{line!r} is not pinned to a version", place=place, remedy=remedy)


def _normal(name: str) -> str:
    """Give a package's one name: case, `-`, `_` and `.` make no difference (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _check_complete(requirements: Path, wheels: Sequence[Path], pins: Mapping[str, str]) -> None:
    """Refuse dependencies that pip has chosen a version for: another day it chooses another one."""
    found = [wheel.name.split("-")[:2] for wheel in wheels]
    loose = [f"{_normal(name)}=={version}" for name, version in found if _normal(name) not in pins]
    if loose:
        lines = ", ".join(sorted(loose))
        message = "what its packages depend on is not pinned"
        raise _refused(requirements, message, f"Add what was found today: {lines}.")


def _explained(said: str, machine: Machine) -> tuple[str, str]:
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR")]
    last = (errors or lines or ["it gave no reason"])[-1]
    if "No module named pip" in said:
        return "pip, which downloads the packages, is not installed", f"Run `{sys.executable} -m ensurepip`."
    if "No matching distribution" in said or "Could not find a version" in said:
        return (
            f"no wheel for Python {machine.python} on Linux {machine.architecture}: {last}",
            "Choose a version that has one (see its files at the index), or another --architecture.",
        )
    return f"its packages could not be downloaded: {last}", "Check the file, the network and pip's index."


def _refused(requirements: Path, message: str, remedy: str) -> ScriptError:
    return ScriptError([Problem(message=message, place=Place(file=str(requirements)), remedy=remedy)])


# ---- unpacking ----


def _unpacked(wheel: Path, requirements: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            name = None if member.is_dir() else _place(member.filename)
            if name is None:
                continue
            if name.startswith("/") or ".." in PurePosixPath(name).parts:
                raise _refused(
                    requirements, f"the wheel {wheel.name} is not safe to unpack", "Do not use it."
                )
            contents[name] = archive.read(member)
    return contents


def _place(name: str) -> str | None:
    """Give a member's name below site-packages; None for what belongs elsewhere (scripts, headers, data)."""
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return name
    kind, _, inner = rest.partition("/")
    return inner if kind in ("purelib", "platlib") else None
