"""Whether a load that goes on should be ended, because a check of the script failed that says so (`abortOnFail`).

Leaves to others: reading the checks (the worker's `script`), when a period is complete (collect), ending the load
(conduct), the verdict.

Each time a period is published, the checks that can end the load are held against all published periods together, by
the rules of the final evaluation, with one difference: a metric that nobody has emitted so far fails no check yet, and
neither does an expression that can't be read without it. What came too late for its period is not seen here; it is in
the final numbers. The periods are kept as one running sum, so a period costs the same on the last day as on the first,
and without such a check nothing is kept at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grapeshot_launcher.results.ensure import CheckOutcome, run_checks
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import TotalsSum
from grapeshot_worker.script.model import Check


@dataclass(frozen=True, kw_only=True, slots=True)
class Abort:
    """Why a load was ended: the `checks` that failed, as they were then; `after` in seconds from its start.

    `others` counts the checks of the run that are not among them.
    """

    checks: tuple[CheckOutcome, ...]
    after: float
    others: int = 0

    @property
    def found(self) -> str:
        """Name each check that failed, with what it found."""
        return "; ".join(f"{check.label} ({check.found})" for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Say in words what ended the load, and what that leaves open."""
        ended = f"the load was stopped by its abort condition after {self.after:.0f} s: {self.found}"
        if not self.others:
            return (ended,)
        what = "1 other check was" if self.others == 1 else f"{self.others} other checks were"
        return ended, f"{what} not evaluated: the planned load was not made"


class AbortConditions:
    """The checks of a run that can end its load, and the sum of what they are held against."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = [check for check in checks if check.abort_after is not None]
        self._all = len(checks)
        self._sum = TotalsSum()

    def take(self, period: Period, *, elapsed: float) -> Abort | None:
        """Add a published period, `elapsed` seconds after the load's start; say if the load has to end.

        Each window comes once.
        """
        if not self._checks:
            return None
        self._sum.add(period)
        due = [
            check for check in self._checks if check.abort_after is not None and elapsed >= check.abort_after
        ]
        if not due:
            return None
        outcomes = run_checks(due, self._sum.totals())
        failed = tuple(outcome for outcome in outcomes if _is_broken(outcome))
        return Abort(checks=failed, after=elapsed, others=self._all - len(failed)) if failed else None


def _is_broken(outcome: CheckOutcome) -> bool:
    return not (outcome.ok or outcome.missing or outcome.problem)
