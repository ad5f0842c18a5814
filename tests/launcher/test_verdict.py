from __future__ import annotations

from dataclasses import replace

import pytest

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.verdict import CPU_LIMIT, LAG_LIMIT_MS, Stopped, judge
from grapeshot_worker.errors import Exit
from grapeshot_worker.messages import Facts, Failed, Tally

GOOD = Facts(lag_p99=2.0, busiest_cpu=0.4, open_files_limit=1024)
FINISHED = WorkerEnd(worker=WorkerId(0, 0), state="finished", facts=GOOD)
BROKEN = CheckOutcome(label="p99 < 200", strict=True, ok=False)
CRASHED = Failed(run_id="t1", generation=0, index=0, sequence=2, message="hook 'login' raised KeyError")


def end(**changes: object) -> WorkerEnd:
    return replace(FINISHED, facts=replace(GOOD, **changes))  # type: ignore[arg-type]


def test_pass() -> None:
    """Without a fault, a broken check or a stop, a run passes with 0."""
    verdict = judge(ends=[FINISHED], books=Books())

    assert (verdict.kind, verdict.exit_code, verdict.reasons) == ("pass", Exit.OK, ())


@pytest.mark.parametrize(
    ("worker", "words"),
    [
        (end(lag_p99=LAG_LIMIT_MS + 1), "users started late, 1 % of them more than 251 ms"),
        (end(busiest_cpu=CPU_LIMIT), "CPU was 95% busy over 5 s"),
        (end(out_of_files=3), "3 connection(s) failed for want of open files (limit 1024)"),
        (replace(FINISHED, state="lost", facts=None), "worker 1 was lost"),
        (replace(FINISHED, missing_messages=2), "2 message(s) never arrived"),
    ],
)
def test_what_spoils_a_measurement(worker: WorkerEnd, words: str) -> None:
    """A generator that spoiled its measurement makes the run invalid, and the reason names worker and remedy."""
    verdict = judge(ends=[FINISHED, worker], books=Books())

    assert (verdict.kind, verdict.exit_code) == ("invalid", Exit.INVALID)
    assert len(verdict.reasons) == 1
    assert words in verdict.reasons[0]


@pytest.mark.parametrize("worker", [end(lag_p99=LAG_LIMIT_MS), end(busiest_cpu=CPU_LIMIT - 0.01)])
def test_up_to_the_limits_all_is_well(worker: WorkerEnd) -> None:
    """Lag at its limit and CPU just below its limit pass."""
    assert judge(ends=[worker], books=Books()).kind == "pass"


def test_a_failed_worker_names_the_code() -> None:
    """A worker that failed makes the run invalid, with the code it failed with."""
    verdict = judge(ends=[replace(FINISHED, state="failed", facts=None, failure=CRASHED)], books=Books())

    assert (verdict.kind, verdict.exit_code) == ("invalid", Exit.WORKER)
    assert verdict.reasons == ("worker 1 failed: hook 'login' raised KeyError",)


def test_books_that_do_not_balance() -> None:
    """A run whose users are not all accounted for is invalid."""
    verdict = judge(ends=[FINISHED], books=Books.of({0: 5}, {0: Tally(started=4)}, {0}))

    assert verdict.kind == "invalid"
    assert "worker(s) 1" in verdict.reasons[0]


def test_lost_users_of_workers_that_never_were() -> None:
    """Where no worker is at fault and users are lost all the same, the run is invalid, and says so."""
    books = Books.of({0: 5}, {0: Tally(planned=3, started=3)}, ())
    verdict = judge(ends=[FINISHED], books=books)

    assert (verdict.kind, verdict.exit_code) == ("invalid", Exit.INVALID)
    assert verdict.reasons == ("2 user(s) were lost: the workers meant for them were never started",)


@pytest.mark.parametrize(
    ("stopped", "code"),
    [("interrupted", Exit.INTERRUPTED), ("terminated", Exit.TERMINATED), ("asked", Exit.INTERRUPTED)],
)
def test_stopped(stopped: Stopped, code: int) -> None:
    """A stopped run says by what, and exits as that signal does."""
    verdict = judge(ends=[FINISHED], books=Books(), stopped=stopped)

    assert (verdict.kind, verdict.exit_code) == ("stopped", code)


def test_precedence() -> None:
    """Stopped beats invalid beats a failed check (1) beats a failed expectation (21); every reason is told."""
    late = end(lag_p99=500.0)

    def code(
        worker: WorkerEnd, checks: list[CheckOutcome], stopped: Stopped | None = None
    ) -> tuple[str, int, int]:
        verdict = judge(ends=[worker], books=Books(), checks=checks, failed_expectations=4, stopped=stopped)
        return verdict.kind, verdict.exit_code, len(verdict.reasons)

    assert code(late, [BROKEN], "interrupted") == ("stopped", Exit.INTERRUPTED, 4)
    assert code(late, [BROKEN]) == ("invalid", Exit.INVALID, 3)
    assert code(FINISHED, [BROKEN]) == ("fail", Exit.FAILED, 2)
    assert code(FINISHED, []) == ("fail", Exit.EXPECT, 1)


def test_an_optional_check_does_not_fail_the_run() -> None:
    """Only strict checks count."""
    assert judge(ends=[FINISHED], books=Books(), checks=[replace(BROKEN, strict=False)]).kind == "pass"
