"""A page as GitHub's parser makes it: elements, the cells of tables, and the text that GitHub's filters would read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

VOID = {"br", "wbr", "hr", "img", "input"}
UNFILTERED = {"code", "pre", "a"}  # GitHub's filters for mentions, issues and emoji leave these alone


@dataclass
class Page:
    """What stands on a page; `tables`: their rows, of the texts of cells; `loose`: texts the filters read."""

    elements: Counter[str] = field(default_factory=Counter)
    attributes: set[tuple[str, str | None]] = field(default_factory=set)
    tables: list[list[list[str]]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    text: str = ""


def rendered(markdown: str) -> Page:
    """Have GitHub's parser read a page, raw HTML let through as GitHub does."""
    reader = _Reader()
    reader.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))
    reader.close()
    assert reader.open == []
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.elements[tag] += 1
        self.page.attributes |= set(attrs)
        if tag not in VOID:
            self.open.append(tag)
        match tag:
            case "table":
                self.page.tables.append([])
            case "tr":
                self.page.tables[-1].append([])
            case "td" | "th":
                span = dict(attrs).get("colspan") or "1"
                self.page.tables[-1][-1] += [""] * int(span)
            case "h1" | "h2" | "h3":
                self.page.headings.append("")
            case "code":
                self.page.codes.append("")
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.page.text += data
        if {"td", "th"} & set(self.open):
            self.page.tables[-1][-1][-1] += data.replace("\xa0", " ")
        if {"h1", "h2", "h3"} & set(self.open):
            self.page.headings[-1] += data
        if "code" in self.open:
            self.page.codes[-1] += data
        if not UNFILTERED & set(self.open):
            self.page.loose.append(data)

    def handle_comment(self, data: str) -> None:
        self.page.elements["!--"] += 1

    def handle_decl(self, decl: str) -> None:
        self.page.elements["!"] += 1

    def handle_pi(self, data: str) -> None:
        self.page.elements["?"] += 1

    def unknown_decl(self, data: str) -> None:
        self.page.elements["!["] += 1
