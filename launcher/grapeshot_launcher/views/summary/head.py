"""The head of the page: what came of the run, in a sentence, and everything that stands against it (pure).

Leaves to others: judging (results), the numbers below it.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import worker_faults
from grapeshot_launcher.views.breakdown import Users, expectations, load_seconds
from grapeshot_launcher.views.summary.escape import Html, code, prose
from grapeshot_launcher.views.summary.numbers import count, duration, moment, things
from grapeshot_launcher.views.summary.tables import bullets, fold, joined, paragraph

OPEN_REASONS: Final = 8
ICONS: Final = {
    "pass": "✅",
    "fail": "❌",
    "invalid": "⚠️",
    "stopped": "🛑",
    "running": "⏳",
    "unknown": "❔",
}
WORDS: Final = {
    "pass": "Passed",
    "fail": "Failed",
    "invalid": "Invalid",
    "stopped": "Stopped",
    "running": "Running",
    "unknown": "No verdict",
}


def heading(report: Report) -> str:
    """Give icon, word and sentence of the verdict, as a heading; nothing in it comes from outside."""
    kind = report.verdict.kind
    icon, word, regression = ICONS[kind], WORDS[kind], _regression(report)
    if kind == "pass" and regression:
        icon, word = "⚠️", "Passed, but worse than before"
    return f"## {icon} {word}: {sentence(report)}{regression}"


def sentence(report: Report) -> str:
    """Say in one sentence why the verdict is what it is."""
    match report.verdict.kind:
        case "pass":
            return _passed(report)
        case "fail":
            return _failed(report)
        case "invalid":
            return f"the numbers can't be trusted{_culprits(report)}"
        case "stopped":
            return "the run was ended before its load was made"
        case "running":
            return "the load is being made"
        case "unknown":
            return "the file tells none"


def _passed(report: Report) -> str:
    strict = [check for check in report.checks if check.strict]
    optional = sum(not check.strict and not check.ok for check in report.checks)
    aside = f"; {things(optional, 'optional threshold')} failed" if optional else ""
    if strict:
        held = "the threshold holds" if len(strict) == 1 else f"all {len(strict):,} thresholds hold"
        return held + aside
    met, _, _ = expectations(report.totals)
    return (
        f"all {met:,} expectations were met" if met else "the load was made; the script sets no threshold"
    ) + aside


def _failed(report: Report) -> str:
    if report.abort is not None:
        guilty = things(len(report.abort.checks), "threshold")
        return f"{guilty} failed, which ended the load after {report.abort.after:.0f} s"
    strict = [check for check in report.checks if check.strict]
    broken = sum(not check.ok for check in strict)
    _, unmet, _ = expectations(report.totals)
    parts = [f"{broken:,} of {things(len(strict), 'threshold')} failed"] if broken else []
    parts += [f"{unmet:,} {'expectation' if unmet == 1 else 'expectations'} failed"] if unmet else []
    return ", ".join(parts) or "see the reasons below"


def _culprits(report: Report) -> str:
    states = Counter(end.state for end in report.workers)
    faulty = sum(end.state == "finished" and bool(worker_faults(end)) for end in report.workers)
    counts = (("failed", states["failed"]), ("lost", states["lost"]), ("with faults", faulty))
    told = ", ".join(f"{count:,} {word}" for word, count in counts if count)
    return f" (of {things(len(report.workers), 'worker')} {told})" if told else ""


def _regression(report: Report) -> str:
    if report.comparison is None or report.comparison.verdict != "regression":
        return ""
    worse = sum(metric.judgement == "worse" for metric in report.comparison.metrics)
    return f"; {things(worse, 'metric')} got worse than in the baseline"


def subtitle(report: Report) -> Html:
    """Say which run this is: name, script, size, moment."""
    settings = report.settings
    name = settings.get("name")
    workers = settings.get("workers") or len(report.workers)
    facts = [Html(f"<b>{prose(str(name), length=100)}</b>")] if name else []
    facts.append(code(report.script))
    if target := settings.get("target"):
        facts.append(Html(f"on {code(str(target))}"))
    facts.append(duration(load_seconds(report)))
    if isinstance(workers, int) and workers:
        facts.append(things(workers, "worker"))
    facts.append(moment(report.started_at))
    return paragraph(joined(facts))


def against(report: Report, rows: int) -> str:
    """List what became of users that made no load, and the verdict's reasons, `rows` of them, most behind a fold."""
    said = [prose(reason) for reason in report.verdict.reasons[:rows]]
    missing, total = _missing(report), len(report.verdict.reasons)
    blocks = [bullets([*missing, *said[:OPEN_REASONS]])] if said or missing else []
    if total > OPEN_REASONS:
        others = bullets(said[OPEN_REASONS:], total=total - OPEN_REASONS)
        blocks.append(fold(f"{things(total - OPEN_REASONS, 'other reason')}", others))
    return "\n\n".join(blocks)


def _missing(report: Report) -> list[Html]:
    users = Users.of(report.books)
    found = []
    if users.lost:
        who = report.books.missing
        found.append(
            f"<b>{count(users.lost)} of {count(users.planned)} planned users were lost</b> with"
            f" {things(len(who), 'worker')}: what they would have measured is missing in all numbers below."
        )
    if users.unknown and report.verdict.kind != "pass":
        found.append(f"<b>{count(users.unknown)} users</b> were started, and nobody reported how they ended.")
    if dropped := report.books.dropped.get("maxVusers", 0):
        found.append(
            f"<b>{count(dropped)} of {count(users.planned)} planned users were dropped</b>:"
            " as many as <code>maxVusers</code> allows were active."
        )
    if dropped := report.books.dropped.get("stopped", 0):
        found.append(
            f"<b>{count(dropped)} of {count(users.planned)} planned users never started</b>:"
            " the run was stopped before their moment."
        )
    return [Html(text) for text in found]
