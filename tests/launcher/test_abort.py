"""When a load has to be ended by its own checks, and what its report says then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest

from grapeshot_launcher.github.annotations import of_report
from grapeshot_launcher.github.outputs import outputs
from grapeshot_launcher.results.abort import Abort, AbortConditions
from grapeshot_launcher.results.comparable import comparability
from grapeshot_launcher.results.earlier import EarlierRun, read_earlier, seen_later
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict, judge
from grapeshot_launcher.views.junit import junit
from grapeshot_launcher.views.report_json import report_file, report_object
from grapeshot_launcher.views.summary import job_summary
from grapeshot_worker.errors import Exit
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.script.model import Check
from rendered import rendered
from reports import START, finished, report

ERRORS = "vusers.failed / vusers.created < 0.1"


def check(expression: str = ERRORS, *, after: float | None = 0.0) -> Check:
    return Check(label=expression, expression=expression, abort_after=after)


def window(index: int, *, created: int = 100, failed: int = 0, **counters: int) -> Period:
    return Period(
        start=START + 10_000 * index,
        counters={"vusers.created": created, "vusers.failed": failed, **counters},
    )


def taken(checks: Sequence[Check], *windows: Period) -> list[Abort | None]:
    """Publish windows, each 12 s after its beginning; the load starts with the first one."""
    conditions = AbortConditions(checks)
    return [conditions.take(each, elapsed=(each.start - START) / 1000 + 12) for each in windows]


def test_a_check_that_holds_ends_nothing() -> None:
    """Neither does one that is right at its limit's good side, however often it is asked."""
    assert taken([check()], window(0), window(1, failed=9), window(2, failed=20)) == [None, None, None]


def test_a_check_that_fails_ends_the_load() -> None:
    """It is named, with the values it had then, and the moment."""
    _, abort = taken([check()], window(0), window(1, failed=40))

    assert abort is not None
    assert abort.after == 22
    assert [(each.label, each.ok, each.strict) for each in abort.checks] == [(ERRORS, False, True)]
    assert abort.checks[0].values == {"vusers.failed": 40, "vusers.created": 200}


def test_all_that_was_measured_so_far_counts() -> None:
    """One bad window does not outweigh many good ones; the sum decides, percentiles too."""
    slow = replace(window(3), sketches={"http.response_time": Sketch.of({900.0: 10})})
    quick = [replace(window(n), sketches={"http.response_time": Sketch.of({50.0: 100})}) for n in range(3)]
    median, most = check("http.response_time.median < 100"), check("http.response_time.max < 100")

    assert taken([check()], *map(window, range(9)), window(9, failed=90)) == [None] * 10
    assert taken([median], *quick, slow) == [None] * 4
    assert taken([most], *quick, slow)[-1] is not None


@pytest.mark.parametrize(
    ("delay", "expected"), [(0.0, [12, 22, 32]), (22.0, [22, 32]), (22.5, [32]), (60.0, [])]
)
def test_nothing_is_ended_within_the_grace(delay: float, expected: list[float]) -> None:
    """From the delay on, seconds after the load's start, a check that fails counts; what came before is in its sum."""
    aborts = taken([check(after=delay)], *(window(n, failed=50) for n in range(3)))

    assert [abort.after for abort in aborts if abort] == expected
    assert [abort.checks[0].values["vusers.created"] for abort in aborts if abort] == [
        100 * round((after - 2) / 10) for after in expected
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "http.codes.500 == 0",
        "http.response_time.p95 < 100",
        "vusers.failed == 7 or http.codes.500 < 5",
        "errors.Failed capture or match < 5",
    ],
)
def test_a_metric_that_nobody_has_emitted_yet_can_t_be_judged(expression: str) -> None:
    """At the end of a run it fails its check; while the load goes on it may still come."""
    assert taken([check(expression)], window(0, failed=100)) == [None]


def test_a_metric_counts_from_when_it_is_there() -> None:
    """The check that could not be judged in one period is judged in the next."""
    first, second = taken([check("http.codes.500 == 0")], window(0), window(1, **{"http.codes.500": 1}))

    assert first is None
    assert second is not None
    assert second.found == "http.codes.500 == 0 (http.codes.500 = 1)"


def test_only_checks_that_ask_for_it_end_a_load() -> None:
    """The others are evaluated at the end, and not counted among what ended it."""
    others = [check("vusers.failed == 0", after=None), Check(label="e", expression="", max_error_rate=0.0)]
    (abort,) = taken([*others, check()], window(0, failed=50))

    assert taken(others, window(0, failed=50)) == [None]
    assert abort is not None
    assert (abort.found, abort.others) == (f"{ERRORS} (vusers.failed = 50, vusers.created = 100)", 2)


def test_all_that_fail_at_once_are_named() -> None:
    """In the order of their definition; one that holds is not among them."""
    (abort,) = taken(
        [check("vusers.failed < 50"), check("vusers.created > 1"), check()], window(0, failed=50)
    )

    assert abort is not None
    assert [each.label for each in abort.checks] == ["vusers.failed < 50", ERRORS]
    assert abort.others == 1


# ---- what it says in the end ----

FOUND = CheckOutcome(label=ERRORS, strict=True, ok=False, values={"vusers.failed": 50, "vusers.created": 100})
ABORT = Abort(checks=(FOUND,), after=31.6, others=2)
WORDS = (
    "the load was stopped by its abort condition after 32 s:"
    " vusers.failed / vusers.created < 0.1 (vusers.failed = 50, vusers.created = 100)"
)


def aborted(**changes: object) -> Report:
    made = report(checks=(FOUND,), abort=ABORT, **changes)
    return replace(
        made, verdict=judge(ends=made.workers, books=made.books, checks=made.checks, abort=made.abort)
    )


def test_a_load_that_ended_itself_has_failed() -> None:
    """With the code of a failed check, and three reasons: the early end, what was left open, the check."""
    assert aborted().verdict == Verdict(
        kind="fail",
        exit_code=Exit.FAILED,
        reasons=(
            WORDS,
            "2 other checks were not evaluated: the planned load was not made",
            f"check failed: {ERRORS}",
        ),
    )


def test_one_other_check_is_one() -> None:
    """And of none, nothing is said."""
    assert replace(ABORT, others=1).reasons[1].startswith("1 other check was not evaluated")
    assert replace(ABORT, others=0).reasons == (WORDS,)


def test_a_generator_at_fault_makes_it_invalid() -> None:
    """As for any failed check: what users waited for inside the generator says nothing of the target."""
    verdict = aborted(workers=(finished(0, lag_p99=900.0),)).verdict

    assert (verdict.kind, verdict.exit_code) == ("invalid", Exit.INVALID)
    assert verdict.reasons[0] == WORDS
    assert verdict.reasons[-1] == f"check failed: {ERRORS}"


def test_the_report_file_tells_it() -> None:
    """When, by which check, and with which values; of other runs the key is null."""
    ours = report_object(aborted())["grapeshot"]

    assert (ours["verdict"], ours["exitCode"]) == ("fail", 1)
    assert ours["abort"] == {"after": 31.6, "checks": [ERRORS]}
    assert ours["checks"][0]["values"] == {"vusers.failed": 50, "vusers.created": 100}
    assert report_object(report())["grapeshot"]["abort"] is None


def test_the_job_s_page_begins_with_it() -> None:
    """In the heading, and with the check's values below."""
    page = rendered(job_summary(aborted()))

    assert page.headings[0] == "❌ Failed: 1 threshold failed, which ended the load after 32 s"
    assert WORDS in page.text


def test_other_tools_see_a_failure() -> None:
    """The threshold's case fails, the measurement itself is sound; the outputs and annotations are a failure's."""
    tree = Xml.fromstring(junit(aborted()))
    properties = {each.get("name"): each.get("value") for each in tree.iter("property")}
    failing = [case.get("name") for case in tree.iter("testcase") if len(case)]

    assert failing == [ERRORS]
    assert properties["abortedAfter"] == "31.6"
    assert outputs(aborted(), exit_code=1, report_json="r")["verdict"] == "fail"
    assert [each.title for each in of_report(aborted())] == ["Threshold", "Failed", "Failed"]
    assert WORDS in [each.message for each in of_report(aborted())]


def test_nothing_is_concluded_from_its_numbers() -> None:
    """A load that was cut short is no baseline, and is compared with none; its file says so as well."""
    whole, short = seen_later(report()), seen_later(aborted())
    from_file: EarlierRun = read_earlier(report_file(aborted()), "r.json")

    assert from_file == short
    assert comparability(whole, whole).sound
    assert comparability(short, whole).cautions[0] == (
        "the earlier run was ended by its abort condition: nothing is concluded from it"
    )
    assert not comparability(whole, short).sound
