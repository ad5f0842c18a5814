"""An earlier run as its report file tells of it, slice by slice, ready to be compared.

Leaves to others: reading the file (prepare), comparing (baseline).

A file comes from anywhere: from an artifact, from another version, from Artillery, cut short by a full disk. So nothing
is taken for granted: whatever is not as it should be is refused with one error that says what was found. Only what a
comparison needs is looked at; the rest of the file may hold anything.

A run that has just ended is looked at with the same eyes (`seen_later`), so that both sides of a comparison are made of
the same rounded numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from grapeshot_launcher.errors import BaselineRefused
from grapeshot_launcher.results.figures import RESPONSE_TIME
from grapeshot_launcher.results.report import Report
from grapeshot_worker.metrics.period import WINDOW_MS
from grapeshot_worker.metrics.report import Totals

SCHEMAS: Final = (1,)  # of the key `grapeshot` that can be read
START_LAG: Final = "vusers.start_lag"
_KEYS: Final = ("count", "mean", "p50", "p95", "p99")
_REMEDY: Final = "Give --baseline the file that an earlier run wrote with --output."


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Ten seconds of a run from `start`, in epoch ms; `times`: count, mean and percentiles of response times in ms."""

    start: int
    counters: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierRun:
    """What is known of a run; `began` and `ended` in epoch ms. Artillery tells neither its settings nor a verdict."""

    run_id: str
    began: float
    ended: float
    slices: tuple[Slice, ...]
    script: str | None = None
    verdict: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)  # of the whole
    times: Mapping[str, float] = field(default_factory=dict)
    cut_short: bool = False  # ended by its own checks before its load was made
    lag: float | None = None  # ms: of a hundred users, one started so much later than planned
    seconds: float = 1.0  # from the first measurement to the last, at least 1

    @property
    def whole_slices(self) -> tuple[Slice, ...]:
        """The slices that the run covers from end to end: of others it is not known how much it covers."""
        return tuple(
            each for each in self.slices if each.start >= self.began and each.start + WINDOW_MS <= self.ended
        )

    @property
    def unanswered_per_error(self) -> float:
        """How many requests got no response for each error that was counted, at most 1.

        Errors are of captures and hooks too. And within ten seconds, requests without a response are not those that
        are still under way: what is unanswered is known of the whole only, and happened when errors did.
        """
        errors = error_count(self.counters)
        unanswered = self.counters.get("http.requests", 0) - self.counters.get("http.responses", 0)
        return min(max(unanswered, 0) / errors, 1.0) if errors else 0.0


def error_count(counters: Mapping[str, int]) -> int:
    """Count the errors of all names.

    >>> error_count({"errors.ETIMEDOUT": 2, "errors.Failed capture or match": 1, "http.codes.500": 4})
    3
    """
    return sum(count for name, count in counters.items() if name.startswith("errors."))


def seen_later(report: Report) -> EarlierRun:
    """Give what the file of this report will tell to a later run."""
    windows = [(period.start, Totals.of_window(period)) for period in report.periods]
    return EarlierRun(
        run_id=report.run_id,
        began=round(report.started_at * 1000),
        ended=round(report.ended_at * 1000),
        slices=tuple(
            Slice(start=start, counters=_known_counters(totals.counters), times=_times_of(totals))
            for start, totals in windows
        ),
        script=report.script,
        verdict=report.verdict.kind,
        cut_short=report.abort is not None,
        settings=report.settings,
        counters=_known_counters(report.totals.counters),
        times=_times_of(report.totals),
        lag=_times_of(report.totals, START_LAG).get("p99"),
        seconds=_seconds(report.totals.first_at, report.totals.last_at),
    )


def read_earlier(data: bytes, name: str) -> EarlierRun:
    """Read the file of a report; `name` is what the error calls it. Raises BaselineRefused for anything else."""
    try:
        value = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # a wrong encoding is a ValueError too
        empty = "The file is empty." if not data.strip() else f"It is not JSON, or it was cut short: {error}."
        raise _refused(name, empty) from None
    try:
        return _run(value)
    except _Odd as error:
        raise _refused(name, f"It is no report of a run: {error}.") from None


class _Odd(Exception):
    """Something in the file is not as in a report."""


def _refused(name: str, cause: str) -> BaselineRefused:
    return BaselineRefused(f"The earlier report {name} can't be used", cause=cause, remedy=_REMEDY)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _run(value: Any) -> EarlierRun:
    data = _mapping(value, "the file")
    whole = _mapping(data.get("aggregate"), "`aggregate`")
    if not isinstance(windows := data.get("intermediate"), list):
        raise _Odd("`intermediate` is no list")
    slices, counters, times = _slices(windows), _counters(whole, "`aggregate`"), _times(whole, "`aggregate`")
    if "grapeshot" not in data:
        # Artillery's: the load is known to go from the first measurement to the last.
        began, ended = (
            _number(whole.get(key), f"`aggregate.{key}`") for key in ("firstMetricAt", "lastMetricAt")
        )
        return EarlierRun(
            run_id="a run of Artillery",
            began=began,
            ended=ended,
            slices=slices,
            counters=counters,
            times=times,
            seconds=_seconds(began, ended),
        )
    ours = _mapping(data["grapeshot"], "`grapeshot`")
    _check_schema(ours.get("schema"))
    return EarlierRun(
        run_id=_text(ours, "runId"),
        script=_text(ours, "script"),
        verdict=_text(ours, "verdict"),
        cut_short=ours.get("abort") is not None,
        settings=_mapping(ours.get("settings"), "`grapeshot.settings`"),
        began=_number(ours.get("startedAt"), "`grapeshot.startedAt`"),
        ended=_number(ours.get("endedAt"), "`grapeshot.endedAt`"),
        lag=_summary(whole, START_LAG, "`aggregate`").get("p99"),
        slices=slices,
        counters=counters,
        times=times,
        seconds=_seconds(*(_moment(whole, key) for key in ("firstMetricAt", "lastMetricAt"))),
    )


def _moment(whole: Mapping[str, Any], key: str) -> float | None:
    return _number(whole[key], f"`aggregate.{key}`") if key in whole else None


def _seconds(first: float | None, last: float | None) -> float:
    return max(((last or 0.0) - (first or 0.0)) / 1000, 1.0)


def _check_schema(schema: Any) -> None:
    if type(schema) is not int or schema not in SCHEMAS:
        known = ", ".join(map(str, SCHEMAS))
        raise _Odd(f"its schema is {schema!r}, and this version of Grapeshot reads {known}")


def _text(ours: Mapping[str, Any], key: str) -> str:
    if not isinstance(text := ours.get(key), str):
        raise _Odd(f"`grapeshot.{key}` is no text")
    return text


def _slices(windows: Iterable[Any]) -> tuple[Slice, ...]:
    found: dict[int, Slice] = {}
    for number, window in enumerate(windows):
        where = f"`intermediate[{number}]`"
        part = _mapping(window, where)
        start = _window_start(part.get("period"), where)
        if start in found:
            raise _Odd(f"{where} is of the same ten seconds as another one")
        found[start] = Slice(start=start, counters=_counters(part, where), times=_times(part, where))
    return tuple(found[start] for start in sorted(found))


def _window_start(value: Any, where: str) -> int:
    """Read a window's number, which is a text in the parts of a report."""
    text = str(value) if type(value) in (str, int) else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise _Odd(f"{where} does not say its `period`")
    return int(text)


def _counters(part: Mapping[str, Any], where: str) -> dict[str, int]:
    counters = _mapping(part.get("counters"), f"`counters` of {where}")
    known = _known_counters(counters)
    for name, count in known.items():
        if type(count) is not int or count < 0:
            raise _Odd(f"the counter {name} of {where} is no count")
    return known


def _known_counters(counters: Mapping[str, int]) -> dict[str, int]:
    """Keep the counters of requests, users and errors: hooks may count anything under other names."""
    return {
        name: count
        for name, count in sorted(counters.items())
        if name in ("http.requests", "http.responses")
        or name.startswith(("http.codes.", "vusers.", "errors."))
    }


def _times(part: Mapping[str, Any], where: str) -> dict[str, float]:
    return _summary(part, RESPONSE_TIME, where)


def _summary(part: Mapping[str, Any], name: str, where: str) -> dict[str, float]:
    summaries = _mapping(part.get("summaries"), f"`summaries` of {where}")
    if name not in summaries:
        return {}
    summary = _mapping(summaries[name], f"{name} of {where}")
    return {key: _number(summary.get(key), f"{name}.{key} of {where}") for key in _KEYS}


def _times_of(totals: Totals, name: str = RESPONSE_TIME) -> dict[str, float]:
    if name not in totals.sketches:
        return {}
    summary = totals.sketches[name].summary()
    if not summary.keys() >= set(_KEYS):  # merged reports of another tool tell no percentiles
        return {}
    return {key: float(summary[key]) for key in _KEYS}


def _number(value: Any, what: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e300 or not math.isfinite(value):
        raise _Odd(f"{what} is no number, or not one that can be")
    return float(value)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Odd(f"{what} is no object")
    return value
