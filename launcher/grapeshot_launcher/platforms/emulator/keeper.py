"""Finds processes by what stands in their environment, and ends those that a dead launcher left behind.

Leaves to others: starting sandboxes (process). Needs /proc: elsewhere than on Linux it finds nothing.

This file is also a program of its own, which the embedded AWS starts beside itself:

    python keeper.py MARK…       waits until its standard input closes, then kills what has all the marks

A child in a session of its own that was frozen when the launcher was killed would never learn of it; this one does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path


def kill_marked(*marks: str) -> None:
    """Kill every process that has all the marks, `NAME=value`, or `NAME=` for any value, in its environment."""
    killed: set[int] = set()
    while found := _marked(marks) - killed:  # again: one may just have been started
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= found


def _marked(marks: tuple[str, ...]) -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            entries = (folder / "environ").read_bytes().decode("utf-8", "replace").split("\0")
            if all(any(_is(entry, mark) for entry in entries) for mark in marks):
                found.add(int(folder.name))
    return found


def _is(entry: str, mark: str) -> bool:
    return entry.startswith(mark) if mark.endswith("=") else entry == mark


if __name__ == "__main__":
    sys.stdin.read()
    kill_marked(*sys.argv[1:])
