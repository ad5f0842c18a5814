"""What was measured, as tables: endpoints, status codes, errors, expectations, regions, every metric (pure).

Leaves to others: working it out (breakdown, results' figures), workers and users (workers).
"""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from grapeshot_launcher.results.figures import RESPONSE_TIME, Figures
from grapeshot_launcher.results.regions import RegionPart
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import (
    Endpoint,
    Times,
    endpoints,
    error_counts,
    expectations,
    region_cost,
    status_codes,
)
from grapeshot_launcher.views.html.grids import (
    Cell,
    Grid,
    counted,
    grid,
    named,
    paid,
    shared,
    spread,
    text_cell,
    timed,
    word,
)
from grapeshot_launcher.views.summary.numbers import NONE, count
from grapeshot_worker.metrics.report import Totals

_KINDS = 4  # of codes and errors that are named in a cell
_SUMMARY = ("min", "mean", "p50", "p75", "p90", "p95", "p99", "p999", "max")
_CLASSES = {"1": "informational", "2": "success", "3": "redirect", "4": "client error", "5": "server error"}


def endpoint_grid(totals: Totals) -> Grid:
    """Show the endpoints, those that never answered first, then the slowest."""
    found = sorted(
        endpoints(totals).items(), key=lambda item: (item[1].sketch.count > 0, -item[1].p95, item[0])
    )
    titles = ("Endpoint", ">Responses", ">p50", ">p95", ">p99", ">Max", "Status codes", "Errors")
    rows = [_endpoint(name, endpoint) for name, endpoint in found]
    return grid("endpoints", "By endpoint, slowest p95 first", titles, rows)


def _endpoint(name: str, endpoint: Endpoint) -> tuple[Cell, ...]:
    return (
        text_cell(name),
        counted(endpoint.codes.total() or endpoint.sketch.count),
        *spread(Times.of(endpoint.sketch)),
        _kinds(endpoint.codes),
        _kinds(endpoint.errors),
    )


def _kinds(counts: Mapping[str, int]) -> Cell:
    """Say how often each kind came, the most frequent first; sorted by how many there were in all."""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [
        Markup('<span class="kind">{} × {}</span>').format(named(kind, length=60), Markup(count(times)))
        for kind, times in most[:_KINDS]
    ]
    if len(most) > _KINDS:
        parts.append(Markup(f'<span class="kind">{len(most) - _KINDS:,} more</span>'))
    return Cell(
        shown=Markup('<span class="kinds">{}</span>').format(Markup(" ").join(parts))
        if parts
        else Markup(NONE),
        key=sum(counts.values()) or None,
    )


def code_grid(totals: Totals) -> Grid:
    """Show the status codes, in their order."""
    codes = status_codes(totals)
    total = sum(codes.values())
    rows = [
        (
            word(status, key=int(status)),
            word(_CLASSES.get(status[0], "–")),
            counted(times),
            shared(times / total),
        )
        for status, times in codes.items()
        if times
    ]
    return grid("codes", "Responses by status code", ("Status", "Kind", ">Responses", ">Share"), rows)


def error_grid(totals: Totals) -> Grid:
    """Show the errors, the most frequent first."""
    errors = error_counts(totals)
    total = sum(errors.values())
    rows = [
        (text_cell(name), counted(times), shared(times / total))
        for name, times in sorted(errors.items(), key=lambda item: (-item[1], item[0]))
    ]
    return grid("errors", "Errors, most frequent first", ("Error", ">Count", ">Share"), rows)


def expectation_grid(totals: Totals) -> Grid:
    """Show how many expectations were met and not met, and of which kinds the latter were."""
    met, unmet, kinds = expectations(totals)
    if not met + unmet:
        return grid("expectations", "", (), ())
    rows = [
        (word("met", tone="pass"), counted(met), shared(met / (met + unmet))),
        (word("not met", tone="fail" if unmet else ""), counted(unmet), shared(unmet / (met + unmet))),
        *(
            (Cell(shown=Markup("not met: {}").format(named(kind)), key=kind), counted(times), shared(None))
            for kind, times in sorted(kinds.items(), key=lambda item: -item[1])
        ),
    ]
    return grid("expectations", "Expectations of responses", ("Expectation", ">Count", ">Share"), rows)


def region_grid(report: Report) -> Grid:
    """Show what each of several regions made; a column that says nothing of any of them is left out."""
    rows = [_region(report, part) for part in report.regions]
    titles = [title for title in (rows[0] if rows else {}) if _tells(title, rows)]
    return grid("regions", "By region", titles, [[row[title] for title in titles] for row in rows])


def _tells(title: str, rows: list[dict[str, Cell]]) -> bool:
    return title not in (">Lost", ">Cost") or any(row[title].key for row in rows)


def _region(report: Report, part: RegionPart) -> dict[str, Cell]:
    found = Figures.of_region(report, part)
    p50, p95, p99, most = spread(Times.of(part.totals.sketches.get(RESPONSE_TIME)))
    return {
        "Region": text_cell(part.region),
        ">Workers": counted(part.workers),
        ">Users started": counted(part.books.started),
        ">Lost": counted(part.books.lost),
        ">Requests": counted(found.requests),
        ">Rate": timed(found.rate, "/s"),
        ">p50": p50,
        ">p95": p95,
        ">p99": p99,
        ">Max": most,
        ">Error rate": shared(found.error_rate if found.requests else None),
        ">Cost": paid(region_cost(report, part.region)),
    }


def metric_grids(totals: Totals) -> tuple[Grid, ...]:
    """Show every metric there is, by name: counters, rates, summaries."""
    counters = [(text_cell(name), counted(value)) for name, value in sorted(totals.counters.items())]
    rates = [(text_cell(name), timed(value, "/s")) for name, value in sorted(totals.rates.items())]
    summaries = [
        (
            text_cell(name),
            counted(int(summary.get("count", 0))),
            *(timed(summary.get(key), "") for key in _SUMMARY),
        )
        for name, summary in sorted(totals.summaries().items())
    ]
    titles = ("Metric", ">Count", *(f">{key}" for key in _SUMMARY))
    return (
        grid("summaries", "Distributions; those of times are in ms", titles, summaries),
        grid("counters", "Counters", ("Metric", ">Count"), counters),
        grid("rates", "Rates, the mean of the periods' rates", ("Metric", ">Rate"), rates),
    )
