"""Real runs of one load against one real server on this machine, to be compared with each other.

Leaves to others: comparing (baseline).

The load is a ramp of a hundred seconds, so that neighbours in time differ and slices must be paired well. Several runs
go on at once, beside whatever else the machine does: that is the noise that a comparison has to live with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from grapeshot_launcher.results.earlier import EarlierRun, read_earlier

ROOT = Path(__file__).parent.parent
LIMIT = 200.0  # s, for a run of SECONDS
SECONDS = 100

sys.path.insert(0, str(ROOT / "tests"))
from target import serve_process  # noqa: E402


def script(url: str, slower: float) -> str:
    """Give a script (JSON is YAML): 10 to 30 requests a second, of 20 to 60 ms unless they are made slower."""
    low, high = round(20 * slower), round(60 * slower)
    return json.dumps(
        {
            "config": {"target": url, "phases": [{"duration": SECONDS, "arrivalRate": 10, "rampTo": 30}]},
            "scenarios": [{"flow": [{"get": {"url": f"/delay/{{{{ $randomNumber({low}, {high}) }}}}"}}]}],
        }
    )


def wave(together: int, slower: float, folder: Path) -> None:
    """Run so many loads at once, each against a server of its own; their reports stay in the folder."""
    folder.mkdir(parents=True)
    runs = [_Running(folder / str(number), slower) for number in range(together)]
    try:
        for run in runs:
            run.wait()
    finally:
        for run in runs:
            run.end()


def reports(folder: Path) -> list[EarlierRun]:
    """Read the reports of a wave; those of runs that spoiled themselves are left out."""
    files = sorted(folder.glob("*/report.json"))
    read = [read_earlier(file.read_bytes(), file.name) for file in files]
    return [run for run in read if run.verdict == "pass"]


class _Running:
    """One server and one `grapeshot run` against it."""

    def __init__(self, folder: Path, slower: float) -> None:
        folder.mkdir()
        self._server = serve_process()
        path = folder / "script.yml"
        path.write_text(script(self._server.__enter__().url, slower))
        grapeshot = str(Path(sys.executable).with_name("grapeshot"))
        command = [grapeshot, "run", str(path), "--workers", "1", "-q", "-o", str(folder / "report.json")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def wait(self) -> None:
        """Wait for the end of the run."""
        self._process.wait(LIMIT)

    def end(self) -> None:
        """End what is still there."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._server.__exit__(None, None, None)
