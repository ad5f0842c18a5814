"""What each engine process of a worker is told: its part of the worker's share, in the worker's window."""

from __future__ import annotations

import math
from dataclasses import replace

from grapeshot_worker.invocation import Invocation
from grapeshot_worker.plan import Assignment, Share, Window
from grapeshot_worker.unpack import Bundle


def assignments(invocation: Invocation, bundle: Bundle) -> list[Assignment]:
    """Give what each engine process of a worker is told; the sections around the load take one process."""
    count = invocation.processes if invocation.part == "load" else 1
    start, end = invocation.window
    return [
        Assignment(
            run_id=invocation.run_id,
            source=replace(bundle.source, test_id=invocation.run_id),
            share=invocation.share.part(index, count),
            copy=invocation.copy,
            process=Share(index, count),
            window=Window(start, math.inf if end is None else end),
            generation=invocation.generation,
            part=invocation.part,
            variables=invocation.variables,
            flush_interval=invocation.report_interval,
        )
        for index in range(count)
    ]
