"""What the step of a job ends with: by the run's verdict, and by what was chosen to count."""

from __future__ import annotations

import pytest

from grapeshot_launcher.action import exit_code, for_the_run
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.verdict import Verdict
from sample_report import report

ALL = frozenset({"fail", "invalid", "regression"})
WORSE = Comparison(
    baseline="t0",
    metrics=(
        Compared(
            name="http.response_time.p95",
            unit="ms",
            before=20.0,
            after=30.0,
            change=0.5,
            low=0.4,
            high=0.6,
            judgement="worse",
        ),
    ),
)


@pytest.mark.parametrize(
    ("kind", "code", "worse", "fail_on", "expected"),
    [
        ("pass", 0, False, ALL, 0),
        ("pass", 0, True, ALL, 5),
        ("pass", 0, True, ALL - {"regression"}, 0),
        ("fail", 1, False, ALL, 1),
        ("fail", 21, True, ALL, 21),
        ("fail", 1, False, ALL - {"fail"}, 0),
        ("fail", 1, True, ALL - {"fail"}, 5),
        ("invalid", 4, False, ALL, 4),
        ("invalid", 11, False, ALL - {"invalid"}, 0),
        ("invalid", 4, True, frozenset(), 0),
        ("stopped", 130, True, frozenset(), 130),
        ("pass", 1, False, frozenset(), 1),  # `after` failed
    ],
)
def test_what_the_step_ends_with(
    kind: str, code: int, worse: bool, fail_on: frozenset[str], expected: int
) -> None:
    """The verdict decides first, the baseline after it; a stop, and what went wrong beside the run, always count."""
    verdict = Verdict(kind=kind, exit_code=code)  # type: ignore[arg-type]  # one of the four

    assert exit_code(report(verdict=verdict, comparison=WORSE if worse else None), code, fail_on) == expected


def test_hooks_get_the_job_s_environment_without_what_is_the_step_s() -> None:
    """Inputs, tokens, and the way to an identity stay here."""
    environ = {
        "INPUT_SCRIPT": "a",
        "INPUT_OF_MINE": "b",
        "GITHUB_TOKEN": "c",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "d",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "e",
        "GITHUB_SHA": "f",
    }

    assert for_the_run(environ) == {"INPUT_OF_MINE": "b", "GITHUB_SHA": "f"}
