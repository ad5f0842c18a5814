"""Lambda's Invoke: which sandbox takes an event, how many there may be, and what is tried again.

Leaves to others: functions' settings (backends), one sandbox's life (sandbox), HTTP (front).

As on Lambda: a synchronous call beyond the concurrency limit is refused; an asynchronous one is accepted at once,
waits for a free place, and a failure (an error, a crash or a timeout) is tried again as often as the function's
MaximumRetryAttempts says, after 1 and then 2 minutes (AWS: "Invoking a Lambda function asynchronously").
Concurrency counts events being handled. Everything here runs in one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import Callable, Sequence

from grapeshot_launcher.platforms.emulator.calls import Answer, Call, as_json, refusal
from grapeshot_launcher.platforms.emulator.faults import Faults
from grapeshot_launcher.platforms.emulator.sandbox import Function, Outcome, Point, Sandbox, Surroundings

SYNC_LIMIT = 6_291_556  # bytes of a payload (AWS: Lambda quotas)
EVENT_LIMIT = 1_048_576
RETRY_DELAYS = (60.0, 120.0)  # seconds before the second and the third attempt
PLACE_DELAY, PLACE_DELAY_LIMIT = 1.0, 300.0  # seconds between two looks for a free place, doubling

Keys = Callable[[Function, str], tuple[str, str, str]]  # the role's credentials for a sandbox


class Throttled(Exception):
    """No sandbox may be taken now."""


class Plane:
    """Runs the sandboxes of all functions. `concurrency` is the account's limit."""

    def __init__(
        self, around: Surroundings, keys: Keys, *, concurrency: int, retry_delays: Sequence[float]
    ) -> None:
        self._around = around
        self._keys = keys
        self._concurrency = concurrency
        self._retry_delays = retry_delays
        self._numbers = itertools.count(1)
        self._sandboxes: dict[str, Sandbox] = {}  # by access key
        self._idle: list[Sandbox] = []
        self._busy: list[Function] = []  # one for each event being handled
        self._events: set[asyncio.Task[None]] = set()
        self._closed = False

    async def invoke(self, function: Function, call: Call, *, kind: str, retries: int) -> Answer:
        """Serve one Invoke call; `kind` is its InvocationType."""
        payload = call.body or b"{}"
        if len(payload) > (EVENT_LIMIT if kind == "Event" else SYNC_LIMIT):
            return refusal(call, "RequestTooLargeException", "The payload is too large.", status=413)
        try:
            json.loads(payload)
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            return refusal(call, "InvalidRequestContentException", message)
        request_id = str(uuid.uuid4())
        if kind == "DryRun":
            return Answer(status=204)
        if kind == "Event":
            task = asyncio.create_task(self._handle_event(function, request_id, payload, retries))
            self._events.add(task)
            task.add_done_callback(self._events.discard)
            return Answer(status=202, headers=(("x-amzn-RequestId", request_id),))
        try:
            outcome = await self._handle(function, request_id, payload)
        except Throttled:
            members = {
                "Reason": "ConcurrentInvocationLimitExceeded",
                "Type": "User",
                "message": "Rate Exceeded.",
            }
            kind_of_error = (("x-amzn-ErrorType", "TooManyRequestsException"),)
            return as_json(members, status=429, headers=kind_of_error)
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
        headers += [("x-amzn-RequestId", request_id)]
        headers += [("X-Amz-Function-Error", "Unhandled")] if outcome.failed else []
        return Answer(status=200, headers=tuple(headers), body=outcome.payload)

    async def kill(self, access_key: str, *, after: float) -> None:
        """End the sandbox that has this access key, if there is one: now, or so many seconds later."""
        if sandbox := self._sandboxes.get(access_key):
            _kill(sandbox, after)

    async def close(self) -> None:
        """End everything that runs or waits."""
        self._closed = True
        for task in list(self._events):
            task.cancel()
        await asyncio.gather(*self._events, return_exceptions=True)
        await asyncio.gather(*[sandbox.close() for sandbox in self._sandboxes.values()])

    async def _handle_event(self, function: Function, request_id: str, payload: bytes, retries: int) -> None:
        for attempt in range(retries + 1):
            outcome = await self._handle_when_free(function, request_id, payload)
            if not outcome.failed or attempt == retries:
                return
            await asyncio.sleep(self._retry_delays[min(attempt, len(self._retry_delays) - 1)])

    async def _handle_when_free(self, function: Function, request_id: str, payload: bytes) -> Outcome:
        delay = PLACE_DELAY
        while True:
            with contextlib.suppress(Throttled):
                return await self._handle(function, request_id, payload)
            await asyncio.sleep(delay)
            delay = min(delay * 2, PLACE_DELAY_LIMIT)

    async def _handle(self, function: Function, request_id: str, payload: bytes) -> Outcome:
        if self._closed or len(self._busy) >= self._concurrency:
            raise Throttled
        if function.concurrency is not None and self._busy_with(function) >= function.concurrency:
            raise Throttled
        sandbox = self._take(function)
        self._busy.append(function)
        try:
            return await sandbox.run(request_id, payload)
        finally:
            self._busy.remove(function)
            if sandbox.alive:
                self._idle.append(sandbox)
            else:
                self._sandboxes.pop(sandbox.access_key, None)

    def _busy_with(self, function: Function) -> int:
        return sum(other.arn == function.arn for other in self._busy)

    def _take(self, function: Function) -> Sandbox:
        """Take an idle sandbox of this very function, or make a new one."""
        self._idle = [sandbox for sandbox in self._idle if sandbox.alive]
        for sandbox in self._idle:
            if sandbox.function == function:
                self._idle.remove(sandbox)
                return sandbox
        name = f"{function.name}/{next(self._numbers)}-{uuid.uuid4().hex[:12]}"
        sandbox = Sandbox(name, function, self._around, self._keys(function, name))
        self._sandboxes[sandbox.access_key] = sandbox
        return sandbox


def at_points(faults: Faults) -> Callable[[Point, Sandbox, bytes], None]:
    """Give what looks, at every point of a sandbox's life, whether a fault ends it."""

    def reached(point: Point, sandbox: Sandbox, payload: bytes) -> None:
        call = Call(
            service="sandbox", operation=f"sandbox:{point}", access_key=sandbox.access_key, body=payload
        )
        for fault in faults.strike(call):
            if fault.effect == "kill":
                _kill(sandbox, fault.after)

    return reached


def _kill(sandbox: Sandbox, after: float) -> None:
    if after:
        asyncio.get_running_loop().call_later(after, sandbox.kill)
    else:
        sandbox.kill()
