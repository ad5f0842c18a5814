"""What a run was worth: pass, fail, invalid or stopped, with every reason and the exit code.

Leaves to others: evaluating the checks (ensure), ending the process (the command line).

Precedence: stopped, then invalid, then a failed check, then a failed expectation, then pass. A run that was stopped
didn't make its planned load; one whose generator was late measured the generator: in both cases the thresholds say
nothing about the target. All reasons are told, whichever wins.

A load that its own abort condition has ended was not stopped in this sense: the check was about what had been measured
by then, and failed. So the run fails, and says that it ended early; or it is invalid, if its generator was at fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.clocks import off
from grapeshot_launcher.results.collect import WorkerEnd
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_worker.errors import Exit

# With one arrival in a hundred later than a quarter of a second, the load is no longer the one asked for. Less would
# cry wolf: in a run of a hundred users, p99 is the one user that met a hiccup of a shared machine.
LAG_LIMIT_MS: Final = 250.0
# A full core makes every user wait for the one before it, and the wait is measured as response time.
CPU_LIMIT: Final = 0.95
# A script plans in whole seconds: rates are arrivals a second, phases last seconds. With a clock that is off by more, a
# worker's users come in another second than planned, and what it measured lies beside what the others did then.
CLOCK_LIMIT: Final = 1.0  # s

_LESS_LOAD: Final = "use more workers (--workers), or a lower rate"

Stopped = Literal["interrupted", "terminated", "asked"]
# `judge` gives the first four. A run under way has none yet, and of another tool's run none is known.
Kind = Literal["pass", "fail", "invalid", "stopped", "running", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The outcome, why, and what the process exits with."""

    kind: Kind
    exit_code: int
    reasons: tuple[str, ...] = ()


_STOP_CODES: Final = {
    "interrupted": Exit.INTERRUPTED,
    "terminated": Exit.TERMINATED,
    "asked": Exit.INTERRUPTED,
}


def judge(
    *,
    ends: Sequence[WorkerEnd],
    books: Books,
    checks: Sequence[CheckOutcome] = (),
    failed_expectations: int = 0,
    stopped: Stopped | None = None,
    abort: Abort | None = None,
) -> Verdict:
    """Weigh how the workers ended, the books, the checks, and `plugins.expect.failed`.

    `checks` of a load that an `abort` has ended are those that ended it.
    """
    stops = [f"the run was {_STOP_WORDS[stopped]}"] if stopped else []
    stops += abort.reasons if abort else ()
    faults = [fault for end in ends for fault in worker_faults(end)]
    if not books.balanced:
        faults.append(_unbalanced(books))
    if books.lost and not faults:
        faults.append(f"{books.lost} user(s) were lost: the workers meant for them were never started")
    broken = [f"check failed: {check.label}" for check in checks if check.strict and not check.ok]
    unmet = [f"{failed_expectations} failed expectation(s)"] if failed_expectations else []
    reasons = (*stops, *faults, *broken, *unmet)
    if stopped:
        return Verdict(kind="stopped", exit_code=_STOP_CODES[stopped], reasons=reasons)
    if faults:
        return Verdict(kind="invalid", exit_code=_fault_code(ends), reasons=reasons)
    if broken:
        return Verdict(kind="fail", exit_code=Exit.FAILED, reasons=reasons)
    if unmet:
        return Verdict(kind="fail", exit_code=Exit.EXPECT, reasons=reasons)
    return Verdict(kind="pass", exit_code=Exit.OK)


_STOP_WORDS: Final = {
    "interrupted": "interrupted (Ctrl-C)",
    "terminated": "terminated (SIGTERM)",
    "asked": "stopped from another machine (grapeshot stop)",
}


def worker_faults(end: WorkerEnd) -> list[str]:
    """Name everything about a worker that spoils the measurement, each with its likely remedy."""
    who, facts = end.worker.name, end.facts
    faults = []
    if end.failure:
        faults.append(f"{who} failed: {end.failure.message}")
    if end.state == "lost":
        faults.append(f"{who} was lost: it was not heard of again, and its last measurements are missing")
    if end.state == "finished" and end.missing_messages:
        faults.append(
            f"{who}: {end.missing_messages} message(s) never arrived, its numbers may be incomplete"
        )
    if end.ahead is not None and abs(end.ahead) > CLOCK_LIMIT:
        slow = "" if end.ahead > 0 else ", or none of its messages reached the queue sooner"
        faults.append(
            f"{who}: its clock was {off(end.ahead)} AWS's{slow} (limit {CLOCK_LIMIT:.0f} s), so its users started at"
            " another time than those of the others: run it again, AWS gives it another machine"
        )
    if facts and facts.lag_p99 > LAG_LIMIT_MS:
        faults.append(
            f"{who}: users started late, 1 % of them more than {facts.lag_p99:.0f} ms"
            f" (limit {LAG_LIMIT_MS:.0f} ms): {_LESS_LOAD}"
        )
    if facts and facts.busiest_cpu >= CPU_LIMIT:
        faults.append(
            f"{who}: its CPU was {facts.busiest_cpu:.0%} busy over 5 s (limit {CPU_LIMIT:.0%}): {_LESS_LOAD}"
        )
    if facts and facts.out_of_files:
        faults.append(
            f"{who}: {facts.out_of_files} connection(s) failed for want of open files"
            f" (limit {facts.open_files_limit}): raise `ulimit -n`, or {_LESS_LOAD}"
        )
    return faults


def _unbalanced(books: Books) -> str:
    wrong = ", ".join(str(row.index + 1) for row in books.rows if not row.balanced)
    return f"the books don't balance: users of worker(s) {wrong} are not accounted for"


def _fault_code(ends: Sequence[WorkerEnd]) -> int:
    """A worker that failed names the code; a measurement that is merely spoiled has its own."""
    return next((end.failure.exit_code for end in ends if end.failure), Exit.INVALID)
