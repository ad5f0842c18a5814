"""Report files that tell percentiles without the values behind them: Artillery's (pure).

Leaves to others: Grapeshot's own files (reading).

Artillery writes no verdict, no plan and no books. So users planned are those it has created, and whoever has neither
completed nor failed is left open. Its thresholds are in no file: the verdict is `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.parts import Part
from grapeshot_launcher.results.quoted import Quoted
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.period import Period, RateCount
from grapeshot_worker.metrics.report import Totals

FOREIGN = "its percentiles are Artillery's: they can be shown, and neither merged nor drawn as a distribution"


def foreign_report(file: Part, name: str) -> Report:
    """Make a report of Artillery's file; Odd for what is none."""
    totals, periods = quoted_totals(file.part("aggregate")), tuple(quoted_windows(file))
    created = totals.counters.get("vusers.created", 0)
    tally = Tally(
        planned=created,
        started=created,
        completed=totals.counters.get("vusers.completed", 0),
        failed=totals.counters.get("vusers.failed", 0),
    )
    return Report(
        run_id="a run of Artillery",
        script=name,
        started_at=(totals.first_at or 0.0) / 1000,
        ended_at=(totals.last_at or 0.0) / 1000,
        verdict=Verdict(kind="unknown", exit_code=0),
        totals=totals,
        periods=periods,
        books=Books.of({0: created}, {0: tally}, {0}),
        warnings=(f"{name}: {FOREIGN}",),
        quoted=True,
    )


def quoted_totals(whole: Part) -> Totals:
    """Read an object with counters, rates and summaries, such as `aggregate`."""
    return Totals(
        latest=whole.whole("period") if whole.has("period") else None,
        counters=whole.counts("counters"),
        rates=whole.counts("rates") if whole.has("rates") else {},
        sketches=_quoted(whole),
        **moments(whole),
    )


def quoted_windows(file: Part) -> Iterator[Period]:
    """Read the windows of `intermediate`, in order of time."""
    found = sorted((_start(each), each.path, each) for each in file.parts("intermediate"))
    starts = [start for start, _, _ in found]
    if len(set(starts)) < len(starts):
        raise file.odd("intermediate", "has the same ten seconds twice")
    for start, _, each in found:
        totals = quoted_totals(Part({**each.value, "period": None}, each.path))
        yield Period(
            start=start,
            counters=totals.counters,
            rates={name: RateCount(rate, start, start) for name, rate in totals.rates.items()},
            sketches=totals.sketches,
            first_counter_at=totals.first_counter_at,
            last_counter_at=totals.last_counter_at,
            first_histogram_at=totals.first_histogram_at,
            last_histogram_at=totals.last_histogram_at,
        )


def moments(part: Part) -> dict[str, Any]:
    """Read the moments of the first and last measurements, of those that are there."""
    keys = {
        "first_counter_at": "firstCounterAt",
        "last_counter_at": "lastCounterAt",
        "first_histogram_at": "firstHistogramAt",
        "last_histogram_at": "lastHistogramAt",
    }
    return {name: float(part.number(key)) for name, key in keys.items() if part.has(key)}


def _start(window: Part) -> int:
    """Read a window's number, which is a text."""
    value = window.any("period")
    text = str(value) if type(value) in (str, int) else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise window.odd("period", "is no moment")
    return int(text)


def _quoted(part: Part) -> dict[str, Quoted]:
    """Read the summaries, which earlier versions call histograms."""
    key = "summaries" if part.has("summaries") or not part.has("histograms") else "histograms"
    if not part.has(key):
        return {}
    known = part.part(key)
    found = {}
    for name in known.value:
        told = {stat: value for stat, value in known.part(name).value.items() if value is not None}
        found[name] = Quoted.from_summary(Part({"x": told}, known.where(name)[1:-1]).numbers("x"))
    return found
