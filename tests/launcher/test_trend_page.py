"""The page of a history: what stands in it, and that nothing in a report can break out of it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from grapeshot_launcher.results.earlier import seen_later
from grapeshot_launcher.results.history import history
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.html.trend import MOST, is_link, trend_page
from past_runs import past, three_branches

HOSTILE = "</script><script>alert(1)</script><!-- \" ' & <img src=x onerror=alert(1)> \u202e\ud800"


def page(*reports: Report) -> str:
    runs = ((f"r{n}", seen_later(each)) for n, each in enumerate(reports))
    return trend_page(history(runs)).decode("utf-8")


class Tags(HTMLParser):
    """Counts the elements, and collects links and the rows of the table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows: list[dict[str, str | None]] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag == "a":
            self.links += [value or "" for name, value in attrs if name == "href"]
        if tag == "tr" and "data-ref" in dict(attrs):
            self.rows.append(dict(attrs))


def data_of(text: str) -> dict[str, object]:
    found = re.search(r'id="trend-data">(.*?)</script>', text, re.DOTALL)
    assert found
    value: dict[str, object] = json.loads(found[1])
    return value


def test_the_page_needs_no_network() -> None:
    """Scripts and styles are in it, its policy allows no request, and it is below a megabyte."""
    text = page(*three_branches())

    assert "default-src &#39;none&#39;" in text
    assert not re.search(r'<(script|link|img)[^>]* (src|href)="(?!data:)', text)
    assert len(text) < 1_000_000


def test_every_run_is_in_the_table_the_latest_first() -> None:
    """The table says what the charts show, to who can't see them, or has no JavaScript."""
    text = page(*three_branches())
    began = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d(?=</a>)", text)

    assert len(Tags(text).rows) == 40
    assert began == sorted(began, reverse=True)


def test_charts_and_table_speak_of_the_same_branches_and_plans() -> None:
    """The choice of a branch picks by numbers: they mean the same in both."""
    text = page(*three_branches())
    runs = data_of(text)["runs"]
    assert isinstance(runs, list)

    assert [(str(run["ref"]), str(run["plan"])) for run in reversed(runs)] == [
        (row["data-ref"], row["data-plan"]) for row in Tags(text).rows
    ]


def test_marks_tell_what_a_run_is() -> None:
    """A regression with what got worse, a run that is not joined with its verdict."""
    invalid = Verdict(kind="invalid", exit_code=4)
    text = page(past(0), past(1, ms=80.0), past(2, verdict=invalid))

    assert "Regression: p50 +" in text
    assert '<span class="tone invalid">invalid</span>' in text
    assert "not compared" in text
    assert "False alarms" in text


def test_nothing_in_a_report_breaks_out_of_the_page() -> None:
    """Names of scripts, branches, commits, targets and runs come from outside."""
    settings = {"ref": HOSTILE, "commit": HOSTILE, "target": HOSTILE, "runUrl": HOSTILE}
    found = Tags(page(past(0, run_id=HOSTILE, script=HOSTILE, settings=settings)))
    plain = Tags(page(past(0, settings={"runUrl": ""})))

    assert "img" not in found.tags
    assert found.tags.count("script") == plain.tags.count("script")
    assert found.handlers == []
    assert [link for link in found.links if link != "#content"] == []


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://ci.example/runs/7", True),
        ("http://ci.example/runs/7", False),
        ("javascript:alert(1)", False),
        ("https://ada:secret@ci.example", False),
        ("https://", False),
        ("https://[", False),
        ("https://ci.example/a b", False),
        ("//ci.example", False),
        ("https://ci.example/" + "x" * 3000, False),
    ],
)
def test_only_plain_https_addresses_are_linked(url: str, linked: bool) -> None:
    """An address comes from a file that anybody may have written."""
    links = [link for link in Tags(page(past(0, settings={"runUrl": url}))).links if link != "#content"]

    assert links == ([url] if linked else [])
    assert is_link(url) is linked


def test_plans_of_one_script_and_target_are_told_apart() -> None:
    """Two settings of one script are two choices, with names of their own."""
    plans = data_of(page(past(0), past(1, settings={"workers": 9}), past(2, script="other.yml")))["plans"]

    assert plans == {
        "0": "blitz.yml → https://shop.example, setting 1",
        "1": "blitz.yml → https://shop.example, setting 2",
        "2": "other.yml → https://shop.example",
    }


def test_of_very_many_runs_the_latest_are_shown() -> None:
    """A page stays one that a browser can draw, and says what it leaves out."""
    runs = history((f"r{n}", seen_later(past(n, slices=1))) for n in range(MOST + 5))
    text = trend_page(runs).decode()

    assert len(Tags(text).rows) == MOST
    assert f"the latest of {MOST + 5:,}" in text
    assert ">t5<" in text
    assert ">t4<" not in text
