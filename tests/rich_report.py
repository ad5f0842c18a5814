"""Reports as long runs make them, to be looked at: many endpoints, many workers, names that break a page."""

from __future__ import annotations

from dataclasses import replace

from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.messages import Facts
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from sample_report import report, window

ATTACK = '</script><img src=x onerror="window.attacked=1"><script>window.attacked=1</script>'
NAMES = (
    "/",
    "/api/v2/checkout/cart/items/{id}/quantity",
    "/search?q=שלום עולם مرحبا",
    "/emoji/🛒/👩‍👩‍👧",
    "/" + "endless" * 60,
    ATTACK,
)


def rich_report(*, minutes: int = 10, endpoints: int = 20, workers: int = 10) -> Report:
    """A run that failed, with something in every part of its page."""
    first = report(
        *(
            window(at, requests=1000 + 100 * (at % 7), failing=at % 5, time=20 + at % 9 * 4)
            for at in range(6 * minutes)
        )
    )
    names = [f"{NAMES[at % len(NAMES)]}{at}" for at in range(endpoints)]
    checks = (
        CheckOutcome(label="p95 < 200", strict=True, ok=True, values={"http.response_time.p95": 150.0}),
        CheckOutcome(label="p99 < 80", strict=True, ok=False, values={"http.response_time.p99": 153.4}),
        CheckOutcome(label=ATTACK, strict=False, ok=False, missing=(NAMES[4],)),
    )
    return replace(
        first,
        totals=_with_endpoints(first.totals, names),
        workers=tuple(_end(first, index) for index in range(workers)),
        verdict=Verdict(kind="fail", exit_code=1, reasons=("check failed: p99 < 80", ATTACK)),
        checks=checks,
        apdex=Apdex(threshold=100.0, satisfied=900, tolerated=80, frustrated=20),
        warnings=(f"Warning: {NAMES[4]}\n  {ATTACK}",),
        settings={
            **first.settings,
            "name": "Checkout under load",
            "commit": "c0ffee" * 6,
            "ref": ATTACK,
            "runUrl": "https://github.com/o/r/actions/runs/1",
            "source": f"config:\n  target: https://example.com  # {'long ' * 100}\n{ATTACK}\n",
            "phases": [
                {"kind": "ramp", "duration": 120.0, "rate": 10.0, "rampTo": 100.0},
                {"kind": "rate", "duration": minutes * 60 - 120.0, "rate": 100.0},
            ],
        },
    )  # fmt: skip


def _with_endpoints(totals: Totals, names: list[str]) -> Totals:
    space = "plugins.metrics-by-endpoint"
    counters = {
        f"{space}.{name}.codes.{code}": count for name in names for code, count in ((200, 95), (503, 5))
    }
    counters |= {f"{space}.{name}.errors.ETIMEDOUT": 3 for name in names[::3]}
    counters |= {f"errors.{name}": 7 for name in ("ETIMEDOUT", *NAMES)}
    counters |= {
        "plugins.expect.ok": 5000,
        "plugins.expect.failed": 14,
        "plugins.expect.failed.statusCode": 14,
    }
    sketches = {
        f"{space}.response_time.{name}": Sketch.of({5.0 + 7 * at: 90, 400.0 + 13 * at: 10})
        for at, name in enumerate(names)
    }
    return replace(totals, counters={**totals.counters, **counters}, sketches={**totals.sketches, **sketches})


def _end(first: Report, index: int) -> WorkerEnd:
    late = 300.0 if index == 3 else 3.0 + index % 7
    facts = Facts(pid=index, busiest_cpu=0.6, lag_p99=late, peak_memory=80 << 20)
    return WorkerEnd(worker=WorkerId(0, index), state="finished", tally=first.workers[0].tally, facts=facts)
