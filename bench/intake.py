"""`make bench-intake`: does the launcher take in what a thousand Lambda workers say, on one core and in bounded memory?

    python bench/intake.py [--workers 1000] [--periods 40] [--requests 500] [--profile FILE]

The launcher is the real one, from the letters of the queue to the file of the report; workers and cloud are on paper
(swarm). Its clock runs with its own CPU time (working_time), so other programs on the machine disturb little. Left out
is what the SDK needs to fetch the letters.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import io
import os
import resource
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from swarm import PROCESSES, START, USERS, Swarm
from working_time import WorkingLoop, run_working

from grapeshot_launcher.options import LambdaOptions, RunOptions
from grapeshot_launcher.platforms.lambda_ import Ground, Lambda
from grapeshot_launcher.prepare import Test, prepare
from grapeshot_launcher.prepare_lambda import limits_of
from grapeshot_launcher.run import Stage, tell
from grapeshot_launcher.screen import Screen
from grapeshot_worker.metrics.period import WINDOW_MS

MARKS = (10, 20, 40, 80, 160, 320)  # periods after which memory is read
SCRIPT = """
config:
  target: http://127.0.0.1:9
  phases: [{{duration: {seconds}, arrivalCount: {users}}}]
scenarios:
  - flow:
      - get: {{url: /}}
"""


class Paper(io.StringIO):
    """Where the launcher writes: notes when each period is shown, keeps nothing."""

    def __init__(self, loop: WorkingLoop) -> None:
        super().__init__()
        self._loop = loop
        self.shown: list[float] = []  # epoch s
        self.memory: dict[int, int] = {}  # periods shown → resident bytes

    def write(self, text: str) -> int:
        if text.lstrip("\n-").startswith("Metrics for period to:"):
            self.shown.append(START + self._loop.time())
            if len(self.shown) in MARKS:
                with self._loop.aside():
                    self.memory[len(self.shown)] = resident()
        return len(text)


def main() -> None:
    chosen = options()
    loop = WorkingLoop()
    profile = cProfile.Profile() if chosen.profile else None
    with tempfile.TemporaryDirectory(prefix="grapeshot-bench-") as name:
        test = prepared(Path(name), chosen)
        ground = Ground(
            run_id=test.run_id,
            region="eu-west-1",
            bucket="bucket",
            queue_url="queue",
            bundle_digest="0" * 64,
            workers=test.workers,
            processes=PROCESSES,
            timeout=900,
            limits=limits_of(LambdaOptions(run=test.options), 60),
        )
        swarm = Swarm(loop, seconds=chosen.periods * 10, requests=chosen.requests)
        with loop.aside():
            swarm.prepare(ground.flush_interval)
            before = resident()
        paper = Paper(loop)
        if profile:
            profile.enable()
        code = run_working(loop, play(test, ground, swarm, paper))
        if profile:
            profile.disable()
            profile.dump_stats(chosen.profile)
        size = test.report.stat().st_size if test.report else 0
    print(table(chosen, ground, swarm, paper, loop, before))
    print(f"exit code {code}; report of {size / 1e6:.1f} MB")


async def play(test: Test, ground: Ground, swarm: Swarm, paper: Paper) -> int:
    """Tell the run, as `run_lambda` does once everything stands."""
    async with Lambda(swarm, ground) as platform:
        screen = Screen(paper, paper)
        return await tell(test, Stage(platform, screen, asyncio.Queue(), swarm.clock, announced=True))


def table(
    chosen: argparse.Namespace,
    ground: Ground,
    swarm: Swarm,
    paper: Paper,
    loop: WorkingLoop,
    before: int,
) -> str:
    """Give what was found, as Markdown."""
    come = ground.workers / ground.flush_interval
    seconds = chosen.periods * 10
    ends = range(swarm.first_end, swarm.first_end + seconds * 1000, WINDOW_MS)
    lags = [shown - end / 1000 for shown, end in zip(paper.shown, ends, strict=False)]
    own = [shown - swarm.last_of_window[end] for shown, end in zip(paper.shown, ends, strict=False)]
    spent = swarm.ended - swarm.began
    rows: Sequence[tuple[str, str]] = [
        (
            "workers, metric names, requests/s of each",
            f"{ground.workers:,}, {swarm.names}, {chosen.requests:g}",
        ),
        ("messages taken, of kB each", f"{swarm.taken:,} of {swarm.characters / swarm.taken / 1000:.1f}"),
        ("messages/s that come", f"{come:,.0f}"),
        ("messages/s one core takes", f"{swarm.taken / spent:,.0f}"),
        ("CPU ms a message, the live view included", f"{spent / swarm.taken * 1000:.2f}"),
        ("longest queue, messages", f"{swarm.longest:,}"),
        ("a period is shown, s after its end (median, most)", f"{median(lags):.1f}, {max(lags):.1f}"),
        ("… s after the last message it needs (median, most)", f"{median(own):.2f}, {max(own):.2f}"),
        ("resident MB before", f"{before / 1e6:.0f}"),
        *((f"resident MB after {n} periods", f"{size / 1e6:.0f}") for n, size in paper.memory.items()),
        ("highest resident MB, the report included", f"{highest() / 1e6:.0f}"),
        ("CPU s of the intake, for a load of s", f"{spent:.1f}, {seconds}"),
        ("CPU s of the report", f"{loop.worked - swarm.ended:.1f}"),
    ]
    return "\n".join(["| intake | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)])


def prepared(folder: Path, chosen: argparse.Namespace) -> Test:
    script = folder / "script.yml"
    script.write_text(
        SCRIPT.format(seconds=chosen.periods * 10, users=chosen.workers * USERS), encoding="utf-8"
    )
    run = RunOptions(script=str(script), output=str(folder / "report.json"))
    test = prepare(run, environ={}, now=datetime.fromtimestamp(START, UTC), cpus=1)
    regions = tuple(f"region-{number}" for number in range(chosen.regions))
    return replace(test, workers=chosen.workers, regions=regions)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the launcher's intake costs.")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--periods", type=int, default=40, help="of 10 seconds (default: 40)")
    parser.add_argument("--requests", type=float, default=500, help="a second, of each worker (default: 500)")
    parser.add_argument("--regions", type=int, default=0, help="whose parts are kept apart (default: none)")
    parser.add_argument("--profile", help="write a profile of Python's cProfile there")
    return parser.parse_args()


def resident() -> int:
    """Give this process's resident memory in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def highest() -> int:
    """Give the most resident memory it ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
