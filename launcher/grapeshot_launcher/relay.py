"""How a load that outlives a worker is cut into windows, one for each generation of workers (pure).

Leaves to others: what a window means for arrivals (the worker's `arrivals`), starting generations (conduct).

A generation lives for `lifetime` seconds. `lead` of them pass before its window begins: it is started early, and is
ready when the window before it ends. `tail` of them are left behind its window, for users that are still under way.

    generation 0   ├─lead─┤──── window 0 ────┤─tail─┤
    generation 1                      ├─lead─┤──── window 1 ────┤─tail─┤
"""

from __future__ import annotations

import math

from grapeshot_worker.plan import Window


def windows_of(seconds: float, *, lifetime: float, lead: float, tail: float) -> tuple[Window, ...]:
    """Cut a load of so many seconds into equal windows, as few as fit; ValueError where none would fit.

    The last one never ends: the last arrival may lie at the very end of the load.

    >>> windows_of(120, lifetime=60, lead=5, tail=15)
    (Window(start=0.0, end=40.0), Window(start=40.0, end=80.0), Window(start=80.0, end=inf))
    """
    room = lifetime - lead - tail
    if room <= 0:
        raise ValueError(
            f"{lifetime} s leave no time for a load, less {lead} s before and {tail} s behind it"
        )
    count = max(1, math.ceil(seconds / room))
    edges = [*(seconds * index / count for index in range(count)), math.inf]
    return tuple(map(Window, edges, edges[1:]))
