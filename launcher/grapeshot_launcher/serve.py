"""The live page of a run, on loopback: the report so far, renewed each period, in a thread of its own.

Leaves to others: the report so far (publish), its page (views' html), saying where it is (run).

The run only hands over how its report can be made: what it measured is immutable by then, so it is made and drawn in
the thread of whoever asks, once for each period, and not at all while nobody looks. What goes wrong here harms no run.

Only this machine is served, and only by the page's own name: another site's script that has its name resolve to
127.0.0.1 sends that name as `Host`, and is refused.
"""

from __future__ import annotations

import secrets
import socketserver
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Final, NamedTuple

from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.html import html_page, live_script

HOST: Final = "127.0.0.1"
GRACE: Final = 5.0  # s that the page outlives the run, if a browser that looks on has not yet fetched its end
SILENCE_LIMIT: Final = 10.0  # s without a byte from who asks
_LOOKING: Final = 5.0  # s since somebody asked: a hidden tab asks every few seconds only

NO_HEADERS: Final[Mapping[str, str]] = {}

Make = Callable[[], Report]


class _State(NamedTuple):
    """What is to be shown; `number` grows with each."""

    number: int
    make: Make | None
    ended: bool


class LivePage:
    """Serves from its making to the end of the context; `port` 0 takes a free one.

    Raises SettingsRefused when the port can't be had.
    """

    def __init__(self, port: int = 0) -> None:
        try:
            self._server = _Server((HOST, port), self)
        except (OSError, OverflowError) as error:
            raise SettingsRefused(
                f"The live page can't be served at {HOST}:{port}.",
                cause=getattr(error, "strerror", None) or str(error),
                remedy="Give another --serve-port, or leave it out for a free one.",
            ) from error
        self._state = _State(0, None, ended=False)
        self._drawn: tuple[int, bytes] = (0, b"")
        self._drawing = Lock()
        self._asked_at = float("-inf")
        self._end_seen = Event()
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="live page")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def show(self, make: Make) -> None:
        """Show another report from now on; `make` is called in another thread, and only if somebody asks."""
        self._state = _State(self._state.number + 1, make, ended=False)

    def finish(self, report: Report) -> None:
        """Show the final report."""
        self._state = _State(self._state.number + 1, lambda: report, ended=True)
        if report.verdict.kind == "stopped":
            self._end_seen.set()  # whoever stops a run waits for seconds only

    def __enter__(self) -> LivePage:
        """Serve."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Serve no more; who looks on gets the end first, for GRACE at most."""
        if self._state.ended and time.monotonic() - self._asked_at < _LOOKING:
            self._end_seen.wait(GRACE)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(GRACE)

    def answer(self) -> tuple[int, bool, Callable[[], bytes]]:
        """Give the number of what is shown, whether it is the end, and how its page is made; LookupError: not yet."""
        state = self._state
        self._asked_at = time.monotonic()
        if state.make is None:
            raise LookupError("there is no report yet")
        return state.number, state.ended, lambda: self._page(state)

    def end_was_sent(self) -> None:
        """Take note that somebody has the final report."""
        self._end_seen.set()

    def _page(self, state: _State) -> bytes:
        with self._drawing:  # who asks at the same time gets the same page
            number, page = self._drawn
            if number != state.number:
                assert state.make is not None
                page = html_page(state.make(), live=True)
                self._drawn = (state.number, page)
            return page


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], page: LivePage) -> None:
        super().__init__(address, _Answer)
        port = self.server_address[1]
        names = (HOST, "localhost")
        self.page = page
        self.hosts = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
        self.mark = secrets.token_hex(8)  # another run at the same port has other pages of the same number

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser may close its connection at any time."""


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    timeout = SILENCE_LIMIT  # and a connection for each request: one kept open would outlive the page

    def do_GET(self) -> None:
        """Answer for the page and its script."""
        if self.headers.get("Host", "").lower() not in self.server.hosts:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"This page answers to its own address only.\n")
        elif self.path == "/live.js":
            self._send(HTTPStatus.OK, live_script(), kind="text/javascript")
        elif self.path == "/":
            self._page()
        else:
            self._send(HTTPStatus.NOT_FOUND, b"There is one page: /\n")

    do_HEAD = do_GET

    def _page(self) -> None:
        try:
            number, ended, make = self.server.page.answer()
        except LookupError:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, b"The run has not begun. Reload in a moment.\n")
            return
        tag = f'"{self.server.mark}-{number}"'
        headers = {"ETag": tag, "Grapeshot-State": "ended" if ended else "running"}
        if self.headers.get("If-None-Match") == tag:
            self._send(HTTPStatus.NOT_MODIFIED, b"", headers=headers)
        else:
            try:
                page = make()
            except Exception:  # noqa: BLE001  # whatever is wrong with the page, the run goes on
                text = b"This report can't be shown as a page. The run goes on.\n"
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, text)
                return
            self._send(HTTPStatus.OK, page, kind="text/html", headers=headers)
        if ended:
            self.server.page.end_was_sent()

    def _send(
        self,
        status: HTTPStatus,
        body: bytes,
        *,
        kind: str = "text/plain",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and body:
            with suppress(OSError):  # it has gone
                self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log: the terminal is the run's."""
