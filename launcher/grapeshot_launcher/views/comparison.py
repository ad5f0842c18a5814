"""A comparison with an earlier run, as a person reads it in the terminal (pure).

Leaves to others: making it (the launcher's results), printing it.
"""

from __future__ import annotations

import math

from grapeshot_launcher.results.baseline import FALSE_ALARMS
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.plan import plural

_HEAD = ("", "before", "after", "change", "between", "")


def comparison_block(comparison: Comparison) -> str:
    """Show a line for each metric, then the verdict, what makes it doubtful, and how often such a verdict errs."""
    rows = [_HEAD, *(_row(metric) for metric in comparison.metrics)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(
            cell.ljust(width) if number in (0, len(widths) - 1) else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    of_slices = f", the middle of {plural(comparison.slices, 'slice')} of 10 s" if comparison.metrics else ""
    return "\n".join(
        [
            f"Compared with {plain(comparison.baseline)}{of_slices}:",
            *(table if comparison.metrics else ["  nothing can be compared"]),
            f"Baseline: {comparison.verdict}",
            *(f"  - {plain(caution)}" for caution in comparison.cautions),
            *([f"  ({FALSE_ALARMS})"] if comparison.verdict != "no evidence" else []),
        ]
    )


def change_words(metric: Compared) -> str:
    """Write a metric's change: in percent of before, of a share in points.

    >>> p95 = Compared(name="p95", unit="ms", before=80, after=100, change=0.25, low=0.1, high=0.4, judgement="worse")
    >>> change_words(p95), interval_words(p95)
    ('+25.0 %', '+10.0 … +40.0 %')
    """
    return f"{_signed(metric.change)} {_unit(metric)}"


def interval_words(metric: Compared) -> str:
    """Write the interval that holds the true change; nothing where there is none."""
    if not (math.isfinite(metric.low) and math.isfinite(metric.high)):
        return ""
    return f"{_signed(metric.low)} … {_signed(metric.high)} {_unit(metric)}"


def _row(metric: Compared) -> tuple[str, ...]:
    before, after = (f"{value:.1f} {metric.unit}" for value in (metric.before, metric.after))
    change, between = change_words(metric), interval_words(metric)
    return (f"  {metric.name}", before, after, change, between, metric.judgement)


def _signed(share: float) -> str:
    text = f"{share * 100:+.1f}"
    return "0.0" if float(text) == 0 else text


def _unit(metric: Compared) -> str:
    return "points" if metric.unit == "%" else "%"
