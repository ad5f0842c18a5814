"""Tests that are required where they are asked for: there, one that was not run has failed.

    pytest_runtest_makereport = skipped_fails(REQUIRED)

in a conftest is the hook for the tests of its folder. Leaves to others: saying when they are required.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

Hook = Callable[[], Generator[None, pytest.TestReport, pytest.TestReport]]


def skipped_fails(required: bool) -> Hook:
    """Give the hook that makes a failure of a skipped test if tests are `required`: no check passes hollow."""

    @pytest.hookimpl(wrapper=True)
    def make_report() -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if required and report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            report.outcome, report.longrepr = "failed", f"required, and not run: {reason}"
        return report

    return make_report
