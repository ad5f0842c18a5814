"""Comparing a run with an earlier one: what got better or worse, beyond what chance does (pure).

Leaves to others: reading the earlier run (earlier), whether the two can be compared at all (comparable), the
statistics (evidence), showing it (views).

A flat percentage cries wolf: two runs of the same code on shared machines easily lie a tenth apart. So a metric is
judged only when two things hold: the change is large enough to matter, and it shows again and again along the run.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal

from grapeshot_launcher.results.comparable import comparability
from grapeshot_launcher.results.comparison import Compared, Comparison, Judgement
from grapeshot_launcher.results.earlier import EarlierRun, Slice, seen_later
from grapeshot_launcher.results.evidence import Estimate, estimate, least_count
from grapeshot_launcher.results.figures import RESPONSE_TIME, failed_requests
from grapeshot_launcher.results.report import Report
from grapeshot_worker.metrics.period import WINDOW_MS

FLOOR: Final = 0.10  # of times and rates: smaller changes are not judged
POINTS: Final = 0.01  # of the error rate
CONFIDENCE: Final = 0.95  # that no metric is judged by chance, all metrics of a comparison together
LEAST_RESPONSES: Final = 10  # or requests, of a slice whose percentiles and shares mean anything
ROUNDING_MS: Final = 2.0  # times are whole milliseconds and buckets of 1 %: less can be rounding alone

# Measured; docs/baseline.md says how, and `bench/baseline.py` does it again.
FALSE_ALARMS: Final = "not measured yet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One thing to compare. `of` reads it off a slice, None where the slice has none; `least`: in its own unit."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    of: Callable[[Slice], float | None]
    relative: bool = True  # compared by its logarithm
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A slice of each run, and how many windows later the second one lies in its run: -0.5 to 0.5."""

    before: Slice
    after: Slice
    shift: float


def _time(key: str) -> Callable[[Slice], float | None]:
    def of(part: Slice) -> float | None:
        enough = part.times.get("count", 0) >= LEAST_RESPONSES
        return max(part.times[key], 0.5) if enough else None  # 0 ms is less than half of one

    return of


def _rate(part: Slice) -> float | None:
    return max(part.counters.get("http.requests", 0), 0.5) / (WINDOW_MS / 1000)


def _failed(part: Slice) -> float | None:
    """Give the failed requests in percent; a slice may answer more than it asks: that evens out over the slices."""
    requests, responses = (part.counters.get(name, 0) for name in ("http.requests", "http.responses"))
    if requests < LEAST_RESPONSES:
        return None
    refused = failed_requests({**part.counters, "http.requests": 0})
    return (requests - responses + refused) / requests * 100


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


def compare_runs(
    before: EarlierRun, after: EarlierRun, *, floor: float = FLOOR, confidence: float = CONFIDENCE
) -> Comparison:
    """Hold two runs against each other, whichever way they are known.

    `confidence` is shared out among the metrics (Bonferroni), so it holds for all of them together.
    """
    circumstances = comparability(before, after)
    pairs = paired(before, after)
    each = 1 - (1 - confidence) / len(METRICS)
    needed = least_count(each)
    found = [_compared(metric, pairs, floor=floor, confidence=each) for metric in METRICS]
    metrics = [metric for metric in found if metric is not None]
    cautions = circumstances.cautions
    if len(pairs) < needed:
        cautions += (
            f"{len(pairs)} whole slices of 10 s can be compared, and {needed} are needed to tell a change from chance:"
            f" let the test last {(needed + 2) * WINDOW_MS // 1000} s or more",
        )
    if not circumstances.sound:
        metrics = [replace(metric, judgement="no evidence") for metric in metrics]
    return Comparison(baseline=before.run_id, metrics=tuple(metrics), cautions=cautions, slices=len(pairs))


def paired(before: EarlierRun, after: EarlierRun) -> list[Pair]:
    """Pair the whole slices that lie at the same distance from the start, to half a window, in order of time."""
    partners = {round((part.start - after.began) * 2): part for part in after.whole_slices}
    pairs = []
    for part in before.whole_slices:
        offset = round(
            (part.start - before.began) * 2
        )  # in half milliseconds, so that they are whole numbers
        near = [at for at in partners if -WINDOW_MS < at - offset <= WINDOW_MS]
        if near:
            pairs.append(Pair(part, partners[near[0]], (near[0] - offset) / 2 / WINDOW_MS))
    return pairs


def _compared(metric: Metric, pairs: Sequence[Pair], *, floor: float, confidence: float) -> Compared | None:
    values = [
        (then, now, pair.shift)
        for pair in pairs
        if (then := metric.of(pair.before)) is not None and (now := metric.of(pair.after)) is not None
    ]
    if not values:
        return None
    before, after = median(then for then, _, _ in values), median(now for _, now, _ in values)
    scaled = [(_scale(metric, then), _scale(metric, now), shift) for then, now, shift in values]
    change = estimate(aligned(scaled), confidence)
    matters = abs(change.middle) >= (math.log1p(floor) if metric.relative else POINTS * 100)
    judged = change.excludes_zero and matters and abs(after - before) >= metric.least
    return Compared(
        name=metric.name,
        unit=metric.unit,
        before=max(before, 0.0),
        after=max(after, 0.0),
        change=_unscale(metric, change.middle),
        low=_unscale(metric, change.low),
        high=_unscale(metric, change.high),
        judgement=_judgement(metric, change) if judged else "no evidence",
    )


def aligned(values: Sequence[tuple[float, float, float]]) -> list[float]:
    """Give after - before of each pair, without what the metric does in the time between the two.

    The slope at a pair is taken from both runs' neighbours, so swapping the runs turns all signs and nothing else.

    >>> aligned([(0.0, 0.5, 0.5), (1.0, 1.5, 0.5), (2.0, 2.5, 0.5)])
    [0.0, 0.0, 0.0]
    """
    middles = [(before + after) / 2 for before, after, _ in values]
    last = len(values) - 1
    differences = []
    for i, (before, after, shift) in enumerate(values):
        left, right = max(i - 1, 0), min(i + 1, last)
        slope = (middles[right] - middles[left]) / (right - left) if right > left else 0.0
        differences.append(after - before - slope * shift)
    return differences


def _scale(metric: Metric, value: float) -> float:
    return math.log(value) if metric.relative else value


def _unscale(metric: Metric, difference: float) -> float:
    if not metric.relative:
        return difference / 100
    return math.expm1(difference) if difference < math.log(1e300) else math.inf


def _judgement(metric: Metric, change: Estimate) -> Judgement:
    lower = change.middle < 0
    return "better" if lower == (metric.better == "lower") else "worse"
