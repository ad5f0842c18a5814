"""Whatever a test produced, the page fits, and says what matters."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.regions import region_parts
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.summary import (
    COMMENT_BUDGET,
    LEAST,
    SUMMARY_BUDGET,
    failure_summary,
    job_summary,
    sticky_comment,
)
from grapeshot_launcher.views.summary.document import ORDER, Section, fit
from grapeshot_worker.errors import Place, Problem, ScriptError
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.sketch import Sketch
from rendered import rendered
from reports import BY_ENDPOINT, check, compared, comparison, failed, period, report, totals

# Names that become longest on the page: numbers of signs, escapes, wide characters, words in and out of code.
FILLINGS = ("x", "<", "😀", "\x1b", "\U000e0001", "@ a ", "# ", "a\n", "`@`", "é")


def large(filling: str, *, many: int, length: int) -> Report:
    """Make a report with so many of everything, each name so long."""
    name = (filling * length)[:length]
    names = [f"{index}{name}" for index in range(many)]
    counters = {
        "http.requests": 5,
        **{f"errors.{each}": 1 for each in names},
        **{f"{BY_ENDPOINT}.{each}.codes.{200 + index % 300}": 1 for index, each in enumerate(names)},
        **{f"http.codes.{code}": 1 for code in range(100, 600)},
        **{f"plugins.expect.failed.{each}": 1 for each in names},
        "plugins.expect.failed": many,
    }
    one = Sketch.of({5.0: 1})
    values = dict.fromkeys(names[:20], 1.5)
    keys = (
        "target",
        "name",
        "region",
        "image",
        "command",
        "commit",
        "ref",
        "runUrl",
        "function",
        "memorySize",
    )
    books = Books.of(dict.fromkeys(range(many), 10), dict.fromkeys(range(many), Tally(started=4)), set())
    return report(
        run_id=name,
        script=name,
        verdict=Verdict(kind="invalid", exit_code=4, reasons=tuple(names)),
        totals=totals(
            counters=counters, sketches={f"{BY_ENDPOINT}.response_time.{each}": one for each in names}
        ),
        periods=tuple(period(index, requests=10) for index in range(min(many, 500))),
        checks=tuple(
            check(each, ok=False, values=values, missing=tuple(names[:20]), problem=each)
            for each in names[:500]
        ),
        comparison=comparison(*(compared(each) for each in names[:500]), cautions=tuple(names)),
        books=books,
        regions=region_parts(names[:40], books, {}),
        workers=tuple(failed(index, each) for index, each in enumerate(names)),
        warnings=tuple(names),
        settings=dict.fromkeys(keys, name),
    )


def assert_complete(page: str, *, budget: int) -> None:
    """Hold a page to its budget, and to what always stands on it."""
    assert len(page.encode("utf-8")) <= budget
    found = rendered(page)
    assert found.headings[0].startswith("⚠️ Invalid")
    assert {"Thresholds", "Figures"} <= set(found.headings)
    titles = [table[0][:2] for table in found.tables]
    assert ["Requests", "Rate"] in titles
    assert ["", "Threshold"] in titles
    assert all(len({len(row) for row in table}) == 1 for table in found.tables)


@settings(max_examples=25, deadline=None)
@given(
    filling=st.sampled_from(FILLINGS),
    many=st.integers(1, 150),
    length=st.integers(0, 500),
    budget=st.integers(LEAST, 200_000),
)
def test_any_report_fits(filling: str, many: int, length: int, budget: int) -> None:
    """At most the budget in UTF-8, with verdict, thresholds and figures, every table whole."""
    page = large(filling, many=many, length=length)

    assert_complete(job_summary(page, budget=budget), budget=budget)
    assert_complete(sticky_comment(page, budget=budget), budget=budget)


@pytest.mark.parametrize("filling", FILLINGS)
def test_the_smallest_budget_is_enough(filling: str) -> None:
    """The worst report fits into `LEAST`, whatever its texts are made of."""
    page = large(filling, many=250, length=500)

    assert_complete(job_summary(page, budget=LEAST), budget=LEAST)
    assert_complete(sticky_comment(page, budget=LEAST), budget=LEAST)


def test_a_huge_run() -> None:
    """10,000 endpoints, some with names of 10 kB, 100,000 errors, 10,000 workers."""
    names = [f"/{index}/" + "x" * (10_000 if index % 20 == 0 else 10) for index in range(10_000)]
    one = Sketch.of({5.0: 1})
    counters = {f"{BY_ENDPOINT}.{name}.codes.200": 1 for name in names}
    counters |= {f"errors.Invalid URL - {index}": 1 for index in range(100_000)}
    sketches = {f"{BY_ENDPOINT}.response_time.{name}": one for name in names}
    page = replace(large("x", many=10_000, length=10), totals=totals(counters=counters, sketches=sketches))

    assert_complete(job_summary(page), budget=SUMMARY_BUDGET)
    assert_complete(sticky_comment(page), budget=COMMENT_BUDGET)
    assert "… and 9,900 more" in job_summary(page)
    assert "… and 99,900 more" in job_summary(page)


def test_a_comment_has_at_most_as_many_characters_as_github_takes() -> None:
    """Its limit is in characters, and counts those beyond the first plane twice at most."""
    comment = sticky_comment(large("😀", many=300, length=300))

    assert len(comment.encode("utf-16-le")) // 2 <= 65_536


def test_sections_give_way_in_their_order() -> None:
    """Each goes down its ladder before the next begins; the others stay whole."""
    sections = {name: Section(render=lambda rows: "x" * rows, ladder=(30_000, 20_000, 0)) for name in ORDER}
    whole = len(fit(sections, budget=10**6))

    def left(short: int) -> list[int]:
        return [len(text) for text in fit(sections, budget=whole - short).split("\n\n")]

    assert left(0)[:3] == [30_000] * 3
    assert left(1)[:3] == [20_000, 30_000, 30_000]
    assert left(10_001)[:2] == [30_000, 30_000]
    assert len(left(10_001)) == len(ORDER) - 1
    assert left(30_003)[:2] == [20_000, 30_000]


def test_what_gave_way_is_said() -> None:
    """A section without a row names how many there were."""
    page = job_summary(large("<", many=300, length=300), budget=LEAST)

    assert "40 regions: left out for want of space" in page
    assert "300 workers: left out for want of space" in page
    assert re.search(r"\d+ endpoints: left out for want of space", page)


def test_a_budget_that_is_too_small_is_refused() -> None:
    """Nobody gets a page that had to leave out the verdict."""
    with pytest.raises(ValueError, match="at least"):
        job_summary(report(), budget=LEAST - 1)


@pytest.mark.parametrize("filling", FILLINGS)
def test_any_failure_fits(filling: str) -> None:
    """Thousands of problems, or texts without an end, become a page within the smallest budget."""
    text = (filling * 10_000)[:10_000]
    place = Place(file=text, line=1, path=text)
    problems = ScriptError([Problem(message=text, place=place, remedy=text)] * 300)
    refused = SettingsRefused(text, cause=text, remedy=text)
    pages: dict[str, Any] = {"script": failure_summary(problems, budget=LEAST)}
    pages["refused"] = failure_summary(refused, budget=LEAST)

    assert all(len(page.encode("utf-8")) <= LEAST for page in pages.values())
    assert rendered(pages["script"]).headings == ["❌ Not run: the script has 300 errors"]
    assert "more" in pages["script"]
    assert "What to do" in pages["refused"]
