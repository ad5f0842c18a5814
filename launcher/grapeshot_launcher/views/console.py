"""What a person reads in the terminal: the lines and blocks of a run, as text (pure).

Leaves to others: printing, and knowing the terminal's width, its colours and the time zone: they are arguments.

The texts are the reference's, because people grep them; what we add stands after them: what a failed check
measured, the books, the verdict. Every text that may come from the target or the script goes through `plain`:
a terminal obeys control characters, whoever wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final, Literal

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.report import Apdex
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.plan import plural
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.script.model import Phase
from grapeshot_worker.script.values import to_text

WIDEST: Final = 79
NARROWEST: Final = 50
NOTHING: Final = "No measurements recorded during this period"

_SHOWN: Final = ("min", "max", "mean", "median", "p95", "p99")
_GREEN: Final = "\x1b[32m"
_RED: Final = "\x1b[31m"
_PLAIN: Final = "\x1b[39m"


# ---- lines ----


def run_id_line(run_id: str) -> str:
    """Name the run."""
    return f"Test run id: {plain(run_id)}"


def phase_line(change: Literal["started", "completed"], phase: Phase, *, at: float, tz: tzinfo | None) -> str:
    """Tell that a phase started or completed at epoch seconds; a blank line follows."""
    written = phase.written_duration
    unit = (
        "s" if isinstance(written, int) or (isinstance(written, str) and written.strip().isdecimal()) else ""
    )
    duration = f"{plain(to_text(written))}{unit}"
    name = plain(phase.name or "unnamed")
    return f"Phase {change}: {name} (index: {phase.index}, duration: {duration}) {local_time(at, tz)}\n"


def finished_line(totals: Totals, *, ended_at: float) -> str:
    """Tell the total time, from the first measurement to epoch seconds `ended_at`; a blank line follows."""
    began = totals.first_at
    seconds = 0.0 if began is None else ended_at - began / 1000
    return f"All VUs finished. Total time: {duration_words(seconds)}\n"


def log_file_line(path: str) -> str:
    """Name the file of `--output`."""
    return f"Log file: {plain(path)}"


def apdex_line(apdex: Apdex) -> str:
    """Tell the Apdex score and its word."""
    if apdex.score is None:
        return "Apdex score: none (there was no HTTP response)"
    return f"Apdex score: {to_text(apdex.score)} ({apdex.ranking})"


def local_time(at: float, tz: tzinfo | None) -> str:
    """Write epoch seconds as the clock on the wall shows them; `tz` None is this machine's zone.

    >>> from datetime import timezone
    >>> local_time(1_795_421_580, timezone.utc)
    '08:13:00(+0000)'
    """
    return datetime.fromtimestamp(at, tz).astimezone(tz).strftime("%H:%M:%S(%z)")


def duration_words(seconds: float) -> str:
    """Write a duration in words, from the largest unit that is not 0 down to seconds.

    >>> duration_words(63), duration_words(3602.9)
    ('1 minute, 3 seconds', '1 hour, 0 minutes, 2 seconds')
    """
    rest = max(int(seconds), 0)
    words: list[str] = []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, rest = divmod(rest, size)
        if count or words or size == 1:
            words.append(plural(count, unit))
    return ", ".join(words)


def plain(text: str) -> str:
    """Show what a terminal would obey instead of print (control and invisible characters, line breaks) as an escape.

    >>> plain("a\\x1b[2Jb\\nc")
    'a\\\\x1b[2Jb\\\\nc'
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text
    )


def plain_lines(text: str) -> str:
    """Show a text of several lines with all but its line breaks made plain."""
    return "\n".join(map(plain, text.split("\n")))


# ---- blocks of numbers ----


def period_block(
    period: Period, *, tz: tzinfo | None, columns: int | None = None, suppressed: Sequence[str] = ()
) -> str:
    """Show one window; `columns`: of the terminal, None without one; `suppressed`: prefixes of names to hide."""
    totals = Totals.of_window(period)
    title = f"Metrics for period to: {local_time(period.end / 1000, tz)}"
    width = (
        ""
        if totals.first_at is None or totals.last_at is None
        else f" (width: {to_text((int(totals.last_at) - int(totals.first_at)) / 1000)}s)"
    )
    return _block(title, width, metric_lines(totals, columns=columns, suppressed=suppressed))


def summary_block(
    totals: Totals,
    *,
    at: float,
    tz: tzinfo | None,
    columns: int | None = None,
    suppressed: Sequence[str] = (),
) -> str:
    """Show the whole run, at epoch seconds `at`; what belongs to it follows without a blank line."""
    lines = metric_lines(totals, columns=columns, suppressed=suppressed)
    return _block(f"Summary report @ {local_time(at, tz)}", "", lines).rstrip("\n")


def metric_lines(totals: Totals, *, columns: int | None = None, suppressed: Sequence[str] = ()) -> list[str]:
    """Write a line for each counter and rate and seven for each histogram, sorted by name, all kinds mixed."""
    width = min(max(columns or WIDEST, NARROWEST), WIDEST)
    groups: list[tuple[str, list[str]]] = [
        *((name, [dotted(f"{name}:", str(n), width)]) for name, n in totals.counters.items()),
        *((name, [dotted(f"{name}:", f"{n}/sec", width)]) for name, n in totals.rates.items()),
        *((name, _histogram(name, summary, width)) for name, summary in totals.summaries().items()),
    ]
    if not groups:
        return [NOTHING]
    groups.sort(key=lambda group: group[0].encode("utf-16-be", "surrogatepass"))  # JavaScript's order
    return [line for name, lines in groups if not name.startswith(tuple(suppressed)) for line in lines]


def dotted(label: str, value: str, width: int) -> str:
    """Put dots between a label and its value, so that values stand below each other.

    >>> dotted("vusers.failed:", "0", 30)
    'vusers.failed: ................ 0'
    """
    shown = cut(plain(label), width)
    return f"{shown} {'.' * (width - len(shown))} {value}"


def cut(text: str, width: int) -> str:
    """Shorten a text that is longer than `width` to it, and show that.

    >>> cut("plugins.metrics", 10)
    'plugins...'
    """
    return text if len(text) <= width else text[: width - 3] + "..."


def _histogram(name: str, summary: Mapping[str, float], width: int) -> list[str]:
    head = cut(plain(f"{name}:"), width)
    return [head, *(dotted(f"  {key}:", to_text(summary[key]), width) for key in _SHOWN)]


def _block(title: str, note: str, lines: Iterable[str]) -> str:
    rule = "-" * len(title)
    return "\n".join([rule, title + note, rule, "", *lines, "", ""])


# ---- judgements ----


def checks_block(checks: Sequence[CheckOutcome], *, colour: bool = False) -> str:
    """Show the passed checks, then the failed ones with what was measured; each group in reverse definition order."""
    lines = ["Checks:"]
    newest_first = checks[::-1]
    lines += [
        f"{_coloured('ok', _GREEN, colour)}: {plain(check.label)}" for check in newest_first if check.ok
    ]
    for check in newest_first:
        if not check.ok:
            optional = "" if check.strict else " (optional)"
            lines.append(f"{_coloured('fail', _RED, colour)}: {plain(check.label)}{optional}  ({why(check)})")
    return "\n".join(lines)


def why(check: CheckOutcome) -> str:
    """Say what a failed check found."""
    return plain(check.found)


def books_line(books: Books) -> str:
    """Say what became of the planned users; a part that is 0 is left out."""
    parts = [f"{books.started} started"]
    if books.dropped.get("maxVusers"):
        parts.append(f"{books.dropped['maxVusers']} dropped by maxVusers")
    if books.dropped.get("stopped"):
        parts.append(f"{books.dropped['stopped']} not started because the run was stopped")
    if books.lost:
        workers = ", ".join(str(index + 1) for index in books.missing)
        parts.append(f"{books.lost} lost with worker {workers}")
    return f"Virtual users: {books.planned} planned = {' + '.join(parts)}"


def no_load_line(books: Books) -> str:
    """Say what became of the planned users of a run that made no load."""
    return f"Virtual users: {books.planned} planned = {books.lost} lost: no load was made"


def verdict_lines(verdict: Verdict, *, colour: bool = False) -> str:
    """Say the verdict and below it every reason."""
    code = _GREEN if verdict.kind == "pass" else _RED
    head = f"Verdict: {_coloured(verdict.kind, code, colour)}"
    return "\n".join([head, *(f"  - {plain(reason)}" for reason in verdict.reasons)])


def _coloured(word: str, code: str, colour: bool) -> str:
    return f"{code}{word}{_PLAIN}" if colour else word
