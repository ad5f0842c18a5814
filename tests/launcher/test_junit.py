from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.junit import junit
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.report import Totals
from reports import check, compared, comparison, report, totals


def cases(page: Report) -> dict[str, Xml.Element]:
    """Give the cases by name."""
    return {case.get("name", ""): case for case in Xml.fromstring(junit(page)).iter("testcase")}


def outcome(case: Xml.Element) -> tuple[str, str]:
    """Give what became of a case, and its message; ("ok", "") when nothing stands in it."""
    return next(((child.tag, child.get("message", "")) for child in case), ("ok", ""))


def test_one_suite_with_its_counts_and_times() -> None:
    """A suite with the number of its cases by outcome, its moment, and seconds everywhere."""
    checks = (check("a"), check("b", ok=False), check("c", ok=False, strict=False))
    root = Xml.fromstring(junit(report(checks=checks)))
    suite = root[0]

    assert (root.tag, suite.tag, len(root)) == ("testsuites", "testsuite", 1)
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    assert (suite.get("name"), suite.get("time"), suite.get("timestamp")) == (
        "blitz.yml",
        "62.000",
        "2026-11-23T08:13:00",
    )
    assert all(case.get("time") is not None and case.get("classname") for case in root.iter("testcase"))


def test_thresholds() -> None:
    """A failed one tells what was measured; an optional one is skipped, as it fails no run."""
    checks = (
        check("a < 1", ok=False, values={"a": 2.0}),
        check("b < 1", ok=False, missing=("b",)),
        check("c < 1", ok=False, strict=False, values={"c": 7.0}),
        check("d < 1"),
    )
    found = cases(report(checks=checks))

    assert outcome(found["a < 1"]) == ("failure", "a = 2")
    assert outcome(found["b < 1"]) == ("failure", "b was never emitted")
    assert outcome(found["c < 1"]) == ("skipped", "optional, and failed: c = 7")
    assert outcome(found["d < 1"]) == ("ok", "")


@pytest.mark.parametrize("kind", ["invalid", "stopped"])
def test_a_run_that_says_nothing_is_an_error(kind: str) -> None:
    """The measurement is an error with every reason, whatever the thresholds say."""
    verdict = Verdict(kind=kind, exit_code=4, reasons=("worker 1 was lost", "worker 2 was late"))  # type: ignore[arg-type]
    case = cases(report(verdict=verdict))["the measurement can be trusted"]

    assert outcome(case) == ("error", "worker 1 was lost")
    assert case[0].text == "worker 1 was lost\nworker 2 was late"
    assert case.get("time") == "62.000"


def test_the_books() -> None:
    """They fail where a user is unaccounted for."""
    books = Books.of({0: 10}, {0: Tally(started=7)}, {0})

    assert outcome(cases(report())["every planned user is accounted for"])[0] == "ok"
    assert outcome(cases(report(books=books))["every planned user is accounted for"])[0] == "failure"


def test_expectations() -> None:
    """One case, if the script has any, with the kinds that failed."""
    counters = {"plugins.expect.ok": 8, "plugins.expect.failed": 2, "plugins.expect.failed.statusCode": 2}
    case = cases(report(totals=totals(counters=counters)))["responses are as expected"]

    assert outcome(case) == ("failure", "2 of 10 failed")
    assert case[0].text == "statusCode: 2 failed"
    assert "responses are as expected" not in cases(report())


def test_the_comparison() -> None:
    """One case for each metric; only what got worse fails."""
    found = cases(report(comparison=comparison(compared("a"), compared("b", judgement="better"))))

    assert outcome(found["a is no worse than before"]) == ("failure", "200 ms before, 220 ms now (+10.0 %)")
    assert outcome(found["b is no worse than before"]) == ("ok", "")


def test_the_main_figures_are_properties() -> None:
    """What was not measured has none."""
    found = {p.get("name"): p.get("value") for p in Xml.fromstring(junit(report())).iter("property")}
    nothing = {p.get("name") for p in Xml.fromstring(junit(report(totals=Totals()))).iter("property")}

    assert (found["requests"], found["requestsPerSecond"], found["errorRate"]) == ("1200", "20.0", "0.016667")
    assert (found["users.planned"], found["users.lost"], found["verdict"]) == ("300", "0", "pass")
    assert nothing & {"requests", "requestsPerSecond", "errorRate", "responseTime.p95"} == set()


@settings(deadline=None)
@given(
    st.text(min_size=1)
    | st.sampled_from(["]]>", "<x>&amp;", "\x00\x1b[31m", "\ud800", "\ufffe\uffff", "\r\n\t", "\"'"])
)
def test_any_text_makes_valid_xml(text: str) -> None:
    """Two parsers read the file, and find the text in it, unprintable signs as the terminal shows them."""
    data = junit(
        report(
            run_id=text,
            script=text,
            verdict=Verdict(kind="invalid", exit_code=4, reasons=(text,)),
            totals=totals(counters={"plugins.expect.failed": 1, f"plugins.expect.failed.{text}": 1}),
            checks=(check(text, ok=False, values={text: 1.0}, problem=text),),
            comparison=comparison(compared(text, unit=text)),
            settings={"name": text},
        )
    )
    root = Xml.fromstring(data)
    etree.fromstring(data)

    assert root[0].get("name") == plain(text)
    assert plain(text) in [case.get("name") for case in root.iter("testcase")]
    assert outcome(next(root.iter("testcase"))) == ("error", plain(text))
