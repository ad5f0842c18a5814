"""A bucket and a queue in memory, above the border to AWS, with faults that are switched on by operation.

Leaves to others: what is kept in them. Usable from several threads, as the real thing is.

    cloud = MemoryCloud()
    cloud.fail("send", times=2)                  the next two calls fail as a hiccup does
    cloud.fail("get", DENIED, times=math.inf)    all calls fail from now on; cloud.heal("get") ends that
    cloud.lose_answer("put_new")                 the next call works, and its caller never learns of it
    cloud.on_message = launcher                  is called with each message that a worker sends
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from grapeshot_worker.errors import CloudError
from grapeshot_worker.messages import Message
from grapeshot_worker.wire import unpack

HICCUP = CloudError("AWS refused the call: InternalError", passing=True)
DENIED = CloudError("AWS refused the call: AccessDenied", remedy="Allow it.", passing=True)
NO_QUEUE = CloudError("AWS refused sqs:SendMessage: NonExistentQueue")


@dataclass
class MemoryCloud:
    """`objects` by key, `sent` texts in order; `calls` counts every try by operation, the failed ones too."""

    objects: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    on_message: Callable[[Message], None] = lambda message: None

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._faults: dict[str, tuple[CloudError, float]] = {}
        self._lost: set[str] = set()

    def fail(self, operation: str, error: CloudError = HICCUP, *, times: float = 1) -> None:
        """Let the next calls of get, put, put_new or send fail before they have done anything."""
        self._faults[operation] = (error, times)

    def heal(self, operation: str) -> None:
        """Let an operation work again."""
        self._faults.pop(operation, None)

    def lose_answer(self, operation: str) -> None:
        """Let the next call work, and then fail as if its answer had been lost."""
        self._lost.add(operation)

    @property
    def messages(self) -> list[Message]:
        """What was sent, unpacked."""
        with self._lock:
            return [unpack(text) for text in self.sent]

    def get(self, key: str) -> bytes | None:
        with self._lock:
            self._begin("get")
            return self.objects.get(key)

    def put(self, key: str, body: bytes) -> None:
        with self._lock:
            self._begin("put")
            self.objects[key] = body
            self._end("put")

    def put_new(self, key: str, body: bytes) -> bool:
        with self._lock:
            self._begin("put_new")
            new = self.objects.setdefault(key, body) is body
            self._end("put_new")
            return new

    def send(self, text: str) -> None:
        with self._lock:
            self._begin("send")
            self.sent.append(text)
            self._end("send")
        self.on_message(unpack(text))

    def _begin(self, operation: str) -> None:
        self.calls[operation] = self.calls.get(operation, 0) + 1
        error, times = self._faults.get(operation, (HICCUP, 0))
        if times > 0:
            self._faults[operation] = (error, times if math.isinf(times) else times - 1)
            raise error

    def _end(self, operation: str) -> None:
        if operation in self._lost:
            self._lost.discard(operation)
            raise HICCUP
