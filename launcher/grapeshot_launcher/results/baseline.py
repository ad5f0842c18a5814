"""Comparing a run with an earlier one: what got better or worse, beyond what chance does (pure).

Leaves to others: reading the earlier run (earlier), whether the two can be compared at all (comparable), the
statistics (evidence), showing it (views).

A flat percentage cries wolf: two runs of the same code on shared machines easily lie a tenth apart. And slices along a
run soon tell a change of a hundredth from none, which nobody wants to hear of. So a metric is judged when the whole
interval of its change lies beyond a floor: it changed by more than that, whatever chance did. The floor also has to
stand against what chance did to a run as a whole, which no slice tells.

Slices. A run is its periods of ten seconds. A slice is held against the slice of the other run that lies at the same
distance from the start of the load, so a ramp is compared with the same part of the ramp, and a cold start with a cold
start. Periods lie on the wall clock and runs start when they like, so partners are up to five seconds apart; what the
metric itself does in those seconds, as its neighbours tell, is taken off. Slices that the run covers only partly are
left out, and times of slices with hardly any response.

Change. Times and rates change by factors, so their logarithms are compared, and up and down weigh the same: +25 % and
back is -20 %. A share (the error rate) changes by points. What is shown as before and after is the middle slice's
value; `change` is the middle of the slices' changes, and so not exactly the quotient of the two.

Weak spots. What differs between the two runs as wholes (another machine, another hour) is in every slice and can't be
told from a change of the target: only the floor stands against it. A rare stall moves the p99 of the whole run, but
not the middle of its slices. docs/baseline.md has the measured rates of both kinds of error.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal

from grapeshot_launcher.results.comparable import comparability
from grapeshot_launcher.results.comparison import Compared, Comparison, Judgement
from grapeshot_launcher.results.earlier import EarlierRun, Slice, error_count, seen_later
from grapeshot_launcher.results.evidence import Estimate, estimate, least_count
from grapeshot_launcher.results.figures import RESPONSE_TIME, failed_requests
from grapeshot_launcher.results.report import Report
from grapeshot_worker.metrics.period import WINDOW_MS

FLOOR: Final = 0.10  # of times and rates: what can't be told from a smaller change is not judged
POINTS: Final = 0.01  # the same of the error rate
CONFIDENCE: Final = 0.95  # that no metric is judged by chance, all metrics of a comparison together
LEAST_RESPONSES: Final = 10  # or requests, of a slice whose percentiles and shares mean anything
ROUNDING_MS: Final = 2.0  # times are whole milliseconds and buckets of 1 %: less can be rounding alone

# Measured; docs/baseline.md says how, and `bench/baseline.py` does it again.
FALSE_ALARMS: Final = (
    "False alarms: between 0.4 % and 11.7 % of pairs of unchanged runs on one crowded machine were called a change:"
    " the first is of runs held out, the second of those by which the rule was chosen"
)


Read = Callable[[Slice, EarlierRun], float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One thing to compare; `of` gives None where a slice has none; `least`, in its unit, is more than rounding."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    of: Read
    relative: bool = True  # compared by its logarithm
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A slice of each run, and how many windows later the second one lies in its run: -0.5 to 0.5."""

    before: Slice
    after: Slice
    shift: float


@dataclass(frozen=True, slots=True)
class Point:
    """A metric of a pair of slices: `at` what moment, in windows; before and after; the shift of the pair."""

    at: float
    before: float
    after: float
    shift: float


def _time(key: str) -> Read:
    def of(part: Slice, run: EarlierRun) -> float | None:
        enough = part.times.get("count", 0) >= LEAST_RESPONSES
        return max(part.times[key], 0.5) if enough else None  # 0 ms is less than half of one

    return of


def _rate(part: Slice, run: EarlierRun) -> float | None:
    return max(part.counters.get("http.requests", 0), 0.5) / (WINDOW_MS / 1000)


def _failed(part: Slice, run: EarlierRun) -> float | None:
    """Give the failed requests in percent of those that came to an end: `figures` has the same of a whole run."""
    unanswered = error_count(part.counters) * run.unanswered_per_error
    ended = part.counters.get("http.responses", 0) + unanswered
    if ended < LEAST_RESPONSES:
        return None
    refused = failed_requests({**part.counters, "http.requests": 0})  # those of a bad status alone
    return (unanswered + refused) / ended * 100


METRICS: Final = (
    *(
        Metric(name=f"{RESPONSE_TIME}.{key}", unit="ms", better="lower", of=_time(key), least=ROUNDING_MS)
        for key in ("p50", "p95", "p99")
    ),
    Metric(name="error rate", unit="%", better="lower", of=_failed, relative=False),
    Metric(name="http.request_rate", unit="/s", better="higher", of=_rate),
)


def compare(
    report: Report, earlier: EarlierRun, *, floor: float = FLOOR, confidence: float = CONFIDENCE
) -> Comparison:
    """Hold a run against an earlier one; `floor` as a share of 1."""
    return compare_runs(earlier, seen_later(report), floor=floor, confidence=confidence)


def compare_reports(before: Report, after: Report) -> Comparison:
    """Hold two runs against each other that are known as reports; one of Artillery may be among them."""
    earlier = seen_later(before)
    if before.quoted:
        earlier = replace(earlier, verdict=None, settings={}, script=None)
    return compare_runs(earlier, seen_later(after))


def compare_runs(
    before: EarlierRun, after: EarlierRun, *, floor: float = FLOOR, confidence: float = CONFIDENCE
) -> Comparison:
    """Hold two runs against each other, whichever way they are known.

    `confidence` is shared out among the metrics (Bonferroni), so it holds for all of them together.
    """
    circumstances = comparability(before, after)
    pairs = paired(before, after)
    each = 1 - (1 - confidence) / len(METRICS)
    points = {metric.name: _points(metric, pairs, (before, after)) for metric in METRICS}
    metrics = [
        _compared(metric, points[metric.name], floor=floor, confidence=each)
        for metric in METRICS
        if points[metric.name]
    ]
    if not circumstances.sound:
        metrics = [replace(metric, judgement="no evidence") for metric in metrics]
    counts = {name: len(found) for name, found in points.items()}
    return Comparison(
        baseline=before.run_id,
        metrics=tuple(metrics),
        cautions=(*circumstances.cautions, *_too_few(len(pairs), counts, least_count(each))),
        slices=len(pairs),
    )


def paired(before: EarlierRun, after: EarlierRun) -> list[Pair]:
    """Pair the whole slices that lie at the same distance from the start, to half a window, in order of time."""
    partners = after.whole_slices
    offsets = [part.start - after.began for part in partners]
    pairs = []
    for part in before.whole_slices:
        offset = part.start - before.began
        near = bisect_right(offsets, offset - WINDOW_MS / 2)
        if near < len(offsets) and offsets[near] <= offset + WINDOW_MS / 2:
            pairs.append(Pair(part, partners[near], (offsets[near] - offset) / WINDOW_MS))
    return pairs


def aligned(points: Sequence[Point]) -> list[float]:
    """Give after - before of each point, without what the metric does in the time between the two.

    The slope at a point is taken from both runs' neighbours, so swapping the runs turns all signs and nothing else.

    >>> aligned([Point(0.0, 0.0, 0.5, 0.5), Point(1.0, 1.0, 1.5, 0.5), Point(2.0, 2.0, 2.5, 0.5)])
    [0.0, 0.0, 0.0]
    """
    last = len(points) - 1
    differences = []
    for i, point in enumerate(points):
        left, right = points[max(i - 1, 0)], points[min(i + 1, last)]
        rise = (right.before + right.after - left.before - left.after) / 2
        slope = rise / (right.at - left.at) if right.at > left.at else 0.0
        differences.append(point.after - point.before - slope * point.shift)
    return differences


def _points(metric: Metric, pairs: Sequence[Pair], runs: tuple[EarlierRun, EarlierRun]) -> list[Point]:
    earlier, later = runs
    return [
        Point(pair.before.start / WINDOW_MS, then, now, pair.shift)
        for pair in pairs
        if (then := metric.of(pair.before, earlier)) is not None
        and (now := metric.of(pair.after, later)) is not None
    ]


def _compared(metric: Metric, points: Sequence[Point], *, floor: float, confidence: float) -> Compared:
    before, after = median(point.before for point in points), median(point.after for point in points)
    scaled = [
        replace(point, before=_scale(metric, point.before), after=_scale(metric, point.after))
        for point in points
    ]
    change = estimate(aligned(scaled), confidence)
    rounding = abs(after - before) < metric.least
    judged = change.beyond(math.log1p(floor) if metric.relative else POINTS) and not rounding
    return Compared(
        name=metric.name,
        unit=metric.unit,
        before=before,
        after=after,
        change=_unscale(metric, change.middle),
        low=_unscale(metric, change.low),
        high=_unscale(metric, change.high),
        judgement=_judgement(metric, change) if judged else "no evidence",
    )


def _too_few(pairs: int, counts: Mapping[str, int], needed: int) -> Iterator[str]:
    if pairs < needed:
        yield (
            f"{pairs} whole {'slice' if pairs == 1 else 'slices'} of 10 s can be compared,"
            f" and {needed} are needed to tell a change from chance:"
            f" let the test last {(needed + 2) * WINDOW_MS // 1000} s or more"
        )
    elif few := [name for name, count in counts.items() if count < needed]:
        yield (
            f"fewer than {needed} slices have {LEAST_RESPONSES} requests or more, too few to judge {', '.join(few)}:"
            " let the test last longer, or use a higher rate"
        )


def _scale(metric: Metric, value: float) -> float:
    return math.log(value) if metric.relative else value / 100


def _unscale(metric: Metric, difference: float) -> float:
    if not metric.relative or math.isinf(difference):
        return difference
    return math.expm1(min(difference, math.log(1e300)))


def _judgement(metric: Metric, change: Estimate) -> Judgement:
    lower = change.middle < 0
    return "better" if lower == (metric.better == "lower") else "worse"
