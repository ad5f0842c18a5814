from __future__ import annotations

import re

import pytest

from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.verdict import Verdict, judge
from grapeshot_launcher.views.summary import failure_summary, job_summary, sticky_comment
from grapeshot_worker.errors import Place, Problem, ScriptError
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from rendered import rendered
from reports import BY_ENDPOINT, check, compared, comparison, failed, finished, regions, report, totals

LAMBDA = {
    "target": "https://shop.example.com",
    "workers": 4,
    "copies": True,
    "region": "eu-west-1",
    "memorySize": 4096,
    "architecture": "arm64",
    "image": "1.dkr.ecr.eu-west-1.amazonaws.com/w@sha256:ab",
    "processes": 2,
    "costUsd": 0.03125,
    "command": "grapeshot run-lambda --region eu-west-1 'my script.yml'",
    "commit": "4f1c2d3",
    "emulated": True,
    "runUrl": "https://github.com/acme/shop/actions/runs/17",
}


def text(page: Report) -> str:
    """Give the text of a job summary, spaces as plain ones."""
    return rendered(job_summary(page)).text.replace("\xa0", " ")


def table(page: Report, title: str) -> dict[str, str]:
    """Give the first row of the table that has a column of this title, by titles."""
    found = next(rows for rows in rendered(job_summary(page)).tables if title in rows[0])
    return dict(zip(found[0], found[1], strict=True))


def judged(**changes: object) -> Report:
    """Give a report with the verdict that its parts deserve."""
    parts = report(**changes)
    unmet = parts.totals.counters.get("plugins.expect.failed", 0)
    verdict = judge(ends=parts.workers, books=parts.books, checks=parts.checks, failed_expectations=unmet)
    return report(**changes, verdict=verdict)


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        (judged(), "✅ Passed: the threshold holds"),
        (judged(checks=(check("a"), check("b"))), "✅ Passed: all 2 thresholds hold"),
        (judged(checks=()), "✅ Passed: the load was made; the script sets no threshold"),
        (
            judged(checks=(check("a"), check("b", ok=False, strict=False))),
            "✅ Passed: the threshold holds; 1 optional threshold failed",
        ),
        (judged(checks=(check("a"), check("b", ok=False))), "❌ Failed: 1 of 2 thresholds failed"),
        (
            judged(totals=totals(counters={"plugins.expect.failed": 1200})),
            "❌ Failed: 1,200 expectations failed",
        ),
        (
            judged(workers=(failed(0, "no memory"), finished(1))),
            "⚠️ Invalid: the numbers can't be trusted (of 2 workers 1 failed)",
        ),
        (
            judged(workers=(finished(0, lag_p99=900.0), WorkerEnd(worker=WorkerId(0, 1), state="lost"))),
            "⚠️ Invalid: the numbers can't be trusted (of 2 workers 1 lost, 1 with faults)",
        ),
        (
            report(verdict=Verdict(kind="stopped", exit_code=130)),
            "🛑 Stopped: the run was ended before its load was made",
        ),
        (
            judged(comparison=comparison(compared())),
            "⚠️ Passed, but worse than before: the threshold holds; 1 metric got worse than in the baseline",
        ),
    ],
)
def test_the_verdict_comes_first(page: Report, heading: str) -> None:
    """The page, and the comment, begin with icon, word and sentence of the verdict."""
    assert rendered(job_summary(page)).headings[0] == heading
    assert sticky_comment(page).startswith(f"## {heading}\n")


def test_all_reasons_are_listed() -> None:
    """Eight reasons stand open, the others behind a fold; none is missing."""
    reasons = tuple(f"reason number {index}" for index in range(50))
    page = report(verdict=Verdict(kind="invalid", exit_code=4, reasons=reasons))

    assert all(reason in text(page) for reason in reasons)
    assert "<summary>42 other reasons</summary>" in job_summary(page)


def test_what_was_lost_is_said_before_any_number() -> None:
    """Lost users and those whose end is unknown stand above the thresholds."""
    books = Books.of(
        {0: 10, 1: 10}, {0: Tally(started=10, completed=10), 1: Tally(started=4, completed=1)}, {0}
    )
    page = text(judged(books=books, workers=(finished(0), WorkerEnd(worker=WorkerId(0, 1), state="lost"))))
    above = page.partition("Thresholds")[0]

    assert "6 of 20 planned users were lost with 1 worker" in above
    assert "3 users were started, and nobody reported how they ended" in above
    assert "worker 2 was lost" in above


def test_dropped_users_are_told() -> None:
    """By maxVusers, and by the stop."""
    page = text(report(books=Books.of({0: 10}, {0: Tally(started=5, skipped=3, unstarted=2)}, {0})))

    assert "3 of 10 planned users were dropped" in page
    assert "2 of 10 planned users never started" in page


def test_thresholds_show_what_was_measured() -> None:
    """Failed ones first; a metric nobody emitted is named, a fault of the text told, expectations are one more row."""
    checks = (
        check("a < 500", values={"a": 12345.678}),
        check("c > 1", ok=False, strict=False, values={"c": 0.0}),
        check("b > 1", ok=False, missing=("b",)),
        check("d >", ok=False, problem="an operand is missing"),
    )
    counters = {"plugins.expect.ok": 8, "plugins.expect.failed": 2, "plugins.expect.failed.statusCode": 2}
    page = text(report(checks=checks, totals=totals(counters=counters)))

    assert "a = 12,345.678" in page
    assert "c = 0" in page
    assert "b was never measured" in page
    assert "an operand is missing" in page
    assert "2 of 10 failed: statusCode × 2" in page
    assert page.index("b > 1") < page.index("d >") < page.index("c > 1") < page.index("a < 500")


def test_thresholds_of_an_invalid_run_carry_a_doubt() -> None:
    """A check mark below numbers that can't be trusted says so."""
    page = text(report(verdict=Verdict(kind="invalid", exit_code=4)))

    assert "Held against numbers that can't be trusted" in page


def test_a_run_without_thresholds_says_that_any_result_passes() -> None:
    """A green page must not be taken for more than it is."""
    assert "so any result passes" in text(report(checks=()))


def test_the_main_figures() -> None:
    """Requests, rate, distribution, error rates; thousands separated, with units."""
    figures = table(report(), "Requests")

    assert figures["Requests"] == "1,200"
    assert figures["Rate"] == "20/s"
    assert (figures["p50"], figures["p95"], figures["Max"]) == ("49.9 ms", "400 ms", "400 ms")
    assert (figures["Failed requests"], figures["Error rate"], figures["Errors"]) == ("20", "1.67 %", "10")


def test_the_books_balance_to_the_unit() -> None:
    """Planned, started, completed, failed, dropped, lost; or the difference."""
    good = table(report(), "Users planned")
    bad = table(report(books=Books.of({0: 10}, {0: Tally(started=7)}, {0})), "Users planned")

    assert [good[title] for title in ("Users planned", "Started", "Completed", "Failed", "Dropped", "Lost")] == [
        "300", "300", "298", "2", "0", "0",
    ]  # fmt: skip
    assert good["Books"] == "✅ balance: planned = started + dropped + lost"
    assert bad["Books"] == "❌ do not balance: planned − started − dropped − lost = 3"
    assert bad["End unknown"] == "7"


def test_missing_is_no_zero() -> None:
    """What was not measured is a dash, and there is no chart of it."""
    page = rendered(job_summary(report(totals=Totals(), periods=())))

    assert page.text.count("–") >= 8
    assert "No chart: no request was sent." in page.text


def test_the_comparison() -> None:
    """Metric, before, after, change with its interval, judgement, what got worse first, cautions."""
    metrics = (compared("b", judgement="no evidence", change=0.001), compared("a"))
    page = text(report(comparison=comparison(*metrics, cautions=("other workers",))))

    assert "Regression: 1 metric got worse since run t0." in page
    assert "+10.0 % (+5.0 … +15.0 %)" in page
    assert page.index("🔴 worse") < page.index("⚪ no evidence")
    assert "⚠️ other workers" in page


@pytest.mark.parametrize(
    ("judgement", "words"),
    [("better", "Improvement: 1 metric got better"), ("no evidence", "No evidence of a change")],
)
def test_a_comparison_without_a_regression(judgement: str, words: str) -> None:
    """It says what there is evidence for."""
    assert words in text(report(comparison=comparison(compared(judgement=judgement))))


def test_the_slowest_endpoint_comes_first() -> None:
    """Endpoints are sorted by p95; one that never answered is before all, with its errors."""
    sketches = {
        f"{BY_ENDPOINT}.response_time.{name}": Sketch.of({ms: 5}) for name, ms in (("/b", 9.0), ("/c", 90.0))
    }
    counters = {f"{BY_ENDPOINT}.{name}.codes.200": 5 for name in ("/b", "/c")}
    counters[f"{BY_ENDPOINT}./x.errors.ECONNREFUSED"] = 1234
    page = report(totals=totals(sketches=sketches, counters=counters))
    found = next(rows for rows in rendered(job_summary(page)).tables if rows[0][0] == "Endpoint")

    assert [row[0] for row in found[1:]] == ["/x", "/c", "/b"]
    assert found[1][1:] == ["0", "–", "–", "–", "–", "–", "ECONNREFUSED × 1,234"]
    assert (found[2][1], found[2][6]) == ("5", "200 × 5")


def test_errors_and_status_codes() -> None:
    """Each with its count and share."""
    page = text(report())

    assert table(report(), "Error") == {"Error": "ETIMEDOUT", "Count": "10", "Share": "100 %"}
    assert "Status codes: 200 × 1,180 (99.2 %) · 503 × 10 (0.84 %)" in page


def test_workers_with_faults_come_first() -> None:
    """Failed, lost, late, then the good ones; many are folded."""
    ends = (*(finished(index) for index in range(20)), finished(20, lag_p99=700.0), failed(21, "no memory"))
    page = job_summary(report(workers=(*ends, WorkerEnd(worker=WorkerId(0, 22), state="lost"))))
    table = page.partition("### Workers")[2]
    numbers = [int(number) for number in re.findall(r'<tr><td align="right">(\d+)</td>', table)]

    assert numbers[:4] == [22, 23, 21, 1]
    assert "<summary>23 workers, 3 with faults</summary>" in table


def test_each_of_several_regions_has_a_row() -> None:
    """Its users, requests, rate, times, errors and cost; what was lost there, and what was not measured."""
    books = Books.of({0: 150, 1: 150}, {0: Tally(started=150)}, {0})
    both = regions("eu-west-1", "us-east-1", by=books)
    costs = {"costByRegion": {"eu-west-1": 0.0123}}
    page = job_summary(report(**both, settings=costs))
    titles, first, second = next(rows for rows in rendered(page).tables if rows[0][0] == "Region")

    assert "By region" in rendered(page).headings
    assert titles == [
        *("Region", "Workers", "Users started", "Lost", "Requests", "Rate", "p50", "p95", "p99", "Max"),
        *("Error rate", "Errors", "Cost"),
    ]
    assert first[:6] == ["eu-west-1", "1", "150", "0", "1,200", "20/s"]
    assert first[-3:] == ["1.67 %", "10", "$0.0123"]
    assert second == ["us-east-1", "1", "0", "150", "0", "0/s", "–", "–", "–", "–", "–", "0", "–"]


def test_columns_without_news_of_any_region_are_left_out() -> None:
    """Nobody lost, no cost known."""
    page = job_summary(report(**regions("eu-west-1", "us-east-1")))
    titles = next(rows[0] for rows in rendered(page).tables if rows[0][0] == "Region")

    assert not {"Lost", "Cost"} & set(titles)


def test_workers_name_their_region() -> None:
    """Where there are several; else they have no such column."""
    page = report(**regions("eu-west-1", "us-east-1"))

    assert table(page, "Start lag p99")["Region"] == "eu-west-1"
    assert "Region" not in table(report(), "Start lag p99")
    assert "By region" not in text(report())


def test_the_comment_tells_regions_apart() -> None:
    """Below the figures, as the summary does."""
    page = sticky_comment(report(**regions("eu-west-1", "us-east-1")))

    assert rendered(page).headings[2:4] == ["Figures", "By region"]


def test_settings_of_a_run_on_lambda() -> None:
    """Everything known is shown, with its unit, and the command to copy."""
    page = rendered(job_summary(report(settings=LAMBDA)))
    told = page.text.replace("\xa0", " ")

    for words in (
        "eu-west-1",
        "4,096 MB",
        "arm64",
        "$0.0312",
        "each worker makes the whole load",
        "emulated on this machine",
        "4f1c2d3",
    ):
        assert words in told
    assert LAMBDA["command"] in page.codes
    assert ("href", LAMBDA["runUrl"]) in page.attributes


def test_the_cost_of_a_run_on_lambda() -> None:
    """Beside the one expected before; by region where there are several; what was not paid is called so."""
    paid = {
        "costUsd": 0.03125,
        "estimatedCostUsd": 0.05,
        "costByRegion": {"eu-west-1": 0.01, "us-east-1": 0.02125},
    }
    several = text(report(settings=paid))
    one = text(report(settings={**paid, "costByRegion": {"eu-west-1": 0.03125}, "emulated": True}))

    assert "cost expected before" in several
    assert "$0.0500" in several
    assert "us-east-1: $0.02" in several
    assert "cost by region" not in one
    assert "what it would cost" in one


def test_a_local_run_shows_what_there_is() -> None:
    """Settings that are missing or None are left out, whatever else they hold."""
    page = text(
        report(settings={"workers": None, "region": None, "memorySize": "much", "costUsd": "x", "runUrl": 7})
    )

    assert "much" in page
    assert "region" not in page


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        'https://x/"><script>',
        "https://x y",
        "http://github.com/",
        "https://a@b/c",
        "https://x/(a)",
    ],
)
def test_only_plain_addresses_become_links(address: str) -> None:
    """Anything but https and plain signs is shown as text, and the comment has no link."""
    page = report(settings={"runUrl": address})

    assert rendered(job_summary(page)).elements["a"] == 0
    assert rendered(sticky_comment(page)).elements["a"] == 0


def test_warnings_with_their_remedy() -> None:
    """A warning's remedy stands below it; many warnings are folded."""
    assert "no such check" in text(report(warnings=("Warning: a.yml:3: no such check\n    Write another.",)))
    assert "<summary>6 warnings</summary>" in job_summary(report(warnings=("w",) * 6))


def test_apdex() -> None:
    """The score with its word; without a response a dash."""
    assert "Apdex: 0.9 (good)" in text(
        report(apdex=Apdex(threshold=500.0, satisfied=8, tolerated=2, frustrated=0))
    )
    assert "Apdex: –" in text(report(apdex=Apdex(threshold=500.0, satisfied=0, tolerated=0, frustrated=0)))


def test_the_comment_is_the_short_form() -> None:
    """Verdict, thresholds and figures; no charts, no workers, and the way to the rest."""
    page = sticky_comment(report(settings=LAMBDA))

    assert "### Thresholds" in page
    assert "### Figures" in page
    assert "mermaid" not in page
    assert "### Workers" not in page
    assert "All details, charts and workers</a>" in page


def test_the_same_report_makes_the_same_page() -> None:
    """Whatever the order in which the metrics came."""
    whole = totals()
    turned = totals(counters=dict(reversed(list(whole.counters.items()))))

    assert job_summary(report()) == job_summary(report(totals=turned))


# ---- a run that never began ----


def test_every_problem_of_a_script_is_listed() -> None:
    """With file, line, path and remedy; errors before warnings."""
    problems = [
        Problem(message="odd", severity="warning", place=Place(file="a.yml", line=1)),
        Problem(
            message="no duration",
            place=Place(file="a.yml", line=7, path="config.phases[0]"),
            remedy="Write one.",
        ),
        Problem(message="nowhere"),
    ]
    page = rendered(failure_summary(ScriptError(problems)))

    assert page.headings == ["❌ Not run: the script has 2 errors"]
    assert {"a.yml:7", "config.phases[0]", "a.yml:1"} <= set(page.codes)
    assert page.text.index("no duration") < page.text.index("nowhere") < page.text.index("odd")
    assert [len(row) for row in page.tables[0]] == [4] * 4


def test_a_failure_in_words() -> None:
    """What happened, its cause, what to do; a part that is missing has no title."""
    error = SettingsRefused(
        "no permission\nfor two things", cause="the role", remedy="run `grapeshot policy`"
    )
    page = rendered(failure_summary(error))

    assert page.headings == ["❌ Not run: no load was made"]
    assert "What happened: no permission" in page.text
    assert "Likely cause: the role" in page.text
    assert "grapeshot policy" in page.codes
    assert "Likely cause" not in failure_summary(SettingsRefused("x"))
