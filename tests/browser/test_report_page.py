"""The report's page in a real browser: it opens from disk in silence, fits, and serves every kind of reader."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.quoted import Quoted
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.html import compare_page, html_page
from grapeshot_worker.metrics.report import Totals
from rich_report import rich_report
from sample_report import report

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser.conftest import Look, Scheme

WIDTHS = (1280, 390)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WORSE = Compared(
    name="http.response_time.p95", unit="ms", before=8, after=10, change=0.2, low=0.1, high=0.4, judgement="worse"
)  # fmt: skip
# Every element that holds text of its own and can be seen, with the colours it is read by: those of the nearest
# backgrounds, blended. Text in drawings has its colour in `fill`.
CONTRASTS = """() => {
  const parse = (text) => {
    const [r, g, b, a] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a ?? 1];
  };
  const over = (top, under) => [0, 1, 2].map((at) => top[at] * top[3] + under[at] * (1 - top[3])).concat(1);
  const linear = (c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const behind = (element) => element
    ? over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement))
    : [255, 255, 255, 1];
  const opacity = (element) => element
    ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement)
    : 1;
  const faults = [];
  let seen = 0;
  for (const element of document.body.querySelectorAll("*:not(svg *, script, style)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    seen += 1;
    const style = getComputedStyle(element), ground = behind(element), size = parseFloat(style.fontSize);
    const ink = over([...over(parse(style.color), ground).slice(0, 3), opacity(element)], ground);
    const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (high + .05) / (low + .05);
    const told = `${element.tagName}.${element.className} ${ratio.toFixed(2)}`;
    if (ratio < (large ? 3 : 4.5)) faults.push(`${told}: ${element.textContent.trim().slice(0, 40)}`);
  }
  return { seen, faults };
}"""
STANDING = """() => {
  const focused = document.activeElement;
  return { focus: focused.id, top: focused.getBoundingClientRect().top };
}"""
FOCUSED = """() => {
  const focused = document.activeElement;
  return [Number(focused.dataset.place ?? -1), getComputedStyle(focused).outlineStyle];
}"""
FOCUSABLE = """() => {
  const found = [...document.querySelectorAll("a[href], button, summary, [tabindex='0'], input, select")]
    .filter((each) => each.checkVisibility() && !each.disabled);
  found.forEach((each, at) => { each.dataset.place = at; });
  return found.length;
}"""


@cache
def usual() -> bytes:
    """The page of ten minutes, twenty endpoints, ten workers."""
    return html_page(rich_report())


@cache
def wide() -> bytes:
    """The page of a run with more of everything."""
    return html_page(rich_report(minutes=2, endpoints=240, workers=1000))


@cache
def compared() -> bytes:
    """The page of two runs."""
    comparison = Comparison(baseline="t0", metrics=(WORSE,), cautions=("the runs differ",), slices=60)
    return compare_page(report(), rich_report(), comparison)


def quoted() -> bytes:
    """The page of another tool's run."""
    first = report()
    told = {"min": 1, "max": 9, "count": 3, "mean": 3, "p50": 2, "median": 2, "p95": 8, "p99": 9}
    sketches = {"http.response_time": Quoted.from_summary(told)}
    periods = [replace(period, sketches=sketches) for period in first.periods]
    totals = replace(first.totals, sketches=sketches)
    verdict = Verdict(kind="unknown", exit_code=0)
    return html_page(replace(first, periods=periods, totals=totals, verdict=verdict, quoted=True))


PAGES: dict[str, Callable[[], bytes]] = {
    "usual": usual,
    "wide": wide,
    "compared": compared,
    "quoted": quoted,
    "empty": lambda: html_page(replace(report(), periods=(), totals=Totals())),
}


def overflow(page: Page) -> int:
    """Pixels that the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def column(page: Page, table: str, at: int) -> list[str]:
    return list(page.locator(f"#{table}-table tbody tr > :nth-child({at})").all_inner_texts())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", PAGES)
def test_it_opens_in_silence_and_fits(browser_page: Look, kind: str, width: int, scheme: Scheme) -> None:
    """No complaint, no request, no attack that came off, nothing beside the window."""
    page = browser_page(PAGES[kind](), width, scheme)

    assert page.locator("h1").is_visible()
    assert page.evaluate("window.attacked") is None
    assert overflow(page) == 0


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["usual", "compared"])
def test_every_text_is_seen_well(browser_page: Look, kind: str, scheme: Scheme) -> None:
    """Contrast of at least 4.5, of large text 3, in what is folded too."""
    page = browser_page(PAGES[kind](), 1280, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = page.evaluate(CONTRASTS)

    assert found["seen"] > 100
    assert found["faults"] == []


def test_the_charts_are_drawn(browser_page: Look) -> None:
    """Each that can be seen has a drawing in it."""
    page = browser_page(usual())
    charts = page.locator(".chart:visible")
    drawn = charts.locator("svg")

    assert charts.count() >= 5
    assert drawn.count() == charts.count()


def test_a_table_is_sorted_by_keyboard(browser_page: Look) -> None:
    """Enter on a column's title sorts by it, numbers by size and the largest first; again turns it round."""
    page = browser_page(usual())
    button = page.get_by_role("region", name="By endpoint").get_by_role("button", name="p50")
    head = page.locator("#endpoints-table th[aria-sort]")
    button.focus()
    page.keyboard.press("Enter")
    falling = [float(text.split()[0].replace(",", "")) for text in column(page, "endpoints", 3)]

    assert head.get_attribute("aria-sort") == "descending"
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 10

    page.keyboard.press("Space")
    rising = [float(text.split()[0].replace(",", "")) for text in column(page, "endpoints", 3)]

    assert head.get_attribute("aria-sort") == "ascending"
    assert rising == sorted(falling)


def test_a_table_is_sorted_by_mouse(browser_page: Look) -> None:
    """Texts by their letters, from the first on; what has nothing to sort by stays last."""
    page = browser_page(usual())
    page.locator("#endpoints-table th", has_text="Errors").get_by_role("button").click()
    errors = column(page, "endpoints", 8)
    page.locator("#endpoints-table th", has_text="Errors").get_by_role("button").click()

    assert errors[-1] == column(page, "endpoints", 8)[-1] == "–"
    assert page.locator("#endpoints-table th[aria-sort]").count() == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_reached_by_tab(browser_page: Look, width: int) -> None:
    """Whatever can be used, in the order of the page; where the focus is can be seen."""
    page = browser_page(usual(), width)
    count = page.evaluate(FOCUSABLE)
    reached: list[int] = []
    unseen = []
    for _ in range(count):
        page.keyboard.press("Tab")
        place, outline = page.evaluate(FOCUSED)
        reached.append(place)
        if outline == "none":
            unseen.append(place)

    assert count > 50
    assert reached == list(range(count))
    assert unseen == []


def test_the_first_tab_skips_to_the_report(browser_page: Look) -> None:
    """Past what stands above it."""
    page = browser_page(usual())
    page.keyboard.press("Tab")

    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]  # it is shown

    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.tagName") == "MAIN"


@pytest.mark.parametrize("kind", ["usual", "compared"])
def test_whatever_has_a_role_has_a_name(browser_page: Look, kind: str) -> None:
    """As a screen reader is told of it; no two regions have the same."""
    page = browser_page(PAGES[kind](), 1280)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    session = page.context.new_cdp_session(page)
    nodes: list[Any] = session.send("Accessibility.getFullAXTree")["nodes"]
    told = [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip())
        for node in nodes
        if not node["ignored"] and "role" in node
    ]
    named = (
        "button",
        "link",
        "region",
        "table",
        "image",
        "img",
        "heading",
        "columnheader",
        "rowheader",
        "group",
    )
    roles = Counter(role for role, _ in told)
    regions = Counter(name for role, name in told if role == "region")

    assert roles["main"] == roles["banner"] == roles["contentinfo"] == 1
    assert roles["table"] > 4
    assert roles["columnheader"] > 20
    assert [(role, name) for role, name in told if role in named[:-1] and not name] == []
    assert [name for name, times in regions.items() if times > 1] == []


@pytest.mark.parametrize("kind", ["usual", "wide", "compared"])
def test_it_prints(browser_page: Look, kind: str) -> None:
    """On pages of A4, with nothing beside them and nothing folded."""
    page = browser_page(PAGES[kind](), 688)  # what A4 has between its margins
    page.evaluate("""() => {
      window.open_when_printed = [];
      window.addEventListener("beforeprint", () => {
        window.open_when_printed.push(document.querySelectorAll("main > section > details:not([open])").length);
      });
    }""")
    pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True, print_background=True)))
    page.emulate_media(media="print")
    beside = page.evaluate("""() => [...document.querySelectorAll("table")].filter((each) => each.checkVisibility())
      .filter((each) => each.getBoundingClientRect().right > 690).map((each) => each.id)""")

    assert pages >= 2
    assert page.evaluate("window.open_when_printed") == [0]
    assert beside == []


def test_a_newer_state_leaves_the_reader_where_they_are(browser_page: Look) -> None:
    """What they look at, focus, order of the rows, what is open; and the charts are drawn on."""
    page = browser_page(html_page(rich_report(minutes=2)))
    page.locator("#details-counters > summary").click()
    page.locator("#workers-table th", has_text="Worker").get_by_role("button").focus()
    page.keyboard.press("Enter")
    before = page.evaluate(STANDING)
    newer = html_page(rich_report(minutes=3, workers=12)).decode()
    page.evaluate("(html) => window.grapeshotPage.update(html)", newer)
    after = page.evaluate(STANDING)

    assert before["focus"] == after["focus"] == "workers-table-sort-0"
    assert abs(after["top"] - before["top"]) <= 2
    assert page.locator(".chart:visible svg").count() >= 5
    assert column(page, "workers", 1)[:2] == ["12", "11"]
    assert page.locator("#details-counters").get_attribute("open") == ""
    assert overflow(page) == 0


def test_no_script_runs_that_is_not_the_page_s(browser_page: Look, watch: Any) -> None:
    """Even if one got in: the page's policy refuses it."""
    page = browser_page(usual())
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.attacked = 1";
      document.body.append(script);
    }""")

    assert page.evaluate("window.attacked") is None
    assert any("Content Security Policy" in fault for fault in watch.faults)
    watch.faults.clear()


def test_a_usual_run_s_page_is_small(browser_page: Look) -> None:
    """At most a megabyte, and read in no time."""
    page = browser_page(usual())

    assert len(usual()) <= 1_000_000
    assert page.locator("#endpoints-table tbody tr").count() == 20
