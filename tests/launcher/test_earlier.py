"""Reading the report of an earlier run: what is taken from it, and how anything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_launcher.errors import BaselineRefused
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.earlier import EarlierRun, read_earlier, seen_later
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.report_json import report_file
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

START = 1_795_421_580_000


def periods(times: list[dict[float, int]]) -> tuple[Period, ...]:
    return tuple(
        Period(
            start=START + 10_000 * number,
            counters={"http.requests": 30, "http.codes.200": 29, "errors.ETIMEDOUT": 1, "mine": -3},
            sketches={"http.response_time": Sketch.of(each), "vusers.start_lag": Sketch.of({1.0: 30})},
            first_counter_at=START + 10_000.0 * number,
            last_counter_at=START + 10_000.0 * number + 9_000,
        )
        for number, each in enumerate(times)
    )


def report(times: list[dict[float, int]]) -> Report:
    parts = periods(times)
    return Report(
        run_id="t1",
        script="blitz.yml",
        started_at=START / 1000 + 3.25,
        ended_at=START / 1000 + 33.5,
        verdict=Verdict(kind="pass", exit_code=0),
        totals=Totals.of(parts),
        periods=parts,
        books=Books(),
        settings={"workers": 2, "phases": [{"rate": 3.0}]},
    )


GOOD = report([{12.0: 20, 47.0: 9}, {13.0: 29}, {14.0: 29}, {0.0: 3}])


def changed(change: Callable[[Any], object]) -> bytes:
    data = json.loads(report_file(GOOD))
    change(data)
    return json.dumps(data).encode()


def artillery() -> bytes:
    return changed(lambda data: data.pop("grapeshot"))


def refusal(data: bytes) -> BaselineRefused:
    with pytest.raises(BaselineRefused) as caught:
        read_earlier(data, "old.json")
    return caught.value


@given(st.lists(st.dictionaries(st.integers(0, 9000).map(float), st.integers(1, 99), min_size=1), max_size=5))
def test_a_file_tells_what_the_run_itself_tells(times: list[dict[float, int]]) -> None:
    """Both sides of a comparison see the same numbers, whichever way they came."""
    assert read_earlier(report_file(report(times)), "old.json") == seen_later(report(times))


def test_what_is_taken_from_a_report() -> None:
    """Id, circumstances, and of each window the counters and response times."""
    run = read_earlier(report_file(GOOD), "old.json")

    assert (run.run_id, run.script, run.verdict) == ("t1", "blitz.yml", "pass")
    assert (run.began, run.ended) == (START + 3_250, START + 33_500)
    assert run.settings == {"workers": 2, "phases": [{"rate": 3}]}
    assert run.slices[0].counters == {"http.requests": 30, "http.codes.200": 29, "errors.ETIMEDOUT": 1}
    assert (run.slices[0].times["count"], run.slices[1].start) == (29, START + 10_000)
    assert run.lag == pytest.approx(1, rel=0.01)


def test_whole_slices() -> None:
    """Of the first and the last ten seconds a run covers a part; they are no slices to compare."""
    whole = read_earlier(report_file(GOOD), "old.json").whole_slices

    assert [part.start - START for part in whole] == [10_000, 20_000]


def test_a_report_of_artillery() -> None:
    """It has the same windows; the load goes from its first measurement to its last."""
    run = read_earlier(artillery(), "old.json")

    assert run.run_id == "a run of Artillery"
    assert (run.began, run.ended) == (START, START + 39_000)
    assert run.slices == seen_later(GOOD).slices
    assert (run.settings, run.verdict, run.script) == ({}, None, None)


def test_requests_without_a_response_happen_when_errors_do() -> None:
    """Errors of captures are not taken for requests that failed: as many count as were not answered."""

    def run(requests: int, responses: int, **errors: int) -> EarlierRun:
        counters = {"http.requests": requests, "http.responses": responses}
        named = {f"errors.{name}": count for name, count in errors.items()}
        return EarlierRun(run_id="t", began=0, ended=0, slices=(), counters=counters | named)

    assert run(100, 100, capture=7).unanswered_per_error == 0
    assert run(100, 95, ETIMEDOUT=5).unanswered_per_error == 1
    assert run(100, 95, ETIMEDOUT=5, capture=5).unanswered_per_error == 0.5
    assert run(100, 90).unanswered_per_error == 0


@pytest.mark.parametrize("cut", [1, 50, 700, 3000])
def test_a_file_that_was_cut_short(cut: int) -> None:
    """It says so, and what to give instead."""
    error = refusal(report_file(GOOD)[:cut])

    assert "old.json can't be used" in error.message
    assert "cut short" in error.cause
    assert "--output" in error.remedy


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"config:\n  target: x\n", "not JSON"),
        (b'{"aggregate": NaN}', "NaN is no number"),
        (b"[" * 200_000, "not JSON"),
        (b"9" * 5_000, "not JSON"),
        (b"null", "the file is no object"),
        (b"[]", "the file is no object"),
        (b"{}", "`aggregate` is no object"),
        (b'{"aggregate": {}}', "`intermediate` is no list"),
    ],
)
def test_what_is_no_report(data: bytes, cause: str) -> None:
    """Each is refused with what was found, never with a traceback."""
    assert cause in refusal(data).cause


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda data: data["grapeshot"].update(schema=2), "schema is 2"),
        (lambda data: data["grapeshot"].update(schema=True), "schema is True"),
        (lambda data: data["grapeshot"].pop("schema"), "schema is None"),
        (lambda data: data["grapeshot"].update(startedAt=None), "`grapeshot.startedAt`"),
        (lambda data: data["grapeshot"].update(endedAt="soon"), "`grapeshot.endedAt`"),
        (lambda data: data["grapeshot"].update(endedAt=-1), "`grapeshot.endedAt`"),
        (lambda data: data["grapeshot"].update(endedAt=10**400), "`grapeshot.endedAt`"),
        (lambda data: data["grapeshot"].update(runId=7), "`grapeshot.runId` is no text"),
        (lambda data: data["grapeshot"].update(settings=[]), "`grapeshot.settings` is no object"),
        (lambda data: data.update(grapeshot=[]), "`grapeshot` is no object"),
        (lambda data: data.update(intermediate=[7]), "`intermediate[0]` is no object"),
        (lambda data: data["intermediate"][1].pop("period"), "`intermediate[1]` does not say its `period`"),
        (lambda data: data["intermediate"][1].update(period="²"), "does not say its `period`"),
        (lambda data: data["intermediate"][1].update(period=str(START)), "same ten seconds"),
        (lambda data: data["intermediate"][0].pop("counters"), "`counters` of `intermediate[0]`"),
        (lambda data: data["intermediate"][0]["counters"].update({"http.requests": -1}), "is no count"),
        (lambda data: data["intermediate"][0]["counters"].update({"http.requests": 1.5}), "is no count"),
        (lambda data: data["intermediate"][0].pop("summaries"), "`summaries` of `intermediate[0]`"),
        (
            lambda data: data["intermediate"][0]["summaries"]["http.response_time"].pop("p95"),
            "http.response_time.p95 of `intermediate[0]`",
        ),
        (
            lambda data: data["aggregate"]["summaries"].update({"http.response_time": None}),
            "http.response_time of `aggregate`",
        ),
    ],
)
def test_a_report_that_is_not_as_it_should_be(change: Callable[[Any], object], cause: str) -> None:
    """The place in the file is named."""
    assert cause in refusal(changed(change)).cause


def test_a_number_beyond_all_numbers() -> None:
    """1e999 is infinity to JSON's reader, and no time."""
    data = report_file(GOOD).replace(b'"endedAt": 1795421613500', b'"endedAt": 1e999')

    assert "`grapeshot.endedAt` is no number" in refusal(data).cause


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_PLACES = st.sampled_from(
    [("aggregate",), ("intermediate",), ("grapeshot",), ("grapeshot", "settings"), ("intermediate", 0)]
)


@given(_PLACES, _JSON)
def test_anything_anywhere_is_read_or_refused(place: tuple[str | int, ...], value: Any) -> None:
    """There is no third way out."""

    def change(data: Any) -> None:
        for key in place[:-1]:
            data = data[key]
        data[place[-1]] = value

    try:
        run = read_earlier(changed(change), "old.json")
    except BaselineRefused:
        return

    assert run.slices == tuple(sorted(run.slices, key=lambda part: part.start))
