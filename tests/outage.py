"""A part of the embedded AWS that is out for a while: a middleware that lets no call of one service through.

    outage = Outage("s3", "refuse", seconds=30)
    with EmbeddedAws(middleware=outage) as aws: …

It begins when a worker first tells of users, so that the run is under load, or at once when asked to. `refuse`:
answered with 503. `cut`: the connection is closed without an answer. `hang`: no answer, for as long as the outage
lasts and the caller waits; then the connection is closed.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

from grapeshot_launcher.platforms.emulator.calls import (
    Application,
    Call,
    Environ,
    StartResponse,
    read_call,
    refusal,
)
from grapeshot_launcher.platforms.emulator.front import give, read_body
from grapeshot_worker.messages import Progress
from grapeshot_worker.wire import unpack

How = Literal["refuse", "cut", "hang"]
HANG = 20.0  # s after which a connection that hangs is closed; both sides' SDKs give up before


class Outage:
    """`met` counts the calls that it let through to nobody, by operation."""

    def __init__(self, service: str, how: How, *, seconds: float) -> None:
        self._service, self._how, self._seconds = service, how, seconds
        self._lock = threading.Lock()
        self._began: float | None = None
        self.met: Counter[str] = Counter()

    def __call__(self, application: Application) -> Application:
        def guarded(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            call = read_call(environ, read_body(environ))
            if self._is_out(call):
                if self._how == "refuse":
                    message = "Please reduce your request rate."
                    return give(refusal(call, "ServiceUnavailable", message, status=503), start_response)
                if self._how == "hang":
                    threading.Event().wait(HANG)
                return self._cut(environ)
            self._listen(call)
            return application(environ, start_response)

        return guarded

    def _is_out(self, call: Call) -> bool:
        with self._lock:
            out = self._began is not None and time.monotonic() - self._began < self._seconds
            if not out or call.service != self._service:
                return False
            self.met[call.operation] += 1
            return True

    def _listen(self, call: Call) -> None:
        """Begin when a worker tells of users."""
        if self._began is None and call.operation == "sqs:SendMessage":
            message = unpack(call.json["MessageBody"])
            if isinstance(message, Progress) and message.tally.started > 0:
                with self._lock:
                    self._began = time.monotonic()

    def _cut(self, environ: Environ) -> Iterable[bytes]:
        with suppress(OSError):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError
