"""The report as a page: everything in it, the summary's numbers, and nothing that obeys what came from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import pytest
from lxml import html
from lxml.html import HtmlElement

from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.figures import Figures
from grapeshot_launcher.results.quoted import Quoted
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.html import compare_page, html_page
from grapeshot_launcher.views.summary.numbers import measured, percent
from grapeshot_worker.messages import Facts, Failed, Tally
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from sample_report import report, window

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}\u202e\x1b[2J\n"
COMPARISON = Comparison(
    baseline="t0",
    slices=3,
    metrics=(
        Compared(name="http.response_time.p95", unit="ms", before=80, after=100, change=0.25, low=0.1, high=0.4,
                 judgement="worse"),
        Compared(name="http.request_rate", unit="/s", before=10, after=10, change=0, low=float("-inf"),
                 high=float("inf"), judgement="no evidence"),
    ),
    cautions=("the runs had different numbers of workers",),
)  # fmt: skip


def page(shown: Report, *, live: bool = False) -> HtmlElement:
    return html.document_fromstring(html_page(shown, live=live))


def found(element: HtmlElement, path: str) -> list[Any]:
    """What an XPath finds; its types follow from the path."""
    return list(cast("Any", element).xpath(path))


def text(element: HtmlElement) -> str:
    return " ".join(str(element.text_content()).split())


def headings(document: HtmlElement) -> list[str]:
    return [text(each) for each in document.iter("h2")]


def rows(document: HtmlElement, table: str) -> list[list[str]]:
    (shown,) = found(document, f"//table[@id='{table}-table']")
    return [[text(cell) for cell in found(row, "th|td")] for row in found(shown, "tbody/tr")]


def figures(document: HtmlElement) -> dict[str, str]:
    shown = found(document, "//dl[@class='figures']/div")
    return {text(each.find("dt")): text(found(each, "dd[contains(@class, 'value')]")[0]) for each in shown}


def with_counters(**more: int) -> Report:
    """The sample, with more counters; in names `__` stands for a point."""
    first = report()
    named = {name.replace("__", "."): count for name, count in more.items()}
    return replace(first, totals=replace(first.totals, counters={**first.totals.counters, **named}))


def test_figures_are_those_of_every_other_view() -> None:
    """The same run has the same numbers wherever it is shown."""
    shown = report(*(window(number, failing=7, time=33.3) for number in range(3)))
    known = Figures.of(shown)
    told = figures(page(shown))

    def written(markup: str) -> str:
        return text(html.fragment_fromstring(markup, create_parent="p"))

    assert told["Requests"] == f"{known.requests:,}" == "300"
    assert told["Rate"] == written(measured(known.rate, "/s"))
    assert told["Error rate"] == written(percent(known.error_rate)) == "7 %"
    assert [told[name] for name in ("p50", "p95", "p99", "Slowest")] == [
        written(measured(value, "ms")) for value in (known.p50, known.p95, known.p99, known.max)
    ]
    assert told["Users started"] == "300"
    assert told["Cost"] == "$0.0123"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("pass", "Passed"),
        ("fail", "Failed"),
        ("invalid", "Invalid"),
        ("stopped", "Stopped"),
        ("running", "Running"),
        ("unknown", "No verdict"),
    ],
)
def test_the_verdict_is_told_in_words(kind: str, word: str) -> None:
    """A word, a sign of its own shape and a sentence: colour alone says nothing."""
    verdict = Verdict(kind=kind, exit_code=0)  # type: ignore[arg-type]  # one of them
    (banner,) = page(report(verdict=verdict)).xpath("//div[@class='head']/div[contains(@class, 'verdict')]")

    assert text(found(banner, ".//strong")[0]) == word
    assert found(banner, "svg[@aria-hidden='true']/path")
    assert text(found(banner, ".//p[@class='said']/span")[0]).endswith(".")


def test_spoiled_numbers_are_not_to_be_trusted() -> None:
    """An invalid run says so beside its verdict, with every reason; the first ones are open."""
    reasons = tuple(f"worker {number}: its CPU was busy" for number in range(20))
    document = page(report(verdict=Verdict(kind="invalid", exit_code=3, reasons=reasons)))
    (banner,) = found(document, "//div[@class='head']/div[contains(@class, 'verdict')]")

    assert "don't rely on any number below" in text(banner)
    assert [text(each) for each in found(banner, ".//li")] == list(reasons)
    assert len(found(banner, ".//details//li")) == 12


def test_a_regression_is_in_the_verdict() -> None:
    """A run that passed, and got worse, doesn't look like one that passed."""
    document = page(report(comparison=COMPARISON))

    assert "Passed, but worse than before" in text(found(document, "//div[contains(@class, 'worse')]")[0])
    assert rows(document, "comparison")[0][-1] == "worse"
    assert rows(document, "comparison")[1][-2:] == ["–", "no evidence"]
    assert "different numbers of workers" in text(document)


def test_thresholds_have_values_and_margins() -> None:
    """The failed ones come first."""
    checks = (
        CheckOutcome(label="p95 < 200", strict=True, ok=True, values={"http.response_time.p95": 150.0}),
        CheckOutcome(label="a.b > 10 and c < 3", strict=True, ok=True, values={"a.b": 11.0, "c": 2.0}),
        CheckOutcome(label="p99 < 100", strict=True, ok=False, values={"http.response_time.p99": 125.0}),
        CheckOutcome(label="x == 0", strict=False, ok=False, missing=("x",)),
    )
    shown = rows(page(report(checks=checks)), "thresholds")

    assert shown == [
        ["p99 < 100", "failed", "http.response_time.p99 = 125", "25 % beyond the limit"],
        ["x == 0", "failed, optional", "x was never measured", "–"],
        ["p95 < 200", "holds", "http.response_time.p95 = 150", "25 % within the limit"],
        ["a.b > 10 and c < 3", "holds", "a.b = 11c = 2", "–"],
    ]


def test_every_table_is_there() -> None:
    """Endpoints, codes, errors, expectations, workers, users, metrics: with the numbers of the report."""
    first = with_counters(
        errors__ETIMEDOUT=4,
        plugins__expect__ok=9,
        plugins__expect__failed=1,
        plugins__expect__failed__statusCode=1,
        **{"plugins__metrics-by-endpoint__/a__codes__200": 5},
    )
    sketches = {
        **first.totals.sketches,
        "plugins.metrics-by-endpoint.response_time./a": Sketch.of({10.0: 5}),
    }
    document = page(replace(first, totals=replace(first.totals, sketches=sketches)))

    assert rows(document, "endpoints")[0][:2] == ["/a", "5"]
    assert rows(document, "codes") == [["200", "success", "300", "100 %"]]
    assert rows(document, "errors") == [["ETIMEDOUT", "4", "100 %"]]
    assert [row[:2] for row in rows(document, "expectations")] == [
        ["met", "9"],
        ["not met", "1"],
        ["not met: statusCode", "1"],
    ]
    assert [row[:2] for row in rows(document, "workers")] == [["1", "finished"], ["2", "finished"]]
    assert rows(document, "books")[0][:2] == ["planned", "300"]
    assert "300 planned = 300 started + 0 dropped + 0 lost" in text(document)
    assert ["vusers.created", "300"] in rows(document, "counters")
    assert {row[0] for row in rows(document, "summaries")} == set(sketches)
    assert rows(document, "rates")[0][0] == "http.request_rate"


def test_the_conditions_are_there() -> None:
    """Command, phases, settings and script; a commit with its branch, and the job as a link."""
    settings = {
        **report().settings,
        "commit": "c0ffee" * 6,
        "ref": "main",
        "runUrl": "https://github.com/o/r/actions/runs/1",
        "source": "config:\n  target: https://example.com\n",
        "phases": [
            {"kind": "ramp", "duration": 60.0, "rate": 5.0, "rampTo": 10.0, "count": 0, "poisson": False}
        ],
    }
    document = page(report(settings=settings, warnings=("Warning: slow\n  do less",)))

    assert found(document, "//a[@href='https://github.com/o/r/actions/runs/1']")
    assert "c0ffeec0ffee on main" in text(document)
    assert [text(each) for each in found(document, "//pre")] == [
        "grapeshot run-lambda --region eu-west-1 load/blitz.yml",
        "config: target: https://example.com",
    ]
    assert rows(document, "phases") == [["1", "–", "60 s", "5/s", "10/s", "–", "–", "evenly spread"]]
    assert ["target", "https://example.com"] in rows(document, "settings")
    assert "slow" in text(found(document, "//section[@aria-labelledby='warnings']//li")[0])


def test_a_link_leads_only_where_a_job_can_be() -> None:
    """What a file calls the job's page may be anything."""
    document = page(report(settings={"runUrl": "javascript:alert(1)"}))

    assert [each.get("href") for each in document.iter("a")] == ["#content"]


def test_text_from_outside_is_shown_and_not_obeyed() -> None:
    """Wherever a name comes in: there is no script, no picture and no handler but our own."""
    first = with_counters(
        **{f"errors.{EVIL}": 1, f"plugins.expect.failed.{EVIL}": 1, "plugins.expect.failed": 1}
    )
    check = CheckOutcome(label=EVIL, strict=True, ok=False, values={EVIL: 1.0}, missing=(EVIL,), problem=EVIL)
    bad = replace(
        first,
        run_id=EVIL,
        script=EVIL,
        checks=(check,),
        abort=Abort(checks=(check,), after=3.0),
        verdict=Verdict(kind="fail", exit_code=1, reasons=(EVIL,)),
        warnings=(EVIL,),
        workers=(
            WorkerEnd(
                worker=WorkerId(0, 0),
                state="failed",
                failure=Failed(run_id="t1", generation=0, index=0, sequence=1, message=EVIL, exit_code=1),
            ),
        ),
        comparison=replace(COMPARISON, baseline=EVIL, cautions=(EVIL,)),
        settings={"name": EVIL, "target": EVIL, "commit": EVIL, "ref": EVIL, "source": EVIL, "command": EVIL,
                  EVIL: EVIL},
    )  # fmt: skip
    for shown, clean in (
        (html_page(bad), html_page(report())),
        (
            compare_page(bad, bad, replace(COMPARISON, baseline=EVIL)),
            compare_page(report(), report(), COMPARISON),
        ),
    ):
        document = html.document_fromstring(shown)

        assert len(found(document, "//script")) == len(found(html.document_fromstring(clean), "//script"))
        assert not found(document, "//img | //@*[starts-with(name(), 'on')]")
        assert not found(document, "//body//bdi[contains(., '\u202e')]")
        assert "alert(2)" in text(document)
        assert "{{ 7*7 }}" in text(document)


def test_only_what_the_page_brings_along_may_run() -> None:
    """The policy names each script by its hash; there is no address to load anything from."""
    document = page(report())
    (policy,) = found(document, "//meta[@http-equiv='Content-Security-Policy']/@content")
    scripts = [each.text for each in document.iter("script") if each.get("type") is None]
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]

    assert scripts
    assert re.search(r"script-src ([^;]*);", policy)[1].split() == [f"'sha256-{each}'" for each in hashes]  # type: ignore[index]  # it is there
    assert "default-src 'none'" in policy
    assert not found(document, "//@src")
    assert found(document, "//link/@href") == ["data:,"]


def test_a_live_page_may_ask_its_server() -> None:
    """And nobody else."""
    document = page(report(verdict=Verdict(kind="running", exit_code=0)), live=True)
    (policy,) = found(document, "//meta[@http-equiv='Content-Security-Policy']/@content")

    assert "connect-src 'self'" in policy
    assert found(document, "//script/@src") == ["live.js"]
    assert "They are weighed when the run has ended" in text(document)


def test_a_run_without_a_measurement_has_a_page() -> None:
    """It says so."""
    empty = Report(
        run_id="t1", script="a.yml", started_at=0.0, ended_at=0.0,
        verdict=Verdict(kind="invalid", exit_code=3, reasons=("no load was made",)),
        totals=Totals(), periods=(), books=Books.of({0: 5}, {}, set()),
    )  # fmt: skip
    document = page(empty)

    assert "Nothing was measured" in text(document)
    assert figures(document)["Requests"] == "–"
    assert ["lost: nobody reported what became of them", "5", "100 %"] in rows(document, "books")


def test_quoted_percentiles_are_called_so() -> None:
    """Another tool's can't be merged or drawn."""
    first = report()
    told = Quoted.from_summary(
        {"min": 1, "max": 9, "count": 3, "p50": 2, "median": 2, "p95": 8, "p99": 9, "mean": 3}
    )
    totals = replace(first.totals, sketches={"http.response_time": told})
    document = page(replace(first, totals=totals, quoted=True, verdict=Verdict(kind="unknown", exit_code=0)))

    assert "The percentiles are Artillery's own" in text(document)
    assert figures(document)["p95"] == "8 ms"


def test_many_rows_are_cut_and_said_to_be() -> None:
    """A page of ten thousand workers would not open."""
    ends = tuple(
        WorkerEnd(worker=WorkerId(0, index), state="lost" if index == 1400 else "finished", tally=Tally(),
                  facts=Facts(lag_p99=1.0))
        for index in range(1500)
    )  # fmt: skip
    document = page(report(workers=ends))
    shown = rows(document, "workers")

    assert len(shown) == 1000
    assert shown[0][:2] == ["1,401", "lost"]
    assert "1,000 of 1,500" in text(found(document, "//caption[@id='workers-caption']")[0])
    assert "1,500 in all, 1 with faults" in text(document)


def test_the_page_has_the_structure_that_readers_of_it_need() -> None:
    """Landmarks, one h1, headings without a gap, a name for every region and table, unique ids, the rows' heads."""
    checks = (CheckOutcome(label="p95 < 200", strict=True, ok=True),)
    apdex = Apdex(threshold=100.0, satisfied=9, tolerated=1, frustrated=0)
    for document in (
        page(report(checks=checks, comparison=COMPARISON, apdex=apdex)),
        html.document_fromstring(compare_page(report(checks=checks), report(), COMPARISON)),
    ):
        ids = found(document, "//@id")
        levels = [int(each.tag[1]) for each in found(document, "//h1|//h2|//h3|//h4")]

        assert document.get("lang") == "en"
        assert [len(found(document, f"//{each}")) for each in ("main", "h1", "title")] == [1, 1, 1]
        assert len(ids) == len(set(ids))
        assert set(found(document, "//@aria-labelledby")) <= set(ids)
        assert levels[0] == 1
        assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
        for table in found(document, "//table[@data-sortable]"):
            assert text(table.find("caption"))
            assert all(each.get("scope") == "col" for each in found(table, "thead//th"))
            assert all(found(row, "th[@scope='row']") for row in found(table, "tbody/tr"))


def test_two_runs_stand_beside_each_other() -> None:
    """With the verdict of the comparison, both verdicts, both figures, and what differs in the settings."""
    after = report(run_id="t2", settings={**report().settings, "workers": 4})
    document = html.document_fromstring(compare_page(report(), after, COMPARISON))

    assert headings(document) == ["The two runs", "What changed", "Key figures", "Thresholds", "Settings"]
    assert "Regression 1 metric got worse." in text(found(document, "//div[@class='head']")[0])
    assert ["Requests", "300", "300"] in rows(document, "figures")
    assert rows(document, "settings") == [["workers", "2", "4"]]
