"""A load of two generations of real workers on the embedded AWS, as the target sees it."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("moto")

from grapeshot_launcher.options import LambdaOptions, RunOptions
from grapeshot_launcher.platforms.emulator import EmbeddedAws
from grapeshot_launcher.prepare_lambda import settle_run
from grapeshot_launcher.relay import windows_of
from grapeshot_launcher.run_lambda import play
from grapeshot_launcher.screen import Screen
from target import serve

SECONDS, RATE, ROWS = 20, 10, 1000
LEAD = 8.0
SCRIPT = f"""
config:
  target: "{{target}}"
  phases: [{{{{duration: {SECONDS}, arrivalRate: {RATE}}}}}]
  payload: {{{{path: rows.csv, fields: [row], order: sequence}}}}
scenarios:
  - flow:
      - get: {{{{url: "/items?row={{{{{{{{ row }}}}}}}}"}}}}
"""


@pytest.mark.timeout(120)
def test_a_hand_over_is_not_seen_by_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many users as planned, each second as many as in the others, and no row of the CSV file twice."""
    script, file = tmp_path / "script.yml", tmp_path / "report.json"
    (tmp_path / "rows.csv").write_text("".join(f"{row}\n" for row in range(ROWS)), encoding="utf-8")
    run = RunOptions(script=str(script), workers=2, output=str(file))
    options = LambdaOptions(run=run, memory_size=1769, emulate="processes")
    out, err = io.StringIO(), io.StringIO()
    with serve() as target, EmbeddedAws() as aws, Screen(out, err) as screen:
        script.write_text(SCRIPT.format(target=target.url), encoding="utf-8")
        for name, value in aws.environ.items():
            monkeypatch.setenv(name, value)
        settled = settle_run(options, environ=os.environ, now=datetime(2026, 11, 23, 12, tzinfo=UTC))
        windows = windows_of(SECONDS, lifetime=SECONDS / 2 + LEAD + 4, lead=LEAD, tail=4)
        settled = replace(
            settled,
            test=replace(settled.test, windows=windows),
            limits=replace(settled.limits, lead=LEAD),
        )
        code = asyncio.run(play(settled, screen, asyncio.Queue(), image=aws.image_uri()))
        requests = list(target.requests)
    books = json.loads(file.read_text(encoding="utf-8"))["grapeshot"]["books"]
    began = min(request.at for request in requests)
    seconds = Counter(int(request.at - began + 0.05) for request in requests)  # arrivals lie 0.1 s apart

    assert len(windows) == 2
    assert code == 0, out.getvalue() + err.getvalue()
    assert books["planned"] == books["started"] == SECONDS * RATE == len(requests)
    assert all(abs(seconds[second] - RATE) <= 2 for second in range(SECONDS)), seconds
    assert len({request.target for request in requests}) == len(requests)
