"""The page for any reader of Markdown, read by GitHub's parser."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.markdown import ROWS, markdown
from grapeshot_worker.metrics.report import Totals
from hostile import FILTERED, HOSTILE, NASTY, hostile_report
from rendered import Page, rendered
from reports import check, compared, comparison, report, totals

ELEMENTS = {"h2", "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "td", "th", "code", "strong"}


def page(shown: Report) -> Page:
    """Have the view read."""
    return rendered(markdown(shown).decode("utf-8"))


def shape(found: Page) -> tuple[list[str], list[list[int]], int]:
    """Give what a text must not change: headings, rows and cells of tables, items of lists."""
    return found.headings, [[len(row) for row in table] for table in found.tables], found.elements["li"]


def test_the_page_of_a_good_run() -> None:
    """The verdict first, then the run in a line, then tables with what was measured."""
    found = page(report())

    assert found.headings == [
        "✅ Passed: the threshold holds", "Thresholds", "Figures", "Virtual users", "Endpoints, slowest first",
        "Errors", "Responses",
    ]  # fmt: skip
    thresholds, figures, users, endpoints, errors, codes = found.tables
    assert thresholds[1:] == [["✅", "http.response_time.p95 < 500", "http.response_time.p95 = 398.6"]]
    assert dict(zip(*figures, strict=True)) == {
        "Requests": "1,200",
        "Rate": "20/s",
        "p50": "49.9 ms",
        "p95": "400 ms",
        "p99": "400 ms",
        "max": "400 ms",
        "Failed": "20",
        "Error rate": "1.67 %",
    }
    assert dict(zip(*users, strict=True))["Completed"] == "298"
    assert endpoints[1][:2] == ["/a", "1,190"]
    assert errors[1:] == [["ETIMEDOUT", "10"]]
    assert codes[1:] == [["200", "1,180"], ["503", "10"]]


def test_what_speaks_against_a_run_stands_first() -> None:
    """Reasons below the verdict; of checks and of a comparison the bad ones."""
    checks = (check("a < 1"), check("b < 1", ok=False, missing=("b",)), check("c", ok=False, strict=False))
    verdict = Verdict(kind="fail", exit_code=1, reasons=("check failed: b < 1",))
    metrics = (compared("x", judgement="better"), compared("y"))
    found = page(report(checks=checks, verdict=verdict, comparison=comparison(*metrics)))

    assert found.headings[0] == "❌ Failed: 1 of 2 thresholds failed; 1 metric got worse than in the baseline"
    assert [row[:2] for row in found.tables[0][1:]] == [
        ["❌", "b < 1"],
        ["🟡 optional", "c"],
        ["✅", "a < 1"],
    ]
    assert [(row[0], row[-1]) for row in found.tables[1][1:]] == [("y", "worse"), ("x", "better")]
    assert "Reason: check failed: b < 1" in found.text


def test_a_long_table_says_how_much_more_there_is() -> None:
    """Twenty rows, the most frequent first."""
    counters = {f"errors.E{number:02}": 100 - number for number in range(ROWS + 5)}
    found = page(report(totals=totals(counters=counters)))

    assert len(found.tables[-1]) == 1 + ROWS
    assert found.tables[-1][1] == ["E00", "100"]
    assert "… and 5 more" in found.text


def test_what_was_not_measured_is_no_zero() -> None:
    """A run without a request shows dashes."""
    found = page(report(totals=Totals(), periods=(), checks=()))

    assert found.tables[0][1] == ["–"] * 8


@settings(deadline=None)
@given(text=HOSTILE)
@example(text="".join(NASTY))
@example(text=" ".join(NASTY))
@example(text="`a`@b and `c``d`")
@example(text="1. a | b")
def test_no_text_changes_the_page(text: str) -> None:
    """No element but ours, the headings, cells and items of a harmless text, nothing that a filter would read."""
    source = markdown(hostile_report(text)).decode("utf-8")
    found = rendered(source)

    assert set(found.elements) <= ELEMENTS
    assert shape(found) == shape(page(hostile_report("harmless")))
    assert not [shown for loose in found.loose if (shown := FILTERED.search(loose))]
    assert all(line.isprintable() for line in source.replace("\xa0", " ").split("\n"))


def test_quoted_percentiles_can_be_missing() -> None:
    """Of several runs of another tool there are exact numbers alone; the page has dashes for the others."""
    from grapeshot_launcher.results.quoted import Quoted

    told = {"min": 1.0, "max": 9.0, "count": 5.0, "mean": 4.0}
    whole = replace(totals(), sketches={"http.response_time": Quoted.from_summary(told)})
    found = page(report(totals=whole, quoted=True))

    assert found.tables[1][1][2:6] == ["–", "–", "–", "9 ms"]
