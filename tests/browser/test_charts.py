"""The charts in a real browser: drawn whole, linked in time, to be seen and used by everybody."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.html import html_page
from grapeshot_launcher.views.html.charts import chart_data
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from reports import START, report

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from browser.conftest import Look

EVIL = "<img src=x onerror=document.title='pwned'>"
WIDE, NARROW = 1280, 390
DARK_TEXTS = {"#f0f6fc", "#a4adb8"}
# Whether all texts of charts have one of these colours.
ONLY = """known => [...document.querySelectorAll(".chart svg text")]
  .every((text) => known.includes(text.getAttribute("fill")))"""


def window(index: int, **named: int) -> Period:
    """The index-th window: ten requests a second, answered by two kinds of responses."""
    start = START + index * 10_000
    counters = {
        "http.requests": 100,
        "http.responses": 97,
        "http.codes.200": 90,
        "http.codes.503": 7,
        "vusers.created": 40,
        "vusers.completed": 35,
        "vusers.failed": 3,
    }
    return Period(
        start=start,
        counters=counters | {f"errors.{name}": count for name, count in named.items()},
        sketches={"http.response_time": Sketch.of({20.0: 60, 30.0 + index: 30, 900.0: 7})},
        first_counter_at=float(start),
        last_counter_at=start + 10_000.0,
    )


def run(*periods: Period) -> Report:
    """A load of these windows, in two phases of a minute."""
    phase = {"kind": "rate", "duration": 60.0, "rate": 4.0, "rampTo": 0.0, "count": 0, "copies": 1}
    return report(
        periods=periods,
        totals=Totals.of(periods),
        started_at=START / 1000,
        settings={"phases": [phase, {**phase, "kind": "ramp", "rampTo": 9.0}]},
    )


@pytest.fixture
def twelve() -> Report:
    """Two minutes with errors, one of which has a name that would do harm."""
    return run(*(window(i, **{"ETIMEDOUT": 2, EVIL: 1}) for i in range(12)))


def paths(page: Page, chart: str) -> list[str]:
    """The outlines of a chart's lines, in the order of its series."""
    found = page.locator(f'#chart-{chart} svg path[fill="none"][stroke-linejoin="bevel"]')
    return [str(path.get_attribute("d")) for path in found.all()]


def points(outline: str) -> int:
    """How many points a line goes through."""
    return len(re.findall(r"\d+(?:\.\d+)? -?\d+(?:\.\d+)?", outline))


def ticks(page: Page, chart: str) -> list[str]:
    """The stopwatch times below a chart."""
    texts = page.locator(f"#chart-{chart} svg text").all_text_contents()
    return [text for text in texts if re.fullmatch(r"\d\d:\d\d", text)]


def values(page: Page, chart: str) -> Locator:
    """The numbers at the cursor, in the legend of a chart."""
    return page.locator(f"#figure-{chart} .chart-legend .value")


def luminance(colour: str) -> float:
    """The brightness of `#rrggbb` or `rgb(r, g, b)` as the contrast rule of WCAG 2 counts it."""
    if colour.startswith("#"):
        parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    else:
        parts = [int(part) for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (p / 255 for p in parts)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black on white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colours(page: Page) -> tuple[str, set[str], set[str]]:
    """The colour behind the charts, those of their texts, and those of their lines."""
    behind = str(page.locator("#figure-users").evaluate("figure => getComputedStyle(figure).backgroundColor"))
    texts = {str(each.get_attribute("fill")) for each in page.locator(".chart svg text").all()}
    lines = {
        str(each.get_attribute("stroke")) for each in page.locator(".chart-legend svg path[stroke]").all()
    }
    return behind, texts, lines


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_figure_is_drawn_and_none_is_wider_than_the_page(
    browser_page: Look, twelve: Report, width: int
) -> None:
    page = browser_page(html_page(twelve), width)

    expect(page.locator(".chart svg")).to_have_count(8)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator(".chart").all():
        assert len(str(chart.get_attribute("aria-label"))) > 40


def test_every_line_goes_through_every_point(browser_page: Look, twelve: Report) -> None:
    page = browser_page(html_page(twelve), WIDE)

    for chart in chart_data(twelve)["charts"]:
        drawn = paths(page, chart["id"])
        assert [points(outline) for outline in drawn] == [12] * len(chart["series"]), chart["id"]


def test_a_gap_in_the_windows_is_a_gap_in_the_line(browser_page: Look) -> None:
    page = browser_page(html_page(run(*(window(i) for i in (0, 1, 2, 7, 8)))), WIDE)

    assert [outline.count("M") for outline in paths(page, "requests")] == [2, 2]


def test_the_cursor_of_one_chart_is_that_of_all(browser_page: Look, twelve: Report) -> None:
    """Its values are those of the data, and leave with it; only the chart below it shows a box."""
    page = browser_page(html_page(twelve), WIDE)
    page.locator("#chart-times").hover(position={"x": 300, "y": 100})

    expect(values(page, "requests")).to_have_text(["10", "9.7"])
    expect(values(page, "codes")).to_have_text(["9", "0.7"])
    expect(values(page, "times").last).to_have_text("900")
    assert page.locator(".chart .tip:visible").count() == 1
    page.locator("#charts-note").hover()
    expect(values(page, "requests")).to_have_text(["", ""])


def test_the_arrow_keys_move_the_cursor(browser_page: Look, twelve: Report) -> None:
    page = browser_page(html_page(twelve), WIDE)
    page.locator("#chart-users").focus()
    for key, active in (("ArrowRight", "2"), ("ArrowRight", "4"), ("ArrowLeft", "2")):
        page.keyboard.press(key)
        expect(values(page, "users")).to_have_text([active])


def test_a_phase_is_zoomed_to_in_all_charts(browser_page: Look, twelve: Report) -> None:
    page = browser_page(html_page(twelve), WIDE)
    before = ticks(page, "users")
    page.get_by_role("button", name="Phase 2: 4 → 9/s").click()

    zoomed = ticks(page, "users")
    assert (min(zoomed), max(zoomed)) == ("01:00", "02:00")
    for chart in ("arrivals", "requests", "times", "errors", "codes", "heat"):
        assert ticks(page, chart) == zoomed, chart
    page.get_by_role("button", name="Whole run").click()
    assert ticks(page, "heat") == before
    assert min(before) == "00:00"


def test_a_line_is_switched_off_with_the_keyboard(browser_page: Look, twelve: Report) -> None:
    """And its button keeps the focus."""
    page = browser_page(html_page(twelve), WIDE)
    button = page.locator("#figure-times").get_by_role("button", name="max")
    button.focus()
    page.keyboard.press("Enter")

    expect(button).to_have_attribute("aria-pressed", "false")
    expect(button).to_be_focused()
    assert len(paths(page, "times")) == 3
    page.keyboard.press("Enter")
    assert len(paths(page, "times")) == 4


def test_response_times_may_be_drawn_on_a_logarithmic_axis(browser_page: Look, twelve: Report) -> None:
    page = browser_page(html_page(twelve), WIDE)
    page.get_by_role("button", name="logarithmic axis").click()
    texts = page.locator("#chart-times svg text").all_text_contents()

    assert {"10", "100", "1000"} <= set(texts)


@pytest.mark.parametrize("dark", [False, True])
def test_texts_and_lines_are_seen_on_what_is_behind_them(
    browser_page: Look, twelve: Report, *, dark: bool
) -> None:
    """By WCAG 2: 4.5 to 1 for texts, 3 to 1 for lines. And lines differ in more than their colour."""
    page = browser_page(html_page(twelve), WIDE, "dark" if dark else "light")
    behind, texts, lines = colours(page)

    assert all(contrast(behind, text) >= 4.5 for text in texts)
    assert all(contrast(behind, line) >= 3 for line in lines)
    assert len(lines) > 4
    dashes = page.locator("#figure-times .chart-legend svg path[stroke]")
    assert len({path.get_attribute("stroke-dasharray") for path in dashes.all()}) == 4


def test_a_change_of_theme_and_paper_are_drawn_anew(browser_page: Look, twelve: Report) -> None:
    """Paper is white whatever the theme."""
    page = browser_page(html_page(twelve), WIDE)
    light = colours(page)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(ONLY, arg=sorted(DARK_TEXTS))
    dark = colours(page)
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function(ONLY, arg=sorted(light[1]))
    paper = colours(page)

    assert not light[1] & dark[1]
    assert not light[2] & dark[2]
    assert paper[1:] == light[1:]


def test_an_update_adds_a_period(browser_page: Look) -> None:
    """What a reader has switched off stays off; a figure whose first numbers came shows up, and tables grow."""
    page = browser_page(html_page(run(*(window(i) for i in range(5)))), WIDE)
    expect(page.locator("#figure-errors")).to_be_hidden()
    page.locator("#figure-codes").get_by_role("button", name="200").click()
    later: Any = chart_data(run(*(window(i, ETIMEDOUT=1) for i in range(6))))
    page.evaluate("data => grapeshotCharts.update(data)", later)

    assert [points(outline) for outline in paths(page, "requests")] == [6, 6]
    assert len(paths(page, "codes")) == 1
    expect(page.locator("#figure-errors")).to_be_visible()
    expect(page.locator("#figure-requests tbody tr")).to_have_count(6)
    assert later["charts"][0]["about"] == page.locator("#chart-users").get_attribute("aria-label")


def test_a_name_from_the_target_is_text(browser_page: Look, twelve: Report) -> None:
    """In the legend, in the table, and in the box at the cursor."""
    page = browser_page(html_page(twelve), WIDE)
    page.locator("#chart-errors").hover(position={"x": 300, "y": 100})

    expect(page.locator("#chart-errors .tip th").last).to_have_text(EVIL)
    expect(page.locator("#figure-errors .chart-legend .name").last).to_have_text(EVIL)
    page.locator("#figure-errors summary").click()
    expect(page.locator("#figure-errors thead th").last).to_have_text(EVIL)
    assert page.locator(".charts img").count() == 0
    assert "pwned" not in page.title()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_run_without_a_measurement_has_a_sentence_instead(browser_page: Look, width: int) -> None:
    page = browser_page(html_page(report(periods=(), totals=Totals())), width)

    expect(page.locator("figure:visible")).to_have_count(0)
    expect(page.locator("#charts-note")).to_have_text("Nothing was measured, so there is nothing to draw.")


def test_a_single_window_is_seen(browser_page: Look) -> None:
    """One point is no line, so it has its mark; there is no map of it."""
    page = browser_page(html_page(run(window(0))), WIDE)

    expect(page.locator("#figure-heat")).to_be_hidden()
    assert page.locator('#chart-requests svg path[fill="#0072b2"]').count() >= 1
