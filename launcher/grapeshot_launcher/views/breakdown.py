"""A report taken apart: users, endpoints, errors, status codes, expectations, the time the load took (pure).

Leaves to others: the figures that people look at first (results' figures), writing any of it (summary, junit).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.report import Report
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

ENDPOINTS: Final = "plugins.metrics-by-endpoint"  # their namespace, unless the script names another

_OWN_TIME: Final = ".response_time."
_CODED: Final = re.compile(r"(.*)\.codes\.(\d{3})", re.DOTALL)
_STATUS: Final = re.compile(r"http\.codes\.(\d{3})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """A distribution in ms, rounded as every report rounds it; None for what another tool did not tell."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None

    @staticmethod
    def of(sketch: Sketch | None) -> Times | None:
        """Read a sketch; None without a value."""
        if sketch is None or not sketch.count:
            return None
        told = sketch.summary()
        return Times(p50=told.get("p50"), p95=told.get("p95"), p99=told.get("p99"), max=told.get("max"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Users:
    """The books of a run in one row; `unknown`: started, but nobody reported how they ended."""

    planned: int
    started: int
    completed: int
    failed: int
    cut: int
    unknown: int
    dropped: int
    lost: int
    balanced: bool

    @staticmethod
    def of(books: Books) -> Users:
        """Add up the rows."""
        completed = sum(row.completed for row in books.rows)
        failed = sum(row.failed for row in books.rows)
        cut = sum(row.cut for row in books.rows)
        return Users(
            planned=books.planned,
            started=books.started,
            completed=completed,
            failed=failed,
            cut=cut,
            unknown=max(books.started - completed - failed - cut, 0),
            dropped=sum(books.dropped.values()),
            lost=books.lost,
            balanced=books.balanced,
        )


@dataclass(slots=True)
class Endpoint:
    """What was measured of one endpoint; `codes` and `errors`: how often each."""

    sketch: Sketch = field(default_factory=Sketch)
    codes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def p95(self) -> float:
        """In ms; 0 when it never answered."""
        return self.sketch.quantile(0.95)


def began(report: Report) -> float:
    """Give the epoch seconds from which the load counts: its start, or its first measurement if a clock is off."""
    first = report.totals.first_at
    return report.started_at if first is None else min(report.started_at, first / 1000)


def over(report: Report) -> float:
    """Give the epoch seconds of the last measurement, or of the end when nothing was measured."""
    last = report.totals.last_at
    return report.ended_at if last is None else last / 1000


def load_seconds(report: Report) -> float:
    """Give how long the load lasted."""
    return max(over(report) - began(report), 0.0)


def region_cost(report: Report, region: str) -> float | None:
    """Give the dollars that a region's workers took, where that is known."""
    costs = report.settings.get("costByRegion")
    dollars = costs.get(region) if isinstance(costs, Mapping) else None
    return dollars if isinstance(dollars, int | float) else None


def error_counts(totals: Totals) -> Mapping[str, int]:
    """Give error name → how often."""
    return _named(totals, "errors.")


def status_codes(totals: Totals) -> Mapping[str, int]:
    """Give HTTP status → how many responses, by status."""
    found = ((_STATUS.fullmatch(name), count) for name, count in totals.counters.items())
    return dict(sorted((match[1], count) for match, count in found if match))


def expectations(totals: Totals) -> tuple[int, int, Mapping[str, int]]:
    """Give how many expectations were met, how many were not, and of which kinds these were."""
    counters = totals.counters
    failed = "plugins.expect.failed"
    return counters.get("plugins.expect.ok", 0), counters.get(failed, 0), _named(totals, f"{failed}.")


def endpoints(totals: Totals) -> dict[str, Endpoint]:
    """Give endpoint → its measurements.

    The script may have given these metrics another namespace. It shows where a histogram `X.response_time.NAME` comes
    with a counter `X.NAME.codes.NNN`.
    """
    codes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, count in totals.counters.items():
        if match := _CODED.fullmatch(name):
            codes[match[1]][match[2]] += count
    found: dict[str, Endpoint] = {}
    spaces = {ENDPOINTS}
    for name, sketch in totals.sketches.items():
        space, sign, endpoint = name.partition(_OWN_TIME)
        if sign and f"{space}.{endpoint}" in codes:
            spaces.add(space)
            found[endpoint] = Endpoint(sketch=sketch, codes=codes[f"{space}.{endpoint}"])
    for space in spaces:
        for name, count in _named(totals, f"{space}.").items():
            coded = _CODED.fullmatch(name)
            if coded and coded[1] in found:
                continue
            endpoint, sign, error = name.rpartition(".errors.")
            if endpoint not in found:
                endpoint, sign, error = name.partition(".errors.")
            if sign:
                found.setdefault(endpoint, Endpoint()).errors[error] += count
    return found


def _named(totals: Totals, prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): n for name, n in totals.counters.items() if name.startswith(prefix) and n
    }
