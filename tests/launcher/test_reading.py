"""A report's file is read back without loss, and whatever is none is refused in words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reports
import sample_report
from grapeshot_launcher.errors import ReportRefused
from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.quoted import Quoted
from grapeshot_launcher.results.reading import read_report
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.report_json import report_file
from grapeshot_worker.metrics.period import Period, RateCount
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

START = sample_report.START
CHECK = reports.check("http.response_time.p95 < 10", ok=False, values={"http.response_time.p95": 20.1})
LAST = reports.finished(1, busiest_cpu=0.5, python="3.13.1", billed_ms=1234.5)

FULL = replace(
    sample_report.report(),
    verdict=Verdict(kind="fail", exit_code=1, reasons=("check failed: ä < 1", "a\ud800")),
    checks=(CHECK, reports.check("x.p99 < 1", strict=False, ok=False, missing=("x.p99",), problem="no")),
    abort=Abort(checks=(CHECK,), after=12.345),
    apdex=Apdex(threshold=500, satisfied=3, tolerated=2, frustrated=1),
    comparison=reports.comparison(
        reports.compared(), reports.compared("rate", low=float("-inf"), high=float("inf")), cautions=("so",)
    ),
    warnings=("the clock is off",),
    workers=(reports.failed(0, "out of memory"), replace(LAST, ahead=0.25, missing_messages=2)),
    settings={"workers": 2, "phases": [{"rate": 1.5, "ramp": None}], "costByRegion": {"a": 0.1}},
    **reports.regions("a", "b"),
)

# What is looked at is what comes out; on a busy machine, the first text of all Unicode alone takes seconds to draw.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def again(report: Report) -> bytes:
    return report_file(read_report(report_file(report), "report.json"))


@pytest.mark.parametrize(
    "report",
    [FULL, sample_report.report(), reports.report(periods=(), totals=Totals()), replace(FULL, regions=())],
    ids=["full", "sample", "empty", "one place"],
)
def test_written_again_it_is_the_same_file(report: Report) -> None:
    """To the byte: nothing is lost."""
    report = replace(report, totals=Totals.of(report.periods))

    assert again(report) == report_file(report)


def test_it_is_the_same_report() -> None:
    """Also what is computed from it: windows, totals, books, verdict."""
    whole = sample_report.report()
    read = read_report(report_file(whole), "report.json")

    assert read.totals.sketches == whole.totals.sketches
    assert [period.sketches["http.response_time"] for period in read.periods] == [
        period.sketches["http.response_time"] for period in whole.periods
    ]
    assert (read.books, read.verdict, read.checks) == (whole.books, whole.verdict, whole.checks)
    assert (read.started_at, read.ended_at, read.quoted) == (whole.started_at, whole.ended_at, False)


names = st.text(max_size=8)
values = st.dictionaries(
    st.one_of(st.just(0.0), st.floats(-1e6, 1e9, allow_nan=False)), st.integers(1, 300), max_size=9
)
rates = st.builds(
    lambda count, first, more: RateCount(count, first, first + more),
    st.integers(1, 99),
    st.floats(0, 1e13),
    st.floats(0, 1e4),
)
moment = st.none() | st.floats(0, 1e13)


@st.composite
def some_periods(draw: st.DrawFn) -> tuple[Period, ...]:
    windows = draw(st.lists(st.integers(0, 50), unique=True, max_size=4))
    return tuple(
        Period(
            start=START + 10_000 * window,
            counters=draw(st.dictionaries(names, st.integers(0, 2**53), max_size=4)),
            rates=draw(st.dictionaries(names, rates, max_size=2)),
            sketches=draw(st.dictionaries(names, st.builds(Sketch.of, values), max_size=3)),
            first_counter_at=draw(moment),
            last_counter_at=draw(moment),
            first_histogram_at=draw(moment),
            last_histogram_at=draw(moment),
        )
        for window in sorted(windows)
    )


@unhurried
@given(some_periods())
def test_whatever_was_measured_is_read_back(periods: tuple[Period, ...]) -> None:
    """Any names, counts, values and moments."""
    report = reports.report(periods=periods, totals=Totals.of(periods))

    assert again(report) == report_file(report)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, item in items for each in paths(item, (*path, key)))]


def read_or_refused(data: bytes) -> bool:
    """Read a file and write it again, or be told in full why that can't be done; any other error is a fault."""
    try:
        report = read_report(data, "x.json")
    except ReportRefused as error:
        return error.message == "x.json is no report that can be read" and bool(error.cause and error.remedy)
    return bool(report_file(report))


FILE = report_file(FULL)
PLACES = paths(json.loads(FILE))


@unhurried
@given(
    st.sampled_from(PLACES[1:]), st.sampled_from([None, "x", -1, 1.5, [], {}, [1], {"a": "b"}, True, 10**400])
)
def test_a_file_with_something_else_in_it_is_read_or_refused(place: tuple[Any, ...], other: object) -> None:
    """Whatever stands where: never another error than the one for a person."""
    data = json.loads(FILE)
    part = data
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = other
    assert read_or_refused(json.dumps(data).encode())


@unhurried
@given(st.sampled_from(PLACES[1:]))
def test_a_file_with_something_missing_is_read_or_refused(place: tuple[Any, ...]) -> None:
    data = json.loads(FILE)
    part = data
    for key in place[:-1]:
        part = part[key]
    del part[place[-1]]
    assert read_or_refused(json.dumps(data).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b"{", b'{"a": NaN}', b"{}", b"[" * 100_000])
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(ReportRefused, match="is no report"):
        read_report(data, "x.json")


@unhurried
@given(st.integers(0, len(FILE) - 3))
def test_a_file_cut_short_is_refused(end: int) -> None:
    with pytest.raises(ReportRefused):
        read_report(FILE[:end], "x.json")


def test_a_later_schema_is_refused_by_name() -> None:
    data = json.loads(FILE)
    data["grapeshot"]["schema"] = 99
    with pytest.raises(ReportRefused) as refused:
        read_report(json.dumps(data).encode(), "x.json")

    assert refused.value.cause == "`grapeshot.schema` is 99, and this version of Grapeshot reads 1."


def artillery(**changes: Any) -> bytes:
    """The file that the reference would have written of the sample."""
    data = json.loads(report_file(sample_report.report()))
    del data["grapeshot"]
    return json.dumps({**data, **changes}).encode()


def test_artillery_s_percentiles_are_quoted() -> None:
    """They are those of its file, counters add up, and the reader is told."""
    whole = sample_report.report()
    read = read_report(artillery(), "old.json")

    assert read.quoted
    assert read.verdict.kind == "unknown"
    assert read.totals.counters == whole.totals.counters
    assert read.totals.summaries() == whole.totals.summaries()
    assert [Totals.of_window(each).summaries() for each in read.periods] == [
        Totals.of_window(each).summaries() for each in whole.periods
    ]
    assert [Totals.of_window(each).rates for each in read.periods] == [
        Totals.of_window(each).rates for each in whole.periods
    ]
    assert (read.books.planned, read.books.started, read.books.balanced) == (300, 300, True)
    assert "neither merged" in read.warnings[0]


def test_a_quoted_report_can_be_written_and_read_again() -> None:
    """It stays quoted."""
    read = read_report(artillery(), "old.json")

    assert b'"sketches"' not in report_file(read)
    assert b'"periods"' not in report_file(read)
    assert again(read) == report_file(read)
    assert read_report(report_file(read), "x").quoted


FOREIGN = artillery()


@unhurried
@given(
    st.sampled_from(paths(json.loads(FOREIGN))[1:]),
    st.sampled_from(["gone", None, "x", -1, 1.5, [], {}, [1], {"a": "b"}, True, 10**400]),
)
def test_artillery_s_file_with_something_else_in_it_is_read_or_refused(
    place: tuple[Any, ...], other: object
) -> None:
    """Whatever stands where, or is missing."""
    data = json.loads(FOREIGN)
    part = data
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = other
    if other == "gone":
        del part[place[-1]]
    assert read_or_refused(json.dumps(data).encode())


def test_fractions_and_nulls_among_a_foreign_file_s_counters_are_left_out_and_named() -> None:
    """Hooks of the reference may count anything; what a verdict is made of must be counts all the same."""
    data = json.loads(FOREIGN)
    data["aggregate"]["counters"] |= {"half": 1.5, "http.downloaded_bytes": None, "down": -3}
    data["intermediate"][0]["counters"]["half"] = 0.5
    read = read_report(json.dumps(data).encode(), "old.json")

    assert read.totals.counters == {**sample_report.report().totals.counters, "down": -3}
    assert "half" not in read.periods[0].counters
    assert read.warnings[1] == (
        "old.json: left out are counters that are no whole numbers: half, http.downloaded_bytes"
    )
    data["aggregate"]["counters"]["vusers.failed"] = 0.5
    with pytest.raises(ReportRefused):
        read_report(json.dumps(data).encode(), "old.json")


def test_a_counter_below_zero_is_read_back() -> None:
    """A hook may count down, in a region too."""
    down = replace(FULL.periods[0], counters={"stock": -3})
    totals = Totals.of([down])
    regions = tuple(replace(part, totals=totals) for part in FULL.regions)
    report = replace(FULL, periods=(down,), totals=totals, regions=regions)

    assert again(report) == report_file(report)


def test_an_early_file_of_artillery_has_histograms_alone() -> None:
    data = json.loads(artillery())
    for part in (data["aggregate"], *data["intermediate"]):
        del part["summaries"]

    read = read_report(json.dumps(data).encode(), "old.json")
    assert read.totals.summaries() == sample_report.report().totals.summaries()


def test_quoted_percentiles_are_not_merged() -> None:
    """And one that was not told is never guessed too low."""
    quoted = Quoted.from_summary({"count": 3, "mean": 2.0, "min": 1.0, "max": 9.0, "p50": 2.0, "p99": 8.0})

    with pytest.raises(ValueError, match="can't be merged"):
        quoted.merge(Sketch())
    assert [quoted.quantile(q) for q in (0.5, 0.9, 0.99, 0.999)] == [2.0, 8.0, 8.0, 9.0]
