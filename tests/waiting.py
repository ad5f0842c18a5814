"""Waiting for what other processes do: by looking again and again, never longer than a limit.

Leaves to others: what is waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], limit: float = 20) -> None:
    """Look again and again until it holds; AssertionError when it doesn't within `limit` seconds."""
    deadline, pause = time.monotonic() + limit, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.02)
