"""The periods of a run as CSV: read by Python's reader, and as a spreadsheet would take it."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grapeshot_launcher.results.quoted import Quoted
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.periods_csv import FIXED, harmless, periods_csv
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.sketch import Sketch
from hostile import HOSTILE, NASTY
from sample_report import START, report, window


def rows(shown: Report) -> list[dict[str, str]]:
    """Read the file."""
    return list(csv.DictReader(io.StringIO(periods_csv(shown).decode("utf-8"), newline=""), strict=True))


def test_a_row_for_each_period() -> None:
    """When it was, its users, requests, codes and times."""
    first, second = rows(report(window(0), window(1, requests=200, failing=50, time=30.0)))

    assert {name: first[name] for name in ("start", "start_ms", "seconds")} == {
        "start": "2026-11-23T08:13:00Z",
        "start_ms": str(START),
        "seconds": "10.0",
    }
    assert {name: second[name] for name in FIXED[3:]} == {
        "users_created": "200",
        "users_completed": "200",
        "users_failed": "0",
        "users_active": "0",
        "requests": "200",
        "rate": "20.0",
        "codes_1xx": "0",
        "codes_2xx": "150",
        "codes_3xx": "0",
        "codes_4xx": "0",
        "codes_5xx": "50",
        "errors": "0",
        "response_time_p50": "30.3",
        "response_time_p95": "89.1",
        "response_time_p99": "89.1",
        "response_time_max": "90",
        "response_time_mean": "36",
        "response_time_count": "200",
    }


def test_users_under_way_are_carried_on() -> None:
    """Who began in one period and ended in a later one was active at the end of the first."""
    counts = [(10, 0, 0), (5, 7, 1), (0, 6, 1)]
    periods = [
        Period(
            start=START + index * 10_000,
            counters={"vusers.created": created, "vusers.completed": completed, "vusers.failed": failed},
            first_counter_at=float(START + index * 10_000),
            last_counter_at=START + index * 10_000 + 9_000.0,
        )
        for index, (created, completed, failed) in enumerate(counts)
    ]

    assert [row["users_active"] for row in rows(report(*periods))] == ["10", "7", "0"]


def test_rates_are_over_the_time_that_the_load_covers() -> None:
    """A load that begins in the middle of a period has no lower rate there."""
    begins = Period(
        start=START,
        counters={"http.requests": 50},
        first_counter_at=START + 5_000.0,
        last_counter_at=START + 9_999.0,
    )
    shown = report(begins, window(1), started_at=START / 1000 + 5)

    assert [(row["seconds"], row["rate"]) for row in rows(shown)] == [("5.0", "10.0"), ("10.0", "10.0")]


def test_everything_that_was_counted_has_a_column() -> None:
    """Names in order, whichever period has them; a counter that is missing counted 0, a distribution has no number."""
    odd = Period(
        start=START + 10_000,
        counters={"b.shots": 3, "a.shots": 4},
        sketches={"depth": Sketch.of({2.0: 4})},
        first_counter_at=START + 10_000.0,
        last_counter_at=START + 11_000.0,
    )
    first, second = rows(report(window(0), odd))
    own = [name for name in first if name not in FIXED]

    assert own[:2] == ["counters.a.shots", "counters.b.shots"]
    assert [name.split(".")[0] for name in own] == sorted(name.split(".")[0] for name in own)
    assert (first["counters.b.shots"], second["counters.b.shots"]) == ("0", "3")
    assert (first["summaries.depth.p95"], second["summaries.depth.p95"]) == ("", "2")
    assert (second["response_time_p95"], second["summaries.http.response_time.count"]) == ("", "")
    assert (second["requests"], second["rates.http.request_rate"]) == ("0", "")


def test_a_run_without_a_measurement_has_titles_alone() -> None:
    """A reader finds the columns that every run has."""
    shown = periods_csv(report(Period(start=START), periods=()))

    assert shown == (",".join(FIXED) + "\r\n").encode()


def test_what_another_tool_did_not_tell_is_empty() -> None:
    """Quoted percentiles are given as they stand; one that was not told has an empty cell."""
    quoted = Period(
        start=START,
        sketches={
            "http.response_time": Quoted.from_summary({"count": 2.0, "p95": 7.0, "min": 1.0, "max": 8.0})
        },
    )
    (row,) = rows(report(quoted, quoted=True))

    assert (row["response_time_p95"], row["response_time_p50"]) == ("7.0", "")


def test_a_moment_that_no_calendar_knows_is_no_fault() -> None:
    """A file may tell any number; the milliseconds stand there."""
    (row,) = rows(report(Period(start=10**15)))

    assert (row["start"], row["start_ms"]) == ("", str(10**15))


@pytest.mark.parametrize("sign", "=+-@＝＋－＠")  # wide signs, which some spreadsheets take too
@pytest.mark.parametrize("before", ["", "a;", "a,", "a|", 'a"', "a'", "a; "])
def test_no_cell_begins_a_formula(before: str, sign: str) -> None:
    """Neither at its start nor behind what a spreadsheet with other settings splits at."""
    assert harmless(f"{before}{sign}1+1") == f"{before}'{sign}1+1"


def test_other_names_stay_as_they_are() -> None:
    """Signs within a name begin nothing."""
    assert harmless("GET /a-b?c=d&e=@f, g") == "GET /a-b?c=d&e=@f, g"


@settings(deadline=None)
@given(name=st.one_of(HOSTILE, HOSTILE.map("=".__add__), HOSTILE.map(";@".__add__)))
@example(name="".join(NASTY))
@example(name='";=HYPERLINK("http://a")')
def test_names_do_nothing(name: str) -> None:
    """As many cells in each row as titles; no formula however lines are split; lines end in CRLF alone."""
    counted = Period(start=START, counters={name: 1}, sketches={name: Sketch.of({2.0: 1})})
    text = periods_csv(report(counted)).decode("utf-8")
    table = list(csv.reader(io.StringIO(text, newline=""), strict=True))

    assert len(table) == 2
    assert len(table[0]) == len(table[1]) == len(FIXED) + 12
    assert text.count("\r\n") == text.count("\n") == text.count("\r") == 2
    assert not [
        cell for row in table for cell in re.split(r"[,;|\t]", ";".join(row)) if re.match(r"\s*[=+\-@]", cell)
    ]
