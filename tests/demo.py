"""`make demo`: a real server, a load test from workers on an AWS inside this machine, and the report of it.

It takes the way that a run from AWS takes: bucket, role, function and queue are made, workers are invoked, messages
come through the queue, and what was for this run alone is removed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from target import serve_process

QUICKSTART = Path(__file__).parent.parent / "examples" / "quickstart.yml"


def main() -> int:
    """Run the quickstart example against a server of our own, report to report.json here; give the exit code."""
    grapeshot = Path(sys.executable).with_name("grapeshot")
    arguments = ["run-lambda", "--emulate", "--workers", "3", os.path.relpath(QUICKSTART)]
    with serve_process() as target:
        arguments += ["--target", target.url, "-o", "report.json"]
        print("$ " + " ".join(["grapeshot", *arguments]), flush=True)
        code = subprocess.run([str(grapeshot), *arguments], check=False).returncode
    print(f"\nThe whole report is in report.json. grapeshot's exit code was {code}.")
    return code


if __name__ == "__main__":
    sys.exit(main())
