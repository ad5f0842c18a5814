"""A sandbox as a container of the worker image, within the limits that Lambda sets.

Leaves to others: what is said to it (sandbox), which image that is (local_image), sandboxes as processes (process).

The limits are those of AWS ("Lambda quotas", "Lambda execution environment"): nothing can be written but 512 MB in
/tmp, there is no /dev/shm, 1,024 open files and 1,024 processes, the function's memory, no rights, a user that the
image does not choose. Two things differ: what lies in /tmp counts as memory here, and a container takes as much of
the processor as it gets. The network is this machine's own, for the Runtime API, the embedded AWS and usually the
target are on its 127.0.0.1.

The docker SDK blocks, so every call is made in a thread; one thread stays with each container and reads what it
prints. No container outlives the launcher: they carry a label, all that have it are removed at the end, and a
process of its own (container_keeper) does that in the place of a launcher that was killed. Killing their processes,
as the other keeper does, is not enough: one that is paused does not die on every Linux.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grapeshot_launcher.cloud.engine import SILENCE_LIMIT, Engine, failures
from grapeshot_launcher.platforms.emulator import container_keeper
from grapeshot_launcher.platforms.emulator.body import END_LIMIT, LINE_LIMIT, OPEN_FILES, Birth
from grapeshot_launcher.platforms.emulator.container_keeper import LABEL, OVER, remove_labelled

if TYPE_CHECKING:
    from docker import APIClient

USER = "993:990"  # whom Lambda runs functions as, whatever the image says
TASK_ROOT = "/var/task"
TMP_SIZE, PROCESSES = 512, 1024  # MB in /tmp, and processes and threads (AWS: Lambda quotas)
LOGS = {"max-size": "10m", "max-file": "2"}  # of each container, on the engine's disk
CONNECTIONS = 256  # to the engine that are kept: two for each container, and beyond that they are made anew
SIGNALS = 128  # an exit code above it is this and the number of a signal


class Containers:
    """Starts containers of one image, given by its id. They carry a label of `labelled`, which takes them away."""

    def __init__(self, api: APIClient, image: str, *, label: str) -> None:
        self._api, self._image, self._label = api, image, label

    async def start(self, birth: Birth) -> SandboxContainer:
        """Start one, with the image's own environment below that of the sandbox."""
        return SandboxContainer(self._api, await asyncio.to_thread(self._start, birth))

    def _start(self, birth: Birth) -> str:
        with failures():
            created = create(
                self._api,
                self._image,
                label=self._label,
                memory=birth.memory,
                command=[birth.handler],
                environment={**birth.environ, "LAMBDA_TASK_ROOT": TASK_ROOT},
                name=birth.name.replace("/", "-"),
            )
            try:
                self._api.start(created)
            except Exception:
                self._api.remove_container(created, force=True)
                raise
        return created


class SandboxContainer:
    """One started container, by its id; it is removed when it ends."""

    def __init__(self, api: APIClient, container: str) -> None:
        self.output = asyncio.StreamReader(limit=LINE_LIMIT)
        self._api, self._container = api, container
        self._loop = asyncio.get_running_loop()
        self._frozen = False
        self._killer: threading.Thread | None = None
        self._ended: asyncio.Future[int] = self._loop.create_future()
        _in_thread(self._follow)

    async def wait(self) -> int:
        """Wait for its end, and until it is removed; give its code, negative for a signal."""
        return await asyncio.shield(self._ended)

    async def freeze(self) -> None:
        """Pause it."""
        self._frozen = True
        await asyncio.to_thread(self._ask, self._api.pause)

    async def thaw(self) -> None:
        """Let it go on."""
        if self._frozen:
            self._frozen = False
            await asyncio.to_thread(self._ask, self._api.unpause)

    def kill(self) -> None:
        """End it at once, in a thread: nobody waits here for the engine."""
        if self._killer is None and not self._ended.done():
            self._killer = _in_thread(lambda: self._ask(self._api.kill))

    def _ask(self, call: Callable[[str], Any]) -> None:
        """Make a call about the container; one that has ended, or an engine that has, can't be asked."""
        from docker.errors import DockerException
        from requests import RequestException

        with contextlib.suppress(DockerException, RequestException, OSError):
            call(self._container)

    def _follow(self) -> None:
        """Read what it prints to its end, take it away, and tell its code."""
        code = -9  # of one that was taken away from outside, or with the engine

        def look(container: str) -> None:
            nonlocal code
            for part in self._api.logs(container, stream=True, follow=True):
                self._tell(self.output.feed_data, part)
            code = int(self._api.wait(container, timeout=SILENCE_LIMIT)["StatusCode"])

        try:
            self._ask(look)
            self._ask(lambda container: self._api.remove_container(container, force=True))
            if self._killer is not None:
                self._killer.join(END_LIMIT)  # who hears of the end may close the connection to the engine
        finally:  # also of a call that fails in a way nobody foresaw: its end is waited for
            self._tell(self.output.feed_eof)
            self._tell(self._ended.set_result, SIGNALS - code if code > SIGNALS else code)

    def _tell(self, listener: Callable[..., Any], *words: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            self._loop.call_soon_threadsafe(listener, *words)


@contextlib.contextmanager
def labelled(engine: Engine) -> Iterator[str]:
    """Give a label: no container that has it is left at the end, however this process ends."""
    label = uuid.uuid4().hex
    with ContainerKeeper(label):
        try:
            yield label
        finally:
            with failures():
                remove_labelled(engine.api, label)


class ContainerKeeper:
    """A process that removes all containers with a label when this process has gone without ending it."""

    def __init__(self, label: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", container_keeper.__file__, label],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is not for it
        )

    def __enter__(self) -> ContainerKeeper:
        """Have it watch."""
        return self

    def __exit__(self, *reason: object) -> None:
        """End it: everything is removed already."""
        try:
            self._process.communicate(OVER, timeout=END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()


def create(
    api: APIClient,
    image: str,
    *,
    label: str,
    memory: int,
    command: Sequence[str] = (),
    entrypoint: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    name: str | None = None,
) -> str:
    """Create a container within Lambda's limits, with `memory` MB, and give its id; what the SDK raises goes on."""
    created = api.create_container(
        image,
        list(command),
        entrypoint=list(entrypoint) if entrypoint else None,
        environment=dict(environment or {}),
        labels={LABEL: label},
        name=name,
        user=USER,
        host_config=api.create_host_config(**_limits(memory)),
        use_config_proxy=False,  # of the docker command's settings: it would stand between it and 127.0.0.1
    )
    return str(created["Id"])


def _limits(memory: int) -> dict[str, Any]:
    from docker.types import LogConfig, Ulimit

    return {
        "network_mode": "host",
        "read_only": True,
        # Said in full, for the engine's own word would be `noexec`: packages with compiled parts are loaded from there.
        "tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,size={TMP_SIZE}m,mode=1777"},
        "ipc_mode": "none",
        "ulimits": [Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES)],
        "mem_limit": memory << 20,
        "memswap_limit": memory << 20,  # with swap, that is: there is none beyond the memory
        "pids_limit": PROCESSES,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "log_config": LogConfig(type="json-file", config=LOGS),
    }


def _in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True, name="container")
    thread.start()
    return thread
