"""A required test that was skipped, by itself or by a fixture, fails with its reason; elsewhere it stays skipped."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
from required import skipped_fails

pytest_runtest_makereport = skipped_fails({required})
"""
TESTS = """
import pytest

@pytest.fixture(scope="session")
def tool():
    pytest.skip("there is no tool")

def test_with_the_tool(tool):
    pass

def test_elsewhere():
    pytest.skip("not on this machine")

def test_without():
    pass
"""


@pytest.mark.parametrize(
    ("required", "outcomes"),
    [(True, {"failed": 1, "errors": 1, "passed": 1}), (False, {"skipped": 2, "passed": 1})],
)
def test_a_required_test_is_never_skipped(
    pytester: pytest.Pytester, required: bool, outcomes: dict[str, int]
) -> None:
    pytester.makeconftest(CONFTEST.format(required=required))
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess("-rs")

    assert result.parseoutcomes() == outcomes
    told = "*required, and not run: " if required else "*SKIPPED*"
    result.stdout.fnmatch_lines_random([f"{told}*there is no tool", f"{told}*not on this machine"])
