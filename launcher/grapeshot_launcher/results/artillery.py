"""Report files that tell percentiles without the values behind them: Artillery's (pure).

Leaves to others: Grapeshot's own files (reading).

Artillery writes no verdict, no plan and no books. So users planned are those it has created, and whoever has neither
completed nor failed is left open. Its thresholds are in no file: the verdict is `unknown`. Its counters may be
fractions or null, where hooks count; ours are whole, so such a one is left out, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.parts import Part
from grapeshot_launcher.results.quoted import Quoted
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.period import Period, RateCount
from grapeshot_worker.metrics.report import Totals

FOREIGN = "its percentiles are Artillery's: they can be shown, and neither merged nor drawn as a distribution"

_NEEDED: Final = ("vusers.", "http.requests", "http.responses", "http.codes.", "errors.")  # never left out
_NAMED: Final = 5  # of the counters left out, in a warning


def foreign_report(told: Part, name: str) -> Report:
    """Make a report of Artillery's file; Odd for what is none."""
    file, left_out = _countable(told)
    totals, periods = quoted_totals(file.part("aggregate")), tuple(quoted_windows(file))
    counters = file.part("aggregate").part("counters")
    created, completed, failed = (
        counters.whole(key) if counters.has(key) else 0
        for key in ("vusers.created", "vusers.completed", "vusers.failed")
    )
    tally = Tally(planned=created, started=created, completed=completed, failed=failed)
    return Report(
        run_id="a run of Artillery",
        script=name,
        started_at=(totals.first_at or 0.0) / 1000,
        ended_at=(totals.last_at or 0.0) / 1000,
        verdict=Verdict(kind="unknown", exit_code=0),
        totals=totals,
        periods=periods,
        books=Books.of({0: created}, {0: tally}, {0}),
        warnings=(f"{name}: {FOREIGN}", *_told_left_out(name, left_out)),
        quoted=True,
    )


def _countable(file: Part) -> tuple[Part, list[str]]:
    """Take away the counters that are no whole numbers, in the whole and in each window; give their names too."""
    left_out: set[str] = set()

    def kept(part: Part) -> dict[str, Any]:
        counters = part.part("counters").value
        odd = {
            name
            for name, count in counters.items()
            if (count is None or isinstance(count, float)) and not name.startswith(_NEEDED)
        }
        left_out.update(odd)
        return {
            **part.value,
            "counters": {name: count for name, count in counters.items() if name not in odd},
        }

    windows = [kept(each) for each in file.parts("intermediate")]
    return Part({"aggregate": kept(file.part("aggregate")), "intermediate": windows}, file.path), sorted(
        left_out
    )


def _told_left_out(name: str, left_out: list[str]) -> Iterator[str]:
    if left_out:
        more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
        yield f"{name}: left out are counters that are no whole numbers: {', '.join(left_out[:_NAMED])}{more}"


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
