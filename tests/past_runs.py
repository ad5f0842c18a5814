"""Reports of runs in the past: files as runs of a CI leave them, with whatever a test changes."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1
from typing import Any

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from reports import START, report

PHASES = [{"kind": "constant", "duration": 120, "rate": 20.0}]
HOUR = 3_600_000


def past(
    number: int, *, ms: float = 50.0, commit: str | None = None, slices: int = 12, **changes: Any
) -> Report:
    """The number-th run, an hour after the one before: 100 requests in each slice, `ms` long; settings may be added."""
    start = START + number * HOUR
    settings = {
        "target": "https://shop.example",
        "workers": 2,
        "phases": PHASES,
        "ref": "main",
        "commit": f"{number:040x}" if commit is None else commit,
        "runUrl": f"https://ci.example/runs/{number}",
        **changes.pop("settings", {}),
    }
    periods = tuple(_period(start + 10_000 * index, ms * (1 + index % 3 / 50)) for index in range(slices))
    whole = Totals(
        latest=periods[-1].start,
        counters={
            "http.requests": 100 * slices,
            "http.responses": 100 * slices,
            "http.codes.200": 100 * slices,
            "vusers.created": 100 * slices,
        },
        sketches={"http.response_time": Sketch.of({ms: 90 * slices, ms * 2: 10 * slices})},
        first_counter_at=float(start),
        last_counter_at=start + 10_000.0 * slices,
    )
    facts: dict[str, Any] = {
        "run_id": f"t{number}",
        "started_at": start / 1000,
        "ended_at": start / 1000 + 10 * slices,
        "periods": periods,
        "totals": whole,
        "settings": {name: value for name, value in settings.items() if value is not None},
    }
    return report(**{**facts, **changes})


def _period(start: int, ms: float) -> Period:
    return Period(
        start=start,
        counters={"http.requests": 100, "http.responses": 100, "http.codes.200": 100},
        sketches={"http.response_time": Sketch.of({ms: 90, ms * 2: 10})},
        first_counter_at=float(start),
        last_counter_at=start + 10_000.0,
    )


def three_branches(runs: int = 40) -> Iterator[Report]:
    """Runs of three branches: commits run twice, one invalid, one stopped, slower from the 20th on, mended at 30."""
    verdicts = {7: Verdict(kind="invalid", exit_code=4), 23: Verdict(kind="stopped", exit_code=0)}
    for number in range(runs):
        ref = ("main", "main", "feature/basket", "main", 'fix/<slow> & "odd"')[number % 5]
        slow = 1.5 if 20 <= number < 30 else 1.0
        yield past(
            number,
            ms=slow * (60 + number * 7 % 5),
            commit=sha1(str(number - (number % 10 == 1)).encode()).hexdigest(),
            verdict=verdicts.get(number, Verdict(kind="pass", exit_code=0)),
            settings={"ref": ref},
        )
