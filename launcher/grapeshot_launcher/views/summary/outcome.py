"""What a run is judged by: thresholds, the comparison with an earlier run, the main figures and the books (pure).

Leaves to others: judging (results) and the details of endpoints, errors and workers.
"""

from __future__ import annotations

from typing import Final

from grapeshot_launcher.results.baseline import FALSE_ALARMS
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.figures import RESPONSE_TIME, Figures
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import Times, Users, error_counts, expectations
from grapeshot_launcher.views.comparison import change_words, interval_words
from grapeshot_launcher.views.summary.escape import Html, code, escaped, prose
from grapeshot_launcher.views.summary.numbers import count, exactly, measured, percent, spread, things, valued
from grapeshot_launcher.views.summary.tables import bullets, first, joined, more, paragraph, table

_VALUES: Final = 3  # of one check that are shown
_VALUE_NAME: Final = 80  # characters
_JUDGED: Final = {"worse": "🔴 worse", "better": "🟢 better", "no evidence": "⚪ no evidence"}
_DOUBT: Final = Html("Held against numbers that can't be trusted, so they say little about the target.")


# ---- thresholds ----


def thresholds(report: Report, rows: int) -> str:
    """Show every threshold with what was measured, the failed ones first; the expectations as one more."""
    shown = first(report.checks, rows, key=lambda check: (check.ok, not check.strict))
    cells = [(_mark(check), code(check.label), _found(check)) for check in shown]
    total = len(report.checks)
    met, unmet, kinds = expectations(report.totals)
    if met or unmet:
        which = first(kinds.items(), _VALUES, key=lambda item: -item[1])
        told = joined((Html(f"{code(kind)} × {count(times)}") for kind, times in which), ", ")
        found = f"{count(unmet)} of {count(met + unmet)} failed{': ' + told if told else ''}"
        cells.append((Html("❌" if unmet else "✅"), Html("expectations of responses"), Html(found)))
        total += 1
    if not cells:
        return "" if report.verdict.kind == "stopped" else _no_thresholds()
    shown_all = table(("", "Threshold", "Measured"), cells, total=total)
    doubt = [paragraph(_DOUBT)] if report.verdict.kind == "invalid" else []
    return "\n\n".join(["### Thresholds", *doubt, shown_all])


def _no_thresholds() -> str:
    return paragraph(
        Html("No thresholds: the script has no <code>ensure</code> checks, so any result passes.")
    )


def _mark(check: CheckOutcome) -> Html:
    if check.ok:
        return Html("✅")
    return Html("❌") if check.strict else Html("🟡 optional")


def _found(check: CheckOutcome) -> Html:
    """Say what is wrong with a check, which metrics it missed, what it used; a few of each."""
    found = [prose(check.problem, length=200)] if check.problem else []
    found += [_named(name, "was never measured") for name in check.missing[:_VALUES]]
    values = list(check.values.items())[:_VALUES]
    found += [_named(name, f"= <b>{exactly(value)}</b>") for name, value in values]
    hidden = max(len(check.missing) - _VALUES, 0) + len(check.values) - len(values)
    if hidden:
        found.append(Html(more(hidden)))
    return joined(found, "<br>") or Html("holds" if check.ok else "does not hold")


def _named(name: str, told: str) -> Html:
    return Html(f"{code(name, length=_VALUE_NAME)} {told}")


# ---- comparison ----


def comparison(report: Report, rows: int) -> str:
    """Show what changed against the earlier run, metric by metric, what got worse first."""
    found = report.comparison
    if found is None or not rows:
        return "" if found is None else paragraph(_told(found))
    order = list(_JUDGED)
    shown = first(found.metrics, rows, key=lambda metric: order.index(metric.judgement))
    titles = ("Metric", ">Before", ">Now", ">Change", "Judgement")
    parts = ["### Compared with the baseline", paragraph(_told(found))]
    if found.metrics:
        parts.append(table(titles, [_compared(metric) for metric in shown], total=len(found.metrics)))
    if found.cautions:
        cautions = [Html(f"⚠️ {prose(caution)}") for caution in found.cautions[:rows]]
        parts.append(bullets(cautions, total=len(found.cautions)))
    if found.verdict != "no evidence":
        parts.append(paragraph(Html(f"<sub>{prose(FALSE_ALARMS)}.</sub>")))
    return "\n\n".join(parts)


def _told(found: Comparison) -> Html:
    worse = sum(metric.judgement == "worse" for metric in found.metrics)
    better = sum(metric.judgement == "better" for metric in found.metrics)
    run = f"run {code(found.baseline)}"
    match found.verdict:
        case "regression":
            also = f", {better:,} got better" if better else ""
            return Html(f"🔴 <b>Regression</b>: {things(worse, 'metric')} got worse{also} since {run}.")
        case "improvement":
            return Html(
                f"🟢 <b>Improvement</b>: {things(better, 'metric')} got better since {run}, none got worse."
            )
        case "no evidence":
            return Html(f"⚪ <b>No evidence of a change</b> since {run}.")


def _compared(metric: Compared) -> tuple[Html, ...]:
    interval = interval_words(metric)
    change = f"<b>{escaped(change_words(metric))}</b>" + (f" ({escaped(interval)})" if interval else "")
    return (
        code(metric.name),
        valued(metric.before, metric.unit),
        valued(metric.after, metric.unit),
        Html(change),
        Html(_JUDGED[metric.judgement]),
    )


# ---- figures ----


def figures(report: Report) -> str:
    """Show the main figures, and the books."""
    note = (
        "<sub>Rate: requests over the time from the first measurement to the last. Times:"
        f" <code>{RESPONSE_TIME}</code>. Error rate: requests that got no response, or a status of 400 or more.</sub>"
    )
    books = _books(Users.of(report.books))
    return "\n\n".join(["### Figures", _requests(report), books, *_apdex(report), paragraph(Html(note))])


def _requests(report: Report) -> Html:
    found, totals = Figures.of(report), report.totals
    known = "http.requests" in totals.counters  # else the figures' zeros are not measured
    cells = (
        count(found.requests if known else None),
        measured(found.rate if known else None, "/s"),
        *spread(Times.of(totals.sketches.get(RESPONSE_TIME))),
        count(found.failed_requests if known else None),
        percent(found.error_rate if found.requests else None),
        count(sum(error_counts(totals).values())),
    )
    titles = (
        ">Requests",
        ">Rate",
        ">p50",
        ">p95",
        ">p99",
        ">Max",
        ">Failed requests",
        ">Error rate",
        ">Errors",
    )
    return table(titles, [cells])


def _books(users: Users) -> Html:
    titles = [">Users planned", ">Started", ">Completed", ">Failed", ">Dropped", ">Lost", "Books"]
    cells = [count(n) for n in (users.planned, users.started, users.completed, users.failed)]
    if users.cut:
        titles.insert(4, ">Cut by the stop")
        cells.append(count(users.cut))
    if users.unknown:
        titles.insert(len(cells), ">End unknown")
        cells.append(count(users.unknown))
    difference = users.planned - users.started - users.dropped - users.lost
    balance = (
        "✅ balance: planned = started + dropped + lost"
        if users.balanced
        else f"❌ <b>do not balance</b>: planned − started − dropped − lost = {difference:,}"
    )
    return table(titles, [(*cells, count(users.dropped), count(users.lost), Html(balance))])


def _apdex(report: Report) -> list[Html]:
    apdex = report.apdex
    if apdex is None:
        return []
    if apdex.score is None:
        return [paragraph(Html("Apdex: – (there was no HTTP response)"))]
    told = f"Apdex: <b>{measured(apdex.score)}</b> ({apdex.ranking}), T = {measured(apdex.threshold, 'ms')}"
    return [paragraph(Html(told))]
