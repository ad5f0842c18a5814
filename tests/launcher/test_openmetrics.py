"""A run as OpenMetrics text, read by the parser of Prometheus's own client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from grapeshot_launcher.results.quoted import Quoted
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Kind, Verdict
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.openmetrics import openmetrics
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from hostile import HOSTILE, NASTY, hostile_report
from reports import check
from sample_report import report


def parsed(shown: Report) -> dict[str, Metric]:
    """Read the text: families by name, which differ."""
    text = openmetrics(shown).decode("utf-8")
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # theirs has no types
    assert len({family.name for family in families}) == len(families)
    return {family.name: family for family in families}


def values(family: Metric) -> dict[tuple[str, str], float]:
    """Give the samples by name and quantile."""
    return {(each.name, each.labels.get("quantile", "")): each.value for each in family.samples}


def counted(**totals: Any) -> Report:
    """A run with nothing but these totals."""
    return report(totals=Totals(**totals))


def test_counters_rates_and_summaries() -> None:
    """Each has its type, its name as it was in a label, and the numbers of every other view."""
    found = parsed(report())
    requests, rate = found["grapeshot_http_requests"], found["grapeshot_http_request_rate"]
    times = found["grapeshot_http_response_time"]

    assert (requests.type, rate.type, times.type) == ("counter", "gauge", "summary")
    assert requests.samples[0].labels == {"name": "http.requests"}
    assert values(requests) == {("grapeshot_http_requests_total", ""): 300}
    assert values(rate) == {("grapeshot_http_request_rate", ""): 10}
    name = "grapeshot_http_response_time"
    assert values(times) == {
        (name, "0.0"): 20,
        (name, "0.5"): 19.9,
        (name, "0.75"): 19.9,
        (name, "0.9"): 19.9,
        (name, "0.95"): 59.7,
        (name, "0.99"): 59.7,
        (name, "0.999"): 59.7,
        (name, "1.0"): 60,
        (f"{name}_count", ""): 300,
        (f"{name}_sum", ""): 7200,
    }


def test_the_text_ends_as_it_must() -> None:
    """A scraper knows by the last line that nothing was cut off."""
    text = openmetrics(report())

    assert text.endswith(b"\n# EOF\n")
    assert text.count(b"# EOF") == 1


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_verdict_is_one_of_its_states(kind: Kind) -> None:
    """All are listed, and one is 1."""
    family = parsed(report(verdict=Verdict(kind=kind, exit_code=0)))["grapeshot_verdict"]
    states = {sample.labels["grapeshot_verdict"]: sample.value for sample in family.samples}

    assert family.type == "stateset"
    assert set(states) == set(get_args(Kind))
    assert [state for state, value in states.items() if value] == [kind]


def test_which_run_it_is_and_what_became_of_its_users() -> None:
    """The run's id and script, when and how long, the books, the thresholds."""
    checks = (check("a < 1"), check("b < 1", ok=False, strict=False))
    found = parsed(report(checks=checks))
    (run,) = found["grapeshot_run"].samples
    users = {each.labels["state"]: each.value for each in found["grapeshot_users"].samples}
    held = {each.labels["threshold"]: each.value for each in found["grapeshot_threshold_ok"].samples}

    assert (run.labels["run_id"], run.labels["script"]) == ("t1", "load/blitz.yml")
    assert (users["planned"], users["completed"], users["lost"]) == (300, 300, 0)
    assert held == {"a < 1": 1, "b < 1": 0}
    assert found["grapeshot_start_time_seconds"].samples[0].value == 1_795_421_580
    assert found["grapeshot_duration_seconds"].samples[0].value == 30


def test_names_that_become_the_same_differ_by_their_label() -> None:
    """One family, and each counter in it."""
    found = parsed(counted(counters={"a.b": 1, "a-b": 2, "a_b_total": 3}))
    samples = {each.labels["name"]: each.value for each in found["grapeshot_a_b"].samples}

    assert samples == {"a.b": 1, "a-b": 2, "a_b_total": 3}


def test_labels_that_look_the_same_are_numbered() -> None:
    """A check may stand in a script twice, and a line break look like the escape that another name has written out."""
    found = parsed(report(checks=(check("a\nb"), check(r"a\nb", ok=False))))
    held = {each.labels["threshold"]: each.value for each in found["grapeshot_threshold_ok"].samples}

    assert held == {r"a\nb": 1, r"a\nb (2)": 0}


def test_no_family_takes_a_name_of_another() -> None:
    """A counter, a rate, a distribution of one name; a counter where a distribution has its count; a word of ours."""
    sketch = Sketch.of({2.0: 4})
    found = parsed(
        counted(
            counters={"x": 1, "y_count": 2, "run": 3, "verdict": 4},
            rates={"x": 5},
            sketches={"x": sketch, "y": sketch},
        )
    )

    assert found["grapeshot_x"].type == "counter"
    assert found["grapeshot_x_gauge"].samples[0].value == 5
    assert found["grapeshot_x_summary"].type == "summary"
    assert found["grapeshot_y_count"].type == "counter"
    assert found["grapeshot_y_summary"].type == "summary"
    assert found["grapeshot_run_counter"].samples[0].value == 3
    assert found["grapeshot_verdict"].type == "stateset"


def test_what_is_below_zero_is_told_as_far_as_it_can_be() -> None:
    """A counter as a gauge; of a distribution its count."""
    found = parsed(counted(counters={"level": -4}, sketches={"depth": Sketch.of({-2.0: 3, 1.0: 1})}))

    assert (found["grapeshot_level"].type, found["grapeshot_level"].samples[0].value) == ("gauge", -4)
    assert values(found["grapeshot_depth"]) == {("grapeshot_depth_count", ""): 4}


def test_quoted_percentiles_say_so() -> None:
    """They bear a label, what was not told is missing, and there is no sum."""
    quoted = Quoted.from_summary({"count": 2.0, "min": 1.0, "max": 8.0, "p95": 7.0})
    shown = counted(sketches={"http.response_time": quoted})
    family = parsed(replace(shown, quoted=True))["grapeshot_http_response_time"]
    name = "grapeshot_http_response_time"

    assert {sample.labels["quoted"] for sample in family.samples} == {"true"}
    assert values(family) == {(name, "0.0"): 1, (name, "0.95"): 7, (name, "1.0"): 8, (f"{name}_count", ""): 2}


@settings(deadline=None)
@given(text=HOSTILE)
@example(text="".join(NASTY))
@example(text='a"} 1\n# EOF\n')
def test_no_text_changes_the_shape(text: str) -> None:
    """Whatever names say, the parser finds them in labels, and as many samples as with harmless ones."""
    found, harmless = parsed(hostile_report(text)), parsed(hostile_report("harmless"))

    assert found["grapeshot_run"].samples[0].labels["script"] == plain(text)
    assert sum(len(family.samples) for family in found.values()) == sum(
        len(family.samples) for family in harmless.values()
    )


_NAMES = st.sampled_from(
    [
        "x",
        "x.total",
        "x_total",
        "x_count",
        "x_sum",
        "x_created",
        "x_gauge",
        "x_counter",
        "x_summary",
        "x_info",
        "",
        "é",
    ]
)


@settings(deadline=None)
@given(
    counters=st.dictionaries(_NAMES, st.integers(-2, 2)),
    rates=st.dictionaries(_NAMES, st.integers(0, 2)),
    sketches=st.dictionaries(_NAMES, st.sampled_from([Sketch(), Sketch.of({1.0: 2}), Sketch.of({-1.0: 1})])),
)
def test_every_metric_is_there_once(
    counters: dict[str, int], rates: dict[str, int], sketches: dict[str, Sketch]
) -> None:
    """However names meet, the text is one that the parser takes, and each of them is in it."""
    found = parsed(counted(counters=counters, rates=rates, sketches=sketches))
    samples = [each for family in found.values() for each in family.samples if "name" in each.labels]
    counts = [each for each in samples if "quantile" not in each.labels and not each.name.endswith("_sum")]

    assert sum(each.labels["name"] == "x" and each.name.endswith("_total") for each in counts) == (
        counters.get("x", -1) >= 0
    )
    assert len(
        {(each.name, each.labels["name"]) for each in samples if "quantile" not in each.labels}
    ) >= len(counters) + len(rates) + len(sketches)
