"""Compiles the request path of a worker when an image is built.

    python compile.py                      says whether this Python can, by its exit code
    python compile.py FOLDER [MACHINE]     compiles, or says why not and leaves all as it is

FOLDER holds `grapeshot_worker`; MACHINE is x86_64 or aarch64, or as docker names them, and without it the one this
runs on. mypyc makes C of the modules below, zig makes machine code of that, for either machine on either, and for
every glibc that an image may have. Both are tools of the build; what they make needs neither.

The Python files stay where they are. Python takes a compiled module where one lies beside them, so nothing else has
to know, and whatever has no compiled module runs as it always did: as Python, which is what the tests are about first.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

# What runs for every request, for every user, or once a second for all of them. The rest would gain nothing.
MODULES = (
    "metrics/recorder",
    "traffic/cookies",
    "traffic/endpoints",
    "traffic/exchange",
    "traffic/expect",
    "traffic/extract/capture",
    "traffic/http",
    "traffic/lanes",
    "traffic/outgoing",
    "traffic/redirects",
    "traffic/response",
    "traffic/set_cookie",
    "traffic/steps",
    "traffic/user",
    "traffic/wire/connection",
    "traffic/wire/deadlines",
    "traffic/wire/heads",
    "traffic/wire/pending",
    "traffic/wire/pool",
    "traffic/wire/secure",
    "traffic/wire/url",
)
PACKAGE = "grapeshot_worker"
PYTHONS = ((3, 11), (3, 12), (3, 13))  # those with which the tests were run against compiled modules
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # docker's name → the usual one
GLIBC = "2.28"  # as the wheels of the dependencies (Dockerfile)
# Types are checked elsewhere, with the types of the dependencies; the same C comes out wherever it is made.
_TYPES = ("--config-file=", "--no-site-packages", "--ignore-missing-imports")
# Without sections and symbols, which only debuggers look at; assertions of the C code off, as Python itself is made.
_FLAGS = ("-shared", "-fPIC", "-O3", "-DNDEBUG", "-fwrapv", "-fno-sanitize=undefined", "-w", "-Wl,-s")


def compile_modules(folder: Path, machine: str, include: Path) -> None:
    """Put a compiled module beside each of MODULES, and beside the package the library that they share.

    `include` has Python's headers.
    """
    from mypyc.build import mypycify  # late: what only lists MODULES needs no tools

    target = f"{machine}-linux-gnu"
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(folder):  # sources are named in tracebacks
        work = Path(name)
        options = [*_TYPES, f"--cache-dir={work / 'types'}"]
        sources = [f"{PACKAGE}/{module}.py" for module in MODULES]
        made = mypycify([*options, *sources], target_dir=str(work / "c"), group_name=PACKAGE)
        cc = [sys.executable, "-m", "ziglang", "cc", "-target", f"{target}.{GLIBC}", *_FLAGS]
        caches = {f"ZIG_{which}_CACHE_DIR": str(work / "zig") for which in ("GLOBAL", "LOCAL")}
        headers = (str(include), _machine_headers(include, target, work / "headers"))
        for extension in made:
            includes = [f"-I{path}" for path in (*extension.include_dirs, *headers)]
            module = f"{extension.name.replace('.', '/')}.so"
            command = [*cc, *includes, *extension.sources, "-o", module]
            subprocess.run(command, check=True, env={**os.environ, **caches})


def _machine_headers(include: Path, target: str, folder: Path) -> str:
    """Give a folder with what Debian keeps once for each kind of machine: this one's, which says the same of both."""
    own = include.parent / (sysconfig.get_config_var("MULTIARCH") or target) / include.name / "pyconfig.h"
    if own.is_file():
        kept = folder / target / include.name
        kept.mkdir(parents=True)
        shutil.copy(own, kept)
    return str(folder)


def why_not(include: Path, version: tuple[int, int]) -> str | None:
    """Say what keeps a Python, with its headers in `include`, from compiling; None: nothing."""
    if version not in PYTHONS:
        return f"it is not compiled for Python {version[0]}.{version[1]}"
    if not (include / "Python.h").is_file():
        return f"there are no headers of Python in {include}"
    return None


def main(arguments: Sequence[str], include: Path, version: tuple[int, int] = sys.version_info[:2]) -> int:
    """Compile and give 0; or give 1 if it can't be done: the image works as it is, and this says so."""
    reason = why_not(include, version)
    if reason is not None:
        print(f"The worker stays in Python, which is slower: {reason}.")  # noqa: T201
    elif arguments:
        folder, *machine = arguments
        name = machine[0] if machine else platform.machine()
        compile_modules(Path(folder), MACHINES.get(name, name), include)
    return int(reason is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(sysconfig.get_path("include"))))
