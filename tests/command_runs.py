"""A long run by the command itself, in a process of its own, and other commands beside it.

Leaves to others: the account (enforced_account), what must hold (the tests).
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enforced_account import GRAPESHOT, Account, Caller
from target import Target

LONG = """
config:
  target: "{target}"
  phases: [{{duration: 120, arrivalRate: 10}}]
scenarios:
  - flow:
      - get: {{url: /items}}
"""
PAUSE = threading.Event()  # which nobody sets: a wait of so many seconds


@contextmanager
def loaded(
    account: Account, caller: Caller, target: Target, folder: Path, run_id: str = "t-left"
) -> Iterator[subprocess.Popen[str]]:
    """Have a run whose load has begun; it is killed at the end, if it still runs."""
    script = folder / "long.yml"
    script.write_text(LONG.format(target=target.url), encoding="utf-8")
    before = served(target)
    process = subprocess.Popen(
        [
            *(GRAPESHOT, "run-lambda", "--region", account.aws.region, "--workers", "2"),
            *("--memory-size", "1769", str(script), "-o", str(folder / "report.json")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**account.environ(caller), "ARTILLERY_TEST_RUN_ID": run_id},
    )
    try:
        deadline = time.monotonic() + 60
        while served(target) < before + 10:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            PAUSE.wait(0.2)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def served(target: Target) -> int:
    return target.stats().get("/items 200", 0)


def asked(account: Account, caller: Caller, command: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Have another command carried out."""
    return subprocess.run(
        [GRAPESHOT, command, "--region", account.aws.region, *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=account.environ(caller),
    )
