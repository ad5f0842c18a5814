"""Engine processes on this machine, joined to us by pipes.

Leaves to others: what they do (session) and what their messages mean (the launcher).

Pipes and plain processes only: `multiprocessing` needs /dev/shm for its locks and queues, and AWS Lambda has
none. A child leaves the
terminal's process group, so that a Ctrl-C reaches its parent alone; when the parent dies, its end of the pipe
closes and the child ends
the load by itself.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping

from grapeshot_worker.errors import MORE_MEMORY, Exit
from grapeshot_worker.messages import Control, Failed, Finished, Message, decode, encode
from grapeshot_worker.plan import Assignment

LINE_LIMIT = 1 << 28  # bytes of one message: far above what a second of measurements takes
LAST_LINES = 20  # of standard error, quoted when a process dies
EXIT_LIMIT = 3.0  # seconds from a process's last message to its end, and to that of what it prints

Output = tuple[str, str]  # ("stdout" or "stderr", one line without its end)


class EngineProcess:
    """One child `python -m grapeshot_worker`. Make it with `start`; read `messages` and `output` to their ends."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        messages: asyncio.StreamReader,
        assignment: Assignment,
        name: str,
    ) -> None:
        self._process = process
        self._messages = messages
        self._assignment = assignment
        self._name = name
        self._last_errors: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
        self._lines: asyncio.Queue[Output | None] = asyncio.Queue()
        self._pumps = [
            asyncio.create_task(self._pump("stdout", process.stdout)),
            asyncio.create_task(self._pump("stderr", process.stderr)),
        ]

    @classmethod
    async def start(
        cls,
        assignment: Assignment,
        *,
        environ: Mapping[str, str],
        python: str = sys.executable,
        directory: str | None = None,
        name: str = "",
    ) -> EngineProcess:
        """Start a child in `directory` (ours if None) and hand it its assignment; `name` is used when it dies."""
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                python,
                "-P",  # the working directory is the author's: a yaml.py there must not become ours
                "-m",
                "grapeshot_worker",
                "--messages",
                str(write_end),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=[write_end],
                start_new_session=True,
                env=dict(environ),
                cwd=directory,
                limit=LINE_LIMIT,
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
        )
        share = assignment.share
        engine = cls(process, reader, assignment, name or f"Worker {share.index + 1} of {share.count}")
        engine._write(assignment.to_json().encode() + b"\n")
        return engine

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def send(self, control: Control) -> None:
        """Tell the child; nothing happens if it has gone."""
        self._write(encode(control))

    async def messages(self) -> AsyncIterator[Message]:
        """Give the child's messages; a child that dies without its last word yields a Failed that says how.

        One that does not end then is ended: a thread of a hook holds it up, or something that a hook has started
        still has its standard output.
        """
        ended = False
        sequence = 0
        while line := await self._messages.readline():
            message = decode(line)
            assert not isinstance(message, Control)
            ended = ended or isinstance(message, Finished | Failed)
            sequence = message.sequence
            yield message
        code = await self._exit_code()
        if not ended:
            yield self._epitaph(code, sequence + 1)

    async def output(self) -> AsyncIterator[Output]:
        """Give what the author's functions, `log` steps and faults print, line by line, until the child has gone."""
        ends = 0
        while ends < len(self._pumps):
            line = await self._lines.get()
            if line is None:
                ends += 1
            else:
                yield line

    def kill(self) -> None:
        """End the child at once, and whatever it has started (it leads a process group of its own)."""
        if self._process.returncode is None:
            self._kill_group()

    async def wait(self) -> int:
        """Wait for the child's end; give its exit code."""
        code = await self._process.wait()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        return code

    async def _exit_code(self) -> int | None:
        """Wait for the end of a child that has closed its messages; a moment later, end it and all that it left.

        None: it did not end by itself.
        """
        leaving = asyncio.create_task(self.wait())
        await asyncio.wait((leaving,), timeout=EXIT_LIMIT)
        code = self._process.returncode
        if not leaving.done():
            self._kill_group()
            await asyncio.wait((leaving,), timeout=EXIT_LIMIT)
        if not leaving.done():
            # Whoever still holds our pipes has left the group. asyncio has no public way to let go of them.
            self._process._transport.close()  # type: ignore[attr-defined]
            await asyncio.wait((leaving,), timeout=EXIT_LIMIT)
        return code

    def _kill_group(self) -> None:
        # Not Process.kill: that polls, and a child reaped there is "unknown" to asyncio's own watcher. While somebody
        # is left in the group, its number is nobody else's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _write(self, data: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        if not stdin.is_closing():
            stdin.write(data)

    async def _pump(self, name: str, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        try:
            while raw := await stream.readline():
                text = raw.decode("utf-8", "replace").rstrip("\r\n")
                if name == "stderr":
                    self._last_errors.append(text)
                self._lines.put_nowait((name, text))
        finally:
            self._lines.put_nowait(None)

    def _epitaph(self, code: int | None, sequence: int) -> Failed:
        how, remedy = f"ended with exit code {code}", ""
        causes = ["\n".join(self._last_errors)]
        if code is None:
            how = f"fell silent and had to be ended after {EXIT_LIMIT:.0f} s,"
        elif code < 0:
            how = f"was killed by signal {-code} ({signal.Signals(-code).name})"
        if code == -signal.SIGKILL:
            causes.insert(0, "Often that is the kernel, because memory has run out; or somebody killed it.")
            remedy = MORE_MEMORY
        share = self._assignment.share
        return Failed(
            run_id=self._assignment.run_id,
            generation=self._assignment.generation,
            index=share.index,
            sequence=sequence,
            message=f"{self._name} {how} before it had finished.",
            cause="\n".join(filter(None, causes)),
            remedy=remedy,
            exit_code=Exit.WORKER,
        )
