"""Counting as it happens: the one mutable place of the numbers; `flush` hands over what came since the last one.

Leaves to others: merging (period, report) and the clock (an argument).

The request path calls `sent`, `answered` and `checked` alone. They touch one cell for each (endpoint, status) pair and
append to lists, which the interpreter does fastest; the dozen metric names a response contributes to are spelled out,
and times rounded, once per flush, not once per response.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from grapeshot_worker.metrics.period import WINDOW_MS, Period, RateCount
from grapeshot_worker.metrics.sketch import Sketch

NAME_LIMIT = 1024  # characters of a metric name that are kept, as the reference does


class _Cell:
    """Responses of one (endpoint, status): body bytes, and the milliseconds of each, half of one added for rounding."""

    __slots__ = ("bytes", "times")

    def __init__(self) -> None:
        self.bytes = 0
        self.times: list[float] = []


class _Slice:
    """What was recorded inside one window. Moments are in the recorder's clock."""

    __slots__ = (
        "cells",
        "checks",
        "counters",
        "first_counter",
        "first_histogram",
        "first_sent",
        "intended",
        "last_counter",
        "last_histogram",
        "last_sent",
        "rates",
        "sent",
        "values",
    )

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.rates: dict[str, RateCount] = {}
        self.values: dict[str, list[float]] = {}
        self.cells: dict[tuple[str | None, int], _Cell] = {}
        self.checks: dict[tuple[bool, str], int] = {}  # (passed, kind) → how often
        self.intended: list[float] = []  # as the times of a cell
        self.sent = 0
        self.first_sent = self.last_sent = 0.0
        self.first_counter = self.last_counter = 0.0
        self.first_histogram = self.last_histogram = 0.0


class Recorder:
    """Record measurements; every one belongs to the 10-second window of its own moment.

    `clock` gives monotonic seconds; `epoch` is what to add to make them wall-clock epoch seconds.
    `endpoint_namespace` is the
    prefix of the metrics by endpoint.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        epoch: float,
        endpoint_namespace: str = "plugins.metrics-by-endpoint",
    ) -> None:
        self._clock = clock
        self._epoch = epoch
        self._namespace = endpoint_namespace
        self._slices: dict[int, _Slice] = {}
        self._end = 0.0  # of the current window, in the clock's seconds
        self._slice = self._enter(clock())

    # ---- the general way ----

    def count(self, name: str, n: int = 1) -> None:
        """Add n (which may be 0: the name then exists) to a counter."""
        now = self._clock()
        current = self._slice if now < self._end else self._enter(now)
        counters = current.counters
        counters[name] = counters.get(name, 0) + n
        current.last_counter = now
        if not current.first_counter:
            current.first_counter = now

    def observe(self, name: str, value: float) -> None:
        """Add a value to a histogram."""
        now = self._clock()
        current = self._slice if now < self._end else self._enter(now)
        values = current.values.get(name)
        if values is None:
            values = current.values[name] = []
        values.append(value)
        current.last_histogram = now
        if not current.first_histogram:
            current.first_histogram = now

    def note(self, counts: Sequence[tuple[str, int]], name: str, value: float) -> None:
        """Add to several counters, and a value to a histogram, at one moment."""
        now = self._clock()
        current = self._slice if now < self._end else self._enter(now)
        counters = current.counters
        for counter, n in counts:
            counters[counter] = counters.get(counter, 0) + n
        values = current.values.get(name)
        if values is None:
            values = current.values[name] = []
        values.append(value)
        current.last_counter = current.last_histogram = now
        if not current.first_counter:
            current.first_counter = now
        if not current.first_histogram:
            current.first_histogram = now

    def rate(self, name: str) -> None:
        """Note one event of a rate."""
        now = self._clock()
        current = self._slice if now < self._end else self._enter(now)
        seen = current.rates.get(name)
        current.rates[name] = RateCount(1, now, now) if seen is None else RateCount(seen[0] + 1, seen[1], now)

    # ---- the request path ----

    def sent(self, now: float) -> None:
        """Note that a request was handed to the network: `http.requests`, `http.request_rate`."""
        current = self._slice if now < self._end else self._enter(now)
        if not current.sent:
            current.first_sent = now
        current.sent += 1
        current.last_sent = now

    def answered(
        self, now: float, endpoint: str | None, status: int, milliseconds: float, size: int, intended: float
    ) -> None:
        """Note a response: status, time to first byte in ms, body bytes; `endpoint` None for a redirect hop.

        `intended`: ms from the moment at which the request should have begun to the first byte. It is never reported as
        less than `milliseconds`: a user may come half a millisecond before its moment.
        """
        current = self._slice if now < self._end else self._enter(now)
        cell = current.cells.get((endpoint, status))
        if cell is None:
            cell = current.cells[(endpoint, status)] = _Cell()
            current.first_histogram = current.first_histogram or now
        cell.bytes += size
        cell.times.append(milliseconds + 0.5)
        current.intended.append((intended if intended > milliseconds else milliseconds) + 0.5)
        current.last_histogram = now

    def checked(self, results: Sequence[tuple[bool, str]]) -> None:
        """Note the checks of one response: whether each was passed, and its kind."""
        if not results:
            return
        now = self._clock()
        current = self._slice if now < self._end else self._enter(now)
        checks = current.checks
        for result in results:
            checks[result] = checks.get(result, 0) + 1
        current.last_counter = now
        if not current.first_counter:
            current.first_counter = now

    # ---- handing over ----

    def flush(self) -> tuple[Period, ...]:
        """Give what was recorded since the last flush, one Period for each window touched, oldest first."""
        taken, self._slices = self._slices, {}
        self._slice = self._enter(self._clock())
        return tuple(
            self._period(start, part) for start, part in sorted(taken.items()) if not _is_empty(part)
        )

    def now(self) -> float:
        """Give the wall-clock epoch seconds of this moment, by the recorder's clock."""
        return self._clock() + self._epoch

    def _enter(self, now: float) -> _Slice:
        start = int((now + self._epoch) * 1000) // WINDOW_MS * WINDOW_MS
        self._end = (start + WINDOW_MS) / 1000 - self._epoch
        self._slice = self._slices.setdefault(start, _Slice())
        return self._slice

    def _moment(self, moment: float) -> float | None:
        return round((moment + self._epoch) * 1000, 3) if moment else None

    def _period(self, start: int, part: _Slice) -> Period:
        counters, values = _spell_out(part, self._namespace)
        rates = {
            name: RateCount(n, (first + self._epoch) * 1000, (last + self._epoch) * 1000)
            for name, (n, first, last) in part.rates.items()
        }
        if part.sent:
            first, last = (part.first_sent + self._epoch) * 1000, (part.last_sent + self._epoch) * 1000
            rates["http.request_rate"] = RateCount(part.sent, first, last)
        # Requests and responses are counters too: their moments widen those of the general counters.
        firsts = [moment for moment in (part.first_counter, part.first_sent) if moment]
        if part.cells:
            firsts.append(part.first_histogram)
        lasts = (part.last_counter, part.last_sent, part.last_histogram if part.cells else 0.0)
        return Period(
            start=start,
            counters={name[:NAME_LIMIT]: n for name, n in counters.items()},
            rates={name[:NAME_LIMIT]: rate for name, rate in rates.items()},
            sketches={name[:NAME_LIMIT]: Sketch.of(counts) for name, counts in values.items()},
            first_counter_at=self._moment(min(firsts, default=0.0)),
            last_counter_at=self._moment(max(lasts)),
            first_histogram_at=self._moment(part.first_histogram),
            last_histogram_at=self._moment(part.last_histogram),
        )


def _is_empty(part: _Slice) -> bool:
    return not (part.counters or part.rates or part.values or part.cells or part.checks or part.sent)


def _spell_out(part: _Slice, namespace: str) -> tuple[Mapping[str, int], Mapping[str, Mapping[float, int]]]:
    counters = Counter(part.counters)
    values: dict[str, Counter[float]] = {name: Counter(seen) for name, seen in part.values.items()}
    if part.sent:
        counters["http.requests"] += part.sent
    for (ok, kind), n in part.checks.items():
        outcome = "plugins.expect.ok" if ok else "plugins.expect.failed"
        counters[outcome] += n
        counters[f"{outcome}.{kind}"] += n
    for (endpoint, status), cell in part.cells.items():
        times = Counter(map(int, cell.times))
        count = len(cell.times)
        counters["http.responses"] += count
        counters[f"http.codes.{status}"] += count
        counters["http.downloaded_bytes"] += cell.bytes
        names = ["http.response_time"]
        if status >= 200:
            names.append(f"http.response_time.{status // 100}xx")
        if endpoint is not None:
            counters[f"{namespace}.{endpoint}.codes.{status}"] += count
            names.append(f"{namespace}.response_time.{endpoint}")
        for name in names:
            values.setdefault(name, Counter()).update(times)
    if part.intended:
        values.setdefault("http.intended_response_time", Counter()).update(map(int, part.intended))
    # Counter drops nothing that is 0 here: `+=` keeps zero entries, and part.counters may hold +0 on purpose.
    return counters, values
