"""Comparing runs: what is called better, worse or no evidence, and what makes the comparison doubtful."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_launcher.results.baseline import METRICS, compare, compare_runs, paired
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.comparable import comparability, phases_told
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.earlier import EarlierRun, Slice
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.script.model import Phase

SETTINGS: Mapping[str, Any] = {"target": "http://a", "workers": 2, "phases": [{"rate": 20}]}
P50, P95, P99, ERRORS, RATE = (metric.name for metric in METRICS)


def part(
    number: int, p50: float, *, requests: int = 200, failed: int = 0, count: int | None = None, **more: int
) -> Slice:
    codes = {"http.codes.200": requests - failed, "http.codes.503": failed}
    counters = {"http.requests": requests, "http.responses": requests, **codes, **more}
    times = {"count": requests if count is None else count, "mean": p50}
    times |= {"p50": p50, "p95": 2 * p50, "p99": 3 * p50}
    return Slice(start=number * 10_000, counters=counters, times=times)


def run(slices: Sequence[Slice], *, began: float = 0.0, **more: Any) -> EarlierRun:
    totals: dict[str, int] = {}
    for each in slices:
        for name, count in each.counters.items():
            totals[name] = totals.get(name, 0) + count
    ended = max((each.start for each in slices), default=0) + 15_000.0
    known = {"run_id": "t0", "script": "a.yml", "verdict": "pass", "settings": SETTINGS}
    return EarlierRun(
        **{**known, "began": began, "ended": ended, "slices": tuple(slices), "counters": totals, **more}
    )


def steady(level: float, *, seed: int = 1, slices: int = 12, noise: float = 0.05) -> EarlierRun:
    """A run whose times waver around a level, in ms."""
    rng = random.Random(seed)
    return run([part(k, level * math.exp(rng.gauss(0, noise))) for k in range(slices)])


def judgements(comparison: Comparison) -> dict[str, str]:
    return {metric.name: metric.judgement for metric in comparison.metrics}


def named(comparison: Comparison, name: str) -> Compared:
    (found,) = (metric for metric in comparison.metrics if metric.name == name)
    return found


LEVELS = st.lists(st.floats(5, 5000), min_size=1, max_size=25)


@given(LEVELS)
def test_a_run_is_no_better_than_itself(levels: list[float]) -> None:
    """Identical runs: no change, no evidence, whatever the run looks like."""
    one = run([part(k, level, failed=k % 3) for k, level in enumerate(levels)])
    comparison = compare_runs(one, one)

    assert comparison.verdict == "no evidence"
    assert all(metric.change == 0 and metric.before == metric.after for metric in comparison.metrics)
    assert len(comparison.metrics) == 5


@given(
    st.lists(st.tuples(st.floats(5, 5000), st.floats(5, 5000), st.integers(0, 50)), min_size=8, max_size=25),
    st.floats(1, 3),
    st.integers(0, 4_900),
)
def test_swapped_runs_swap_the_judgement(
    levels: list[tuple[float, float, int]], factor: float, shift: int
) -> None:
    """What is worse one way is better the other way, by the same factor, wherever the runs lie on the clock."""
    one = run([part(k + 1, then, failed=bad) for k, (then, _, bad) in enumerate(levels)], began=5_000)
    two = run([part(k + 1, now * factor) for k, (_, now, _) in enumerate(levels)], began=5_000 - shift)
    there, back = compare_runs(one, two), compare_runs(two, one)
    turned = {"worse": "better", "better": "worse", "no evidence": "no evidence"}

    assert judgements(back) == {name: turned[word] for name, word in judgements(there).items()}
    for forth, other in zip(there.metrics, back.metrics, strict=True):
        assert (forth.before, forth.after) == (other.after, other.before)
        if forth.unit != "%":
            assert (1 + forth.change) * (1 + other.change) == pytest.approx(1)


@given(st.lists(st.floats(5, 2000), min_size=8, max_size=25))
def test_times_that_are_all_longer_are_worse(levels: list[float]) -> None:
    """One and a half times each time: worse in each percentile, by half, and in nothing else."""
    one = run([part(k, level) for k, level in enumerate(levels)])
    two = run([part(k, 1.5 * level) for k, level in enumerate(levels)])
    comparison = compare_runs(one, two)

    assert comparison.verdict == "regression"
    assert judgements(comparison) == {
        **dict.fromkeys((P50, P95, P99), "worse"),
        ERRORS: "no evidence",
        RATE: "no evidence",
    }
    assert [named(comparison, name).change for name in (P50, P95, P99)] == pytest.approx([0.5] * 3)


@given(st.permutations(range(12)))
def test_the_order_of_pairs_does_not_matter(order: list[int]) -> None:
    """Runs that start alike on the clock: only which slices are partners counts."""
    rng = random.Random(3)
    levels = [(rng.uniform(50, 90), rng.uniform(50, 90)) for _ in order]
    straight = [[part(k, levels[k][side]) for k in range(12)] for side in (0, 1)]
    mixed = [[part(k, levels[order[k]][side]) for k in range(12)] for side in (0, 1)]

    assert compare_runs(run(mixed[0]), run(mixed[1])) == compare_runs(run(straight[0]), run(straight[1]))


@pytest.mark.parametrize("seed", range(20))
def test_a_target_that_takes_a_third_longer_is_found(seed: int) -> None:
    """+30 %, with slices that waver by 5 %: a regression, and the interval holds the truth."""
    comparison = compare_runs(steady(80, seed=seed), steady(104, seed=seed + 1000))
    p95 = named(comparison, P95)

    assert comparison.verdict == "regression"
    assert p95.judgement == "worse"
    assert p95.low < 0.3 < p95.high


@pytest.mark.parametrize("seed", range(20))
def test_a_change_below_the_floor_is_not_judged(seed: int) -> None:
    """+5 % may be as sure as it likes: nobody wants to be woken for it."""
    comparison = compare_runs(steady(80, seed=seed, noise=0.001), steady(84, seed=seed + 1000, noise=0.001))

    assert comparison.verdict == "no evidence"
    assert named(comparison, P95).low > 0.04


def test_a_lower_floor_judges_it() -> None:
    """The floor is the caller's."""
    before, after = steady(80, seed=1, noise=0.001), steady(84, seed=2, noise=0.001)

    assert compare_runs(before, after, floor=0.03).verdict == "regression"
    assert compare_runs(after, before, floor=0.03).verdict == "improvement"


def test_one_slow_slice_is_no_regression() -> None:
    """A stall of the machine in one slice of twelve, ten times as slow."""
    before, after = steady(80), steady(80, seed=2)
    stalled = replace(after, slices=(*after.slices[:5], part(5, 800), *after.slices[6:]))

    assert compare_runs(before, stalled).verdict == "no evidence"


def test_rounding_is_no_change() -> None:
    """1 ms and 2 ms may be 1.4 and 1.6: times are whole milliseconds."""
    comparison = compare_runs(run([part(k, 1.0) for k in range(12)]), run([part(k, 1.9) for k in range(12)]))

    assert named(comparison, P50).judgement == "no evidence"
    assert named(comparison, P99).judgement == "worse"  # 3 ms and 5.7 ms


def test_times_of_zero_can_be_compared() -> None:
    """Less than half a millisecond is recorded as 0, which has no logarithm."""
    comparison = compare_runs(run([part(k, 0.0) for k in range(12)]), run([part(k, 40.0) for k in range(12)]))

    assert named(comparison, P50).judgement == "worse"


def test_more_failed_requests_are_worse() -> None:
    """From none to 4 %: by points, since no number is so many times zero."""
    before = run([part(k, 80) for k in range(12)])
    after = run([part(k, 80, failed=8 + k % 2) for k in range(12)])
    errors = named(compare_runs(before, after), ERRORS)

    assert (errors.before, errors.after, errors.judgement) == (0, 4.25, "worse")
    assert 0.04 <= errors.low <= errors.change <= errors.high <= 0.045


def test_less_than_a_point_of_errors_is_not_judged() -> None:
    """0.5 % is in the report for who looks; it is no regression by itself."""
    before = run([part(k, 80) for k in range(12)])
    after = run([part(k, 80, failed=1) for k in range(12)])

    assert compare_runs(before, after).verdict == "no evidence"


def test_requests_still_under_way_are_no_errors() -> None:
    """A slice may send more than is answered in it; over the run, everything was answered."""
    slices = [
        replace(part(k, 80), counters={**part(k, 80).counters, "http.requests": 220}) for k in range(12)
    ]
    one = run(slices, counters={"http.requests": 2640, "http.responses": 2640})

    assert named(compare_runs(one, one), ERRORS).after == 0


def test_requests_without_an_answer_are_errors() -> None:
    """Ten of two hundred time out in each slice."""
    before = run([part(k, 80) for k in range(12)])
    slices = [
        replace(part(k, 80), counters={**part(k, 80).counters, "http.requests": 210, "errors.ETIMEDOUT": 10})
        for k in range(12)
    ]
    errors = named(compare_runs(before, run(slices)), ERRORS)

    assert errors.after == pytest.approx(10 / 210 * 100)
    assert errors.judgement == "worse"


def test_a_lower_rate_is_worse() -> None:
    """The same plan, and a third fewer requests came about."""
    before = run([part(k, 80) for k in range(12)])
    after = run([part(k, 80, requests=130) for k in range(12)])
    rate = named(compare_runs(before, after), RATE)

    assert (rate.before, rate.after, rate.unit, rate.judgement) == (20, 13, "/s", "worse")
    assert named(compare_runs(after, before), RATE).judgement == "better"


@pytest.mark.parametrize("shift", [0, 1, 2_500, 4_999, 5_001, 9_999])
def test_a_ramp_is_compared_with_the_same_part_of_the_ramp(shift: int) -> None:
    """Times grow eightfold along the run, and the runs lie differently on the clock: still no change."""

    def ramp(began: int) -> EarlierRun:
        slices = [part(k, 40 * math.exp(0.02 * (k * 10 - began / 1000))) for k in range(1, 13)]
        return run(slices, began=began)

    comparison = compare_runs(ramp(0), ramp(shift))

    assert comparison.slices >= 11
    assert named(comparison, P95).change == pytest.approx(0, abs=1e-9)
    assert comparison.verdict == "no evidence"


@given(st.integers(0, 9_999), st.integers(0, 9_999), st.integers(0, 20), st.integers(0, 20))
def test_partners_are_at_most_half_a_window_apart(one: int, other: int, slices: int, more: int) -> None:
    """Each whole slice has at most one partner, in order, and at most one is left over at an end."""
    before = run([part(k, 80) for k in range(slices + 1)], began=one)
    after = run([part(k, 80) for k in range(more + 1)], began=other)
    pairs = paired(before, after)

    assert all(abs(pair.shift) <= 0.5 for pair in pairs)
    assert len({pair.after.start for pair in pairs}) == len(pairs)
    assert len(pairs) >= min(len(before.whole_slices), len(after.whole_slices)) - 1
    for pair in pairs:
        distance = (pair.after.start - other) - (pair.before.start - one)
        assert distance == pytest.approx(pair.shift * 10_000)


def test_a_short_test_is_not_judged() -> None:
    """Seven slices can't be evidence at this confidence; the caution says how long the test must be."""
    comparison = compare_runs(steady(80, slices=7), steady(240, slices=7))
    p95 = named(comparison, P95)

    assert comparison.verdict == "no evidence"
    assert p95.change == pytest.approx(2, rel=0.2)
    assert (p95.low, p95.high) == (-math.inf, math.inf)
    assert comparison.cautions == (
        "7 whole slices of 10 s can be compared, and 8 are needed to tell a change from chance:"
        " let the test last 100 s or more",
    )


def test_a_test_as_long_as_was_asked_for_is_judged() -> None:
    """A hundred seconds hold the slices needed, wherever the runs lie on the clock."""
    for one in range(0, 10_000, 700):
        for other in range(0, 10_000, 700):
            before = run([part(k, 80) for k in range(12)], began=one, ended=one + 100_000)
            after = run([part(k, 160) for k in range(12)], began=other, ended=other + 100_000)

            assert compare_runs(before, after).verdict == "regression"


def test_slices_with_hardly_a_response_say_nothing() -> None:
    """Percentiles of nine responses are not compared, and the caution names the metrics."""
    one = run([part(k, 80, count=9) for k in range(12)])
    comparison = compare_runs(one, one)

    assert list(judgements(comparison)) == [ERRORS, RATE]
    assert comparison.cautions == (
        f"fewer than 8 slices have 10 requests or more, too few to judge {P50}, {P95}, {P99}:"
        " let the test last longer, or use a higher rate",
    )


def test_one_slice_is_told_in_the_singular() -> None:
    comparison = compare_runs(steady(80, slices=1), steady(80, slices=1))

    assert comparison.slices == 1
    assert comparison.cautions[0].startswith("1 whole slice of 10 s can be compared, and 8 are needed")


def test_runs_without_a_slice() -> None:
    """Nothing is compared, and that is said."""
    comparison = compare_runs(run([]), run([]))

    assert (comparison.metrics, comparison.slices, comparison.verdict) == ((), 0, "no evidence")
    assert "0 whole slices" in comparison.cautions[0]


@pytest.mark.parametrize(
    ("more", "caution"),
    [
        ({"settings": {**SETTINGS, "phases": [{"rate": 40}]}}, "the phases differ"),
        ({"verdict": "invalid"}, "this run spoiled its own measurement"),
        ({"verdict": "stopped"}, "this run was stopped before its end"),
    ],
)
def test_what_forbids_a_conclusion(more: Mapping[str, Any], caution: str) -> None:
    """The numbers are shown, and nothing is concluded, twice as slow or not."""
    comparison = compare_runs(steady(80), replace(steady(160), **more))

    assert comparison.verdict == "no evidence"
    assert named(comparison, P95).change == pytest.approx(1, rel=0.1)
    assert comparison.cautions[0].startswith(caution)


def test_a_failed_run_can_be_compared() -> None:
    """A check that failed says nothing against the measurement."""
    assert compare_runs(steady(80), replace(steady(160), verdict="fail")).verdict == "regression"


@pytest.mark.parametrize(
    ("more", "caution"),
    [
        (
            {"settings": {**SETTINGS, "target": "http://b"}},
            "the target differs: http://a then, http://b now",
        ),
        ({"settings": {**SETTINGS, "workers": 3}}, "the number of workers differs: 2 then, 3 now"),
        (
            {"settings": {**SETTINGS, "region": "eu-west-1"}},
            "the region differs: not told then, eu-west-1 now",
        ),
        ({"script": "other/b.yml"}, "the script differs: a.yml then, other/b.yml now"),
        (
            {"lag": 31.0},
            "of a hundred users one started 2 ms late or more then, 31 ms now:"
            " the machine that made the load was busier now, which prolongs times",
        ),
    ],
)
def test_what_the_reader_should_know(more: Mapping[str, Any], caution: str) -> None:
    """Other differences are named, and the comparison is made all the same."""
    before = replace(steady(80), lag=2.0)
    comparison = compare_runs(before, replace(before, slices=steady(160).slices, **more))

    assert comparison.cautions == (caution,)
    assert comparison.verdict == "regression"


def test_the_folder_of_the_script_does_not_matter() -> None:
    """A checkout lies elsewhere on each machine."""
    one = steady(80)

    assert comparability(replace(one, script="C:\\x\\a.yml"), replace(one, script="/y/a.yml")).cautions == ()


@pytest.mark.parametrize(
    ("users", "sound"), [(100, True), (92, True), (110, True), (80, False), (125, False)]
)
def test_a_report_that_does_not_tell_its_phases(users: int, sound: bool) -> None:
    """Artillery's: the phases are taken to be the same, unless the number of users speaks against it."""
    artillery = EarlierRun(run_id="a", began=0, ended=0, slices=(), counters={"vusers.created": 100})
    found = comparability(artillery, replace(steady(80), counters={"vusers.created": users}))

    assert found.sound is sound
    assert any("does not tell its phases" in caution for caution in found.cautions)


def test_what_is_told_of_phases() -> None:
    """What shapes the load, and the name, which makes no difference to a comparison."""
    phase = Phase(index=0, kind="ramp", duration=60.0, written_duration="1min", name="up", rate=1, ramp_to=9)
    told, renamed, other = (
        replace(steady(80), settings={"phases": phases_told([each], copies=copies)})
        for each, copies in ((phase, 3), (replace(phase, name=None), 3), (phase, 1))
    )

    assert told.settings["phases"][0]["name"] == "up"
    assert [told.settings["phases"][0][key] for key in ("kind", "duration", "rampTo")] == ["ramp", 60, 9]
    assert comparability(told, renamed).sound
    assert not comparability(told, other).sound


def finished(times: Callable[[int], float], *, run_id: str = "t9") -> Report:
    """A report of twelve windows of which the first and the last are covered in part."""
    periods = tuple(
        Period(
            start=k * 10_000,
            counters={"http.requests": 100, "http.responses": 100, "http.codes.200": 100},
            sketches={"http.response_time": Sketch.of({times(k): 100})},
            first_counter_at=k * 10_000.0,
            last_counter_at=k * 10_000 + 9_999.0,
        )
        for k in range(12)
    )
    return Report(
        run_id=run_id,
        script="a.yml",
        started_at=4.0,
        ended_at=118.0,
        verdict=Verdict(kind="pass", exit_code=0),
        totals=Totals.of(periods),
        periods=periods,
        books=Books(),
        settings=SETTINGS,
    )


def test_a_report_is_compared_with_an_earlier_run() -> None:
    """Ten whole slices; the first and the last ten seconds are left out, whatever they hold."""
    before = run([part(k, 50) for k in range(12)], began=4_000, ended=118_000)
    comparison = compare(finished(lambda k: 5000.0 if k in (0, 11) else 50.0 + k), before)

    assert (comparison.baseline, comparison.slices) == ("t0", 10)
    assert named(comparison, P50).after == pytest.approx(55.5, rel=0.02)
    assert named(comparison, RATE).judgement == "worse"
