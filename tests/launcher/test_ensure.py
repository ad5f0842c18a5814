from __future__ import annotations

import pytest

from grapeshot_launcher.results.ensure import CheckOutcome, check_values, run_checks
from grapeshot_launcher.views.console import checks_block
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.script.model import Check

TOTALS = Totals(
    counters={"vusers.created": 200, "vusers.completed": 197, "vusers.failed": 3, "http.codes.200": 600},
    rates={"http.request_rate": 42},
    sketches={"http.response_time": Sketch.of({310.0: 95, 500.0: 5})},
)


def outcome(expression: str, totals: Totals = TOTALS) -> CheckOutcome:
    return run_checks([Check(label=expression, expression=expression)], totals)[0]


@pytest.mark.parametrize(
    ("expression", "ok"),
    [
        ("vusers.failed < 4", True),
        ("vusers.failed < 3", False),
        ("http.request_rate == 42", True),
        ("http.response_time.max == 500", True),
        ("http.response_time.count == 100", True),
        ("http.response_time.p99 < 400", False),
        ("http.codes.200 > 500 and vusers.failed == 3", True),
    ],
)
def test_checks_over_counters_rates_and_summaries(expression: str, ok: bool) -> None:
    """A check sees counters and rates by name, histograms by name and number."""
    assert outcome(expression).ok == ok


def test_p999_is_not_p99() -> None:
    """The longest name matches: `p999` is its own number (the reference reads it as `p99` and a 9)."""
    totals = Totals(sketches={"t": Sketch.of({10.0: 995, 1000.0: 5})})

    assert outcome("t.p99 < 20", totals).ok
    assert not outcome("t.p999 < 20", totals).ok


def test_a_metric_never_emitted_fails() -> None:
    """Even `== 0` fails when there is no such metric, and the outcome names it."""
    result = outcome("http.codes.500 == 0")

    assert not result.ok
    assert result.missing == ("http.codes.500",)


def test_a_counter_of_zero_is_there() -> None:
    """A counter that exists with value 0 can be checked."""
    assert outcome("vusers.failed == 0", Totals(counters={"vusers.failed": 0})).ok


def test_a_failed_check_knows_its_values() -> None:
    """The outcome carries the numbers as the report prints them."""
    result = outcome("http.response_time.p95 < 200")

    assert result.values == {"http.response_time.p95": check_values(TOTALS)["http.response_time.p95"]}


@pytest.mark.parametrize(("limit", "ok"), [(1.5, True), (1.4, False), (100.0, True)])
def test_the_error_rate(limit: float, ok: bool) -> None:
    """Users that did not complete, in percent of those created, may be up to the limit: 3 of 200 are 1.5 %."""
    check = Check(label=f"maxErrorRate < {limit}", expression="", max_error_rate=limit)
    result = run_checks([check], TOTALS)[0]

    assert result.ok == ok
    assert result.values == {"error rate": 1.5}


def test_the_error_rate_of_no_users_fails() -> None:
    """Without a user there is no rate to be satisfied with."""
    check = Check(label="maxErrorRate < 1", expression="", max_error_rate=1)
    result = run_checks([check], Totals())[0]

    assert (result.ok, result.missing) == (False, ("vusers.created",))


def test_a_broken_expression_fails_with_its_problem() -> None:
    """A check that can't be read is a failed check that says why."""
    result = outcome("vusers.failed < (")

    assert not result.ok
    assert result.problem


def test_the_block_of_checks() -> None:
    """Passed first, then failed with what was measured, each group in reverse definition order."""
    totals = Totals(counters={"a": 1, "b": 2}, sketches={"http.response_time": Sketch.of({0.0: 1})})
    checks = [
        Check(label="a < 5", expression="a < 5"),
        Check(label="b < 1", expression="b < 1"),
        Check(label="http.codes.500 == 0", expression="http.codes.500 == 0", strict=False),
        Check(label="b < 5", expression="b < 5"),
    ]

    assert checks_block(run_checks(checks, totals)) == (
        "Checks:\n"
        "ok: b < 5\n"
        "ok: a < 5\n"
        "fail: http.codes.500 == 0 (optional)  (http.codes.500 was never emitted)\n"
        "fail: b < 1  (b = 2)"
    )


def test_colours_only_when_asked_for() -> None:
    """Green and red are for terminals."""
    checks = run_checks([Check(label="a < 5", expression="a < 5")], Totals(counters={"a": 1}))

    assert checks_block(checks, colour=True) == "Checks:\n\x1b[32mok\x1b[39m: a < 5"
