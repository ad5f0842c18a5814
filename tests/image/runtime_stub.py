"""Lambda's Runtime API for one sandbox: hands events to a worker and takes its answers.

Leaves to others: starting the worker (lambda_container).

`GET …/invocation/next` waits until there is an event; the answer comes as a POST to `…/response` or `…/error`, or as
one to `…/init/error` when the handler could not be imported at all.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:artilleryio-test"
TIME_LIMIT = 900.0  # seconds of one invocation


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `kind` is the last part of the path it came to: response or error."""

    kind: str
    body: Any


class RuntimeApi:
    """One sandbox's API; make it with `serve`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.events: queue.Queue[bytes] = queue.Queue()
        self.answers: queue.Queue[Answer] = queue.Queue()

    def invoke(self, event: Any, *, timeout: float = 30) -> Answer:
        """Hand over an event and wait for the answer; queue.Empty when there is none in time."""
        self.events.put(json.dumps(event).encode())
        return self.answers.get(timeout=timeout)


@contextlib.contextmanager
def serve() -> Iterator[RuntimeApi]:
    """Serve on 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    api = RuntimeApi(f"127.0.0.1:{server.server_port}")
    server.api = api  # type: ignore[attr-defined]  # the handler's way to it
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with contextlib.suppress(ConnectionResetError):  # a container that has been ended
            super().handle()

    def do_GET(self) -> None:
        api: RuntimeApi = self.server.api  # type: ignore[attr-defined]
        event = api.events.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + TIME_LIMIT) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION,
            "Content-Type": "application/json",  # AWS sends it always; without it the client crashes
        }
        self._reply(200, event, headers)

    def do_POST(self) -> None:
        api: RuntimeApi = self.server.api  # type: ignore[attr-defined]
        body = self._body()
        api.answers.put(Answer(self.path.rsplit("/", 1)[-1], json.loads(body) if body else None))
        self._reply(202, b"{}", {})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a container that has been ended
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
