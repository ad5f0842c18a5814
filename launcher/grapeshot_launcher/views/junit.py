"""A run as JUnit XML: what test reporters of CI systems read (pure).

Leaves to others: writing the file, and the judging (results).

One suite for the run. Its cases: the measurement itself (an error when the run is invalid or was stopped, because then
the other cases say nothing), the books, each threshold, the expectations, each metric of a comparison. An optional
threshold that failed is skipped, for it fails no run. XML 1.0 has no word for most control characters, not even an
escape: they are shown as in the terminal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as Xml

from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.figures import Figures
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import Users, error_counts, expectations
from grapeshot_launcher.views.comparison import change_words, interval_words
from grapeshot_launcher.views.console import books_line, plain, why

SUITE: Final = "grapeshot"
_USERS: Final = ("planned", "started", "completed", "failed", "dropped", "lost")
_SPOILED: Final = ("invalid", "stopped")


def junit(report: Report) -> bytes:
    """Give the file, in UTF-8."""
    duration = max(report.ended_at - report.started_at, 0.0)
    cases = [
        _measurement(report, duration),
        _books(report),
        *(_threshold(check) for check in report.checks),
        *_expectations(report),
        *_comparison(report.comparison),
    ]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": _seconds(duration),
    }
    suites = Xml.Element("testsuites", {"name": SUITE, **counts})
    name = plain(str(report.settings.get("name") or report.script))
    suite = Xml.SubElement(
        suites, "testsuite", {"name": name, **counts, "timestamp": _timestamp(report.started_at)}
    )
    suite.append(_properties(report))
    suite.extend(cases)
    Xml.indent(suites)
    return bytes(Xml.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _measurement(report: Report, duration: float) -> Xml.Element:
    case = _case("run", "the measurement can be trusted", duration)
    if report.verdict.kind in _SPOILED:
        reasons = [plain(reason) for reason in report.verdict.reasons] or [report.verdict.kind]
        _outcome(case, "error", reasons[0], "\n".join(reasons), kind=report.verdict.kind)
    return case


def _books(report: Report) -> Xml.Element:
    case = _case("run", "every planned user is accounted for")
    if not report.books.balanced:
        _outcome(case, "failure", "the books don't balance", books_line(report.books), kind="books")
    return case


def _threshold(check: CheckOutcome) -> Xml.Element:
    case = _case("thresholds", check.label)
    if check.ok:
        return case
    if check.strict:
        _outcome(case, "failure", why(check), f"{plain(check.label)}: {why(check)}", kind="threshold")
    else:
        Xml.SubElement(case, "skipped", {"message": f"optional, and failed: {why(check)}"})
    return case


def _expectations(report: Report) -> list[Xml.Element]:
    met, unmet, kinds = expectations(report.totals)
    if not met and not unmet:
        return []
    case = _case("expectations", "responses are as expected")
    if unmet:
        most = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))[:100]
        told = "\n".join(f"{plain(kind)}: {count} failed" for kind, count in most)
        _outcome(case, "failure", f"{unmet} of {met + unmet} failed", told, kind="expectation")
    return [case]


def _comparison(comparison: Comparison | None) -> list[Xml.Element]:
    if comparison is None:
        return []
    return [_compared(metric, comparison.baseline) for metric in comparison.metrics]


def _compared(metric: Compared, baseline: str) -> Xml.Element:
    case = _case("baseline", f"{metric.name} is no worse than before")
    if metric.judgement == "worse":
        unit = plain(metric.unit)
        message = f"{metric.before:g} {unit} before, {metric.after:g} {unit} now ({change_words(metric)})"
        detail = f"the change lies within {interval_words(metric)}; baseline: run {plain(baseline)}"
        _outcome(case, "failure", message, detail, kind="regression")
    return case


def _properties(report: Report) -> Xml.Element:
    """Give the main figures as properties; what was not measured has none."""
    found, users = Figures.of(report), Users.of(report.books)
    known = "http.requests" in report.totals.counters
    values: dict[str, str | float | None] = {
        "run": plain(report.run_id),
        "verdict": report.verdict.kind,
        "exitCode": int(report.verdict.exit_code),
        "abortedAfter": round(report.abort.after, 3) if report.abort else None,
        "requests": found.requests if known else None,
        "requestsPerSecond": round(found.rate, 3) if known else None,
        "failedRequests": found.failed_requests if known else None,
        "errorRate": round(found.error_rate, 6) if found.requests else None,
        "errors": sum(error_counts(report.totals).values()),
        **{f"responseTime.{name}": getattr(found, name) for name in ("p50", "p95", "p99", "max")},
        **{f"users.{name}": getattr(users, name) for name in _USERS},
    }
    properties = Xml.Element("properties")
    for name, value in values.items():
        if value is not None:
            Xml.SubElement(properties, "property", {"name": name, "value": str(value)})
    return properties


def _case(group: str, name: str, seconds: float = 0.0) -> Xml.Element:
    attributes = {"classname": f"{SUITE}.{group}", "name": plain(name), "time": _seconds(seconds)}
    return Xml.Element("testcase", attributes)


def _outcome(case: Xml.Element, tag: str, message: str, detail: str, *, kind: str) -> None:
    """Attach a failure or an error; both texts are plain already."""
    Xml.SubElement(case, tag, {"message": message, "type": kind}).text = detail


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _timestamp(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")
