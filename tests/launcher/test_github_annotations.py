"""What is shown beside a run: its faults and warnings, within what GitHub keeps."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.github.annotations import LONGEST, MOST, of_failure, of_report
from grapeshot_launcher.github.runner import Annotation
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.errors import Place, Problem, ScriptError
from sample_report import report


def test_a_good_run_has_none() -> None:
    """Silence is good news."""
    assert of_report(report()) == []


def test_failed_thresholds_tell_their_values() -> None:
    """Each once, though the verdict names them too; checks that are not strict fail nothing."""
    checks = (
        CheckOutcome(label="p95 < 9", strict=True, ok=False, values={"http.response_time.p95": 20.5}),
        CheckOutcome(label="a == 0", strict=True, ok=False, missing=("a",)),
        CheckOutcome(label="b == 0", strict=False, ok=False),
        CheckOutcome(label="c == 0", strict=True, ok=True),
    )
    reasons = ("check failed: p95 < 9", "check failed: a == 0", "3 failed expectation(s)")
    verdict = Verdict(kind="fail", exit_code=1, reasons=reasons)

    assert of_report(report(checks=checks, verdict=verdict)) == [
        Annotation(
            level="error",
            title="Threshold",
            message="p95 < 9 does not hold: http.response_time.p95 = 20.5",
        ),
        Annotation(level="error", title="Threshold", message="a == 0 does not hold: a was never measured"),
        Annotation(level="error", title="Failed", message="3 failed expectation(s)"),
    ]


def test_what_makes_a_run_invalid_is_an_error() -> None:
    """Every reason of the verdict, under a title that says what it means."""
    verdict = Verdict(kind="invalid", exit_code=4, reasons=("worker 2 was lost",))

    (found,) = of_report(report(verdict=verdict))

    assert (found.title, found.message) == ("The measurement is invalid", "worker 2 was lost")


@pytest.mark.parametrize(("judgement", "errors"), [("worse", 1), ("better", 0), ("no evidence", 0)])
def test_only_a_regression_is_an_error(judgement: str, errors: int) -> None:
    """The metrics that got worse are named."""
    metric = Compared(
        name="http.response_time.p95",
        unit="ms",
        before=20.0,
        after=30.0,
        change=0.5,
        low=0.4,
        high=0.6,
        judgement=judgement,  # type: ignore[arg-type]
    )
    found = of_report(report(comparison=Comparison(baseline="t0", metrics=(metric,))))

    assert [each.message for each in found] == ["http.response_time.p95 +50.0 %"] * errors


def test_there_are_ten_of_a_level_and_the_last_one_counts_the_rest() -> None:
    """GitHub drops what is beyond, without a word."""
    verdict = Verdict(kind="invalid", exit_code=4, reasons=tuple(map(str, range(25))))
    found = of_report(report(verdict=verdict, warnings=("w" * 5000,) * 10))

    errors = [each.message for each in found if each.level == "error"]
    warnings = [each.message for each in found if each.level == "warning"]
    assert errors == [*map(str, range(9)), "… and 16 more; the job summary has all of them."]
    assert len(errors) == len(warnings) == MOST
    assert {len(text) for text in warnings} == {LONGEST}


def test_a_script_s_problems_stand_at_their_lines() -> None:
    """The file is named from the repository's root, wherever the step works."""
    problems = [
        Problem(
            message="no such key", place=Place(file="load.yml", line=7, path="config.x"), remedy="Remove it."
        ),
        Problem(message="odd", place=Place(file="load.yml", line=2), severity="warning"),
        Problem(message="somewhere"),
    ]

    assert of_failure(ScriptError(problems), folder=PurePosixPath("tests")) == [
        Annotation(level="error", message="config.x: no such key\nRemove it.", file="tests/load.yml", line=7),
        Annotation(level="error", message="somewhere"),
        Annotation(level="warning", message="odd", file="tests/load.yml", line=2),
    ]


def test_any_other_failure_tells_cause_and_remedy() -> None:
    """As the log does."""
    error = SettingsRefused("It can't be.", cause="Because.", remedy="Do this.")

    assert of_failure(error, folder=PurePosixPath()) == [
        Annotation(level="error", message="It can't be.\nBecause.\nDo this.")
    ]
