"""The outputs of the Action, and the figures behind them."""

from __future__ import annotations

from grapeshot_launcher.github.outputs import NAMES, no_outputs, outputs
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.figures import Figures
from grapeshot_worker.metrics.period import Period
from sample_report import DIGEST, START, report, window


def test_every_output_of_a_run() -> None:
    """Numbers that a shell or an expression can compare."""
    made = report(window(0), window(1, requests=200, failing=30), window(2))

    paths = {"report_json": "/tmp/r/report.json", "report_html": "/tmp/r/report.html"}

    assert outputs(made, exit_code=0, **paths) == {
        "verdict": "pass",
        "exit-code": "0",
        "run-id": "t1",
        "requests": "400",
        "rps": "13.3",
        "error-rate": "0.075",
        "p50": "19.9",
        "p95": "59.7",
        "p99": "59.7",
        "vusers-failed": "0",
        "workers-lost": "0",
        "report-json": "/tmp/r/report.json",
        "report-html": "/tmp/r/report.html",
        "image-digest": DIGEST,
        "cost-usd": "0.0123",
    }


def test_what_was_not_measured_is_empty() -> None:
    """Zero would be a measurement."""
    found = outputs(report(Period(start=START), settings={}), exit_code=4, report_json="r")

    assert tuple(found) == NAMES
    assert (found["p95"], found["requests"], found["error-rate"], found["image-digest"]) == ("", "0", "0", "")
    assert (found["cost-usd"], found["report-html"]) == ("", "")


def test_a_run_that_was_not_made_has_an_outcome_too() -> None:
    """A step that reads the verdict finds one."""
    assert no_outputs(11) == {"verdict": "error", "exit-code": "11"}


def test_requests_without_an_answer_have_failed() -> None:
    """As have those that were answered with 400 or more; lost workers are counted."""
    silent = Period(
        start=START,
        counters={"http.requests": 10, "http.responses": 7, "http.codes.200": 5, "http.codes.404": 2},
        first_counter_at=float(START),
        last_counter_at=START + 500.0,
    )
    lost = (
        WorkerEnd(worker=WorkerId(0, 0), state="lost"),
        WorkerEnd(worker=WorkerId(0, 1), state="failed"),
        WorkerEnd(worker=WorkerId(0, 2), state="finished"),
    )
    figures = Figures.of(report(silent, workers=lost))

    assert (figures.failed_requests, figures.error_rate, figures.workers_lost) == (5, 0.5, 2)
    assert (figures.seconds, figures.rate) == (1.0, 10.0)
