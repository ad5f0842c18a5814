"""What a run is judged by: its verdict, its thresholds with their margins, an earlier run (pure).

Leaves to others: judging (results), the sentence of the verdict (the summary's head).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.comparison import change_words, interval_words
from grapeshot_launcher.views.html.grids import Cell, Grid, grid, lines, named, text_cell, timed, word
from grapeshot_launcher.views.summary.head import WORDS, sentence
from grapeshot_launcher.views.summary.numbers import NONE, exactly, percent

OPEN_REASONS: Final = 8  # of the verdict, that are shown at once
DISTRUST: Final = {
    "invalid": "The load generator spoiled the measurement: don't rely on any number below.",
    "stopped": "The planned load was not made: don't hold the numbers below against those of a whole run.",
}
_LIMIT: Final = re.compile(r"[^<>=!&|()]*(<=?|>=?)\s*(\d+(?:\.\d+)?)\s*")
_TONES: Final = {"worse": "fail", "better": "pass", "no evidence": ""}
_UNITS: Final = ("ms", "/s", "%", "s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Banner:
    """The verdict as the page shows it: its kind, its word, why in a sentence, what that means for the numbers."""

    kind: str
    word: str
    sentence: str
    distrust: str
    reasons: tuple[Markup, ...]

    @property
    def open_reasons(self) -> tuple[Markup, ...]:
        """Those that are shown at once."""
        return self.reasons[:OPEN_REASONS]

    @property
    def other_reasons(self) -> tuple[Markup, ...]:
        """Those behind a fold."""
        return self.reasons[OPEN_REASONS:]


def banner(report: Report) -> Banner:
    """Say what came of a run."""
    kind = report.verdict.kind
    said, told = WORDS[kind], sentence(report)
    if report.comparison is not None and report.comparison.verdict == "regression":
        worse = sum(metric.judgement == "worse" for metric in report.comparison.metrics)
        told += f"; {worse:,} metric{'' if worse == 1 else 's'} got worse than in the baseline"
        if kind == "pass":
            said = "Passed, but worse than before"
    return Banner(
        kind="worse" if said != WORDS[kind] else kind,
        word=said,
        sentence=told[:1].upper() + told[1:] + ".",
        distrust=DISTRUST.get(kind, ""),
        reasons=tuple(map(lines, report.verdict.reasons)),
    )


def check_grid(checks: Sequence[CheckOutcome]) -> Grid:
    """Show every threshold, the failed ones first."""
    rows = [
        (text_cell(check.label), _outcome(check), _found(check), _margin(check))
        for check in sorted(checks, key=lambda check: (check.ok, not check.strict))
    ]
    return grid(
        "thresholds",
        "Held against the whole run, failed ones first",
        ("Threshold", "Result", "Measured", "Margin"),
        rows,
    )


def _outcome(check: CheckOutcome) -> Cell:
    if check.ok:
        return word("holds" if check.strict else "holds, optional", key=2.0, tone="pass")
    return (
        word("failed", key=0, tone="fail")
        if check.strict
        else word("failed, optional", key=1, tone="invalid")
    )


def _found(check: CheckOutcome) -> Cell:
    told = [lines(check.problem)] if check.problem else []
    told += [Markup("{} was never measured").format(named(name)) for name in check.missing]
    values = list(check.values.items())
    told += [
        Markup("{} = <b>{}</b>").format(named(name), Markup(exactly(round(value, 7))))
        for name, value in values
    ]
    return Cell(shown=Markup("<br>").join(told) or Markup(NONE), key=values[0][1] if values else None)


def _margin(check: CheckOutcome) -> Cell:
    """Say how far a value is from its limit; nothing where a check is no plain comparison with one number."""
    share = margin(check)
    if share is None:
        return Cell(shown=Markup(NONE))
    words = (
        f"{percent(abs(share))} {'within' if check.ok else 'beyond'} the limit" if share else "at the limit"
    )
    return Cell(shown=Markup(words), key=share)


def margin(check: CheckOutcome) -> float | None:
    """Give how far the value is within the limit, as a share of the limit; negative beyond it.

    >>> margin(CheckOutcome(label="p95 < 200", strict=True, ok=True, values={"http.response_time.p95": 150.0}))
    0.25
    """
    found = _LIMIT.fullmatch(check.label)
    if found is None or len(check.values) != 1 or check.missing or check.problem:
        return None
    limit, (value,) = float(found[2]), check.values.values()
    if not limit or not math.isfinite(value):
        return None
    return (limit - value) / limit if found[1].startswith("<") else (value - limit) / limit


def comparison_grid(comparison: Comparison) -> Grid:
    """Show what changed, what got worse first."""
    order = list(_TONES)
    rows = [
        _compared(metric)
        for metric in sorted(comparison.metrics, key=lambda metric: order.index(metric.judgement))
    ]
    titles = ("Metric", ">Before", ">Now", ">Change", ">Between", "Judgement")
    return grid("comparison", "Metric by metric: the middle of its 10-second slices", titles, rows)


def _compared(metric: Compared) -> tuple[Cell, ...]:
    unit = metric.unit if metric.unit in _UNITS else ""
    return (
        text_cell(metric.name),
        timed(metric.before, unit),
        timed(metric.after, unit),
        Cell(shown=Markup.escape(change_words(metric)), key=metric.change),
        Cell(
            shown=Markup.escape(interval_words(metric) or "–"),
            key=metric.low if math.isfinite(metric.low) else None,
        ),
        word(
            metric.judgement, key=float(list(_TONES).index(metric.judgement)), tone=_TONES[metric.judgement]
        ),
    )


def comparison_words(comparison: Comparison) -> str:
    """Say in one sentence what a comparison found."""
    worse = sum(metric.judgement == "worse" for metric in comparison.metrics)
    better = sum(metric.judgement == "better" for metric in comparison.metrics)
    match comparison.verdict:
        case "regression":
            return f"{worse:,} metric{'' if worse == 1 else 's'} got worse" + (
                f", {better:,} got better." if better else "."
            )
        case "improvement":
            return f"{better:,} metric{'' if better == 1 else 's'} got better, none got worse."
        case "no evidence":
            return "Nothing shows that anything changed."
