"""The engine process: reads its assignment and controls from standard input, writes messages to a pipe of its own.

Started by `processes`. Standard output and error stay free for what the author's functions and `log` steps print.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys

import uvloop

from grapeshot_worker.messages import Control, Message, decode, encode
from grapeshot_worker.plan import Assignment
from grapeshot_worker.session import Session

STDOUT_BUFFER = 1 << 20  # bytes
KEPT = 64 << 20  # bytes of freed memory that the process may hold on to
LARGEST_KEPT = 32 << 20  # bytes of one block; glibc allows no more
LINE_LIMIT = 1 << 30  # bytes of one control or assignment line: a whole script fits


async def serve(messages_fd: int) -> None:
    """Carry out the one assignment that comes on standard input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    out, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(messages_fd, "wb", buffering=0))
    assignment = Assignment.from_json((await reader.readline()).decode())
    controls: asyncio.Queue[Control | None] = asyncio.Queue()
    listening = asyncio.create_task(_listen(reader, controls))

    def send(message: Message) -> None:
        out.write(encode(message))

    def print_line(text: str) -> None:
        sys.stdout.write(text + "\n")

    session = Session(assignment, send=send, controls=controls, environ=os.environ, print_line=print_line)
    await session.run()
    listening.cancel()
    sys.stdout.flush()
    await _drain(out)


async def _listen(reader: asyncio.StreamReader, controls: asyncio.Queue[Control | None]) -> None:
    while line := await reader.readline():
        control = decode(line)
        controls.put_nowait(control)  # type: ignore[arg-type]  # only controls come this way
    controls.put_nowait(None)  # the parent is gone: a load that nobody watches must end


async def _drain(out: asyncio.WriteTransport) -> None:
    """Wait until the last message has left this process; the parent that reads it sets the pace."""
    out.close()
    while out.get_write_buffer_size():  # noqa: ASYNC110 - the transport has no event for it
        await asyncio.sleep(0.01)


def keep_freed_memory() -> None:
    """Let glibc keep freed memory, up to KEPT bytes; another C library does as it likes.

    By itself it gives the memory of a large body back to the system, and takes it again for the next one page by page,
    which costs more than everything else about that body.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-1, KEPT)  # M_TRIM_THRESHOLD
        mallopt(-3, LARGEST_KEPT)  # M_MMAP_THRESHOLD


def main() -> None:
    """Run the engine process."""
    # Only the parent ends the load: a Ctrl-C in the terminal reaches it, and it tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Written once a second (session): what belongs together arrives together. Half a surrogate pair is no fault.
    sys.stdout = open(  # noqa: SIM115 - open as long as the process lives
        1, "w", buffering=STDOUT_BUFFER, encoding="utf-8", errors="backslashreplace", closefd=False
    )
    keep_freed_memory()
    # What is imported by now lives as long as the process; the collector need not walk it again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvloop.run(serve(int(sys.argv[sys.argv.index("--messages") + 1])))


if __name__ == "__main__":
    main()
