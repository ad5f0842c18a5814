"""An AWS on this machine: S3, SQS, IAM, STS, ECR and Lambda on one address, for a run without an account.

Leaves to others: each of its parts; see calls, faults, backends, plane, sandbox, front.

    with EmbeddedAws() as aws:
        os.environ.update(aws.environ)    # boto3 talks to it from here on
        aws.faults.add(Fault(operation="sqs:SendMessage", effect="drop", first=3))

Storage is moto's, in this process's memory. Lambda functions are real: each sandbox is a process of its own, or a
container of the worker image, that runs AWS's runtime client and the worker under Lambda's limits and with the
function's role. Nothing is reachable from other machines, and nothing survives the `with`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from grapeshot_launcher.platforms.emulator.backends import Backends
from grapeshot_launcher.platforms.emulator.body import END_LIMIT, Bodies
from grapeshot_launcher.platforms.emulator.calls import Middleware
from grapeshot_launcher.platforms.emulator.faults import Fault, Faults
from grapeshot_launcher.platforms.emulator.front import Front
from grapeshot_launcher.platforms.emulator.logs import Listener, Logs
from grapeshot_launcher.platforms.emulator.plane import RETRY_DELAYS, Plane, at_points
from grapeshot_launcher.platforms.emulator.process import Keeper, Processes
from grapeshot_launcher.platforms.emulator.sandbox import Surroundings
from grapeshot_launcher.platforms.emulator.server import HOST, Server
from grapeshot_worker import __version__
from grapeshot_worker.errors import GrapeshotError

HANDLER = "grapeshot_worker.handler.handler"
REPOSITORY = "grapeshot-worker"
TAGS = ("latest", f"{__version__}-arm64", f"{__version__}-x86_64")
ACCESS_KEY = "AKIAGRAPESHOTEMULATE"  # of the account's owner, who may do everything

__all__ = ["ACCESS_KEY", "EmbeddedAws", "Fault", "Faults"]

_one = threading.Lock()  # moto's state belongs to the process


class EmbeddedAws:
    """A context manager; GrapeshotError if moto is missing or another one runs in this process.

    The SDK is led to `region`; the images are there and in `others`. `folder` keeps the sandboxes' folders and logs
    (default: a temporary one, removed at the end). `handler` is what functions run, found from `task_root` or among
    the installed packages. `containers` has them run in containers of an image instead, in which the handler must
    be. `concurrency` is the account's limit. `retry_delays` are the seconds before an asynchronous event's second
    and third attempt. `middleware` sees every call first.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        others: Sequence[str] = (),
        folder: Path | None = None,
        handler: str = HANDLER,
        task_root: Path | None = None,
        containers: Bodies | None = None,
        concurrency: int = 1000,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        repository: str = REPOSITORY,
        tags: Sequence[str] = TAGS,
        middleware: Middleware | None = None,
        on_log: Listener | None = None,
    ) -> None:
        self.region = region
        self.others = tuple(others)
        self.faults = Faults()
        self.endpoint_url = ""
        self.account = ""
        self.repository = repository
        self.images: dict[str, str] = {}  # tag → digest
        self.logs: Logs
        self._folder = folder
        self._handler = handler
        self._task_root = task_root
        self._containers = containers
        self._concurrency = concurrency
        self._retry_delays = retry_delays
        self._tags = tags
        self._middleware = middleware
        self._on_log = on_log
        self._undo = ExitStack()

    def __enter__(self) -> EmbeddedAws:
        """Start it."""
        if not _one.acquire(blocking=False):
            raise GrapeshotError("An embedded AWS runs in this process already; there can be only one.")
        with ExitStack() as undo:
            undo.callback(_one.release)
            self._start(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process and forget everything."""
        self._undo.close()

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead boto3 here, with the rights of the account's owner."""
        around = [name for name in (os.environ.get("NO_PROXY"), os.environ.get("no_proxy")) if name]
        direct = ",".join([*around, HOST])
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "nothing-secret-on-this-machine",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": direct,
            "no_proxy": direct,
        }

    def image_uri(self, tag: str = "latest") -> str:
        """Give the address of one of the made-up images, by its digest."""
        registry = f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"
        return f"{registry}/{self.repository}@{self.images[tag]}"

    def _start(self, undo: ExitStack) -> None:
        backends = Backends(command=self._handler)
        undo.callback(backends.forget)
        self.account = backends.account
        for region in (self.region, *self.others):
            self.images = backends.put_images(region, self.repository, self._tags)
        folder = self._folder or Path(tempfile.mkdtemp(prefix="grapeshot-aws-"))
        if self._folder is None:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
        self.logs = Logs(folder / "logs", self._on_log)
        variables: dict[str, str] = {}  # filled in when the address is known
        around = Surroundings(
            bodies=self._containers or self._processes(folder),
            variables=variables,
            log=self.logs.write,
            reached=at_points(self.faults),
        )
        plane = Plane(
            around, backends.role_keys, concurrency=self._concurrency, retry_delays=self._retry_delays
        )
        loop = _Loop(undo)
        undo.callback(loop.wait, plane.close)
        front = Front(backends, plane, self.faults, loop.loop)
        server = Server(self._middleware(front) if self._middleware else front)
        undo.callback(server.close)
        undo.callback(front.close)
        undo.callback(Keeper(server.url).close)
        self.endpoint_url = server.url
        variables.update(
            AWS_ENDPOINT_URL=server.url,
            AWS_EC2_METADATA_DISABLED="true",
        )

    def _processes(self, folder: Path) -> Processes:
        task_root = self._task_root or folder / "task"
        task_root.mkdir(parents=True, exist_ok=True)
        return Processes(folder=folder / "sandboxes", task_root=task_root)


class _Loop:
    """An event loop in a thread that stays until everything that was started from it has ended."""

    def __init__(self, undo: ExitStack) -> None:
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self.loop.run_forever, name="sandboxes", daemon=True)
        thread.start()
        undo.callback(self.loop.close)
        undo.callback(thread.join, END_LIMIT)
        undo.callback(self.loop.call_soon_threadsafe, self.loop.stop)

    def wait(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have work done in the loop; what is not done in END_LIMIT is left to the keeper."""
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(work(), self.loop).result(END_LIMIT)
