"""Where it happened: regions, endpoints, errors, status codes, workers, each the worst first (pure).

Leaves to others: working them out (figures), how many rows there is room for (document).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grapeshot_launcher.results.books import Row
from grapeshot_launcher.results.collect import WorkerEnd
from grapeshot_launcher.results.figures import RESPONSE_TIME, Figures
from grapeshot_launcher.results.regions import RegionPart, regions_of_workers
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import worker_faults
from grapeshot_launcher.views.breakdown import (
    Endpoint,
    Times,
    endpoints,
    error_counts,
    region_cost,
    status_codes,
)
from grapeshot_launcher.views.summary.escape import Html, code, prose
from grapeshot_launcher.views.summary.numbers import NONE, count, measured, percent, size, spread, things
from grapeshot_launcher.views.summary.tables import first, fold, joined, long_table, paragraph, table
from grapeshot_launcher.views.workers import badness, chained, faulty, worker_titles

_FEW_WORKERS: Final = 10  # a longer table of them is folded
_CODES: Final = 20  # status codes that are named
_KINDS: Final = 4  # of codes and errors that are named in a cell
_OPTIONAL: Final = (">Lost", ">Cost")  # columns of the table of regions
_STATES: Final = {"failed": "❌&nbsp;failed", "lost": "❌&nbsp;lost", "finished": "✅&nbsp;finished"}


# ---- regions ----


def region_table(report: Report, rows: int) -> str:
    """Show what each of several regions made; a column that would say nothing of any of them is left out."""
    if not report.regions:
        return ""
    total = len(report.regions)
    if not rows:
        return left_out("regions", total)
    cells = [_region(report, part) for part in report.regions[:rows]]
    shown = [
        title for title in cells[0] if title not in _OPTIONAL or {row[title] for row in cells} - {"0", NONE}
    ]
    regions = table(shown, [[row[title] for title in shown] for row in cells], total=total)
    note = "<sub>Rate: requests over the time of the whole run, so those of the regions add up to the run's.</sub>"
    return f"### By region\n\n{regions}\n\n{paragraph(Html(note))}"


def _region(report: Report, part: RegionPart) -> dict[str, Html]:
    """Give the cells by title."""
    found, dollars = Figures.of_region(report, part), region_cost(report, part.region)
    p50, p95, p99, most = spread(Times.of(part.totals.sketches.get(RESPONSE_TIME)))
    return {
        "Region": code(part.region),
        ">Workers": count(part.workers),
        ">Users started": count(part.books.started),
        ">Lost": count(part.books.lost),
        ">Requests": count(found.requests),
        ">Rate": measured(found.rate, "/s"),
        ">p50": p50,
        ">p95": p95,
        ">p99": p99,
        ">Max": most,
        ">Error rate": percent(found.error_rate if found.requests else None),
        ">Errors": count(sum(error_counts(part.totals).values())),
        ">Cost": NONE if dollars is None else Html(f"${dollars:,.4f}"),
    }


# ---- endpoints ----


def endpoint_table(report: Report, rows: int) -> str:
    """Show the endpoints with the highest p95; those that never answered come first."""
    found = endpoints(report.totals)
    if not found:
        return ""
    if not rows:
        return left_out("endpoints", len(found))
    slowest = first(found.items(), rows, key=lambda item: (item[1].sketch.count > 0, -item[1].p95, item[0]))
    titles = ("Endpoint", ">Responses", ">p50", ">p95", ">p99", ">Max", "Status", "Errors")
    shown = long_table(
        titles, [_endpoint(name, endpoint) for name, endpoint in slowest], total=len(found), of="endpoints"
    )
    return f"### Endpoints, slowest first\n\n{shown}"


def _endpoint(name: str, endpoint: Endpoint) -> tuple[Html, ...]:
    return (
        code(name),
        count(endpoint.codes.total() or endpoint.sketch.count),
        *spread(Times.of(endpoint.sketch)),
        _kinds(endpoint.codes),
        _kinds(endpoint.errors),
    )


def _kinds(counts: Mapping[str, int]) -> Html:
    """Say how often each kind came, the most frequent first."""
    shown = first(counts.items(), _KINDS, key=lambda item: (-item[1], item[0]))
    parts = [Html(f"{code(kind, length=60)}&nbsp;×&nbsp;{count(times)}") for kind, times in shown]
    if len(counts) > len(shown):
        parts.append(Html(f"… {len(counts) - len(shown):,} more"))
    return joined(parts, ", ") or NONE


# ---- errors ----


def error_table(report: Report, rows: int) -> str:
    """Show the most frequent errors, and all status codes."""
    errors, codes = error_counts(report.totals), status_codes(report.totals)
    parts = []
    if errors and rows:
        total = sum(errors.values())
        most = first(errors.items(), rows, key=lambda item: (-item[1], item[0]))
        cells = [(code(name, length=200), count(times), percent(times / total)) for name, times in most]
        parts.append(
            long_table(("Error", ">Count", ">Share"), cells, total=len(errors), of="kinds of errors")
        )
    elif errors:
        parts.append(left_out("kinds of errors", len(errors)))
    if codes:
        total = sum(codes.values())
        told = [
            Html(f"{code(status)}&nbsp;× {count(n)} ({percent(n / total)})") for status, n in codes.items()
        ]
        hidden = len(told) - _CODES
        more = [Html(f"… {hidden:,} more")] if hidden > 0 else []
        parts.append(paragraph(Html(f"Status codes: {joined([*told[:_CODES], *more])}")))
    return "\n\n".join(["### Errors and status codes", *parts]) if parts else ""


# ---- workers ----


def worker_table(report: Report, rows: int) -> str:
    """Show the workers, failed, lost and late ones first; folded when there are many."""
    if not report.workers:
        return ""
    if not rows:
        return left_out("workers", len(report.workers))
    books = {row.index: row for row in report.books.rows}
    worst = first(report.workers, rows, key=badness)
    generations, where = chained(report.workers), regions_of_workers(report.regions)
    # The generation stands in the worker's own cell: a summary has little room.
    titles = worker_titles(generations=False, regions=bool(where))
    cells = [_worker(end, books.get(end.worker.index), generations=generations, where=where) for end in worst]
    shown = table(titles, cells, total=len(report.workers))
    title = things(len(report.workers), "worker")
    if bad := faulty(report.workers):
        title = Html(f"{title}, {bad:,} with faults")
    if len(report.workers) <= _FEW_WORKERS:
        return f"### Workers\n\n{shown}"
    return f"### Workers\n\n{fold(title, shown)}"


def _worker(
    end: WorkerEnd, row: Row | None, *, generations: bool, where: Mapping[int, str]
) -> tuple[Html, ...]:
    facts = end.facts
    number = f"{end.worker.index + 1:,}" + (f" ({end.worker.generation + 1})" if generations else "")
    faults = [prose(fault.partition(": ")[2] or fault, length=200) for fault in worker_faults(end)]
    state = "⚠️&nbsp;finished" if faults and end.state == "finished" else _STATES[end.state]
    return (
        Html(number),
        *([code(where.get(end.worker.index, ""))] if where else []),
        Html(state),
        count(row.planned if row else None),
        count(row.started if row else None),
        count(row.lost if row else None),
        measured(facts.lag_p99 if facts else None, "ms"),
        percent(facts.busiest_cpu if facts else None),
        size(facts.peak_memory) if facts else NONE,
        joined(faults, "<br>") or NONE,
    )


def left_out(things: str, total: int) -> Html:
    """Say what there was no room for."""
    return paragraph(Html(f"{total:,} {things}: left out for want of space; the report file has them."))
