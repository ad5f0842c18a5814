"""A load of several generations that ends itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from test_lambda_platform import LIMITS, run
from test_relay import LEAD, SCRIPT, USERS, WINDOWS, books, works

from cloud_on_paper import PaperCloud


def test_a_load_of_generations_ends_itself(tmp_path: Path) -> None:
    """Nobody is started any more, and users of generations that were not started are booked as stopped."""
    condition = "{expression: vusers.created < 5, abortOnFail: true}"
    script = SCRIPT.replace("scenarios:", f"  plugins: {{ensure: {{conditions: [{condition}]}}}}\nscenarios:")
    limits = replace(LIMITS, lead=LEAD, ready=12.0)
    told = run(tmp_path, replace(PaperCloud(), part=works), script=script, windows=WINDOWS, limits=limits)
    kept = books(told)

    assert told.code == 1, told.out + told.err
    assert told.report["grapeshot"]["verdict"] == "fail"
    assert kept["lost"] == 0
    assert kept["stopped"] > USERS / 2
    assert max(i.generation for i in told.cloud.invocations) <= 1
    assert told.left_running == 0
