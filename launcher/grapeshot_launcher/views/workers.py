"""The table of workers, as far as every view of it agrees: its titles, and who comes first (pure).

Leaves to others: its cells (html, summary), judging a worker (verdict).
"""

from __future__ import annotations

from collections.abc import Sequence

from grapeshot_launcher.results.collect import WorkerEnd
from grapeshot_launcher.results.verdict import worker_faults


def worker_titles(*, generations: bool, regions: bool) -> tuple[str, ...]:
    """Give the titles, those of columns of numbers with ">" before them; generations and regions if they are told."""
    return (
        ">Worker",
        *((">Generation",) if generations else ()),
        *(("Region",) if regions else ()),
        "State",
        ">Planned",
        ">Started",
        ">Lost",
        ">Start lag p99",
        ">Busiest CPU",
        ">Memory",
        "Remarks",
    )


def badness(end: WorkerEnd) -> tuple[int, float, int, int]:
    """Sort key: failed, lost, with another fault, the rest; those with a fault by how late their users were."""
    kind = {"failed": 0, "lost": 1, "finished": 2 if worker_faults(end) else 3}[end.state]
    lag = end.facts.lag_p99 if end.facts else 0.0
    return kind, -lag if kind == 2 else 0.0, end.worker.index, end.worker.generation


def faulty(ends: Sequence[WorkerEnd]) -> int:
    """Count the workers whose numbers can't be relied on."""
    return sum(badness(end)[0] < 3 for end in ends)


def chained(ends: Sequence[WorkerEnd]) -> bool:
    """Whether workers followed one another, generation after generation."""
    return any(end.worker.generation for end in ends)
