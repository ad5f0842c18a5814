"""A comparison on the screen and in the report file."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from grapeshot_launcher.results.baseline import FALSE_ALARMS
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.comparison import comparison_block
from grapeshot_launcher.views.report_json import report_file
from grapeshot_worker.metrics.report import Totals

P95 = Compared(
    name="http.response_time.p95",
    unit="ms",
    before=80,
    after=104.04,
    change=0.3,
    low=0.2515,
    high=0.35,
    judgement="worse",
)
ERRORS = Compared(
    name="error rate",
    unit="%",
    before=0,
    after=0.4,
    change=0.004,
    low=-0.0001,
    high=0.0062,
    judgement="no evidence",
)
COMPARISON = Comparison(baseline="t1", metrics=(P95, ERRORS), cautions=("the target differs",), slices=12)


def test_the_block() -> None:
    """A line for each metric, the verdict, the cautions, and how often such a verdict is wrong."""
    assert comparison_block(COMPARISON).split("\n") == [
        "Compared with t1, the middle of 12 slices of 10 s:",
        "                           before     after       change            between",
        "  http.response_time.p95  80.0 ms  104.0 ms      +30.0 %    +25.1 … +35.0 %  worse",
        "  error rate                0.0 %     0.4 %  +0.4 points  0.0 … +0.6 points  no evidence",
        "Baseline: regression",
        "  - the target differs",
        f"  ({FALSE_ALARMS})",
    ]


def test_no_evidence_needs_no_rate_of_errors() -> None:
    """Nothing is claimed, so nothing can be a false alarm."""
    block = comparison_block(replace(COMPARISON, metrics=(ERRORS,)))

    assert "Baseline: no evidence" in block
    assert FALSE_ALARMS not in block


def test_an_interval_without_bounds_is_left_out() -> None:
    """A short test has none."""
    block = comparison_block(replace(COMPARISON, metrics=(replace(P95, low=-math.inf, high=math.inf),)))

    assert "inf" not in block
    assert "+30.0 %" in block


def test_nothing_to_compare() -> None:
    """It is said in words."""
    assert "nothing can be compared" in comparison_block(Comparison(baseline="t1", metrics=()))


def test_what_the_earlier_file_says_can_t_repaint_the_terminal() -> None:
    """Its id and settings come from a file that anyone may have written."""
    block = comparison_block(Comparison(baseline="\x1b[2J", metrics=(), cautions=("\x1b[31m",)))

    assert "\x1b" not in block


def test_the_key_of_the_file() -> None:
    """Under `grapeshot`: the verdict, the metrics, what is not known as null; null without a comparison."""
    report = Report(
        run_id="t2",
        script="a.yml",
        started_at=0.0,
        ended_at=1.0,
        verdict=Verdict(kind="pass", exit_code=0),
        totals=Totals(),
        periods=(),
        books=Books(),
    )
    unbounded = replace(P95, low=-math.inf, high=math.inf)
    with_one = replace(report, comparison=replace(COMPARISON, metrics=(P95, unbounded)))
    data = json.loads(report_file(with_one))["grapeshot"]["comparison"]

    assert json.loads(report_file(report))["grapeshot"]["comparison"] is None
    assert (data["baseline"], data["verdict"], data["slices"]) == ("t1", "regression", 12)
    assert data["cautions"] == ["the target differs"]
    assert data["metrics"][0] == {
        "name": "http.response_time.p95",
        "unit": "ms",
        "before": 80,
        "after": 104.04,
        "change": 0.3,
        "low": 0.2515,
        "high": 0.35,
        "judgement": "worse",
    }
    assert (data["metrics"][1]["low"], data["metrics"][1]["high"]) == (None, None)
