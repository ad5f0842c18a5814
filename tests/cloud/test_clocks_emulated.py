"""A launcher whose clock is wrong, with real workers and the embedded AWS, whose clock is this machine's."""

from __future__ import annotations

import asyncio
import io
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("moto")

from grapeshot_launcher.options import LambdaOptions, RunOptions
from grapeshot_launcher.platforms.emulator import EmbeddedAws
from grapeshot_launcher.prepare_lambda import settle_run
from grapeshot_launcher.run_lambda import play
from grapeshot_launcher.screen import Screen
from target import serve

SCRIPT = """
config:
  target: {target}
  phases: [{{duration: 3, arrivalRate: 10}}]
scenarios: [{{flow: [{{get: {{url: /}}}}]}}]
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("ahead", "words"), [(-10.0, "s behind AWS's"), (10.0, "s ahead of AWS's")])
def test_a_launcher_whose_clock_is_wrong_goes_by_aws_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float, words: str
) -> None:
    """Both workers begin at the moment they were told, all users come on time, and the report tells AWS's time."""
    script, file = tmp_path / "script.yml", tmp_path / "report.json"
    run = RunOptions(script=str(script), workers=2, output=str(file))
    options = LambdaOptions(run=run, memory_size=1769, emulate="processes")
    out, err = io.StringIO(), io.StringIO()
    with serve() as target, EmbeddedAws() as aws, Screen(out, err) as screen:
        script.write_text(SCRIPT.format(target=target.url), encoding="utf-8")
        for name, value in aws.environ.items():
            monkeypatch.setenv(name, value)
        settled = settle_run(options, environ=os.environ, now=datetime(2026, 11, 23, 12, tzinfo=UTC))
        offset = time.time() - time.monotonic()
        playing = play(
            settled, screen, asyncio.Queue(), image=aws.image_uri(), now=lambda: time.time() + ahead
        )
        code = asyncio.run(playing)
        arrivals = sorted(request.at + offset for request in target.requests)
    ours = json.loads(file.read_text(encoding="utf-8"))["grapeshot"]

    assert code == 0, out.getvalue() + err.getvalue()
    assert ours["books"]["started"] == len(arrivals) == 30
    assert "Warning: this machine's clock is " in err.getvalue()
    assert words in err.getvalue()
    assert ours["settings"]["clockAhead"] == pytest.approx(ahead, abs=2)
    assert 0 <= arrivals[0] - ours["startedAt"] / 1000 < 1
    assert arrivals[-1] - arrivals[0] > 2.5
