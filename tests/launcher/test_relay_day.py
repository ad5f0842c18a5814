"""A load of a whole day, on virtual time: many generations of workers, and a launcher whose memory hardly grows."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from test_lambda_platform import LIMITS, run

from cloud_on_paper import PaperCloud, Part
from grapeshot_launcher.prepare_lambda import LEAD, TAIL
from grapeshot_launcher.relay import windows_of
from grapeshot_worker.invocation import Invocation

HOUR = 3600
LONG = bool(os.environ.get("GRAPESHOT_TEST_CROWD"))
SECONDS = (24 if LONG else 1) * HOUR
WORKERS, NAMES = 2, 20
LIFETIME, WINDOW = 900.0, 10  # s
# Bytes: for what varies, and for each window. Unpacked, one of twenty histograms of 200 values has 100 kB.
NOISE, GROWTH = 4_000_000, 1_000
SCRIPT = f"""
config:
  target: http://127.0.0.1:9
  phases: [{{duration: {SECONDS}, arrivalRate: 1}}]
scenarios: [{{flow: [{{get: {{url: /}}}}]}}]
"""


def resident() -> int:
    """Give the bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(600)
def test_a_long_load_takes_little_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """Every user is in the books and every window in the report; an hour every day, a day in `make test-crowd`."""
    windows = windows_of(SECONDS, lifetime=LIFETIME, lead=LEAD, tail=TAIL)
    memory: dict[int, int] = {}

    def works(invocation: Invocation) -> Part:
        memory.setdefault(invocation.generation, resident())
        early = 0.0 if invocation.generation == 0 else LEAD - 5
        return Part(lasts=windows[0].end + early, every=WINDOW, keeps_totals=False, names=NAMES)

    told = run(
        tmp_path,
        PaperCloud(part=works),
        script=SCRIPT,
        windows=windows,
        limits=replace(LIMITS, lead=LEAD, ready=80.0),
        workers=WORKERS,
        quiet=True,
    )
    books, periods = told.report["grapeshot"]["books"], told.report["intermediate"]
    warm, last = (
        2,
        len(windows) - 1,
    )  # generations; by the first everything is loaded, by the other the most is kept
    grown = memory[last] - memory[warm]

    assert told.code == 0, told.err
    assert sorted(memory) == list(range(len(windows)))
    assert books["planned"] == books["started"] == SECONDS
    assert len(periods) >= SECONDS / WINDOW
    assert Counter(period["period"] for period in periods).most_common(1)[0][1] == 1
    assert grown < NOISE + GROWTH * (last - warm) * windows[0].end / WINDOW, memory
