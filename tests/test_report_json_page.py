"""docs/report-json.md names every key that a report file has, and its reader reads what we read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reports
import sample_report
from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.merge import merge_reports
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.views.report_json import report_file
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.sketch import Sketch
from target import Target

PAGE = (Path(__file__).parent.parent / "docs/report-json.md").read_text(encoding="utf-8")
PROSE, _, READER = PAGE.partition("```python\n")
# Below these the keys are names from the script and the target.
NAMED = {"counters", "rates", "summaries", "histograms", "sketches", "values", "c", "r", "s", "costByRegion"}
OWN = {"summaries", "histograms", "sketches", "s"}  # with an object of ours for each name
SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: 1, arrivalRate: 20}}]
  plugins: {{ensure: {{thresholds: [{{http.response_time.p95: 5000}}]}}, apdex: {{}}}}
scenarios:
  - flow:
      - get: {{url: /json}}
"""


def keys(value: Any, under: str = "") -> Iterator[str]:
    """Every key of ours, wherever it is."""
    if isinstance(value, list):
        for each in value:
            yield from keys(each, under)
    elif isinstance(value, dict):
        for key, each in value.items():
            if under in NAMED:
                yield from keys(each) if under in OWN else ()
            else:
                yield key
                yield from keys(each, key)


def unnamed(file: bytes) -> set[str]:
    named = {word for code in re.findall(r"`([^`]+)`", PROSE) for word in re.findall(r"\w+", code)}
    return set(keys(json.loads(file))) - named


def everything() -> Report:
    """A report that has what most of them lack."""
    check = reports.check("http.response_time.p95 < 1", ok=False, values={"http.response_time.p95": 2.0})
    return reports.report(
        **reports.regions("eu-west-1", "us-east-1"),
        workers=(reports.finished(0), reports.failed(1, "no memory")),
        comparison=reports.comparison(reports.compared()),
        apdex=Apdex(threshold=500, satisfied=1, tolerated=1, frustrated=1),
        abort=Abort(checks=(check,), after=20.0),
        checks=(check,),
    )


def test_every_key_of_a_report_is_on_the_page() -> None:
    assert unnamed(report_file(everything())) == set()


def test_every_key_of_a_run_is_on_the_page(target: Target, tmp_path: Path) -> None:
    script, out = tmp_path / "script.yml", tmp_path / "report.json"
    script.write_text(SCRIPT.format(target=target.url), encoding="utf-8")
    command = [sys.executable, "-m", "grapeshot_launcher", "run", "-q", "-o", str(out), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 0, done.stderr
    assert unnamed(out.read_bytes()) == set()


def test_a_key_that_is_not_on_the_page_is_found() -> None:
    """The two tests above would see it, at any depth; names of metrics they leave alone."""
    file = {
        "grapeshot": {"checks": [{"newlyAdded": 1}], "sketches": {"a.name": {"odd": 1}}, "values": {"x.y": 1}}
    }

    assert unnamed(json.dumps(file).encode()) == {"newlyAdded", "odd"}


@pytest.mark.parametrize("name", ["http.response_time", "of.many", "of.both.signs"])
def test_the_page_s_reader_merges_files_as_we_do(name: str, tmp_path: Path) -> None:
    """Distributions in columns and beside them, with zeros and negative values."""
    told = [
        {
            "http.response_time": {5.0 + k: 20, 0.0: 3},
            "of.many": {7.5: 400, 9.0 + k: 300},
            "of.both.signs": {-8.0: 2, 4.0: 5},
        }
        for k in range(3)
    ]
    runs = [
        sample_report.report(
            *(
                Period(
                    start=sample_report.START + 10_000 * at,
                    sketches={n: Sketch.of(v) for n, v in told[at].items()},
                )
                for at in windows
            )
        )
        for windows in ((0, 1), (1, 2))
    ]
    paths = [tmp_path / f"{number}.json" for number, _ in enumerate(runs)]
    for path, run in zip(paths, runs, strict=True):
        path.write_bytes(report_file(run))
    reader: dict[str, Any] = {}
    exec(READER.partition("```")[0], reader)

    assert reader["p95"](paths, name) == pytest.approx(
        merge_reports(runs).totals.sketches[name].quantile(0.95)
    )
