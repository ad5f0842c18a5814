"""Sums of less than all measurements: of parts without windows, and of percentiles that are only quoted (pure).

Leaves to others: sums of what is known in full (the worker's metrics), the rest of a merged report (merge).

Percentiles that are only quoted can't be merged. With such a run among several, of every distribution that is left
which can be said of any: count, mean, lowest and highest value. The rest is absent. Rates are known a second there, so
within ten seconds they are added as they are told, and the whole's is the mean over the windows, as in any report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from grapeshot_launcher.results.quoted import Quoted
from grapeshot_worker.metrics.period import Period, RateCount, by_window
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch, SketchSum


def region_sum(parts: Sequence[Totals]) -> Totals:
    """Add wholes up that have no windows any more: so what their rates are together is not known."""
    names = dict.fromkeys(name for each in parts for name in each.sketches)
    sketches: dict[str, Sketch] = {}
    for name in names:
        total = SketchSum()
        for each in parts:
            if name in each.sketches:
                total.add(each.sketches[name])
        sketches[name] = total.sketch()
    return _counted(parts, sketches, {})


def _counted(parts: Sequence[Totals], sketches: Mapping[str, Sketch], rates: Mapping[str, int]) -> Totals:
    """Add counters up, and take the outermost moments."""
    counters: dict[str, int] = {}
    for each in parts:
        for name, count in each.counters.items():
            counters[name] = counters.get(name, 0) + count

    def outermost(name: str) -> float | None:
        known = [moment for each in parts if (moment := getattr(each, name)) is not None]
        return None if not known else min(known) if name.startswith("first") else max(known)

    moments = ("first_counter_at", "last_counter_at", "first_histogram_at", "last_histogram_at")
    return Totals(
        latest=max((each.latest for each in parts if each.latest is not None), default=None),
        counters=counters,
        rates=rates,
        sketches=sketches,
        **{name: outermost(name) for name in moments},
    )


def quoted_whole(parts: Sequence[Totals], windows: Sequence[Period]) -> Totals:
    """Add wholes up, of which one at least is quoted; `windows`: what `quoted_windows` gave of them."""
    rates = Totals.of(replace(each, sketches={}) for each in windows).rates
    return _counted(parts, _outlines([each.sketches for each in parts]), rates)


def quoted_windows(periods: Sequence[Period]) -> tuple[Period, ...]:
    """Merge the parts of each window, some of them quoted; one period a window, in chronological order."""
    windows: dict[int, list[Period]] = {}
    for period in periods:
        windows.setdefault(period.start, []).append(period)
    whole: list[Period] = []
    for start in sorted(windows):
        same = windows[start]
        if len(same) == 1:
            whole.append(same[0])
            continue
        [added] = by_window([replace(each, sketches={}, rates=_told_rates(each)) for each in same])
        whole.append(replace(added, sketches=_outlines([each.sketches for each in same])))
    return tuple(whole)


def _told_rates(period: Period) -> dict[str, RateCount]:
    """Give rates a second as counts of one second, as those that are quoted stand."""
    start = float(period.start)
    return {name: RateCount(rate.per_second, start, start) for name, rate in period.rates.items()}


def _outlines(parts: Sequence[Mapping[str, Sketch]]) -> dict[str, Quoted]:
    """Give of each distribution what is exact of several: count, mean, lowest and highest value, if all tell it."""
    found: dict[str, Quoted] = {}
    for name in dict.fromkeys(name for each in parts for name in each):
        known = [_exact(each[name]) for each in parts if name in each and each[name].count]
        count = sum(each["count"] for each in known)
        told: dict[str, float] = {"count": count}
        if all("min" in each and "max" in each for each in known):
            told["min"] = min((each["min"] for each in known), default=0.0)
            told["max"] = max((each["max"] for each in known), default=0.0)
        if all("mean" in each for each in known):
            told["mean"] = sum(each["count"] * each["mean"] for each in known) / count if count else 0.0
        found[name] = Quoted.from_summary(told)
    return found


def _exact(sketch: Sketch) -> Mapping[str, float]:
    if isinstance(sketch, Quoted):
        return sketch.exact
    return {"min": sketch.min, "max": sketch.max, "count": sketch.count, "mean": sketch.sum / sketch.count}
