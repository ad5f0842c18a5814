"""The live page: a run shows what it has measured so far, to this machine alone, and is never harmed by it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import sample_report
from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.serve import LivePage
from target import Target
from waiting import wait_until

GRAPESHOT = str(Path(sys.executable).with_name("grapeshot"))
SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: {seconds}, arrivalRate: 20}}]
scenarios:
  - flow:
      - get: {{url: /json}}
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    """Ask the page's server; names of headers with `_` for `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(
            method, path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


def port_of(url: str) -> int:
    return int(url.rstrip("/").rpartition(":")[2])


def running() -> Report:
    return sample_report.report(verdict=Verdict(kind="running", exit_code=0))


def requests_in(page: str) -> str:
    """The first of the key figures."""
    found = re.search(r"<dt>Requests</dt><dd[^>]*>([^<]*)</dd>", page)
    assert found is not None
    return found[1]


def test_it_shows_the_newest_report_and_says_when_there_is_none_newer() -> None:
    with LivePage() as page:
        port = port_of(page.url)
        assert ask(port).status == 503
        page.show(running)
        first = ask(port)
        again = ask(port, If_None_Match=first.headers["ETag"])
        page.show(lambda: sample_report.report(sample_report.window(0, requests=70)))
        later = ask(port, If_None_Match=first.headers["ETag"])

    assert (first.status, again.status, again.body, later.status) == (200, 304, "", 200)
    assert (requests_in(first.body), requests_in(later.body)) == ("300", "70")
    assert first.headers["Grapeshot-State"] == "running"
    assert first.headers["Content-Type"] == "text/html; charset=utf-8"
    assert first.headers["Cache-Control"] == "no-store"


def test_a_report_is_made_only_for_who_asks_and_once() -> None:
    made = []

    def make() -> Report:
        made.append(threading.current_thread())
        return running()

    with LivePage() as page:
        page.show(make)
        assert made == []
        ask(port_of(page.url))
        ask(port_of(page.url))

    assert len(made) == 1
    assert made[0] is not threading.main_thread()


def test_a_page_that_cannot_be_made_harms_nobody() -> None:
    """The fault is told to who asks, and the next report is shown."""
    with LivePage() as page:
        page.show(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        assert ask(port_of(page.url)).status == 500
        page.show(running)
        assert ask(port_of(page.url)).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_another_site_s_name_is_refused(host: str) -> None:
    """As a browser sends it whose name server was made to say 127.0.0.1."""
    with LivePage() as page:
        page.show(running)
        answer = ask(port_of(page.url), Host=host.format(port=port_of(page.url)))

    assert answer.status == 421
    assert "300" not in answer.body


@pytest.mark.parametrize(("path", "method", "status"), [("/x", "GET", 404), ("/", "POST", 501)])
def test_there_is_nothing_else(path: str, method: str, status: int) -> None:
    with LivePage() as page:
        page.show(running)
        assert ask(port_of(page.url), path, method).status == status


def test_the_head_alone_can_be_had() -> None:
    with LivePage() as page:
        page.show(running)
        answer = ask(port_of(page.url), method="HEAD")

    assert (answer.status, answer.body) == (200, "")
    assert int(answer.headers["Content-Length"]) > 1000


def test_nobody_outside_is_served() -> None:
    with LivePage() as page:
        assert page.url.startswith("http://127.0.0.1:")


def test_a_port_that_is_taken_is_refused_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsRefused) as refused:
            LivePage(port)

    assert f"127.0.0.1:{port}" in refused.value.message
    assert refused.value.cause == "Address already in use"
    assert "--serve-port" in refused.value.remedy


def test_who_looks_on_gets_the_end() -> None:
    """The page stays until it was fetched, and is gone then."""
    got: list[Answer] = []
    with LivePage() as page:
        port = port_of(page.url)
        page.show(running)
        tag = ask(port).headers["ETag"]

        def look_once_more() -> None:
            got.append(ask(port, If_None_Match=tag))

        page.finish(sample_report.report())
        looking = threading.Thread(target=look_once_more)
        looking.start()
    looking.join(10)

    assert got[0].headers["Grapeshot-State"] == "ended"
    assert "<strong>Passed</strong>" in got[0].body
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    with LivePage() as page:
        page.show(running)
        ask(port_of(page.url))
        page.finish(sample_report.report(verdict=Verdict(kind="stopped", exit_code=130)))

    wait_until(lambda: threading.active_count() <= before)


class Live(NamedTuple):
    process: subprocess.Popen[str]
    port: int


@contextmanager
def live_run(tmp_path: Path, target: Target, *flags: str, seconds: int) -> Iterator[Live]:
    """A run with its live page; it is ended with the context."""
    script = tmp_path / "script.yml"
    script.write_text(SCRIPT.format(target=target.url, seconds=seconds))
    command = [GRAPESHOT, "run", "--workers", "1", *flags, str(script)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("Live page: "))
        assert re.fullmatch(r"Live page: http://127\.0\.0\.1:\d+/\n", line)
        yield Live(process, port_of(line.strip().partition(": ")[2]))
    finally:
        process.kill()
        process.communicate()


def test_a_run_is_seen_while_it_lasts(target: Target, tmp_path: Path) -> None:
    """Period by period, and the final report at its end; the file says the same."""
    out = tmp_path / "report.json"
    seen: list[tuple[str, str]] = []
    with live_run(tmp_path, target, "--serve", "-q", "-o", str(out), seconds=12) as live:

        def ended() -> bool:
            answer = ask(live.port)
            seen.append((answer.headers["Grapeshot-State"], requests_in(answer.body)))
            return seen[-1][0] == "ended"

        wait_until(ended, limit=40)
        assert live.process.wait(20) == 0

    told = json.loads(out.read_text())["aggregate"]["counters"]["http.requests"]
    assert seen[-1] == ("ended", str(told)) == ("ended", "240")
    while_it_lasted = [text for state, text in seen if state == "running"]
    assert any(text not in ("0", "–", "240") for text in while_it_lasted)


def test_a_stopped_run_ends_its_page_at_once(target: Target, tmp_path: Path) -> None:
    with live_run(tmp_path, target, "--serve", seconds=60) as live:
        assert ask(live.port).status == 200
        wait_until(lambda: target.stats().get("/json 200", 0) > 0)
        live.process.send_signal(signal.SIGINT)
        assert live.process.wait(10) == 130
        with pytest.raises(ConnectionRefusedError):
            ask(live.port)


def test_a_taken_port_is_told_before_any_load(target: Target, tmp_path: Path) -> None:
    script = tmp_path / "script.yml"
    script.write_text(SCRIPT.format(target=target.url, seconds=1))
    before: dict[str, Any] = target.stats()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [GRAPESHOT, "run", "--serve-port", str(taken.getsockname()[1]), str(script)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert target.stats() == before
