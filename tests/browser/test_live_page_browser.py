"""The live page in a real browser: it follows a run without a reload, and the reader stays where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.serve import LivePage
from rich_report import rich_report
from sample_report import report, window
from target import Target
from test_live_page import live_run

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    from browser.conftest import Look

RUNNING = Verdict(kind="running", exit_code=0)
PATIENCE = 15_000  # ms; the page asks once a second
SAME_DOCUMENT = "window.opened === 'once'"
STANDING = """() => {
  const focused = document.activeElement;
  return { focus: focused.id, top: focused.getBoundingClientRect().top };
}"""


def so_far(periods: int) -> Report:
    """A run under way: 100 requests in each period."""
    return report(*map(window, range(periods)), verdict=RUNNING)


def requests_of(page: Page) -> Locator:
    """The first of the key figures."""
    return page.locator("dl.figures > div", has=page.get_by_text("Requests", exact=True)).locator("dd.value")


def opened(look: Look, url: str) -> Page:
    """Open it, and mark the document: a reload would lose the mark."""
    page = look(url)
    page.evaluate("window.opened = 'once'")
    return page


def test_periods_arrive_without_a_reload(browser_page: Look) -> None:
    """Numbers and charts; at the end the verdict, and a word that no more will come."""
    with LivePage() as live:
        live.show(lambda: so_far(1))
        page = opened(browser_page, live.url)
        expect(requests_of(page)).to_have_text("100")
        expect(page.locator("#live-state")).to_contain_text("Live")
        live.show(lambda: so_far(2))
        expect(requests_of(page)).to_have_text("200", timeout=PATIENCE)
        live.finish(report())
        expect(page.locator("#live-state")).to_contain_text("The run has ended", timeout=PATIENCE)

    assert requests_of(page).inner_text() == "300"
    assert page.locator(".verdict strong").inner_text() == "Passed"
    assert page.evaluate(SAME_DOCUMENT)
    assert page.locator(".chart:visible svg").count() > 0


def test_a_reader_stays_where_they_are(browser_page: Look) -> None:
    """Focus, scroll, the order of a table and what is open outlive a new period."""
    with LivePage() as live:
        live.show(lambda: rich_report(minutes=2))
        page = opened(browser_page, live.url)
        page.locator("#details-counters > summary").click()
        page.locator("#workers-table th", has_text="Worker").get_by_role("button").focus()
        page.keyboard.press("Enter")
        before = page.evaluate(STANDING)
        live.show(lambda: rich_report(minutes=3, workers=12))
        expect(page.locator("#workers-table tbody tr")).to_have_count(12, timeout=PATIENCE)
        after = page.evaluate(STANDING)

        assert before["focus"] == after["focus"] == "workers-table-sort-0"
        assert page.evaluate("window.scrollY") > 0
        assert abs(after["top"] - before["top"]) <= 2
        assert page.locator("#workers-table tbody tr:first-child > :first-child").inner_text() == "12"
        assert page.locator("#details-counters").get_attribute("open") == ""
        assert page.evaluate(SAME_DOCUMENT)


def test_a_period_that_ends_while_the_page_loads_is_not_missed(browser_page: Look) -> None:
    """The page is drawn, and there is a newer one before its script first asks."""
    with LivePage() as live:

        def make() -> Report:
            live.show(lambda: so_far(2))
            return so_far(1)

        live.show(make)
        page = browser_page(live.url)

        expect(requests_of(page)).to_have_text("200", timeout=PATIENCE)


def test_a_launcher_that_is_gone_is_told(
    browser_page: Look, watch: Any, target: Target, tmp_path: Path
) -> None:
    """Killed without a word: the page says so, with the time its numbers are of."""
    with live_run(tmp_path, target, "--serve", "-q", seconds=60) as live:
        page = opened(browser_page, f"http://127.0.0.1:{live.port}/")
        expect(page.locator("#live-state")).to_contain_text("Live", timeout=PATIENCE)
    expect(page.locator("#live-state")).to_contain_text("can't be reached", timeout=PATIENCE)

    assert page.evaluate(SAME_DOCUMENT)
    assert all("ERR_" in fault for fault in watch.faults)  # what the browser itself says of failed requests
    watch.faults.clear()


def test_a_real_run_is_followed_to_its_end(browser_page: Look, target: Target, tmp_path: Path) -> None:
    """Opened once while it runs: its first period comes, then its end."""
    with live_run(tmp_path, target, "--serve", "-q", seconds=12) as live:
        page = opened(browser_page, f"http://127.0.0.1:{live.port}/")
        expect(page.locator(".verdict strong")).not_to_have_text("Passed")
        expect(requests_of(page)).to_have_text("240", timeout=40_000)
        expect(page.locator("#live-state")).to_contain_text("The run has ended", timeout=PATIENCE)

        assert page.locator(".verdict strong").inner_text() == "Passed"
        assert page.evaluate(SAME_DOCUMENT)
        assert live.process.wait(20) == 0
