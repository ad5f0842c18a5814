"""Nothing that a script or a target says does anything on a page: proved with GitHub's parser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.summary import failure_summary, job_summary, sticky_comment
from grapeshot_launcher.views.summary.escape import block, code, lines, prose
from grapeshot_worker.errors import Place, Problem, ScriptError
from grapeshot_worker.metrics.sketch import Sketch
from rendered import Page, rendered
from reports import BY_ENDPOINT, check, compared, comparison, failed, finished, regions, report, totals

NASTY = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</code>", "</td></tr></table>", "</details>", "<!--",
    "-->", "]]>", "<![CDATA[", "<?", "</pre>", "<input type=checkbox>", "&lt;b&gt;", "&#60;", "&", "<", ">", '"', "'",
    "|", "\\|", "\\", "`", "``", "```", "~~~", "~~x~~", "**x**", "__x__", "*", "_", "# x", "## x", "- [x] y", "1. x",
    "> x", "---", "===", "![a](b)", "[a](javascript:x)", "[a]: http://b", "<http://a.b>", "http://a.b/c", "www.a.com",
    "a@b.com", "@octocat", "@org/team", "#1", "GH-12", "octo/repo#3", "deadbeef1234567", "4f1c2d3e", ":tada:",
    "::error::x", "\n::error file=a::x", "\r\n::set-output name=a::b", "##[error]x", "::add-mask::", "\n\n", "\r",
    "\x0b",
    "\x1b[31m", "\x1b]8;;http://a\x07", "\x00", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b",
    "\ufeff",
    "\ud800", "\udfff", "\U0001f600", "e\u0301\u0301", "\xa0", " ", "  ", "\t", "$x$", "$$", "{{ x }}", "x" * 150,
    "(", ")",
    ",", ".", ":", "(@a)", '"#2"', "@", "#", "GH-", "a", "1",
]  # fmt: skip
HOSTILE = st.one_of(
    st.lists(st.sampled_from(NASTY), min_size=1, max_size=6).map("".join),
    st.lists(st.sampled_from(NASTY), min_size=1, max_size=6).map(" ".join),
    st.text(min_size=1, max_size=60),
)
ELEMENTS = {
    "h2", "h3", "p", "ul", "li", "table", "tr", "td", "th", "code", "pre", "b", "br", "wbr", "sub", "details",
    "summary",
}  # fmt: skip
ATTRIBUTES = {("align", "right"), ("lang", "mermaid")}

# What GitHub's filters make links, notifications and pictures of, in text outside `<code>`.
FILTERED = re.compile(r"@\w|#\d|\bGH-\d|\b[0-9a-f]{7,40}\b|:\w+:|\w+://|\bwww\.", re.IGNORECASE)


def hostile_report(text: str) -> Report:
    """Put a text everywhere where a script, a target or a person can put one."""
    counters = {
        "http.requests": 9,
        "http.codes.200": 9,
        f"errors.{text}": 3,
        f"{BY_ENDPOINT}.{text}.codes.200": 9,
        f"{BY_ENDPOINT}.{text}.errors.{text}": 2,
        "plugins.expect.failed": 1,
        f"plugins.expect.failed.{text}": 1,
    }
    return report(
        run_id=text,
        script=text,
        verdict=Verdict(kind="invalid", exit_code=4, reasons=(text, f"check failed: {text}")),
        totals=totals(
            counters=counters, sketches={f"{BY_ENDPOINT}.response_time.{text}": Sketch.of({5.0: 9})}
        ),
        checks=(check(text, ok=False, values={text: 1.0}, missing=(text,), problem=text), check(text)),
        comparison=comparison(compared(text, unit=text), cautions=(text,)),
        workers=(failed(0, text), finished(1), WorkerEnd(worker=WorkerId(0, 2), state="lost")),
        warnings=(text, f"Warning: {text}\n    {text}"),
        **regions(text, "us-east-1"),
        settings=dict.fromkeys(
            (
                "target", "name", "region", "architecture", "image", "function", "command", "commit", "ref", "runUrl",
                "workers", "memorySize", "processes", "costUsd", "copies", "estimatedCostUsd",
            ),
            text,
        ),
    )  # fmt: skip


def hostile_script(text: str) -> str:
    """Tell the errors of a script that is hostile throughout."""
    place = Place(file=text, line=3, path=text)
    return failure_summary(ScriptError([Problem(message=text, place=place, remedy=text)] * 2))


def hostile_failure(text: str) -> str:
    """Tell a failure that is hostile throughout."""
    return failure_summary(SettingsRefused(text, cause=text, remedy=text))


PAGES: dict[str, Callable[[str], str]] = {
    "summary": lambda text: job_summary(hostile_report(text)),
    "comment": lambda text: sticky_comment(hostile_report(text)),
    "script": hostile_script,
    "failure": hostile_failure,
}


def shape(page: Page) -> tuple[list[str], list[list[int]], int]:
    """Give what a text must not change: headings, rows and cells of tables, folds."""
    cells = [[len(row) for row in table] for table in page.tables]
    return page.headings, cells, page.elements["details"]


@pytest.mark.parametrize("kind", PAGES)
@settings(deadline=None)
@given(text=HOSTILE)
@example(text="".join(NASTY))
@example(text=" ".join(NASTY))
def test_no_text_changes_a_page(kind: str, text: str) -> None:
    """No element but ours, the same headings and cells as with a harmless text, and nothing for a filter to read."""
    markdown = PAGES[kind](text)
    page = rendered(markdown)

    assert set(page.elements) <= ELEMENTS
    assert page.attributes <= ATTRIBUTES
    assert shape(page) == shape(rendered(PAGES[kind]("harmless")))
    assert not [found for loose in page.loose if (found := FILTERED.search(loose))]


@pytest.mark.parametrize("kind", PAGES)
@settings(deadline=None)
@given(text=HOSTILE)
@example(text="".join(NASTY))
def test_a_page_can_be_printed_and_written(kind: str, text: str) -> None:
    """No command of the runner's log, no control character, no half of a character."""
    markdown = PAGES[kind](text)

    assert markdown.encode("utf-8").decode("utf-8") == markdown
    assert all(line.isprintable() for line in markdown.split("\n"))
    assert "##[" not in markdown
    assert not re.search(r"^\s*::", markdown, re.MULTILINE)


@settings(deadline=None)
@given(text=HOSTILE)
def test_names_are_shown_as_they_are(text: str) -> None:
    """What a reader sees in a page is the text, its unprintable signs as escapes, up to its limit."""
    shown = rendered(f"<p>{code(text, length=10_000)}</p>\n")
    expected = plain(text)

    assert shown.codes == ([expected] if expected.strip() else [])


@settings(deadline=None)
@given(text=HOSTILE)
def test_sentences_are_shown_as_they_are(text: str) -> None:
    """Words in code and words outside read on; only the backticks of a quotation become the code they meant."""
    shown = rendered(f"<p>{prose(text, length=10_000)}</p>\n").text

    assert shown.replace("`", "").strip() == plain(text).replace("`", "").strip()


@settings(deadline=None)
@given(text=HOSTILE)
def test_a_command_can_not_be_broken_out_of(text: str) -> None:
    """The block of the command holds all of it, empty lines and fences too."""
    page = rendered(f"{block(text)}\n\n## after\n")

    assert page.codes == ["\n".join(map(plain, text.split("\n")))]
    assert page.headings == ["after"]
    assert set(page.elements) == {"pre", "code", "h2"}


@settings(deadline=None)
@given(text=HOSTILE, length=st.integers(10, 300))
def test_texts_are_cut(text: str, length: int) -> None:
    """A text shows at most its limit of characters, the escapes counted."""
    assert len(rendered(f"<p>{code(text, length=length)}</p>").text.rstrip("\n")) <= length
    assert len(rendered(f"<p>{prose(text, length=length)}</p>").text.rstrip("\n")) <= length


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, and 12 more (99 %)", "plain words, and 12 more (99 %)"),
        ("see http.response_time.p95 < 5", "see <code>http.response&#95;time.p95</code> < 5"),
        ("use (--workers), or less", "use (<code>--workers</code>), or less"),
        ("run `a b` now", "run <code>a b</code> now"),
        ("an `open end", "an <code>&#96;open</code> end"),
        ("commit deadbeef or face", "commit <code>deadbeef</code> or face"),
    ],
)
def test_which_words_stand_in_code(text: str, shown: str) -> None:
    """Words that could mean something to GitHub, and no others: a page of code is no page to read."""
    assert prose(text).replace("&#60;", "<") == shown


def test_lines_are_kept_where_they_help() -> None:
    """A cause of several lines keeps them; an empty line is none."""
    assert lines("a\n\n  b", length=99) == "a<br>b"
