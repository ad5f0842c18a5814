"""By how much a machine's clock is off from AWS's, from what two machines have written beside each other (pure).

Leaves to others: asking (platforms), what it means for a run (verdict).

A *worker* writes its time into a message, and the queue stamps it with AWS's when it takes it. The worker's time less
the stamp is how far its clock is ahead, less the message's way to the queue. No way takes less than no time, so the
clock is ahead by at least the greatest of these differences, and at most by that and the quickest message's way: some
tens of milliseconds. Hence a clock that seems ahead is; one that seems behind may be a worker whose messages were all
slow.

The *launcher* asks for AWS's time, which comes in whole seconds. An answer asked for at `before` and read at `after`
was dated in between, when AWS's clock was in [dated, dated + 1): ours is ahead by something from before - dated - 1 to
after - dated. While nothing speaks against it, it is taken to be right.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from grapeshot_launcher.results.collect import WorkerEnd

WORTH_A_WORD: Final = 0.5  # s; a message's way to the queue takes less, also the first one's


def launcher_ahead(before: float, dated: float, after: float) -> float:
    """Give the seconds that our clock is ahead of AWS's (negative: behind), 0 where it may be right.

    >>> launcher_ahead(100.4, 100, 100.5), launcher_ahead(110.4, 100, 110.6), launcher_ahead(90.4, 100, 90.6)
    (0.0, 10.0, -10.0)
    """
    low, high = before - dated - 1, after - dated
    return 0.0 if low <= 0 <= high else round((low + high) / 2, 3)


def worker_ahead(known: float | None, sent_at: float, stamped_at: float) -> float:
    """Give the seconds that a worker's clock is ahead, by what was `known` and one message more.

    >>> worker_ahead(None, 105.0, 100.25), worker_ahead(4.75, 107.0, 103.0), worker_ahead(-0.5, 107.0, 107.25)
    (4.75, 4.75, -0.25)
    """
    ahead = round(sent_at - stamped_at, 3)
    return ahead if known is None else max(known, ahead)


def off(ahead: float) -> str:
    """Say how far off a clock is.

    >>> off(5.04), off(-0.7)
    ('5.0 s ahead of', '0.7 s behind')
    """
    return f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"


def worst_clock(ends: Iterable[WorkerEnd]) -> WorkerEnd | None:
    """Give the worker whose clock is farthest off, None where nothing is known of any."""
    return max((end for end in ends if end.ahead is not None), key=_size, default=None)


def clock_warnings(ends: Iterable[WorkerEnd]) -> tuple[str, ...]:
    """Tell of clocks that are off by more than WORTH_A_WORD; of several the worst is named."""
    wrong = [end for end in ends if _size(end) > WORTH_A_WORD]
    worst = worst_clock(wrong)
    if worst is None or worst.ahead is None:
        return ()
    others = f"; {len(wrong) - 1} more are off by over {WORTH_A_WORD} s" if len(wrong) > 1 else ""
    return (f"Warning: the clock of {worst.worker.name} was {off(worst.ahead)} AWS's{others}.",)


def _size(end: WorkerEnd) -> float:
    return abs(end.ahead or 0.0)
