from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.html.charts import chart_data
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

START = 1_795_421_580_000
PACKAGE = "grapeshot_launcher.views.html"
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
EVIL = "<img src=x onerror=document.title='pwned'>"
WIDE, NARROW = 1280, 390

pytestmark = pytest.mark.skipif(
    not os.environ.get("GRAPESHOT_TEST_BROWSER"), reason="needs a browser: `make test-browser` runs it"
)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """Open a page from a file; it may ask for nothing else, and must not complain."""
    complaints: list[str] = []
    contexts = []

    def opened(html: bytes, *, width: int, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 1600}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda it: None if it.url.startswith("file:") else complaints.append(it.url))
        file = tmp_path / f"{len(contexts)}.html"
        file.write_bytes(html)
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


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


def run(report: Report, *periods: Period) -> Report:
    """A load of these windows, in two phases of a minute."""
    phase = {"kind": "rate", "duration": 60.0, "rate": 4.0, "rampTo": 0.0, "count": 0, "copies": 1}
    return replace(
        report,
        periods=periods,
        totals=Totals.of(periods),
        started_at=START / 1000,
        settings={"phases": [phase, {**phase, "kind": "ramp", "rampTo": 9.0}]},
    )


@pytest.fixture
def twelve(whole: Report) -> Report:
    """Two minutes with errors, one of whom has a name that would do harm."""
    return run(whole, *(window(i, **{"ETIMEDOUT": 2, EVIL: 1}) for i in range(12)))


@pytest.fixture
def whole() -> Report:
    from reports import report

    return report()


def html(report: Report) -> bytes:
    """The figures alone, in a page with the policy of a report."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(PACKAGE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    style, *scripts = (
        files(PACKAGE).joinpath("static", name).read_text(encoding="utf-8")
        for name in ("charts.css", "echarts.js", "charts.js")
    )
    data = chart_data(report)
    figures = environment.get_template("charts.html.j2").render(charts=data)
    told = environment.from_string("{{ data|tojson }}").render(data=data)
    drawing = "grapeshotCharts.draw(JSON.parse(document.getElementById('chart-data').textContent))"
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><title>run</title>',
            "<style>body { background: #fff } @media (prefers-color-scheme: dark)",
            f" {{ body {{ background: #101216; color: #eee }} }} {style}</style>",
            f'<body>{figures}<script type="application/json" id="chart-data">{told}</script>',
            *(f"<script>{script}</script>" for script in (*scripts, drawing)),
        ]
    ).encode()


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
    behind = str(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    texts = {str(each.get_attribute("fill")) for each in page.locator(".chart svg text").all()}
    lines = {
        str(each.get_attribute("stroke")) for each in page.locator(".chart-legend svg path[stroke]").all()
    }
    return behind, texts, lines


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_figure_is_drawn_and_none_is_wider_than_the_page(
    open_page: OpenPage, twelve: Report, width: int
) -> None:
    page = open_page(html(twelve), width=width)

    expect(page.locator(".chart svg")).to_have_count(8)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator(".chart").all():
        assert len(str(chart.get_attribute("aria-label"))) > 40


def test_every_line_goes_through_every_point(open_page: OpenPage, twelve: Report) -> None:
    page = open_page(html(twelve), width=WIDE)

    for chart in chart_data(twelve)["charts"]:
        drawn = paths(page, chart["id"])
        assert [points(outline) for outline in drawn] == [12] * len(chart["series"]), chart["id"]


def test_a_gap_in_the_windows_is_a_gap_in_the_line(open_page: OpenPage, whole: Report) -> None:
    page = open_page(html(run(whole, *(window(i) for i in (0, 1, 2, 7, 8)))), width=WIDE)

    assert [outline.count("M") for outline in paths(page, "requests")] == [2, 2]


def test_the_cursor_of_one_chart_is_that_of_all(open_page: OpenPage, twelve: Report) -> None:
    """Its values are those of the data, and leave with it; only the chart below it shows a box."""
    page = open_page(html(twelve), width=WIDE)
    page.locator("#chart-times").hover(position={"x": 300, "y": 100})

    expect(values(page, "requests")).to_have_text(["10", "9.7"])
    expect(values(page, "codes")).to_have_text(["9", "0.7"])
    expect(values(page, "times").last).to_have_text("900")
    assert page.locator(".chart .tip:visible").count() == 1
    page.locator("#charts-note").hover()
    expect(values(page, "requests")).to_have_text(["", ""])


def test_the_arrow_keys_move_the_cursor(open_page: OpenPage, twelve: Report) -> None:
    page = open_page(html(twelve), width=WIDE)
    page.locator("#chart-users").focus()
    for key, active in (("ArrowRight", "2"), ("ArrowRight", "4"), ("ArrowLeft", "2")):
        page.keyboard.press(key)
        expect(values(page, "users")).to_have_text([active])


def test_a_phase_is_zoomed_to_in_all_charts(open_page: OpenPage, twelve: Report) -> None:
    page = open_page(html(twelve), width=WIDE)
    before = ticks(page, "users")
    page.get_by_role("button", name="Phase 2: 4 → 9/s").click()

    zoomed = ticks(page, "users")
    assert (min(zoomed), max(zoomed)) == ("01:00", "02:00")
    for chart in ("arrivals", "requests", "times", "errors", "codes", "heat"):
        assert ticks(page, chart) == zoomed, chart
    page.get_by_role("button", name="Whole run").click()
    assert ticks(page, "heat") == before
    assert min(before) == "00:00"


def test_a_line_is_switched_off_with_the_keyboard(open_page: OpenPage, twelve: Report) -> None:
    """And its button keeps the focus."""
    page = open_page(html(twelve), width=WIDE)
    button = page.locator("#figure-times").get_by_role("button", name="max")
    button.focus()
    page.keyboard.press("Enter")

    expect(button).to_have_attribute("aria-pressed", "false")
    expect(button).to_be_focused()
    assert len(paths(page, "times")) == 3
    page.keyboard.press("Enter")
    assert len(paths(page, "times")) == 4


def test_response_times_may_be_drawn_on_a_logarithmic_axis(open_page: OpenPage, twelve: Report) -> None:
    page = open_page(html(twelve), width=WIDE)
    page.get_by_role("button", name="logarithmic axis").click()
    texts = page.locator("#chart-times svg text").all_text_contents()

    assert {"10", "100", "1000"} <= set(texts)


@pytest.mark.parametrize("dark", [False, True])
def test_texts_and_lines_are_seen_on_what_is_behind_them(
    open_page: OpenPage, twelve: Report, *, dark: bool
) -> None:
    """By WCAG 2: 4.5 to 1 for texts, 3 to 1 for lines. And lines differ in more than their colour."""
    page = open_page(html(twelve), width=WIDE, dark=dark)
    behind, texts, lines = colours(page)

    assert all(contrast(behind, text) >= 4.5 for text in texts)
    assert all(contrast(behind, line) >= 3 for line in lines)
    assert len(lines) > 4
    dashes = page.locator("#figure-times .chart-legend svg path[stroke]")
    assert len({path.get_attribute("stroke-dasharray") for path in dashes.all()}) == 4


def test_a_change_of_theme_and_paper_are_drawn_anew(open_page: OpenPage, twelve: Report) -> None:
    """Paper is white whatever the theme."""
    page = open_page(html(twelve), width=WIDE)
    light = colours(page)
    page.emulate_media(color_scheme="dark")
    dark = colours(page)
    page.emulate_media(media="print", color_scheme="dark")
    paper = colours(page)

    assert not light[1] & dark[1]
    assert not light[2] & dark[2]
    assert paper[1:] == light[1:]


def test_an_update_adds_a_period(open_page: OpenPage, whole: Report) -> None:
    """What a reader has switched off stays off; a figure whose first numbers came shows up, and tables grow."""
    page = open_page(html(run(whole, *(window(i) for i in range(5)))), width=WIDE)
    expect(page.locator("#figure-errors")).to_be_hidden()
    page.locator("#figure-codes").get_by_role("button", name="200").click()
    later: Any = chart_data(run(whole, *(window(i, ETIMEDOUT=1) for i in range(6))))
    page.evaluate("data => grapeshotCharts.update(data)", later)

    assert [points(outline) for outline in paths(page, "requests")] == [6, 6]
    assert len(paths(page, "codes")) == 1
    expect(page.locator("#figure-errors")).to_be_visible()
    expect(page.locator("#figure-requests tbody tr")).to_have_count(6)
    assert json.dumps(later["charts"][0]["about"])[1:-1] == page.locator("#chart-users").get_attribute(
        "aria-label"
    )


def test_a_name_from_the_target_is_text(open_page: OpenPage, twelve: Report) -> None:
    """In the legend, in the table, and in the box at the cursor."""
    page = open_page(html(twelve), width=WIDE)
    page.locator("#chart-errors").hover(position={"x": 300, "y": 100})

    expect(page.locator("#chart-errors .tip th").last).to_have_text(EVIL)
    expect(page.locator("#figure-errors .chart-legend .name").last).to_have_text(EVIL)
    page.locator("#figure-errors summary").click()
    expect(page.locator("#figure-errors thead th").last).to_have_text(EVIL)
    assert page.locator(".charts img").count() == 0
    assert page.title() == "run"


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_run_without_a_measurement_has_a_sentence_instead(
    open_page: OpenPage, whole: Report, width: int
) -> None:
    page = open_page(html(replace(whole, periods=(), totals=Totals())), width=width)

    expect(page.locator("figure:visible")).to_have_count(0)
    expect(page.locator("#charts-note")).to_have_text("Nothing was measured, so there is nothing to draw.")


def test_a_single_window_is_seen(open_page: OpenPage, whole: Report) -> None:
    """One point is no line, so it has its mark; there is no map of it."""
    page = open_page(html(run(whole, window(0))), width=WIDE)

    expect(page.locator("#figure-heat")).to_be_hidden()
    assert page.locator('#chart-requests svg path[fill="#0072b2"]').count() >= 1
