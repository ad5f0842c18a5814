"""A browser that looks at pages: Chromium, without a network; whatever a page complains of fails its test.

`make test-browser` runs these tests, `make test` does not. Where there is no Chromium they are skipped, with the
reason; with GRAPESHOT_TEST_BROWSER_REQUIRED they fail, after an attempt to install it, which needs root on a Debian.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest

from required import skipped_fails

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

ASKED = bool(os.environ.get("GRAPESHOT_TEST_BROWSER"))
REQUIRED = bool(os.environ.get("GRAPESHOT_TEST_BROWSER_REQUIRED"))
PATIENCE = 20_000  # ms for anything that a test waits for
ARGUMENTS = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

collect_ignore_glob = [] if ASKED else ["*.py"]

Scheme = Literal["light", "dark"]
Look = Callable[..., "Page"]


pytest_runtest_makereport = skipped_fails(REQUIRED)


def pytest_sessionstart() -> None:
    """Install Debian's package, with a font, before any test's time begins: a machine without a font draws no text."""
    can = shutil.which("apt-get") is not None and os.geteuid() == 0
    if not (ASKED and REQUIRED and can) or shutil.which("chromium") is not None:
        return
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
    if subprocess.run(command, capture_output=True, timeout=600, check=False).returncode:
        # The usual reason on a fresh machine: it has no lists yet.
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, timeout=300, check=False)
        subprocess.run(command, timeout=600, check=False)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Its path."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip(
            "NOT TESTED: pages in a browser. There is no chromium: install Debian's package of that name"
        )
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for all tests; each has a context of its own in it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield running
        running.close()


class Watch:
    """What pages did that they shouldn't: complaints on the console, errors, requests to elsewhere."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def follow(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._request)
        page.route("**/*", self._refuse)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not _is_here(request.url):
            self.faults.append(f"request: {request.url}")

    @staticmethod
    def _refuse(route: Route) -> None:
        if _is_here(route.request.url):
            route.continue_()
        else:
            route.abort()


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("file", "data", "about", "blob") or parts.hostname in ("127.0.0.1", "localhost")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Follows the pages of a test, and fails it for what they did."""
    watching = Watch()
    yield watching
    assert watching.faults == []


@pytest.fixture
def browser_page(browser: Browser, watch: Watch, tmp_path: Path) -> Iterator[Look]:
    """Opens a page: its bytes from a file, or the address of a server on this machine; in a window of that size."""
    contexts = []

    def look(source: bytes | str, width: int = 1280, scheme: Scheme = "light", height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        watch.follow(page)
        if isinstance(source, bytes):
            file = tmp_path / f"page-{len(contexts)}.html"
            file.write_bytes(source)
            source = file.as_uri()
        page.goto(source)
        return page

    yield look
    for context in contexts:
        context.close()
