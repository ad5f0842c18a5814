from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.html.buckets import counts, edges
from grapeshot_launcher.views.html.charts import POINTS, ROWS, chart_data
from grapeshot_launcher.views.html.distribution import BARS, COLUMNS
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import ACCURACY, Sketch
from reports import START, period, report

ROOT = Path(__file__).parents[2]
RATES = ("arrivals", "requests", "errors", "codes")


def run(*periods: Period, **changes: Any) -> Report:
    """Give the report of a load measured in these periods."""
    return replace(report(periods=periods, totals=Totals.of(periods), started_at=START / 1000), **changes)


def window(index: int, *, first: float = 0.0, last: float = 10.0, **named: int) -> Period:
    """The index-th window, measured from one second of it to another; counters with `_` for each dot."""
    start = START + index * 10_000
    return Period(
        start=start,
        counters={name.replace("_", "."): count for name, count in named.items()},
        first_counter_at=start + first * 1000,
        last_counter_at=start + last * 1000,
    )


def lines(data: dict[str, Any], chart: str) -> dict[str, list[float | None]]:
    """Give the lines of a chart by their names; none where it isn't drawn."""
    found = [each for each in data["charts"] if each["id"] == chart]
    return {line["name"]: line["values"] for each in found for line in each["series"]}


def test_rates_and_percentiles_of_each_window() -> None:
    """A point is a window; its percentiles are those of the report's own summary."""
    data = chart_data(run(period(0, requests=100), period(1, requests=300, times={80.0: 300})))

    assert data["points"]["from"] == [0.0, 10.0]
    assert data["points"]["to"] == [10.0, 20.0]
    assert lines(data, "requests") == {"requests": [10.0, 30.0]}
    summaries = [Sketch.of({ms: n}).summary() for ms, n in ((50.0, 100), (80.0, 300))]
    assert lines(data, "times") == {
        key: [summary[key] for summary in summaries] for key in ("p50", "p95", "p99", "max")
    }


def test_active_users_are_those_who_came_and_have_not_ended() -> None:
    """At the end of each window."""
    data = chart_data(
        run(
            window(0, vusers_created=10, vusers_completed=4),
            window(1, vusers_created=5, vusers_completed=6, vusers_failed=2),
            window(2, vusers_completed=3),
        )
    )

    assert lines(data, "users") == {"active": [6, 3, 0]}
    assert lines(data, "arrivals") == {
        "started": [1.0, 0.5, 0.0],
        "completed": [0.4, 0.6, 0.3],
        "failed": [0.0, 0.2, 0.0],
    }


def test_a_window_that_the_load_covers_in_part_has_its_full_rate() -> None:
    """The load enters its first window after 6 s, and leaves its last one after 5 s."""
    data = chart_data(
        run(
            window(0, first=6.0, http_requests=40),
            window(1, http_requests=100),
            window(2, last=5.0, http_requests=50),
            started_at=START / 1000 + 6,
        )
    )

    assert data["points"]["covered"] == [4.0, 10.0, 5.0]
    assert lines(data, "requests") == {"requests": [10.0, 10.0, 10.0]}


def test_a_stump_goes_to_its_neighbour() -> None:
    """What is less than a quarter of a window would draw noise."""
    data = chart_data(run(window(0, http_requests=100), window(1, last=1.0, http_requests=10)))

    assert data["points"]["to"] == [11.0]
    assert lines(data, "requests") == {"requests": [10.0]}


def test_missing_windows_are_a_gap() -> None:
    """Where nothing was measured, no line is drawn; the reader is told."""
    data = chart_data(run(period(0), period(1), period(5)))

    assert data["points"]["gaps"] == [2]
    assert "gap" in data["note"]
    assert chart_data(run(period(0), period(1)))["points"]["gaps"] == []


def test_a_window_without_a_response_has_no_percentile() -> None:
    """None is not 0 ms."""
    assert lines(chart_data(run(period(0, times={}), period(1))), "times")["p95"][0] is None


def test_a_long_run_is_thinned_without_losing_its_percentiles() -> None:
    """Of 720 windows two make a point; its p95 is of all their responses, not the mean of two p95s."""
    fast, slow = {10.0: 990}, {1000.0: 10}
    data = chart_data(
        run(*(period(i, times=slow if i % 2 else fast, requests=1000) for i in range(2 * POINTS)))
    )

    assert len(data["points"]["from"]) == POINTS
    assert "Each point stands for 20 seconds" in data["note"]
    assert set(lines(data, "requests")["requests"]) == {100.0}
    assert lines(data, "times")["p95"] == pytest.approx([10.0] * POINTS, rel=ACCURACY)
    assert lines(data, "times")["max"][0] == 1000
    assert len(data["heat"]["from"]) <= COLUMNS
    assert all(len(chart["table"]["rows"]) <= ROWS for chart in data["charts"])


def test_six_hours_fit_into_a_page() -> None:
    """With six errors and four codes in every window: 300 kB, of the megabyte that a report may have."""
    names = {f"errors.E{n}": 3 for n in range(8)} | {f"http.codes.{n}00": 33 for n in (2, 3, 4, 5)}
    times = {float(ms): 1 for ms in range(1, 4000, 7)}
    each = [
        replace(
            period(i, times=times), counters={"http.requests": 100, "vusers.created": 7, "vusers.completed": 7} | names
        )
        for i in range(2160)
    ]  # fmt: skip

    assert len(json.dumps(chart_data(run(*each)))) < 300_000


def test_the_most_frequent_errors_have_a_line_and_the_others_share_one() -> None:
    """By frequency, then by name; a name can't send control characters."""
    counters = {f"errors.E{n}": 10 * (n + 1) for n in range(8)} | {"errors.a\x1b[31m": 1000}
    data = chart_data(run(replace(window(0), counters=counters)))

    assert next(iter(lines(data, "errors").values())) == [100.0]
    assert [*lines(data, "errors")][1:] == ["E7", "E6", "E5", "E4", "E3", "3 other names"]
    assert lines(data, "errors")["3 other names"] == [6.0]
    assert "\x1b" not in json.dumps(data, ensure_ascii=False)


def test_status_codes_in_their_order() -> None:
    """Each has a line; there is no chart of what never happened."""
    data = chart_data(run(window(0, http_codes_503=5, http_codes_200=95, http_requests=100)))

    assert lines(data, "codes") == {"200": [9.5], "503": [0.5]}
    assert [chart["id"] for chart in data["charts"]] == ["requests", "codes"]


def test_phases_follow_one_another_from_the_start() -> None:
    """Named by their author, or how users arrive, all copies together; one that takes no time isn't drawn."""
    phase = {"kind": "rate", "duration": 20.0, "rate": 5.0, "rampTo": 0.0, "count": 0, "copies": 2}
    phases = [
        phase,
        {**phase, "duration": 0},
        {**phase, "kind": "ramp", "rampTo": 10.0, "copies": 1},
        {**phase, "kind": "pause", "duration": 5, "name": "a \x1b breath"},
        {**phase, "kind": "count", "count": 30, "copies": 1},
    ]
    spans = chart_data(run(period(0), settings={"phases": phases}))["phases"]

    assert [span["name"] for span in spans] == ["1: 10/s", "2: 5 → 10/s", "3: a \\x1b breath", "4: 30 users"]
    assert [(span["from"], span["to"]) for span in spans] == [(0, 20), (20, 40), (40, 45), (45, 65)]


@pytest.mark.parametrize(
    "phases", [None, 7, "x", [7], [{"duration": "x"}], [{"duration": -1}], [{"duration": True}]]
)
def test_phases_that_are_none_are_not_drawn(phases: Any) -> None:
    """A report may come from a file that anybody wrote."""
    assert chart_data(run(period(0), settings={"phases": phases}))["phases"] == []


def test_without_a_measurement_there_is_nothing_to_draw() -> None:
    """And that is said."""
    data = chart_data(run())

    assert (data["charts"], data["distribution"], data["heat"]) == ([], None, None)
    assert data["note"] == "Nothing was measured, so there is nothing to draw."


class _Told(Sketch):
    """Percentiles of another tool: they can't be merged."""

    __slots__ = ()

    def summary(self) -> dict[str, float]:
        return {"p50": self.min, "p95": self.max, "max": self.max}

    def merge(self, other: Sketch) -> Sketch:
        raise ValueError("can't be merged")


def test_quoted_percentiles_are_drawn_as_they_are_told() -> None:
    """There is no distribution of them; what isn't told has no line; a longer piece shows its windows' highest."""
    each = [
        replace(period(i), sketches={"http.response_time": _Told(count=9, min=1.0, max=20.0 + i)})
        for i in range(2 * POINTS)
    ]
    whole = Totals(sketches={"http.response_time": _Told(count=9)}, first_counter_at=float(START))
    data = chart_data(run(*each, totals=whole, quoted=True, ended_at=START / 1000 + 20 * POINTS))

    assert lines(data, "times").keys() == {"p50", "p95", "max"}
    assert lines(data, "times")["p95"][:2] == [21.0, 23.0]
    assert (data["distribution"], data["heat"]) == (None, None)
    assert "quotes" in data["note"]


COUNTERS = st.dictionaries(
    st.sampled_from(
        ["http.requests", "http.codes.200", "http.codes.404", "vusers.created", "vusers.failed"]
        + [f"errors.E{n}" for n in range(9)]
    ),
    st.integers(0, 500),
)
WINDOWS = st.dictionaries(
    st.integers(0, 800),
    st.tuples(COUNTERS, st.dictionaries(st.integers(0, 60_000).map(float), st.integers(1, 9), max_size=6)),
    min_size=1,
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(WINDOWS)
def test_what_is_drawn_adds_up_to_the_totals(
    windows: dict[int, tuple[dict[str, int], dict[float, int]]],
) -> None:
    """However a load is cut: rates times the time they cover, bars, and cells."""
    each = [
        Period(
            start=START + i * 10_000,
            counters=counters,
            sketches={"http.response_time": Sketch.of(times)} if times else {},
            first_counter_at=START + i * 10_000.0,
            last_counter_at=START + i * 10_000 + 10_000.0,
        )
        for i, (counters, times) in sorted(windows.items())
    ]
    page = run(*each)
    data = chart_data(page)

    covered = data["points"]["covered"]
    drawn = sum(
        value * seconds
        for chart in RATES
        for values in lines(data, chart).values()
        for value, seconds in zip(values, covered, strict=True)
        if value is not None
    )
    assert drawn == pytest.approx(sum(page.totals.counters.values()), abs=0.01 * sum(covered))
    responses = page.totals.sketches.get("http.response_time", Sketch()).count
    assert sum((data["distribution"] or {"counts": []})["counts"]) == responses
    if data["heat"]:
        assert sum(cell[2] for cell in data["heat"]["cells"]) == responses
    assert len(data["points"]["from"]) <= POINTS
    assert all(a <= b for a, b in pairwise(data["points"]["to"]))
    json.dumps(data, allow_nan=False)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.one_of(st.integers(0, 10_000_000).map(float), st.floats(1e-6, 1e9)),
        st.integers(1, 99),
        min_size=1,
        max_size=60,
    ),
    st.integers(8, BARS),
)
def test_buckets_hold_every_value_where_it_is(values: dict[float, int], most: int) -> None:
    """Edges ascend, there are at most as many buckets as asked for, and none reaches further than the values."""
    sketch = Sketch.of(values)
    bounds = edges(sketch, most)
    found = counts(sketch, bounds)

    assert all(low < high for low, high in pairwise(bounds))
    assert len(found) <= most
    assert sum(found) == sketch.count
    assert found[-1] > 0
    assert found[0] > 0


def test_every_bucket_of_small_times_holds_a_whole_millisecond() -> None:
    """Of times from 0 to 49 ms none shares its bucket with fewer than its neighbours' width allows."""
    sketch = Sketch.of({float(ms): 1 for ms in range(50)})
    bounds = edges(sketch, BARS)

    assert bounds == [0.25, *(ms + 0.5 for ms in range(50))]
    assert set(counts(sketch, bounds)) == {1}


def test_the_distribution_marks_the_percentiles_of_the_report() -> None:
    """And its table names the same responses."""
    data = chart_data(run(period(0, times={2.0: 90, 400.0: 10})))["distribution"]

    assert data["marks"] == {"p50": 2, "p95": 399.5, "p99": 399.5}
    assert [row[1] for row in data["table"]["rows"]] == ["90", "10"]
    assert math.isclose(sum(float(row[2].rstrip("%")) for row in data["table"]["rows"]), 100)


def test_the_library_is_the_one_that_is_pinned() -> None:
    """`make charts` was run after package.json was changed; the licences are beside it."""
    pinned = json.loads((ROOT / "launcher/charts/package.json").read_text())["dependencies"]["echarts"]
    static = ROOT / "launcher/grapeshot_launcher/views/html/static"
    built = (static / "echarts.js").read_text()

    assert built.startswith(f"/*! Apache ECharts {pinned}\n")
    assert f'="{pinned}"' in built
    assert not re.search(r"\bnew Function\b|\beval\(", built)
    assert len(built) < 600_000
    assert "Apache License" in (static / "echarts.LICENSE.txt").read_text()


def test_the_lock_file_names_no_registry() -> None:
    """It holds for whatever registry npm is set to, and pins what package.json asks for."""
    folder = ROOT / "launcher/charts"
    lock = (folder / "package-lock.json").read_text()
    asked = json.loads((folder / "package.json").read_text())

    assert "://" not in lock
    assert json.loads(lock)["packages"][""]["dependencies"] == asked["dependencies"]
