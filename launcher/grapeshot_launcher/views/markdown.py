"""A run in a page of Markdown that any reader of it shows: a wiki, a chat, the text of a pull request (pure).

Leaves to others: writing the file; GitHub's own page, with HTML, charts and folds (summary).

It keeps to headings, lists, tables and code spans. Whatever the script or the target wrote stands in a code span, where
nothing is obeyed: names as a whole, of a sentence the words that could mean something. A backtick would end the span,
and a `|` the cell of a table, so look-alikes stand in their place. A sentence is never at the start of a line, where a
number or a dash would begin a list.

Tables are cut to `ROWS` rows, and say how many more there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Final

from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.figures import RESPONSE_TIME, Figures
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import (
    Endpoint,
    Users,
    endpoints,
    error_counts,
    load_seconds,
    status_codes,
)
from grapeshot_launcher.views.comparison import change_words
from grapeshot_launcher.views.summary.escape import NAME_LENGTH, SENTENCE_LENGTH, Html, shortened, spoken
from grapeshot_launcher.views.summary.head import heading
from grapeshot_launcher.views.summary.numbers import (
    count,
    duration,
    exactly,
    measured,
    moment,
    percent,
    things,
    valued,
)
from grapeshot_launcher.views.summary.tables import first, more
from grapeshot_worker.metrics.sketch import Sketch

ROWS: Final = 20
_ALIKE: Final = str.maketrans({"`": "ˋ", "|": "¦"})
_TIMES: Final = ("p50", "p95", "p99", "max")
_JUDGED: Final = ("worse", "better", "no evidence")


def markdown(report: Report) -> bytes:
    """Give the page, in UTF-8."""
    blocks = [
        heading(report),
        " · ".join(_run(report)),
        _bullets("Reason", report.verdict.reasons),
        _section("Thresholds", ("", "Threshold", "Measured"), list(map(_threshold, _worst(report)))),
        _comparison(report),
        _section("Figures", (">Requests", ">Rate", *_heads(), ">Failed", ">Error rate"), [_figures(report)]),
        _users(report),
        _endpoints(report),
        _counts("Errors", "Error", error_counts(report.totals)),
        _counts("Responses", "Status", {code: n for code, n in status_codes(report.totals).items() if n}),
        _bullets("Warning", report.warnings),
    ]
    return ("\n\n".join(block for block in blocks if block) + "\n").encode("utf-8")


def code(text: str, *, length: int = NAME_LENGTH) -> str:
    """Show a name as it is, but for what would end its span or its cell.

    >>> code("GET /a|b"), code(" ")
    ('`GET /a¦b`', '(empty)')
    """
    shown = shortened(text, length).translate(_ALIKE).strip()
    return f"`{shown}`" if shown else "(empty)"


def prose(text: str) -> str:
    """Show a sentence, the words that could mean something in code spans.

    >>> prose("ask @me, or *her*")
    'ask `@me`, or `*her*`'
    """
    shown: list[str] = []
    spans = False  # the last piece is a code span, which another one must not touch
    for name, part in spoken(text, SENTENCE_LENGTH):
        if name and spans:
            shown.append(" ")
        if part:
            shown.append(code(part, length=SENTENCE_LENGTH) if name else part)
            spans = name
    return "".join(shown)


def _run(report: Report) -> Iterator[str]:
    settings = report.settings
    yield from (code(str(settings[key])) for key in ("name",) if settings.get(key))
    yield code(report.script)
    if target := settings.get("target"):
        yield f"on {code(str(target))}"
    yield _text(duration(load_seconds(report)))
    if report.workers:
        yield things(len({end.worker.index for end in report.workers}), "worker")
    yield moment(report.started_at)
    yield f"run {code(report.run_id)}"


def _worst(report: Report) -> list[CheckOutcome]:
    return first(report.checks, len(report.checks), key=lambda check: (check.ok, not check.strict))


def _threshold(check: CheckOutcome) -> Sequence[str]:
    mark = "✅" if check.ok else "❌" if check.strict else "🟡 optional"
    found = [f"{code(name)} = {exactly(value)}" for name, value in list(check.values.items())[:3]]
    missing = [f"{code(name)} was never measured" for name in check.missing[:3]]
    problem = [code(check.problem, length=SENTENCE_LENGTH)] if check.problem else []
    told = ", ".join([*problem, *missing, *found]) or ("holds" if check.ok else "does not hold")
    return mark, code(check.label), told


def _comparison(report: Report) -> str:
    found = report.comparison
    if found is None:
        return ""
    ranked = first(found.metrics, len(found.metrics), key=lambda metric: _JUDGED.index(metric.judgement))
    rows = [
        (
            code(metric.name),
            _text(valued(metric.before, metric.unit)),
            _text(valued(metric.after, metric.unit)),
            change_words(metric),
            metric.judgement,
        )
        for metric in ranked
    ]
    told = f"Compared with run {code(found.baseline)}: **{found.verdict}**."
    titles = ("Metric", ">Before", ">Now", ">Change", "Judgement")
    blocks = (_section("Baseline", titles, rows), told, _bullets("Caution", found.cautions))
    return "\n\n".join(block for block in blocks if block)


def _figures(report: Report) -> Sequence[str]:
    found, known = Figures.of(report), "http.requests" in report.totals.counters
    return (
        count(found.requests if known else None),
        _measured(found.rate if known else None, "/s"),
        *_spread(report.totals.sketches.get(RESPONSE_TIME)),
        count(found.failed_requests if known else None),
        _text(percent(found.error_rate if found.requests else None)),
    )


def _users(report: Report) -> str:
    users = Users.of(report.books)
    names = ["planned", "started", "completed", "failed", "cut", "unknown", "dropped", "lost"]
    shown = [name for name in names if name not in ("cut", "unknown") or getattr(users, name)]
    balance = "" if users.balanced else "\n\n❌ The books do not balance."
    row = [count(getattr(users, name)) for name in shown]
    return _section("Virtual users", [f">{name.capitalize()}" for name in shown], [row]) + balance


def _endpoints(report: Report) -> str:
    found = endpoints(report.totals)
    slowest = first(found.items(), ROWS, key=lambda item: (item[1].sketch.count > 0, -item[1].p95, item[0]))
    titles = ("Endpoint", ">Responses", *_heads(), ">Errors")
    rows = [_endpoint(name, endpoint) for name, endpoint in slowest]
    return _section("Endpoints, slowest first", titles, rows, total=len(found))


def _endpoint(name: str, endpoint: Endpoint) -> Sequence[str]:
    answered = endpoint.codes.total() or endpoint.sketch.count
    return code(name), count(answered), *_spread(endpoint.sketch), count(endpoint.errors.total())


def _counts(title: str, of: str, counts: Mapping[str, int]) -> str:
    most = first(counts.items(), ROWS, key=lambda item: (-item[1], item[0]))
    return _section(
        title, (of, ">Count"), [(code(name), count(times)) for name, times in most], total=len(counts)
    )


def _heads() -> list[str]:
    return [f">{key}" for key in _TIMES]


def _spread(sketch: Sketch | None) -> list[str]:
    told = sketch.summary() if sketch is not None and sketch.count else {}
    return [_measured(told.get(key), "ms") for key in _TIMES]


def _measured(value: float | None, unit: str) -> str:
    return _text(measured(value, unit))


def _text(html: Html) -> str:
    return unescape(html)


def _section(title: str, titles: Sequence[str], rows: Sequence[Sequence[str]], *, total: int = 0) -> str:
    """Make a table below its heading, nothing without rows; titles that begin with ">" are of numbers."""
    if not rows:
        return ""
    lines = [
        [each.removeprefix(">") for each in titles],
        ["--:" if each[:1] == ">" else "---" for each in titles],
    ]
    hidden = max(total, len(rows)) - ROWS
    lines += [list(row) for row in rows[:ROWS]]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"### {title}\n\n{table}" + (f"\n\n{more(hidden)}" if hidden > 0 else "")


def _bullets(word: str, sentences: Sequence[str]) -> str:
    lines = [f"- {word}: {prose(each)}" for each in sentences[:ROWS]]
    if len(sentences) > ROWS:
        lines.append(f"- {more(len(sentences) - ROWS)}")
    return "\n".join(lines)
