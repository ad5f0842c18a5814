from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.regions import region_parts
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.report_json import report_file, report_object
from grapeshot_worker.messages import Facts, Tally
from grapeshot_worker.metrics.period import Period, RateCount
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import SUMMARY_KEYS, Sketch

START = 1_795_421_580_000
PERIODS = (
    Period(
        start=START,
        counters={"vusers.failed": 0, "http.requests": 18, "errors.a\ud800é": 1},
        rates={"http.request_rate": RateCount(18, START + 0.0, START + 3_600.0)},
        sketches={"http.response_time": Sketch.of({26.25: 1, 30.0: 17})},
        first_counter_at=START + 100.7,
        last_counter_at=START + 9_999.2,
        first_histogram_at=START + 200.0,
        last_histogram_at=START + 9_000.0,
    ),
    Period(
        start=START + 10_000,
        counters={"http.requests": 2},
        first_counter_at=START + 10_000.0,
        last_counter_at=START + 10_001.0,
    ),
)
MOMENTS = [
    "firstCounterAt",
    "firstHistogramAt",
    "lastCounterAt",
    "lastHistogramAt",
    "firstMetricAt",
    "lastMetricAt",
]


def report(periods: tuple[Period, ...] = PERIODS) -> Report:
    totals = Totals.of(periods)
    return Report(
        run_id="t1",
        script="blitz.yml",
        started_at=START / 1000,
        ended_at=START / 1000 + 12.5,
        verdict=Verdict(kind="fail", exit_code=1, reasons=("check failed: a < 1",)),
        totals=totals,
        periods=periods,
        books=Books.of({0: 6}, {0: Tally(planned=6, started=6, completed=6)}, {0}),
        workers=(WorkerEnd(worker=WorkerId(0, 0), state="finished", facts=Facts(pid=7, lag_p99=1.5)),),
        checks=(CheckOutcome(label="a < 1", strict=True, ok=False, values={"a": 2}),),
        apdex=Apdex(threshold=500.0, satisfied=1, tolerated=0, frustrated=0),
        settings={"workers": 1},
    )


def read(periods: tuple[Period, ...] = PERIODS) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(report_file(report(periods)))
    return value


@pytest.mark.parametrize("periods", [PERIODS, ()])
def test_written_in_parts_it_is_the_same_file(periods: tuple[Period, ...]) -> None:
    """A day-long run's file is never whole in memory; it reads as if it were."""
    assert json.loads(report_file(report(periods))) == json.loads(json.dumps(report_object(report(periods))))


def test_it_is_indented_but_for_its_periods() -> None:
    """Those have a line each, as the workers tell them."""
    lines = report_file(report()).decode().splitlines()
    start = lines.index('    "periods": [')

    assert [
        Period.from_json(json.loads(line.strip().rstrip(","))).start for line in lines[start + 1 : -3]
    ] == [period.start for period in PERIODS]
    assert lines[-3:] == ["    ]", "  }", "}"]


def test_the_keys_and_their_order() -> None:
    """The reference's two keys come first; each part has the reference's keys in its order."""
    data = read()

    assert list(data) == ["aggregate", "intermediate", "grapeshot"]
    for part in (data["aggregate"], data["intermediate"][0]):
        assert list(part) == ["period", "counters", "rates", *MOMENTS, "summaries", "histograms"]
    assert tuple(data["aggregate"]["summaries"]["http.response_time"]) == SUMMARY_KEYS


def test_the_window_is_a_text_in_the_parts_and_a_number_in_the_whole() -> None:
    """As in the reference: `period` of a window is a text, of the whole the latest window's number."""
    data = read()

    assert [part["period"] for part in data["intermediate"]] == [str(START), str(START + 10_000)]
    assert data["aggregate"]["period"] == START + 10_000


def test_moments_without_a_measurement_are_absent() -> None:
    """A window without histograms has no histogram moments; the others are whole milliseconds."""
    part = read()["intermediate"][1]

    assert [key for key in part if key.endswith("At")] == [
        "firstCounterAt",
        "lastCounterAt",
        "firstMetricAt",
        "lastMetricAt",
    ]
    assert read()["intermediate"][0]["firstMetricAt"] == START + 100


def test_numbers_are_as_javascript_writes_them() -> None:
    """Whole numbers have no `.0`, histograms copy summaries, a counter of 0 is there."""
    text = report_file(report()).decode()
    part = read()["aggregate"]

    assert '"max": 30,' in text
    assert '"min": 26.3,' in text
    assert part["histograms"] == part["summaries"]
    assert part["counters"]["vusers.failed"] == 0
    assert part["counters"]["http.requests"] == 20


def test_rates_are_numbers_and_not_repeated_as_null() -> None:
    """A rate is a whole number under `rates`; the reference's null key of the same name is left out."""
    part = read()["intermediate"][0]

    assert part["rates"] == {"http.request_rate": 5}
    assert "http.request_rate" not in part


def test_the_sections_of_an_empty_run() -> None:
    """A run without a measurement has empty sections and no moments."""
    part = read(())["aggregate"]

    assert part == {"period": None, "counters": {}, "rates": {}, "summaries": {}, "histograms": {}}


def test_our_key() -> None:
    """Verdict, books, workers and checks stand under `grapeshot`, with a schema version."""
    ours = read()["grapeshot"]

    assert (ours["schema"], ours["runId"], ours["script"]) == (1, "t1", "blitz.yml")
    assert (ours["verdict"], ours["reasons"], ours["exitCode"]) == ("fail", ["check failed: a < 1"], 1)
    assert (ours["books"]["planned"], ours["books"]["balanced"]) == (6, True)
    assert (ours["workers"][0]["state"], ours["workers"][0]["lagP99"]) == ("finished", 1.5)
    assert ours["checks"][0]["values"] == {"a": 2}
    assert ours["apdex"]["score"] == 1
    assert ours["settings"] == {"workers": 1}
    assert (ours["startedAt"], ours["endedAt"]) == (START, START + 12_500)


def in_two_regions(**changes: Any) -> dict[str, Any]:
    """The key of ours for three workers, of whom the second is in another region."""
    tally = Tally(planned=2, started=2, completed=2)
    books = Books.of({0: 2, 1: 2, 2: 2}, {0: tally, 2: tally}, {0, 2})
    regions = ("eu-west-1", "us-east-1")
    whole = replace(
        report(),
        books=books,
        workers=tuple(WorkerEnd(worker=WorkerId(0, i), state="lost") for i in range(3)),
        regions=region_parts(regions, books, {"eu-west-1": Totals.of(PERIODS)}),
        settings={"costByRegion": {"eu-west-1": 0.25}},
    )
    ours: dict[str, Any] = json.loads(report_file(replace(whole, **changes)))["grapeshot"]
    return ours


def test_each_of_several_regions_has_its_books() -> None:
    """Workers, users and cost by region; what is not known is null."""
    first, second = in_two_regions()["regions"]

    assert (first["region"], first["workers"], first["costUsd"]) == ("eu-west-1", 2, 0.25)
    assert (first["planned"], first["started"], first["completed"], first["lost"]) == (4, 4, 4, 0)
    assert (second["region"], second["workers"], second["costUsd"]) == ("us-east-1", 1, None)
    assert (second["planned"], second["started"], second["lost"]) == (2, 0, 2)
    assert second["dropped"] == {"maxVusers": 0, "stopped": 0}
    assert (second["failed"], second["cut"]) == (0, 0)


def test_each_of_several_regions_has_its_metrics() -> None:
    """They have the keys of `aggregate`, and the sketches; where nothing was measured the sections are empty."""
    first, second = in_two_regions()["regions"]
    aggregate = read()["aggregate"]

    assert {key: first[key] for key in aggregate if key != "period"} == {
        key: value for key, value in aggregate.items() if key != "period"
    }
    assert Sketch.from_json(first["sketches"]["http.response_time"]) == Sketch.of({26.25: 1, 30.0: 17})
    assert (second["counters"], second["summaries"], second["sketches"]) == ({}, {}, {})


def test_each_worker_names_its_region() -> None:
    """Among the workers, and in the books."""
    ours = in_two_regions()

    assert [each["region"] for each in ours["workers"]] == ["eu-west-1", "us-east-1", "eu-west-1"]
    assert [row["region"] for row in ours["books"]["workers"]] == ["eu-west-1", "us-east-1", "eu-west-1"]


@pytest.mark.parametrize("costs", [None, 3, {"eu-west-1": "much"}, {"ap-south-1": 1.0}])
def test_a_region_s_cost_that_is_not_known(costs: object) -> None:
    """Settings are open: what is not a number for the region is no cost."""
    regions = in_two_regions(settings={"costByRegion": costs})["regions"]

    assert [each["costUsd"] for each in regions] == [None, None]


def test_without_several_regions_nobody_names_one() -> None:
    """The list is empty, and workers have no further key."""
    ours = read()["grapeshot"]

    assert ours["regions"] == []
    assert "region" not in ours["workers"][0]
    assert "region" not in ours["books"]["workers"][0]


def test_sketches_come_back_without_loss() -> None:
    """The whole's sketches can be read from the file and merged with another run's."""
    sketches = read()["grapeshot"]["sketches"]

    assert Sketch.from_json(sketches["http.response_time"]) == PERIODS[0].sketches["http.response_time"]


def test_the_file_is_indented_and_broken_text_survives() -> None:
    """Two spaces of indentation, one newline at the end, and half a surrogate pair as its escape."""
    data = report_file(report())

    assert data.startswith(b'{\n  "aggregate": {\n    "period"')
    assert data.endswith(b"}\n")
    assert "errors.a\ud800é" in json.loads(data)["aggregate"]["counters"]


def test_the_order_of_arrival_does_not_show() -> None:
    """The same numbers give the same file, whichever worker spoke first."""
    more = replace(
        PERIODS[0],
        rates=dict.fromkeys("ab", PERIODS[0].rates["http.request_rate"]),
        sketches=dict.fromkeys("ab", PERIODS[0].sketches["http.response_time"]),
    )
    straight, turned = (more, PERIODS[1]), (_turned(more), _turned(PERIODS[1]))

    assert json.dumps(report_object(report(turned))) == json.dumps(report_object(report(straight)))
    assert report_file(report(turned)) == report_file(report(straight))


def _turned(period: Period) -> Period:
    return replace(
        period,
        counters=dict(reversed(list(period.counters.items()))),
        rates=dict(reversed(list(period.rates.items()))),
        sketches=dict(reversed(list(period.sketches.items()))),
    )
