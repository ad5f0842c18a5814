"""The Lambda Runtime API on a port of its own: how a sandbox asks for events and answers them.

Leaves to others: which event comes next and what an answer means (sandbox).

The protocol is public (AWS: Lambda runtime API, 2018-06-01). A runtime client takes a host and a port and nothing
else, so every sandbox has a server of its own; all of them live in one event loop. It reads only what a runtime
client sends: HTTP/1.1 with Content-Length.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Protocol

HOST = "127.0.0.1"
_ANSWER_PATH = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)$")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One invocation as the runtime sees it. `deadline` is a wall-clock moment, in epoch seconds."""

    request_id: str
    payload: bytes
    arn: str
    deadline: float


class Runtime(Protocol):
    """What stands behind the API."""

    async def next(self) -> Event:
        """Wait for the next event."""
        ...

    def answered(self, request_id: str, payload: bytes, *, failed: bool) -> None:
        """Take the answer to an event."""
        ...

    def failed_to_start(self, payload: bytes) -> None:
        """Take the error of an initialisation."""
        ...


class RuntimeServer:
    """Serves the API to one sandbox."""

    def __init__(self, runtime: Runtime) -> None:
        self.address = ""  # host:port, when started
        self._runtime = runtime
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._converse, HOST, 0)
        self.address = f"{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Listen no more and end what is being said."""
        if self._server is not None:
            self._server.close()
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            while request := await _read(reader):
                status, headers, body = await _answer(self._runtime, *request)
                head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
                writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the sandbox is gone
        finally:
            self._conversations.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    """Read one request: method, path and body; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (li.partition(":") for li in lines)}
    return method, path, await reader.readexactly(int(headers.get("content-length", 0)))


async def _answer(runtime: Runtime, method: str, path: str, body: bytes) -> tuple[str, list[str], bytes]:
    if method == "GET" and path.endswith("/runtime/invocation/next"):
        event = await runtime.next()
        headers = [
            "Content-Type: application/json",
            f"Lambda-Runtime-Aws-Request-Id: {event.request_id}",
            f"Lambda-Runtime-Deadline-Ms: {round(event.deadline * 1000)}",
            f"Lambda-Runtime-Invoked-Function-Arn: {event.arn}",
            f"Lambda-Runtime-Trace-Id: Root=1-{event.request_id[:8]}-{event.request_id.replace('-', '')[8:]}",
        ]
        return "200 OK", headers, event.payload
    if method == "POST" and (found := _ANSWER_PATH.match(path)):
        runtime.answered(found[1], body, failed=found[2] == "error")
        return "202 Accepted", [], b""
    if method == "POST" and path.endswith("/runtime/init/error"):
        runtime.failed_to_start(body)
        return "202 Accepted", [], b""
    return "404 Not Found", [], b""
