"""The page of a history in a real browser: drawn, chosen from with the keyboard, sorted, in all widths and schemes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import pytest

from grapeshot_launcher.results.earlier import seen_later
from grapeshot_launcher.results.history import history
from grapeshot_launcher.views.html.trend import trend_page
from past_runs import three_branches

if TYPE_CHECKING:
    from playwright.sync_api import Page

Look = Callable[..., "Page"]
SHOWN = "#runs-table tbody tr:not([hidden])"


@pytest.fixture(scope="module")
def trend() -> bytes:
    return trend_page(history((f"r{n}", seen_later(each)) for n, each in enumerate(three_branches())))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_is_drawn(
    browser_page: Look, trend: bytes, width: int, scheme: Literal["light", "dark"]
) -> None:
    """Both charts have their lines, and nothing but the table scrolls sideways."""
    page = browser_page(trend, width, scheme)

    assert page.evaluate("document.documentElement.scrollWidth") == width
    for chart in ("p95", "rate"):
        assert page.locator(f"#trend-{chart} svg path").count() > 40
    assert page.locator("#legend li").count() == 6


def test_a_branch_is_chosen_with_the_keyboard(browser_page: Look, trend: bytes) -> None:
    """Charts, table and the sentence about them show its runs alone."""
    page = browser_page(trend)
    before = page.locator("#trend-p95 svg path").count()
    page.locator("#choice-ref").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"document.querySelectorAll({SHOWN!r}).length < 40")

    assert page.locator("#choice-ref option:checked").inner_text() == "main"
    assert page.locator(SHOWN).count() == 24
    assert page.locator("#choice-told").inner_text() == "24 of 40 runs are shown."
    assert page.locator("#trend-p95 svg path").count() < before


def test_the_table_sorts_by_what_is_meant(browser_page: Look, trend: bytes) -> None:
    """The slowest run first, whatever the text of its cell."""
    page = browser_page(trend)
    page.get_by_role("button", name="p95").press("Enter")
    times = page.locator("#runs-table tbody tr td:nth-child(4)").evaluate_all(
        "cells => cells.map((cell) => Number(cell.dataset.key))"
    )

    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]


def test_without_javascript_the_table_says_it_all(browser_page: Look, trend: bytes) -> None:
    """Choices and charts that can't work aren't there."""
    page = browser_page(trend.replace(b"<script>", b'<script type="text/plain">'))

    assert page.locator(SHOWN).count() == 40
    assert not page.locator("#choices").is_visible()
    assert not page.locator("#trends").is_visible()
