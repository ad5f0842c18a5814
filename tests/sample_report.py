"""A report for the tests of what is made of one: thirty seconds of load by two workers; change it with `replace`."""

from __future__ import annotations

from typing import Any

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.messages import Facts, Tally
from grapeshot_worker.metrics.period import Period, RateCount
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

START = 1_795_421_580_000  # epoch ms, on a period's boundary
DIGEST = "sha256:" + "ab" * 32


def window(number: int, *, requests: int = 100, failing: int = 0, time: float = 20.0) -> Period:
    """One period whose responses took `time` ms, nine in ten, or three times as long."""
    start = START + number * 10_000
    return Period(
        start=start,
        counters={
            "http.requests": requests,
            "http.responses": requests,
            "http.codes.200": requests - failing,
            "http.codes.503": failing,
            "vusers.created": requests,
            "vusers.completed": requests,
            "vusers.failed": 0,
        },
        rates={"http.request_rate": RateCount(requests, float(start), start + 9_999.0)},
        sketches={"http.response_time": Sketch.of({time: requests * 9 // 10, 3 * time: requests // 10})},
        first_counter_at=float(start),
        last_counter_at=start + 10_000.0,
        first_histogram_at=float(start),
        last_histogram_at=start + 10_000.0,
    )


def report(*periods: Period, **changes: Any) -> Report:
    """Give the report; the periods are three good ones unless some are given."""
    periods = periods or tuple(map(window, range(3)))
    totals = Totals.of(periods)
    users = totals.counters.get("vusers.created", 0)
    tallies = {
        i: Tally(planned=users // 2, started=users // 2, completed=users // 2, failed=0) for i in (0, 1)
    }
    values: dict[str, Any] = {
        "run_id": "t1",
        "script": "load/blitz.yml",
        "started_at": START / 1000,
        "ended_at": START / 1000 + 10 * len(periods),
        "verdict": Verdict(kind="pass", exit_code=0),
        "totals": totals,
        "periods": periods,
        "books": Books.of({0: users // 2, 1: users // 2}, tallies, {0, 1}),
        "workers": tuple(
            WorkerEnd(worker=WorkerId(0, i), state="finished", tally=tallies[i], facts=Facts(pid=i))
            for i in (0, 1)
        ),
        "settings": {
            "target": "https://example.com",
            "workers": 2,
            "name": None,
            "region": "eu-west-1",
            "memorySize": 4096,
            "architecture": "arm64",
            "image": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/grapeshot-worker@{DIGEST}",
            "costUsd": 0.0123,
            "command": "grapeshot run-lambda --region eu-west-1 load/blitz.yml",
        },
    }
    return Report(**{**values, **changes})
