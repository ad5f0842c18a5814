"""`make demo`: a real server, a real load test against it, and the report of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from target import serve_process

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Run the quickstart example against a server of our own; give grapeshot's exit code."""
    grapeshot = Path(sys.executable).with_name("grapeshot")
    with serve_process() as target:
        command = [
            str(grapeshot),
            "run",
            "examples/quickstart.yml",
            "--target",
            target.url,
            "-o",
            "report.json",
        ]
        print("$ " + " ".join(["grapeshot", *command[1:]]), flush=True)
        code = subprocess.run(command, cwd=ROOT, env=dict(os.environ), check=False).returncode
    print(f"\nThe whole report is in report.json. grapeshot's exit code was {code}.")
    return code


if __name__ == "__main__":
    sys.exit(main())
