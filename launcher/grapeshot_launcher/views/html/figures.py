"""The few numbers that people look at first, each with its words (pure).

Leaves to others: working them out (results' figures).
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from grapeshot_launcher.results.figures import RESPONSE_TIME, Figures
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import Times, Users, error_counts
from grapeshot_launcher.views.summary.numbers import NONE, count, measured, percent


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A number under its title, and what belongs to it; `tone` colours it, and the note says why."""

    title: str
    value: Markup
    note: str = ""
    tone: str = ""


def key_figures(report: Report) -> tuple[Figure, ...]:
    """Give them in the order in which they are read; of what was not measured there is none."""
    return (*_requests(report), *_times(report), *_people(report), *_score(report), *_cost(report))


def _requests(report: Report) -> tuple[Figure, ...]:
    found = Figures.of(report)
    known = "http.requests" in report.totals.counters  # else the figures' zeros are not measured
    errors = sum(error_counts(report.totals).values())
    failed = found.failed_requests
    note = f"{failed:,} failed" + (f", {errors:,} error{'' if errors == 1 else 's'}" if errors else "")
    return (
        Figure(title="Requests", value=Markup(count(found.requests if known else None))),
        Figure(
            title="Rate",
            value=Markup(measured(found.rate if known else None, "/s")),
            note="requests a second",
        ),
        Figure(
            title="Error rate",
            value=Markup(percent(found.error_rate if found.requests else None)),
            note=note if found.requests else "",
            tone="fail" if failed else "",
        ),
    )


def _times(report: Report) -> tuple[Figure, ...]:
    times = Times.of(report.totals.sketches.get(RESPONSE_TIME))
    source = "Artillery's" if report.quoted else ""
    if times is None:
        return (Figure(title="p95", value=Markup(NONE), note="no response"),)
    return (
        Figure(title="p50", value=Markup(measured(times.p50, "ms")), note=source or "half were faster"),
        Figure(title="p95", value=Markup(measured(times.p95, "ms")), note=source or "19 of 20 were faster"),
        Figure(title="p99", value=Markup(measured(times.p99, "ms")), note=source or "99 of 100 were faster"),
        Figure(title="Slowest", value=Markup(measured(times.max, "ms")), note=source),
    )


def _people(report: Report) -> tuple[Figure, ...]:
    users = Users.of(report.books)
    if not users.planned and report.quoted:
        created = report.totals.counters.get("vusers.created")
        failed = report.totals.counters.get("vusers.failed", 0)
        return (Figure(title="Users", value=Markup(count(created)), note=f"{failed:,} failed"),)
    parts = ((users.failed, "failed"), (users.dropped, "dropped"), (users.lost, "lost"))
    told = ", ".join(f"{number:,} {name}" for number, name in parts if number)
    started = f"of {users.planned:,} planned" if users.started != users.planned else "all that were planned"
    return (
        Figure(
            title="Users started",
            value=Markup(count(users.started)),
            note=told or (started if users.planned else ""),
            tone="fail" if told else "",
        ),
    )


def _score(report: Report) -> tuple[Figure, ...]:
    apdex = report.apdex
    if apdex is None or apdex.score is None:
        return ()
    note = f"{apdex.ranking}, T = {apdex.threshold:g} ms"
    return (Figure(title="Apdex", value=Markup(f"{apdex.score:.2f}"), note=note),)


def _cost(report: Report) -> tuple[Figure, ...]:
    dollars = report.settings.get("costUsd")
    if not isinstance(dollars, int | float) or isinstance(dollars, bool) or not 0 <= dollars < 1e9:
        return ()
    emulated = report.settings.get("emulated") is True
    note = "AWS, had it been real" if emulated else "AWS, estimated"
    return (Figure(title="Cost", value=Markup(f"${dollars:,.4f}"), note=note),)
