"""A sandbox as processes of this machine: started under Lambda's limits, frozen, thawed and ended together.

Leaves to others: what is said to them (sandbox), sandboxes as containers (container).

A worker starts engine processes in sessions of their own, so the process group is not the whole sandbox. While
it lives, its members are found by descent; its end must also find those whose parent is gone, by a word in their
environment that nobody else has. Both need /proc: elsewhere than on Linux only the process group is reached.
And nothing outlives the launcher, not even one that is killed: Linux kills a sandbox's first process when the
thread that started it ends (so that must be a thread that stays), and a keeper, the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from grapeshot_launcher.platforms.emulator import keeper
from grapeshot_launcher.platforms.emulator.body import (
    END_LIMIT,
    LINE_LIMIT,
    MARK,
    OPEN_FILES,
    RUNTIME_API,
    Birth,
)
from grapeshot_launcher.platforms.emulator.keeper import kill_marked

# Runs in the new process, before the sandbox's own program takes its place; arguments: our pid, open files, program.
_BIRTH = """
import os, resource, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() != int(sys.argv[1]):
    os._exit(1)  # the launcher ended before we could ask to end with it
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
os.execv(sys.argv[3], sys.argv[3:])
"""


class Processes:
    """Starts processes of this Python in `task_root`, which find their folders for temporary files below `folder`."""

    def __init__(self, *, folder: Path, task_root: Path) -> None:
        self._folder, self._task_root = folder, task_root

    async def start(self, birth: Birth) -> SandboxProcess:
        """Start one, with nothing but its environment and what a process can't do without around it."""
        tmp = self._folder / birth.name.replace("/", "-") / "tmp"
        tmp.mkdir(parents=True)
        own = {"LAMBDA_TASK_ROOT": str(self._task_root), "TMPDIR": str(tmp), "HOME": str(tmp)}
        around = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "en_US.UTF-8"}
        return await SandboxProcess.start(
            ["-m", "awslambdaric", birth.handler],
            environ={**around, **birth.environ, **own},
            folder=self._task_root,
        )


class SandboxProcess:
    """One started sandbox; make it with `start`, from a thread that outlives it."""

    def __init__(self, process: subprocess.Popen[bytes], output: asyncio.StreamReader, mark: str) -> None:
        self.output = output  # what the sandbox prints
        self._process = process
        self._mark = f"{MARK}={mark}"
        self._frozen: list[int] = []
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        threading.Thread(target=self._wait, args=(asyncio.get_running_loop(),), daemon=True).start()

    @classmethod
    async def start(
        cls, arguments: Sequence[str], *, environ: Mapping[str, str], folder: Path
    ) -> SandboxProcess:
        """Start `python <arguments>` in `folder`, with nothing but `environ` around it."""
        process, reading = _spawn(arguments, environ, folder)
        output = asyncio.StreamReader(limit=LINE_LIMIT)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reading, "rb", buffering=0)
        )
        return cls(process, output, environ[MARK])

    @property
    def pid(self) -> int:
        """The first process's id, which is also its group's."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the first process's end, whoever still holds its output; give its code, negative for a signal."""
        return await asyncio.shield(self._ended)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            loop.call_soon_threadsafe(self._ended.set_result, code)

    async def freeze(self) -> None:
        """Stop every process of the sandbox where it is."""
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            if _signal(pid, signal.SIGSTOP):  # first stopped, then asked for its children: none can be missed
                self._frozen.append(pid)
                waiting += _children(pid)

    async def thaw(self) -> None:
        """Let the processes go on."""
        while self._frozen:
            _signal(self._frozen.pop(), signal.SIGCONT)

    def kill(self) -> None:
        """End all of it, also what the first process left behind; may be called again."""
        if self._process.returncode is None:  # else its number may be another's by now
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        kill_marked(self._mark)


class Keeper:
    """A process that ends all sandboxes of the front at `url` when this process has gone, however it went."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, f"AWS_ENDPOINT_URL={url}", f"{RUNTIME_API}="],
            stdin=subprocess.PIPE,
            env={},
            start_new_session=True,  # a Ctrl-C is not for it
        )

    def close(self) -> None:
        """Let it look once more, and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _spawn(
    arguments: Sequence[str], environ: Mapping[str, str], folder: Path
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process; give it with the end of the pipe where its output comes out."""
    reading, writing = os.pipe()
    birth = [sys.executable, "-I", "-S", "-c", _BIRTH, str(os.getpid()), str(OPEN_FILES)]
    try:
        process = subprocess.Popen(
            [*birth, sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env=dict(environ),
            cwd=folder,
            start_new_session=True,
        )
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, reading


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found
