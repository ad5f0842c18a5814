"""The books of a run: every planned user was started, dropped or lost, to the unit.

Leaves to others: who was lost (collect), what it means for the result (verdict).

planned = started + dropped + lost, for each share and in total. Planned comes from the plan, not from the workers, so a
worker that never said a word is in the books with all its users lost. A worker that broke off is booked with what it
last reported; the rest of its plan is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from grapeshot_worker.messages import Tally


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The books of one share, in users."""

    index: int
    planned: int
    started: int
    max_vusers: int  # dropped: the script's `maxVusers` were active
    stopped: int  # dropped: the run was stopped before their moment
    lost: int  # nobody reported what became of them
    completed: int
    failed: int
    cut: int  # started, but ended by the stop
    finished: bool

    @property
    def balanced(self) -> bool:
        """Whether every planned user is accounted for."""
        return self.planned == self.started + self.max_vusers + self.stopped + self.lost


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """The books of the run; `dropped` by reason: `maxVusers`, `stopped`."""

    planned: int = 0
    started: int = 0
    dropped: Mapping[str, int] = field(default_factory=lambda: {"maxVusers": 0, "stopped": 0})
    lost: int = 0
    rows: tuple[Row, ...] = ()

    @staticmethod
    def of(planned: Mapping[int, int], tallies: Mapping[int, Tally], finished: Collection[int]) -> Books:
        """Keep the books: users planned for each share, what its worker last reported, which have finished."""
        return Books.of_rows(
            _row(index, planned.get(index, 0), tallies.get(index, Tally()), index in finished)
            for index in sorted(planned.keys() | tallies.keys())
        )

    @staticmethod
    def of_rows(each: Iterable[Row]) -> Books:
        """Add up the rows of all shares, or of some."""
        rows = tuple(each)
        return Books(
            planned=sum(row.planned for row in rows),
            started=sum(row.started for row in rows),
            dropped={
                "maxVusers": sum(row.max_vusers for row in rows),
                "stopped": sum(row.stopped for row in rows),
            },
            lost=sum(row.lost for row in rows),
            rows=rows,
        )

    @property
    def balanced(self) -> bool:
        """Whether planned = started + dropped + lost holds, in each row and so in total."""
        return all(row.balanced for row in self.rows)

    @property
    def missing(self) -> tuple[int, ...]:
        """The shares whose worker did not finish."""
        return tuple(row.index for row in self.rows if not row.finished)


def _row(index: int, planned: int, tally: Tally, finished: bool) -> Row:
    accounted = tally.started + tally.skipped + tally.unstarted
    return Row(
        index=index,
        planned=planned,
        started=tally.started,
        max_vusers=tally.skipped,
        stopped=tally.unstarted,
        lost=0 if finished else max(planned - accounted, 0),
        completed=tally.completed,
        failed=tally.failed,
        cut=tally.cut,
        finished=finished,
    )
