"""Several runs merged tell what one run of all their workers would have told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reports
import sample_report
from grapeshot_launcher.results.baseline import compare, compare_reports
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.earlier import read_earlier
from grapeshot_launcher.results.merge import merge_reports
from grapeshot_launcher.results.reading import read_report
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.report_json import report_file
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from sample_report import window


def run(*periods: Period, **changes: Any) -> Report:
    return sample_report.report(*periods, **changes)


def foreign(report: Report) -> Report:
    """The same run as the reference's file tells of it."""
    data = json.loads(report_file(report))
    del data["grapeshot"]
    return read_report(json.dumps(data).encode(), "artillery.json")


# What is looked at is what comes out, on a busy machine too.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
values = st.dictionaries(st.floats(0.1, 1e6), st.integers(1, 50), min_size=1, max_size=5)


@st.composite
def some_runs(draw: st.DrawFn) -> list[Report]:
    def periods() -> tuple[Period, ...]:
        return tuple(
            Period(
                start=sample_report.START + 10_000 * number,
                counters={"http.requests": draw(st.integers(0, 99)), "vusers.created": 2},
                sketches={"http.response_time": Sketch.of(draw(values))},
                first_counter_at=float(sample_report.START + 10_000 * number),
            )
            for number in draw(st.lists(st.integers(0, 5), unique=True, min_size=1, max_size=3))
        )

    return [run(*periods(), run_id=f"t{number}") for number in range(draw(st.integers(2, 4)))]


@unhurried
@given(some_runs())
def test_nothing_is_lost(runs: list[Report]) -> None:
    """Counts add up, and percentiles are those of all values together, of the whole and of each window."""
    merged = merge_reports(runs)
    parts = [period for each in runs for period in each.periods]
    everything = Sketch()
    for each in runs:
        everything = everything.merge(each.totals.sketches["http.response_time"])

    assert merged.totals.counters["http.requests"] == sum(
        each.totals.counters["http.requests"] for each in runs
    )
    assert merged.totals.sketches["http.response_time"].summary() == everything.summary()
    assert merged.totals == Totals.of(parts)
    assert [period.start for period in merged.periods] == sorted({period.start for period in parts})
    assert merged.books.planned == sum(each.books.planned for each in runs)
    assert merged.books.balanced
    assert len({row.index for row in merged.books.rows}) == len(merged.books.rows) == 2 * len(runs)


@unhurried
@given(some_runs(), st.randoms())
def test_the_order_makes_no_difference_to_the_numbers(runs: list[Report], random: Any) -> None:
    turned = [*runs]
    random.shuffle(turned)

    straight, shuffled = merge_reports(runs), merge_reports(turned)
    assert shuffled.totals.counters == straight.totals.counters
    assert shuffled.totals.summaries() == straight.totals.summaries()
    assert (shuffled.books.planned, shuffled.verdict.kind) == (straight.books.planned, straight.verdict.kind)


@unhurried
@given(some_runs())
def test_merging_in_steps_is_merging_at_once(runs: list[Report]) -> None:
    stepwise = merge_reports([merge_reports(runs[:-1]), runs[-1]])

    assert stepwise.totals.summaries() == merge_reports(runs).totals.summaries()
    assert stepwise.books.rows == merge_reports(runs).books.rows


def test_parts_of_a_run_merge_into_the_run() -> None:
    """What two launchers measured side by side is what one would have."""
    whole = run(*(window(number, requests=200) for number in range(3)))
    half = run(*(window(number, requests=100) for number in range(3)))

    merged = merge_reports([half, half])
    assert merged.totals.counters == whole.totals.counters
    assert merged.totals.summaries() == whole.totals.summaries()
    assert merged.settings["costUsd"] == pytest.approx(2 * half.settings["costUsd"])
    assert merged.settings["workers"] == 4
    assert merged.settings["target"] == "https://example.com"


def test_a_merged_report_is_a_report() -> None:
    """Its file is read back like any other."""
    merged = merge_reports([run(run_id="a"), run(window(7), run_id="b")])

    assert read_report(report_file(merged), "x").totals.counters == merged.totals.counters
    assert report_file(read_report(report_file(merged), "x")) == report_file(merged)
    assert merged.run_id == "a + b"


def test_one_report_stays_as_it_is() -> None:
    assert merge_reports([(one := run())]) is one


def test_a_threshold_is_held_against_the_whole() -> None:
    """A part may fail what the whole meets, and the other way round."""
    label = "http.requests > 150"
    failed = run(
        window(0),
        checks=(reports.check(label, ok=False, values={"http.requests": 100}),),
        verdict=Verdict(kind="fail", exit_code=1, reasons=(f"check failed: {label}",)),
    )
    merged = merge_reports([failed, failed])
    assert (merged.verdict.kind, merged.verdict.exit_code, merged.verdict.reasons) == ("pass", 0, ())
    assert [(check.ok, check.values) for check in merged.checks] == [(True, {"http.requests": 200})]

    most = run(window(0), checks=(reports.check("http.requests < 150", values={"http.requests": 100}),))
    worse = merge_reports([most, most])
    assert (worse.verdict.kind, worse.verdict.exit_code) == ("fail", 1)
    assert worse.verdict.reasons == ("check failed: http.requests < 150",)


@pytest.mark.parametrize(
    ("label", "found"), [("maxErrorRate < 1", "error rate"), ("p99 < 200", "http.response_time.p99")]
)
def test_a_check_that_only_reads_like_an_expression_stands_as_it_was_found(label: str, found: str) -> None:
    """Its metric has another name than its text, so it can't be held against the whole."""
    outcome = reports.check(label, values={found: 0.5})
    merged = merge_reports([run(window(0), checks=(outcome,)), run(window(1))])

    assert (merged.verdict.kind, merged.checks) == ("pass", (outcome,))


@pytest.mark.parametrize(
    ("one", "other", "whole"),
    [("pass", "invalid", "invalid"), ("stopped", "invalid", "invalid"), ("pass", "stopped", "stopped")],
)
def test_the_worst_verdict_is_that_of_the_whole(one: Any, other: Any, whole: str) -> None:
    """With the reasons of each run, by its name."""
    merged = merge_reports(
        [
            run(run_id="a", verdict=Verdict(kind=one, exit_code=0 if one == "pass" else 130)),
            run(run_id="b", verdict=Verdict(kind=other, exit_code=4, reasons=("worker 1 was lost",))),
        ]
    )
    assert (merged.verdict.kind, merged.verdict.exit_code) == (whole, 4)
    assert merged.verdict.reasons == ("run b: worker 1 was lost",)


def test_failed_expectations_stay_failed() -> None:
    failed = run(run_id="a", verdict=Verdict(kind="fail", exit_code=21, reasons=("3 failed expectation(s)",)))

    merged = merge_reports([failed, run(run_id="b")])
    assert (merged.verdict.kind, merged.verdict.exit_code) == ("fail", 21)


def test_regions_add_up_by_name() -> None:
    one = run(**_regional("eu-west-1", "us-east-1"))
    merged = merge_reports([one, one])

    assert [(part.region, part.books.planned) for part in merged.regions] == [
        (part.region, 2 * part.books.planned) for part in one.regions
    ]
    assert (
        merged.regions[0].totals.counters["http.requests"]
        == 2 * one.regions[0].totals.counters["http.requests"]
    )


def test_parts_by_region_that_not_all_runs_have_are_missed_aloud() -> None:
    """A run in one region has no parts, nor has one of Artillery: a sum of the others would pass for the whole."""
    one = run(**_regional("eu-west-1", "us-east-1"))

    for other in (run(), foreign(run())):
        merged = merge_reports([one, other])
        assert merged.regions == ()
        assert [each for each in merged.warnings if "by region" in each]
    for same in (one, run()):
        assert not [each for each in merge_reports([same, same]).warnings if "by region" in each]


def _regional(*names: str) -> dict[str, Any]:
    books = Books.of({0: 5, 1: 4}, {0: Tally(planned=5, started=5), 1: Tally(planned=4, started=4)}, {0, 1})
    return reports.regions(*names, by=books)


def test_rates_of_a_region_are_not_added() -> None:
    """They are means over windows that a region's part doesn't have; of runs in turn no sum would be right."""
    parts = _regional("eu-west-1", "us-east-1")["regions"]
    measured = run().totals
    one = run(regions=tuple(replace(part, totals=measured) for part in parts))

    assert measured.rates
    assert [part.totals.rates for part in merge_reports([one, one]).regions] == [{}, {}]


@pytest.mark.parametrize(
    ("other", "cost"),
    [({"a": 0.1}, {"a": 0.2}), ({"a": 0.2, "b": 1}, {"a": 0.3, "b": 1}), ({"a": None}, None), (None, None)],
)
def test_costs_add_up_by_region(other: Any, cost: Any) -> None:
    """Where each run tells them: else the sum would be that of some."""
    first, second = (run(settings={"costByRegion": costs}) for costs in ({"a": 0.1}, other))

    told = merge_reports([first, second]).settings["costByRegion"]
    assert told == (cost if cost is None else pytest.approx(cost))


def test_what_is_left_out_for_differing_is_told() -> None:
    one, other = (run(settings={"phases": [{"rate": rate}], "source": "same"}) for rate in (1, 2))
    merged = merge_reports([one, other])

    assert merged.settings == {"source": "same"}
    assert [warning for warning in merged.warnings if "differ" in warning] == [
        "The merged runs differ in the phases, which is not shown for that reason."
    ]
    assert not [warning for warning in merge_reports([one, one]).warnings if "differ" in warning]


def test_apdex_adds_up_where_the_threshold_is_one() -> None:
    apdex = Apdex(threshold=500, satisfied=3, tolerated=2, frustrated=1)
    one, other = run(apdex=apdex), run(apdex=replace(apdex, threshold=100))

    assert merge_reports([one, one]).apdex == Apdex(threshold=500, satisfied=6, tolerated=4, frustrated=2)
    assert merge_reports([one, other]).apdex is None


def test_quoted_percentiles_are_left_out() -> None:
    """Counts, means and extremes of all runs are exact all the same, and the reader is told."""
    own = run(run_id="a")
    merged = merge_reports([own, foreign(run(window(0, time=50.0)))])
    found = merged.totals.summaries()["http.response_time"]

    assert merged.quoted
    assert found == {
        "min": 20.0,
        "max": 150.0,
        "count": 400,
        "mean": pytest.approx((300 * 24 + 100 * 60) / 400),
    }
    assert merged.totals.counters["http.requests"] == 400
    assert merged.periods[0].sketches["http.response_time"].summary().keys() == {
        "min",
        "max",
        "count",
        "mean",
    }
    assert any("percentiles can't be merged" in warning for warning in merged.warnings)
    assert read_report(report_file(merged), "x").totals.summaries() == merged.totals.summaries()


def test_a_mean_that_one_report_lacks_is_left_out() -> None:
    """Early versions of the reference told none; that of the others is not that of all."""
    data = json.loads(report_file(run()))
    for part in (data["aggregate"], *data["intermediate"]):
        for summary in part["summaries"].values():
            del summary["mean"]
    early = read_report(json.dumps({key: data[key] for key in ("aggregate", "intermediate")}).encode(), "x")

    merged = merge_reports([early, run()])
    assert merged.totals.summaries()["http.response_time"] == {"count": 600, "min": 20.0, "max": 60.0}
    assert merge_reports([merged, run()]).totals.summaries()["http.response_time"]["count"] == 900


@pytest.mark.parametrize("number", [0, 100], ids=["side by side", "one after another"])
def test_rates_with_quoted_runs_are_those_without(number: int) -> None:
    """Of the whole and of each window, whoever wrote the file; each window's is rounded once more."""
    one, other = run(), run(*(window(number + n) for n in range(3)))
    known = merge_reports([one, other])

    for pair in ([foreign(one), other], [one, foreign(other)], [foreign(one), foreign(other)]):
        merged = merge_reports(pair)
        assert merged.totals.rates == known.totals.rates
        assert [{name: rate.per_second for name, rate in each.rates.items()} for each in merged.periods] == [
            {name: rate.per_second for name, rate in each.rates.items()} for each in known.periods
        ]


def test_a_threshold_of_percentiles_that_are_only_quoted_stands_as_its_run_found_it() -> None:
    """The whole has no such percentile, and a threshold that was met has not failed for that."""
    check = reports.check("http.response_time.p95 < 200", values={"http.response_time.p95": 60.4})
    merged = merge_reports([run(run_id="a", checks=(check,)), foreign(run())])

    assert merged.checks == (check,)
    assert (merged.verdict.kind, merged.verdict.exit_code) == ("unknown", 0)
    assert merged.settings["target"] == "https://example.com"


def test_a_comparison_is_that_of_the_baseline() -> None:
    """Whether the earlier run is read for it or as a report, and whoever wrote its file."""
    before, after = run(run_id="a"), run(*(window(n, time=60.0) for n in range(3)), run_id="b")
    data = json.loads(report_file(before))
    old = json.dumps({key: data[key] for key in ("aggregate", "intermediate")}).encode()

    assert compare_reports(before, after) == compare(after, read_earlier(report_file(before), "x"))
    assert compare_reports(read_report(old, "x"), after) == compare(after, read_earlier(old, "x"))
