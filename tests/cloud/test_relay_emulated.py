"""A load of several generations of real workers on the embedded AWS, as the target sees it.

What a user does stands in its row of the CSV file, so that it is known of each one who must finish, and who can't.
Row k is that of the plan's arrival k: `order: sequence` goes on over workers, their processes and generations.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto")

from crowd import WHOLE
from grapeshot_launcher.options import LambdaOptions, RunOptions
from grapeshot_launcher.platforms.emulator import EmbeddedAws
from grapeshot_launcher.prepare_lambda import Settled, settle_run
from grapeshot_launcher.relay import windows_of
from grapeshot_launcher.run_lambda import play
from grapeshot_launcher.screen import Screen
from grapeshot_worker.plan import Window
from target import serve
from target_routes import Request

RATE, WORKERS = 10, 2
NOISE = 2  # arrivals of a second, where arrivals lie 0.1 s apart
TWO_CORES = 3538  # MB; so each worker has two engine processes
LEAD = 8.0
# s behind a window; the worker keeps 15 of them, and of the first generation's the time until the start comes off.
TAIL = 24.0
PAUSE = 3  # s; shorter than what is left of TAIL
FOREVER = 20  # pauses; longer than a worker lives
SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: {seconds}, arrivalRate: {rate}}}]
  payload: {{path: rows.csv, fields: [row, pause, rounds], order: sequence}}
scenarios:
  - flow:
      - get: {{url: "/items?row={{{{ row }}}}"}}
      - loop:
          - think: "{{{{ pause }}}}"
          - get: {{url: "/items?again={{{{ row }}}}", ifTrue: "pause > 0"}}
        count: "{{{{ rounds }}}}"
"""
only_whole = pytest.mark.skipif(
    not WHOLE, reason="it takes more than three minutes; `make test-crowd` has it"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What the user of a row does: after its first request so many pauses of so many seconds, a request after each."""

    pause: int = 0
    rounds: int = 1


QUICK, LINGERING, STAYING = Visit(), Visit(pause=PAUSE), Visit(pause=PAUSE, rounds=FOREVER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a run and its target say."""

    code: int
    printed: str
    report: dict[str, Any]
    requests: list[Request]

    @property
    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = self.report["grapeshot"]["books"]
        return books

    def rows(self, argument: str) -> list[int]:
        """Give the rows in the requests with this argument, in order of arrival."""
        return [int(each.argument(argument)) for each in self.requests if each.argument(argument)]

    def by_second(self) -> Counter[int]:
        """Count the users who arrived in each second, of which the first begins with the arrival of row 0.

        It is told from the most punctual one: the very first waits for connections and whatever else is new.
        """
        arrived = [(each.at, int(each.argument("row"))) for each in self.requests if each.argument("row")]
        began = min(at - row / RATE for at, row in arrived)
        return Counter(int(at - began + 0.001) for at, _ in arrived)


def relay(
    visits: Sequence[Visit], windows: Sequence[Window], folder: Path, patch: pytest.MonkeyPatch
) -> Told:
    """Make the load of these visits in these windows on an embedded AWS, against a target of its own."""
    script, file = folder / "script.yml", folder / "report.json"
    rows = [f"{row},{visit.pause},{visit.rounds}\n" for row, visit in enumerate(visits)]
    (folder / "rows.csv").write_text("".join(rows), encoding="utf-8")
    run = RunOptions(script=str(script), workers=WORKERS, output=str(file))
    options = LambdaOptions(run=run, memory_size=TWO_CORES, emulate="processes")
    out, err = io.StringIO(), io.StringIO()
    with serve() as target, EmbeddedAws() as aws, Screen(out, err) as screen:
        seconds = len(visits) // RATE
        script.write_text(SCRIPT.format(target=target.url, seconds=seconds, rate=RATE), encoding="utf-8")
        for name, value in aws.environ.items():
            patch.setenv(name, value)
        settled = settle_run(options, environ=os.environ, now=datetime(2026, 11, 23, 12, tzinfo=UTC))
        settled = short_lived(settled, windows)
        code = asyncio.run(play(settled, screen, asyncio.Queue(), image=aws.image_uri()))
        requests = list(target.requests)
    report = json.loads(file.read_text(encoding="utf-8"))
    return Told(code=code, printed=out.getvalue() + err.getvalue(), report=report, requests=requests)


def short_lived(settled: Settled, windows: Sequence[Window]) -> Settled:
    """Give the run workers whom AWS ends TAIL seconds after their window; a user's have no less than five minutes."""
    lifetime = math.ceil(LEAD + windows[0].end + TAIL)
    return replace(
        settled,
        options=replace(settled.options, timeout=lifetime),
        test=replace(settled.test, windows=tuple(windows)),
        limits=replace(settled.limits, lead=LEAD),
    )


def nothing_is_seen(told: Told, visits: Sequence[Visit]) -> bool:
    """Whether the target saw the plan: each user once, in its second, and all the way who had the time."""
    users, seconds = len(visits), told.by_second()
    off = {second: seconds[second] for second in range(users // RATE) if abs(seconds[second] - RATE) > NOISE}
    assert off == {}
    assert sorted(told.rows("row")) == list(range(users))
    assert told.code == 0, told.printed
    assert told.books["planned"] == told.books["started"] == users
    assert told.books["lost"] == sum(told.books["dropped"].values()) == 0
    assert set(told.rows("again")) >= {row for row, visit in enumerate(visits) if visit == LINGERING}
    return True


def cut_short(told: Told) -> int:
    """How many users the books call cut; everybody else has completed."""
    rows = told.books["workers"]
    assert all(row["started"] == row["completed"] + row["cut"] for row in rows)
    return sum(row["cut"] for row in rows)


def named_as_cut(told: Told) -> Counter[tuple[int, int]]:
    """How many users each worker of each generation was named for, as one who cut them."""
    found = re.findall(r"Worker (\d+)(?: of generation (\d+))? cut (\d+) users short", told.printed)
    return Counter({(int(of or 1) - 1, int(worker) - 1): int(users) for worker, of, users in found})


@pytest.mark.timeout(120)
def test_a_hand_over_is_not_seen_by_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many users as planned, each second as many as in the others, no row twice; who is under way can finish."""
    visits = [LINGERING if row % 5 == 2 else QUICK for row in range(20 * RATE)]
    windows = windows_of(20, lifetime=10 + LEAD + TAIL, lead=LEAD, tail=TAIL)
    told = relay(visits, windows, tmp_path, monkeypatch)

    assert len(windows) == 2
    assert nothing_is_seen(told, visits)
    assert cut_short(told) == 0
    assert named_as_cut(told) == Counter()


@only_whole
@pytest.mark.timeout(300)
def test_eight_hand_overs_are_not_seen_by_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in three minutes of nine generations; who stays longer than a worker lives is cut, booked and named."""
    lasting = {row for row in range(180 * RATE) if row % 101 == 50}
    visits = [
        STAYING if row in lasting else LINGERING if row % 5 == 2 else QUICK for row in range(180 * RATE)
    ]
    windows = windows_of(180, lifetime=20 + LEAD + TAIL, lead=LEAD, tail=TAIL)
    told = relay(visits, windows, tmp_path, monkeypatch)
    # Worker i has the rows k with k % WORKERS = i, and row k is the arrival at (k + 1) / RATE.
    by_worker = Counter(
        (generation, row % WORKERS)
        for row in lasting
        for generation, window in enumerate(windows)
        if window.start <= (row + 1) / RATE < window.end
    )

    assert len(windows) == 9
    assert nothing_is_seen(told, visits)
    assert cut_short(told) == len(lasting)
    assert named_as_cut(told) == by_worker
