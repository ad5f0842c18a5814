"""Keeps time as an engine would that makes no mistake: how late is it all the same, on this machine, as busy as it is?

    python tests/timekeeper.py RATE SECONDS BUSY QUANTILE …      prints its lateness in ms at each of the quantiles

It sleeps until each moment of an even rate, and then keeps the processor busy for BUSY seconds, as a user would.
"""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Sequence


def machine_s_own(rate: float, busy: float, quantiles: Sequence[float], seconds: float = 1.0) -> list[float]:
    """Measure in a process of its own by how many ms this machine makes the timekeeper late, at each quantile."""
    command = [sys.executable, __file__, *map(str, (rate, seconds, busy, *quantiles))]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout
    return [float(word) for word in output.split()]


def keep_time(rate: float, seconds: float, busy: float) -> list[float]:
    """Give the lateness of each moment in ms, ascending."""
    clock, late = time.perf_counter, []
    start = clock()
    for k in range(1, int(rate * seconds) + 1):
        due = start + k / rate
        while (now := clock()) < due:
            select.select([], [], [], due - now)
        late.append((now - due) * 1000)
        until = time.process_time() + busy
        while time.process_time() < until:
            pass
    return sorted(late)


def main() -> None:
    rate, seconds, busy, *quantiles = map(float, sys.argv[1:])
    late = keep_time(rate, seconds, busy)
    sys.stdout.write(" ".join(f"{late[int(q * (len(late) - 1))]:.4f}" for q in quantiles) + "\n")


if __name__ == "__main__":
    main()
