"""What this process takes of its machine: share of a core, memory; and how old it is.

Leaves to others: judging it (the launcher's verdict).
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

SPAN = 5.0  # seconds over which the busiest share is taken: shorter bursts hardly move a percentile


class Usage:
    """How much of one core the process takes; `clock` and `cpu_clock` give seconds.

    >>> clock, cpu = iter([0.0, 5.0, 10.0]), iter([0.0, 5.0, 6.0])
    >>> usage = Usage(lambda: next(clock), lambda: next(cpu))
    >>> usage.sample(), usage.sample(), usage.busiest, usage.mean
    (None, None, 1.0, 0.6)
    """

    def __init__(self, clock: Callable[[], float], cpu_clock: Callable[[], float]) -> None:
        self._clock, self._cpu_clock = clock, cpu_clock
        self._first = (clock(), cpu_clock())
        self._samples = deque([self._first])
        self.busiest = 0.0

    def sample(self) -> None:
        """Note the CPU time used so far; call it about once a second."""
        now = (self._clock(), self._cpu_clock())
        samples = self._samples
        samples.append(now)
        while now[0] - samples[1][0] >= SPAN:  # the newest sample but one that still spans it
            samples.popleft()
        elapsed = now[0] - samples[0][0]
        if elapsed >= SPAN:
            self.busiest = max(self.busiest, (now[1] - samples[0][1]) / elapsed)

    @property
    def mean(self) -> float:
        """The share of one core from the start to the last sample, 0..1."""
        last = self._samples[-1]
        elapsed = last[0] - self._first[0]
        return (last[1] - self._first[1]) / elapsed if elapsed > 0 else 0.0


def peak_memory() -> int:
    """Give the process's largest resident set so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def age() -> float:
    """Give the seconds since the process was started, to a hundredth; 0 where that can't be known (not on Linux)."""
    try:
        # The name in parentheses may hold anything; the start is the 20th field after it, in ticks since the boot.
        ticks = int(
            Path("/proc/self/stat")
            .read_text(encoding="ascii", errors="replace")
            .rpartition(")")[2]
            .split()[19]
        )
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"), 0.0)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
