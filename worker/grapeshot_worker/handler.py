"""The entry point in AWS Lambda: an event and its context in, a small result out.

Leaves to others: everything that a worker does (shift).

An invocation never raises: AWS would deliver the event again, to make load that nobody has asked for.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import tempfile
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from grapeshot_worker.aws import AwsMailbox, Mailbox
from grapeshot_worker.invocation import Invocation
from grapeshot_worker.plan import Assignment
from grapeshot_worker.processes import EngineProcess
from grapeshot_worker.sandbox import Engine, Sandbox
from grapeshot_worker.shift import Outcome, Shift
from grapeshot_worker.unpack import Bundle
from grapeshot_worker.usage import age

HOME = "grapeshot-bundle"  # in the folder for temporary files: AWS Lambda lets us write nowhere else
THREADS = 16  # for calls to AWS: the queue, the totals, and looks at the control record that hang

T = TypeVar("T")

# AWS Lambda charges for a sandbox's making, which ends about when this module has been read, with its first invocation.
_making = [age()]


class LambdaContext(Protocol):
    """What AWS Lambda says of an invocation, as far as it matters here."""

    def get_remaining_time_in_millis(self) -> int:
        """Give the time until the invocation is ended."""
        ...


class Threads:
    """Does blocking work in a few threads of its own; `close` waits for none of them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")

    async def __call__(self, work: Callable[[], T]) -> T:
        """Give the result of `work()`, done in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Carry out one invocation and give its outcome."""

    def open_mailbox(invocation: Invocation) -> Mailbox:
        return AwsMailbox.open(
            region=invocation.region, bucket=invocation.bucket, queue_url=invocation.queue_url
        )

    return carry_out(
        event,
        remaining=context.get_remaining_time_in_millis() / 1000,
        taken=_making.pop() if _making else 0.0,
        open_mailbox=open_mailbox,
        environ=os.environ,
        home=Path(tempfile.gettempdir()) / HOME,
        print_line=_print,
    )


def carry_out(
    event: Any,
    *,
    remaining: float,
    taken: float = 0.0,
    open_mailbox: Callable[[Invocation], Mailbox],
    environ: Mapping[str, str],
    home: Path,
    print_line: Callable[[str], None],
) -> dict[str, Any]:
    """Carry out one invocation with `remaining` seconds, its engine processes' environment on top of `environ`.

    `taken` are the seconds before it that AWS Lambda charges for.
    """
    try:
        invocation = Invocation.from_event(event)
    except ValueError as error:
        print_line(f"Nothing was done: {error}")
        return asdict(Outcome(state="failed", reason=str(error)))

    async def start(assignment: Assignment, bundle: Bundle, name: str) -> Engine:
        return await EngineProcess.start(
            assignment, environ=engine_environ(environ, bundle), directory=str(bundle.directory), name=name
        )

    async def work() -> Outcome:
        threads = Threads()
        try:
            sandbox = Sandbox(
                mailbox=open_mailbox(invocation),
                aside=threads,
                start=start,
                home=home,
                remaining=remaining,
                taken=taken,
                print_line=print_line,
                token=secrets.token_hex(16),
                rng=random.Random(),
            )
            return await Shift(invocation, sandbox).run()
        finally:
            threads.close()

    try:
        return asdict(asyncio.run(work()))
    except Exception as error:  # noqa: BLE001 - raised, it would make AWS deliver the event again
        print_line(traceback.format_exc())
        return asdict(Outcome(state="failed", reason=f"{type(error).__name__}: {error}"))


def engine_environ(environ: Mapping[str, str], bundle: Bundle) -> dict[str, str]:
    """Give the environment of engine processes: the worker's, below what the author's dotenv file says.

    The author's packages can be imported, the folder that the process works in can't: a `random.py` beside the script
    must not take the place of Python's own. Home is the only place one can write to.
    """
    packages = [str(bundle.wheels)] if bundle.wheels else []
    own = [path for path in (bundle.environ.get("PYTHONPATH", environ.get("PYTHONPATH", "")),) if path]
    settings = {"PYTHONPATH": os.pathsep.join([*packages, *own]), "PYTHONSAFEPATH": "1"}
    return {**environ, "HOME": tempfile.gettempdir(), **bundle.environ, **settings}


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what is printed here is the function's log
