"""What each of several regions made of a run, as a table for the terminal (pure).

Leaves to others: printing it, and the numbers (figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grapeshot_launcher.results.figures import Figures
from grapeshot_launcher.results.regions import RegionPart
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import error_counts, region_cost
from grapeshot_launcher.views.console import plain
from grapeshot_worker.script.values import to_text

NOTHING: Final = "–"
_GAP: Final = "  "


def regions_table(report: Report) -> str:
    """Show a row for each of several regions; empty where there are not several.

    A column that would say nothing of any region, lost users or the cost, is left out.
    """
    if not report.regions:
        return ""
    rows = [_row(report, part) for part in report.regions]
    left_out = {name for name in ("lost", "cost") if all(row[name] in ("0", NOTHING) for row in rows)}
    shown = [name for name in rows[0] if name not in left_out]
    lines = _aligned([shown, *([row[name] for name in shown] for row in rows)])
    return "\n".join(["By region (times in ms):", *lines])


def _row(report: Report, part: RegionPart) -> dict[str, str]:
    """Give the cells by title; `failed` counts requests without a response, or with a status of 400 or more."""
    found, cost = Figures.of_region(report, part), region_cost(report, part.region)
    return {
        "region": plain(part.region),
        "workers": str(part.workers),
        "users": str(part.books.started),
        "lost": str(part.books.lost),
        "requests": str(found.requests),
        "failed": str(found.failed_requests),
        "req/s": f"{found.rate:.1f}",
        "p50": _time(found.p50),
        "p95": _time(found.p95),
        "p99": _time(found.p99),
        "errors": str(sum(error_counts(part.totals).values())),
        "cost": NOTHING if cost is None else f"${cost:.4f}",
    }


def _time(value: float | None) -> str:
    return NOTHING if value is None else to_text(value)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write cells below each other: the first column from the left, the others, which are numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        _GAP
        + _GAP.join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
