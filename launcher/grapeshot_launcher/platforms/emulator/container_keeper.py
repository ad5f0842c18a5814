"""Removes the containers of a launcher that was killed.

Leaves to others: starting them (container).

This file is also a program of its own, which is started beside the containers:

    python container_keeper.py LABEL     waits until its standard input closes, then removes what has the label

It looks for a while, because the engine may still be creating one that the launcher had asked for. A launcher that has
removed everything by itself says so before it closes the pipe.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import APIClient

LABEL = "grapeshot.emulator"
OVER = b"over"
LOOKS, PAUSE = 5, 1.0  # s between two looks


def remove_labelled(api: APIClient, label: str) -> None:
    """Remove all containers that have the label, running, paused or ended."""
    from docker.errors import APIError

    for found in api.containers(all=True, filters={"label": f"{LABEL}={label}"}):
        with contextlib.suppress(APIError):  # another has removed it just now
            api.remove_container(found["Id"], force=True)


def _keep(label: str) -> None:
    # Imported late: it is needed by a launcher's end alone, and only if that was a bad one.
    from grapeshot_launcher.cloud.engine import Engine, failures
    from grapeshot_launcher.errors import ImageFailed

    with contextlib.suppress(ImageFailed), Engine.connect() as engine, failures():
        for _ in range(LOOKS):
            remove_labelled(engine.api, label)
            time.sleep(PAUSE)


if __name__ == "__main__":
    if sys.stdin.buffer.read() != OVER:
        _keep(sys.argv[1])
