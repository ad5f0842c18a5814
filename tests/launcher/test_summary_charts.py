from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.summary.charts import POINTS, charts, slices
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from rendered import rendered
from reports import START, period, report

NUMBER = r"-?\d+(?:\.\d+)?"
CHART = re.compile(
    r"%%\{init: \{.*\}\}\}%%\nxychart-beta\n"
    r'  title "(?P<title>[^"]+)"\n'
    rf'  x-axis "[^"]+" (?P<left>{NUMBER}) --> (?P<right>{NUMBER})\n'
    rf'  y-axis "[^"]+" (?P<low>{NUMBER}) --> (?P<high>{NUMBER})\n'
    rf"  line \[(?P<points>{NUMBER}(?:, {NUMBER})*)\]\n"
)


def run(*periods: Period, started: float = START / 1000) -> Report:
    """Give the report of a load measured in these periods."""
    return report(periods=periods, totals=Totals.of(periods), started_at=started)


def drawn(page: Report) -> list[dict[str, list[float]]]:
    """Read the charts back, by the grammar of their language."""
    blocks = [block for block in rendered(charts(page)).codes if "xychart-beta" in block]
    matches = [CHART.fullmatch(block) for block in blocks]
    assert all(matches)
    return [
        {
            key: [float(n) for n in match[key].split(", ")]
            for key in ("left", "right", "low", "high", "points")
        }
        for match in matches
        if match
    ]


def test_throughput_and_p95() -> None:
    """Requests a second and p95 of each period, from the middle of the first to that of the last."""
    rate, p95 = drawn(run(period(0, requests=100), period(1, requests=300, times={80.0: 300})))

    assert rate["points"] == [10.0, 30.0]
    assert p95["points"] == pytest.approx([50.0, 80.0], rel=0.01)
    assert (rate["left"], rate["right"]) == ([5.0], [15.0])


def test_p95_of_a_long_run_is_that_of_merged_sketches() -> None:
    """Of 120 periods two make a point. Its p95 is of all their responses, not the mean of two p95s."""
    fast, slow = {10.0: 990}, {1000.0: 10}
    periods = [period(index, times=slow if index % 2 else fast, requests=1000) for index in range(120)]
    rate, p95 = drawn(run(*periods))

    assert len(rate["points"]) == len(p95["points"]) == POINTS
    assert set(rate["points"]) == {100.0}
    assert p95["points"] == pytest.approx([10.0] * POINTS, rel=0.01)


def test_the_first_period_counts_for_what_the_load_covers_of_it() -> None:
    """A load that starts in the middle of a period made its requests in the rest of it."""
    rate = drawn(run(period(0, requests=50), period(1), started=START / 1000 + 5))[0]
    first = Period(start=START, counters={"http.requests": 50}, first_counter_at=START + 5_000.0)
    exact = drawn(run(first, period(1), started=START / 1000 + 5))[0]

    assert rate["points"] == [
        5.0,
        10.0,
    ]  # measured from the period's beginning, whatever the launcher's clock says
    assert exact["points"] == [10.0, 10.0]
    assert (exact["left"], exact["right"]) == ([2.5], [10.0])


def test_a_stump_goes_to_its_neighbour() -> None:
    """What covers less than half a slice would draw noise."""
    last = Period(start=START + 20_000, counters={"http.requests": 7}, last_counter_at=START + 20_100.0)
    rate = drawn(run(period(0), period(1), last))[0]

    assert rate["points"] == pytest.approx([10.0, 107 / 10.1], rel=0.01)


def test_a_gap_is_drawn_as_nothing_and_said() -> None:
    """Periods without a measurement count too: no request was sent."""
    page = run(period(0), period(3))
    rate, p95 = drawn(page)

    assert rate["points"] == [10.0, 0.0, 0.0, 10.0]
    assert p95["points"][1:3] == [0.0, 0.0]
    assert "drawn as 0 where nothing answered" in charts(page)
    assert "drawn as 0" not in charts(run(period(0), period(1)))


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (run(), "No chart: no request was sent."),
        (run(period(0, requests=0), period(1, requests=0)), "No chart: no request was sent."),
        (run(period(0)), "No chart: the load was over within one period of 10 seconds."),
    ],
)
def test_without_a_line_there_is_no_chart_but_a_word(page: Report, words: str) -> None:
    """One point is no line."""
    assert charts(page) == f"<p>{words}</p>"


def test_without_a_response_there_is_one_chart() -> None:
    """What was sent is drawn, though nothing came back."""
    assert len(drawn(run(period(0, times={}), period(1, times={})))) == 1


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 10**7), st.tuples(st.integers(0, 10**9), st.floats(-1e3, 1e12)), max_size=12
    ),
    st.floats(-1e6, 1e6),
)
def test_any_run_makes_charts_that_can_be_read(found: dict[int, tuple[int, float]], offset: float) -> None:
    """However long, sparse, fast or odd, and whatever the launcher's clock says: no point is lost, none is outside."""
    periods = [period(at, requests=n, times={value: 1}) for at, (n, value) in sorted(found.items())]
    page = run(*periods, started=START / 1000 + offset)
    pieces = slices(page)

    assert len(pieces) <= POINTS
    assert sum(piece.requests for piece in pieces) == sum(n for n, _ in found.values())
    assert sum(piece.sketch.count for piece in pieces) == len(found)
    for chart in drawn(page):
        assert 2 <= len(chart["points"]) <= POINTS
        assert chart["left"] < chart["right"]
        assert chart["low"][0] <= min(chart["points"])
        assert max(chart["points"]) <= chart["high"][0] + 0.01
        assert chart["low"] < chart["high"]


def test_no_sketch_is_changed() -> None:
    """Drawing leaves the report as it was."""
    page = run(*(period(index) for index in range(130)))
    before = page.periods[0].sketches["http.response_time"]
    charts(page)

    assert page.periods[0].sketches["http.response_time"] == before == Sketch.of({50.0: 100})
