"""A fresh process from its start to its end: its CPU time, and what it has imported."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

from grapeshot_worker.messages import Control, Message, decode
from grapeshot_worker.plan import Assignment
from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script

LIMIT = 30.0  # seconds that a process may take
ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "login-and-browse.yml"

NOTHING = "-c", "pass"
HELP = "-m", "grapeshot_launcher", "--help"
# What a worker on AWS Lambda has done when its first invocation comes, and what it does first then.
HANDLER = (
    "-c",
    "from grapeshot_worker.handler import AwsMailbox\n"
    "AwsMailbox.open(region='eu-west-1', bucket='b', queue_url='https://sqs.eu-west-1.amazonaws.com/1/q')",
)
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}


def cpu_seconds(*arguments: str, given: str = "", handles: tuple[int, ...] = ()) -> float:
    """Give the CPU seconds, user and system, of `python …` from its start to its end; it must end well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        input=given.encode(),
        stdout=subprocess.DEVNULL,
        pass_fds=handles,
        env={**os.environ, **_CREDENTIALS},
        timeout=LIMIT,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def engine_cpu_seconds(script: Path = EXAMPLE) -> tuple[float, list[Message | Control]]:
    """Give the CPU seconds of an engine process that gets ready and is left alone then, and what it says.

    Its controls end after the assignment, so it sends Ready and Finished; taking it down again is in the time.
    """
    source = load_script(
        ScriptOptions(script=str(script)),
        environ={},
        read_text=lambda path: Path(path).read_text(encoding="utf-8"),
        functions=builtin_functions(random.Random(1)),
    )
    given = Assignment(run_id="t1", source=source).to_json() + "\n"
    heard, said = os.pipe()
    try:
        spent = cpu_seconds(
            "-P", "-m", "grapeshot_worker", "--messages", str(said), given=given, handles=(said,)
        )
    finally:
        os.close(said)
    with os.fdopen(heard, "rb") as messages:
        return spent, [decode(line) for line in messages]


def imported(*arguments: str) -> set[str]:
    """Give the names of all modules that `python …` imports until it ends."""
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **_CREDENTIALS},
        timeout=LIMIT,
        check=True,
    )
    lines = [line for line in shown.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}
