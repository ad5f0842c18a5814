"""Who made the load, as tables: the users' books, and every worker (pure).

Leaves to others: the titles and the order of workers (views.workers), keeping the books (results), judging (verdict).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from grapeshot_launcher.results.books import Row
from grapeshot_launcher.results.collect import WorkerEnd
from grapeshot_launcher.results.regions import regions_of_workers
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import worker_faults
from grapeshot_launcher.views.breakdown import Users
from grapeshot_launcher.views.html.grids import (
    Cell,
    Grid,
    counted,
    grid,
    lines,
    shared,
    text_cell,
    timed,
    word,
)
from grapeshot_launcher.views.summary.numbers import NONE, size
from grapeshot_launcher.views.workers import badness, chained, worker_titles

_TONES = {"finished": "pass", "failed": "fail", "lost": "fail"}


def worker_grid(report: Report) -> Grid:
    """Show the workers: failed, lost and late ones first."""
    books = {row.index: row for row in report.books.rows}
    where = regions_of_workers(report.regions)
    generations = chained(report.workers)
    titles = worker_titles(generations=generations, regions=bool(where))
    rows = [
        _worker(end, books.get(end.worker.index), generations=generations, where=where)
        for end in sorted(report.workers, key=badness)
    ]
    return grid("workers", "Workers, those with faults first", titles, rows)


def _worker(
    end: WorkerEnd, row: Row | None, *, generations: bool, where: Mapping[int, str]
) -> tuple[Cell, ...]:
    facts, faults = end.facts, worker_faults(end)
    doubtful = end.state == "finished" and bool(faults)
    return (
        counted(end.worker.index + 1),
        *((counted(end.worker.generation + 1),) if generations else ()),
        *((text_cell(where.get(end.worker.index, "")),) if where else ()),
        word("doubtful" if doubtful else end.state, tone="invalid" if doubtful else _TONES[end.state]),
        counted(row.planned if row else None),
        counted(row.started if row else None),
        counted(row.lost if row else None),
        timed(facts.lag_p99 if facts else None),
        shared(facts.busiest_cpu if facts else None),
        Cell(
            shown=Markup(size(facts.peak_memory)) if facts else Markup(NONE),
            key=facts.peak_memory if facts else None,
        ),
        _remarks(faults),
    )


def _remarks(faults: Sequence[str]) -> Cell:
    """Tell the faults without the worker's name, which stands in front; sorted by how many there are."""
    if not faults:
        return Cell(shown=Markup(NONE))
    told = lines("\n".join(fault.partition(": ")[2] or fault for fault in faults))
    return Cell(shown=Markup('<span class="remark">{}</span>').format(told), key=len(faults))


def books_grid(report: Report) -> Grid:
    """Show what became of every planned user, with its share of them."""
    users, dropped = Users.of(report.books), report.books.dropped
    told = (
        ("started", users.started, True),
        ("— completed", users.completed, True),
        ("— failed", users.failed, True),
        ("— cut by the stop", users.cut, False),
        ("— nobody reported how they ended", users.unknown, False),
        ("dropped: as many as maxVusers allows were active", dropped.get("maxVusers", 0), False),
        ("dropped: the run was stopped before their moment", dropped.get("stopped", 0), False),
        ("lost: nobody reported what became of them", users.lost, True),
    )
    rows = [(word("planned"), counted(users.planned), shared(1.0 if users.planned else None))]
    rows += [
        (word(name), counted(number), shared(number / users.planned if users.planned else None))
        for name, number, always in told
        if number or always
    ]
    return grid("books", "What became of the planned users", ("Users", ">Count", ">Of planned"), rows)


def balance(report: Report) -> str:
    """Say whether every planned user is accounted for."""
    users = Users.of(report.books)
    parts = f"{users.started:,} started + {users.dropped:,} dropped + {users.lost:,} lost"
    sum_words = f"{users.planned:,} planned = {parts}"
    return (
        f"{sum_words}. The books balance."
        if users.balanced
        else f"The books don't balance: {sum_words} does not hold."
    )
