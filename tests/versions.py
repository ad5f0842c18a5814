"""Where this repository says its version, and whether all places say the same.

    python tests/versions.py 1.2.3          leaves with 1 unless that is the version, everywhere

It needs Python alone: a release is refused before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def versions(root: Path = ROOT) -> dict[str, str]:
    """Give place → version, for each place that has one."""
    worker, launcher = (
        tomllib.loads((root / name / "pyproject.toml").read_text())["project"]
        for name in ("worker", "launcher")
    )
    (needed,) = [one for one in launcher["dependencies"] if one.startswith("grapeshot-worker")]
    code = (root / "worker/grapeshot_worker/__init__.py").read_text()
    (written,) = re.findall(r'^__version__ = "(.*)"$', code, re.MULTILINE)
    return {
        "worker/pyproject.toml": worker["version"],
        "launcher/pyproject.toml": launcher["version"],
        "launcher/pyproject.toml, the worker it needs": needed.removeprefix("grapeshot-worker=="),
        "worker/grapeshot_worker/__init__.py": written,
    }


def complaints(asked: str, found: dict[str, str]) -> list[str]:
    """Say what keeps `asked` from being released; nothing if nothing does.

    >>> complaints("1.2.3", {"here": "1.2.3", "there": "1.2.2"})
    ['there says 1.2.2, not 1.2.3: raise it by a pull request first']
    """
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", asked, re.ASCII):
        return [f"{asked!r} is no version: three numbers, such as 1.2.3, without a v"]
    return [
        f"{place} says {version}, not {asked}: raise it by a pull request first"
        for place, version in found.items()
        if version != asked
    ]


def main(asked: str) -> int:
    """Print the complaints; give 1 if there are any."""
    found = complaints(asked, versions())
    sys.stderr.write("".join(f"{complaint}\n" for complaint in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or [""]))
