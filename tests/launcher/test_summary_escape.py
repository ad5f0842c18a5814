"""Nothing that a script or a target says does anything on a page: proved with GitHub's parser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.summary import failure_summary, job_summary, sticky_comment
from grapeshot_launcher.views.summary.escape import block, code, lines, prose
from grapeshot_worker.errors import Place, Problem, ScriptError
from hostile import FILTERED, HOSTILE, NASTY, hostile_report
from rendered import Page, rendered

ELEMENTS = {
    "h2", "h3", "p", "ul", "li", "table", "tr", "td", "th", "code", "pre", "b", "br", "wbr", "sub", "details",
    "summary",
}  # fmt: skip
ATTRIBUTES = {("align", "right"), ("lang", "mermaid")}


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
