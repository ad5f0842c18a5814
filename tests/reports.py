"""Reports to show: a small one that passes, and the same with whatever a test changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.regions import region_parts
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.messages import Facts, Failed, Tally
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

START = 1_795_421_580_000  # 08:13:00 UTC, where a period begins
BY_ENDPOINT = "plugins.metrics-by-endpoint"


def period(index: int, *, requests: int = 100, times: dict[float, int] | None = None) -> Period:
    """The index-th window after the start, its requests spread over all of it; times in ms."""
    start = START + index * 10_000
    values = ({50.0: requests} if requests else {}) if times is None else times
    return Period(
        start=start,
        counters={"http.requests": requests},
        sketches={"http.response_time": Sketch.of(values)} if values else {},
        first_counter_at=float(start),
        last_counter_at=start + 10_000.0,
    )


def totals(**changes: Any) -> Totals:
    """The whole of a run of 60 s: 1,200 requests, one endpoint, 2 failed users of 300."""
    whole = Totals(
        latest=START + 50_000,
        counters={
            "http.requests": 1200,
            "http.responses": 1190,
            "http.codes.200": 1180,
            "http.codes.503": 10,
            "vusers.created": 300,
            "vusers.completed": 298,
            "vusers.failed": 2,
            "errors.ETIMEDOUT": 10,
            f"{BY_ENDPOINT}./a.codes.200": 1180,
            f"{BY_ENDPOINT}./a.codes.503": 10,
            f"{BY_ENDPOINT}./a.errors.ETIMEDOUT": 10,
        },
        sketches={
            "http.response_time": Sketch.of({50.0: 1100, 400.0: 90}),
            f"{BY_ENDPOINT}.response_time./a": Sketch.of({50.0: 1100, 400.0: 90}),
        },
        first_counter_at=float(START),
        last_counter_at=START + 60_000.0,
    )
    return replace(whole, **changes)


def finished(index: int, **facts: Any) -> WorkerEnd:
    """A worker that came to its end."""
    return WorkerEnd(worker=WorkerId(0, index), state="finished", facts=Facts(**{"lag_p99": 2.0, **facts}))


def failed(index: int, message: str) -> WorkerEnd:
    """A worker that failed in words."""
    failure = Failed(run_id="t1", generation=0, index=index, sequence=1, message=message)
    return WorkerEnd(worker=WorkerId(0, index), state="failed", failure=failure)


def check(label: str, *, ok: bool = True, strict: bool = True, **changes: Any) -> CheckOutcome:
    """What became of a threshold."""
    return CheckOutcome(label=label, ok=ok, strict=strict, **changes)


def compared(name: str = "http.response_time.p95", **changes: Any) -> Compared:
    """A metric that got worse by a tenth."""
    before = Compared(
        name=name, unit="ms", before=200.0, after=220.0, change=0.1, low=0.05, high=0.15, judgement="worse"
    )
    return replace(before, **changes)


def comparison(*metrics: Compared, cautions: tuple[str, ...] = ()) -> Comparison:
    """A comparison with the run t0."""
    return Comparison(baseline="t0", metrics=metrics, cautions=cautions)


def regions(*names: str, by: Books | None = None) -> dict[str, Any]:
    """Give what to change so that the run is one of several regions: the first has everything that was measured."""
    books = by or report().books
    return {"books": books, "regions": region_parts(names, books, {names[0]: totals()})}


def report(**changes: Any) -> Report:
    """A run of 300 users on two workers that passed, but for what is changed."""
    tally = Tally(planned=150, started=150, completed=149, failed=1)
    whole = Report(
        run_id="t1",
        script="blitz.yml",
        started_at=START / 1000,
        ended_at=START / 1000 + 62,
        verdict=Verdict(kind="pass", exit_code=0),
        totals=totals(),
        periods=tuple(period(index, requests=200) for index in range(6)),
        books=Books.of({0: 150, 1: 150}, {0: tally, 1: tally}, {0, 1}),
        workers=(finished(0), finished(1)),
        checks=(check("http.response_time.p95 < 500", values={"http.response_time.p95": 398.6}),),
        settings={"workers": 2, "target": "http://127.0.0.1:3000"},
    )
    return replace(whole, **changes)
