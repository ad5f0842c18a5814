"""The periods of a run as CSV: a row for each, for a spreadsheet or a data frame (pure).

Leaves to others: writing the file, and percentiles of the whole (they can't be had from those of the rows).

First come the columns that every run has, then all counters, rates and summaries of the run under the names of the JSON
file: `counters.NAME`, `rates.NAME`, `summaries.NAME.p95`, each kind sorted by name. RFC 4180: commas, double quotes,
CRLF, UTF-8. A counter that is not in a period counted 0; any other number that is not there was not measured, and its
cell is empty.

The names come from the target and the script, and a spreadsheet takes a cell that begins with = + - @ for a formula.
No cell of ours begins with a name; still a spreadsheet that splits at semicolons or tabs may begin one within it. So
there, too, such a sign gets an apostrophe before it, and what doesn't print is shown as its escape.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from grapeshot_launcher.results.figures import RESPONSE_TIME
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import began, error_counts, over, status_codes
from grapeshot_launcher.views.console import plain
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import SUMMARY_KEYS

Cell = str | float | None

_TIMES: Final = ("p50", "p95", "p99", "max", "mean", "count")
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
FIXED: Final = (
    "start", "start_ms", "seconds", "users_created", "users_completed", "users_failed", "users_active", "requests",
    "rate", *(f"codes_{each}" for each in _CLASSES), "errors", *(f"response_time_{key}" for key in _TIMES),
)  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A sign that begins a formula (the wide ones too), at the start of a cell or behind what may separate two.
_FORMULA: Final = re.compile(r"(^|[,;|\t\"'])(\s*)(?=[=+\-@＝＋－＠])")


def periods_csv(report: Report) -> bytes:
    """Give the file: a line of titles, then one for each period with a measurement, in order of time.

    `seconds` is how much of the period the load covers, `rate` requests over it; `users_active` are those under way at
    its end. Times are in ms. `errors` are those of `errors.*`.
    """
    names = _Names(report)
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow([harmless(title) for title in (*FIXED, *names.titles())])
    active = 0
    for period in report.periods:
        created, ended = _users(period)
        active += created - ended
        window = Totals.of_window(period)
        out.writerow([*_fixed(report, period, window, active), *names.cells(window)])
    return text.getvalue().encode("utf-8")


def harmless(text: str) -> str:
    """Write a text so that no spreadsheet takes it, or a part of it, for a formula.

    >>> harmless("=1+1"), harmless("counters.a;=1+1"), harmless("counters.GET /a-b")
    ("'=1+1", "counters.a;'=1+1", 'counters.GET /a-b')
    """
    return _FORMULA.sub(r"\1\2'", plain(text))


class _Names:
    """What was measured in any period, by kind: the columns that are a run's own."""

    def __init__(self, report: Report) -> None:
        self._counters = sorted({name for period in report.periods for name in period.counters})
        self._rates = sorted({name for period in report.periods for name in period.rates})
        self._summaries = sorted({name for period in report.periods for name in period.sketches})

    def titles(self) -> Iterator[str]:
        yield from (f"counters.{name}" for name in self._counters)
        yield from (f"rates.{name}" for name in self._rates)
        yield from (f"summaries.{name}.{key}" for name in self._summaries for key in SUMMARY_KEYS)

    def cells(self, window: Totals) -> Iterator[Cell]:
        known = window.summaries()
        yield from (window.counters.get(name, 0) for name in self._counters)
        yield from (window.rates.get(name) for name in self._rates)
        yield from (known.get(name, {}).get(key) for name in self._summaries for key in SUMMARY_KEYS)


def _fixed(report: Report, period: Period, window: Totals, active: int) -> Iterator[Cell]:
    counters = window.counters
    opens, closes = max(period.start / 1000, began(report)), min(period.end / 1000, over(report))
    seconds, requests = max(closes - opens, 0.0), counters.get("http.requests", 0)
    yield _iso(period.start)
    yield period.start
    yield round(seconds, 3)
    yield from (counters.get(f"vusers.{name}", 0) for name in ("created", "completed", "failed"))
    yield active
    yield requests
    yield round(requests / max(seconds, 1.0), 3)
    classes: Counter[str] = Counter()
    for code, count in status_codes(window).items():
        classes[f"{code[0]}xx"] += count
    yield from (classes[each] for each in _CLASSES)
    yield sum(error_counts(window).values())
    sketch = window.sketches.get(RESPONSE_TIME)
    times = sketch.summary() if sketch is not None and sketch.count else {}
    yield from (times.get(key) for key in _TIMES)


def _iso(start: int) -> str:
    """Write epoch ms in ISO 8601; nothing for a moment that no calendar knows, which a file may tell."""
    try:
        return (_EPOCH + timedelta(milliseconds=start)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return ""


def _users(period: Period) -> tuple[int, int]:
    """Give how many users began, and how many ended."""
    counters = period.counters
    return counters.get("vusers.created", 0), sum(
        counters.get(f"vusers.{name}", 0) for name in ("completed", "failed")
    )
