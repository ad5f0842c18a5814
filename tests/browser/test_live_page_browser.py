"""The live page in a browser: it renews itself where it stands, and says when there is nothing newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

import sample_report
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.serve import LivePage

if TYPE_CHECKING:
    from browser.conftest import Look, Watch

FIRST_FIGURE = "dl.figures dd.value >> nth=0"
PATIENCE = 20_000  # ms
RUNNING = Verdict(kind="running", exit_code=0)


def so_far(windows: int) -> Report:
    return sample_report.report(*map(sample_report.window, range(windows)), verdict=RUNNING)


@pytest.mark.parametrize("width", [1280, 390])
def test_periods_arrive_without_a_reload(browser_page: Look, width: int) -> None:
    """Where the reader has scrolled to, what is open and what has the focus stay as they are."""
    with LivePage() as live:
        live.show(lambda: so_far(3))
        page = browser_page(live.url, width)
        page.locator("#live-state").get_by_text("Live").wait_for()
        assert page.locator(FIRST_FIGURE).text_content() == "300"
        page.evaluate("window.wasHere = true")
        summary = page.locator("#details-settings > summary")
        summary.scroll_into_view_if_needed()
        summary.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#details-settings[open]")).to_be_attached()
        before = page.evaluate("window.scrollY")

        live.show(lambda: so_far(5))
        expect(page.locator(FIRST_FIGURE)).to_have_text("500", timeout=PATIENCE)

        assert page.evaluate("window.wasHere")
        assert page.evaluate("document.querySelector('#details-settings').open")
        assert page.evaluate("document.activeElement.parentElement.id") == "details-settings"
        assert abs(page.evaluate("window.scrollY") - before) <= 1
        assert page.locator("#chart-requests svg").count() == 1


def test_the_end_is_told(browser_page: Look) -> None:
    """The final verdict is shown, and the page asks no more."""
    with LivePage() as live:
        live.show(lambda: so_far(2))
        page = browser_page(live.url)
        page.locator("#live-state").get_by_text("Live").wait_for()
        live.finish(sample_report.report())
        page.locator("#live-state").get_by_text("The run has ended").wait_for()

        assert "Passed" in str(page.locator(".verdict .said").text_content())


def test_a_launcher_that_is_gone_is_told(browser_page: Look, watch: Watch) -> None:
    """Killed, say: what was shown stays, with its time."""
    with LivePage() as live:
        live.show(lambda: so_far(2))
        page = browser_page(live.url)
        page.locator("#live-state").get_by_text("Live").wait_for()
    page.locator("#live-state").get_by_text("can't be reached").wait_for()

    assert page.locator(FIRST_FIGURE).text_content() == "200"
    watch.faults = [
        fault for fault in watch.faults if "ERR_CONNECTION" not in fault
    ]  # the browser's own word for it
