from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_launcher.results.books import Books
from grapeshot_worker.messages import Tally

users = st.integers(0, 1000)


@given(st.lists(st.tuples(users, users, users), min_size=1, max_size=5))
def test_finished_workers_balance(parts: list[tuple[int, int, int]]) -> None:
    """When every worker finished, planned = started + dropped, and nothing is lost."""
    tallies = {
        i: Tally(planned=a + b + c, started=a, skipped=b, unstarted=c) for i, (a, b, c) in enumerate(parts)
    }
    books = Books.of({i: tally.planned for i, tally in tallies.items()}, tallies, set(tallies))

    assert books.balanced
    assert books.lost == 0
    assert books.planned == books.started + sum(books.dropped.values())


@given(users, users, users)
def test_a_lost_worker_balances(started: int, skipped: int, rest: int) -> None:
    """What a lost worker did not report is lost, to the unit."""
    tally = Tally(planned=started + skipped + rest, started=started, skipped=skipped)
    books = Books.of({0: tally.planned}, {0: tally}, set())

    assert books.lost == rest
    assert books.balanced
    assert books.missing == (0,)


def test_a_worker_that_never_spoke_is_lost_whole() -> None:
    """Planned comes from the plan, so a worker without a message is in the books."""
    books = Books.of({0: 10, 1: 9}, {0: Tally(planned=10, started=10, completed=10)}, {0})

    assert (books.planned, books.started, books.lost) == (19, 10, 9)
    assert books.missing == (1,)
    assert [row.finished for row in books.rows] == [True, False]


def test_drops_by_reason() -> None:
    """Users held back by maxVusers and users of a stopped run are told apart."""
    books = Books.of({0: 10}, {0: Tally(planned=10, started=5, skipped=3, unstarted=2)}, {0})

    assert books.dropped == {"maxVusers": 3, "stopped": 2}
    assert books.balanced


@pytest.mark.parametrize(
    ("planned", "tally", "finished"),
    [
        (10, Tally(planned=10, started=9), {0}),  # a finished worker owes one
        (10, Tally(planned=11, started=11), {0}),  # it started more than planned
        (10, Tally(started=11), set()),
    ],
)
def test_what_does_not_balance_is_seen(planned: int, tally: Tally, finished: set[int]) -> None:
    """A difference is never hidden as lost."""
    books = Books.of({0: planned}, {0: tally}, finished)

    assert not books.balanced


def test_a_report_of_an_unplanned_share_does_not_balance() -> None:
    """Users nobody planned are a fault."""
    assert not Books.of({}, {3: Tally(started=1)}, {3}).balanced


def test_two_errors_do_not_cancel() -> None:
    """One worker's surplus never covers another's shortage."""
    books = Books.of({0: 5, 1: 5}, {0: Tally(started=4), 1: Tally(started=6)}, {0, 1})

    assert books.planned == books.started
    assert not books.balanced


def test_empty_books() -> None:
    """A run without users balances."""
    assert Books.of({}, {}, set()).balanced
