"""The few numbers of a run that people look at first, each with one meaning wherever it is shown (pure).

Leaves to others: showing them (views), comparing them with an earlier run's (baseline), the Action's outputs.

A request fails that gets no response, or one whose status is 400 or more; the error rate is their share of all
requests. What `expect` and captures make of a response is another matter: that fails users. The rate is all requests
over the time from the first measurement to the last, so a run that was held up shows a lower rate than was planned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from grapeshot_launcher.results.collect import WorkerEnd
from grapeshot_launcher.results.regions import RegionPart
from grapeshot_launcher.results.report import Report
from grapeshot_worker.metrics.report import Totals

RESPONSE_TIME = "http.response_time"
_FAILED_CODE = re.compile(r"http\.codes\.[4-9]\d\d")


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Times in ms, None where nothing was measured; `error_rate` from 0 to 1; `workers_lost`: lost or failed ones."""

    requests: int
    failed_requests: int
    seconds: float  # from the first measurement to the last, at least 1
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    users_failed: int
    workers_lost: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def error_rate(self) -> float:
        """The share of requests that failed; 0 where there was none."""
        return self.failed_requests / self.requests if self.requests else 0.0

    @staticmethod
    def of(report: Report) -> Figures:
        """Read them off a report."""
        return _figures(report.totals, report.workers, _seconds(report.totals))

    @staticmethod
    def of_region(report: Report, part: RegionPart) -> Figures:
        """Read those of one region off a report; over the time of the whole, so that rates add up to the run's."""
        indices = {row.index for row in part.books.rows}
        ends = [end for end in report.workers if end.worker.index in indices]
        return _figures(part.totals, ends, _seconds(report.totals))


def _seconds(totals: Totals) -> float:
    measured = (totals.last_at or 0.0) - (totals.first_at or 0.0)
    return max(measured / 1000, 1.0)


def _figures(totals: Totals, ends: Collection[WorkerEnd], seconds: float) -> Figures:
    times = totals.summaries().get(RESPONSE_TIME, {})
    return Figures(
        requests=totals.counters.get("http.requests", 0),
        failed_requests=failed_requests(totals.counters),
        seconds=seconds,
        p50=times.get("p50"),
        p95=times.get("p95"),
        p99=times.get("p99"),
        max=times.get("max"),
        users_failed=totals.counters.get("vusers.failed", 0),
        workers_lost=sum(end.state != "finished" for end in ends),
    )


def failed_requests(counters: Mapping[str, int]) -> int:
    """Count the requests that got no response, or one that says 400 or more.

    >>> failed_requests({"http.requests": 10, "http.responses": 9, "http.codes.200": 7, "http.codes.503": 2})
    3
    """
    unanswered = max(counters.get("http.requests", 0) - counters.get("http.responses", 0), 0)
    return unanswered + sum(n for name, n in counters.items() if _FAILED_CODE.fullmatch(name))
