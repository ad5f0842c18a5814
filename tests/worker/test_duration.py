"""Durations of phases and pauses."""

from __future__ import annotations

from typing import Any

import pytest

from grapeshot_worker.script.duration import DurationError, parse_duration, parse_think


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (60, 60),
        ("60", 60),
        ("+60", 60),
        ("10s", 10),
        ("10 S", 10),
        ("1.5s", 1.5),
        ("0.5 min", 30),
        ("10min", 600),
        ("2 minutes", 120),
        ("1h", 3600),
        ("2 hrs", 7200),
        ("1d", 86400),
        ("1 week", 604800),
        ("1y", 31557600),
        ("250ms", 0.25),
        ("250 msecs", 0.25),
        (".5s", 0.5),
        ("1500.0", 1.5),  # a fraction without unit: milliseconds
    ],
)
def test_a_duration_is_read_as_seconds(written: Any, seconds: float) -> None:
    """Whole numbers are seconds, units are what they say."""
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [1.5, 0, "0", "0s", "-5s", -1, "ten", "", "10 parsecs", None, True, [], "1 s s", "1e3", "{{ x }}"],
)
def test_what_is_no_duration_is_refused(written: Any) -> None:
    """Fractions as numbers, nothing, less than nothing and garbage are no durations."""
    with pytest.raises(DurationError):
        parse_duration(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(1, 1), (0.5, 0.5), ("0.5", 0.5), ("2", 2), ("500ms", 0.5), ("1 min", 60), (0, 0), ("0", 0)],
)
def test_a_bare_number_thinks_in_seconds(written: Any, seconds: float) -> None:
    """A pause of a bare number is in seconds, also a fraction (the reference takes it for milliseconds)."""
    assert parse_think(written) == seconds


@pytest.mark.parametrize("written", [-1, "-1s", "soon", None, False, {}, float("nan"), float("inf")])
def test_what_is_no_pause_is_refused(written: Any) -> None:
    """Less than nothing and garbage are no pauses."""
    with pytest.raises(DurationError):
        parse_think(written)
