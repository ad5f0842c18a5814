"""One sandbox: a worker under the Runtime API, which is given one event at a time.

Leaves to others: the protocol (runtime_api), the worker's life and death as processes or as a container (body),
how many sandboxes there are (plane).

A sandbox is free only when it asks for the next event, not when it answers: between the two the runtime still
runs, and an event given then would wait for a process that is about to be frozen. So an invocation ends with the
next `next`, with the end of the process, or with the function's timeout (AWS: "the Invoke phase ends after the
runtime … signals that it is done by sending a Next API request"). In between, all processes stand still, as on
Lambda.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from grapeshot_launcher.platforms.emulator.body import MARK, RUNTIME_API, Birth, Bodies, Body
from grapeshot_launcher.platforms.emulator.runtime_api import Event, RuntimeServer
from grapeshot_worker.errors import GrapeshotError

START_LIMIT = 180.0  # seconds to start; Lambda's 10 s would be too few for many sandboxes on a small machine

Point = Literal["start", "invoke", "respond"]


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function as it was configured when the sandbox started; equal functions share their sandboxes."""

    name: str
    arn: str
    region: str
    role: str
    revision: str
    command: str  # what the runtime loads: `module.function`
    memory: int  # MB
    timeout: float  # seconds
    variables: tuple[tuple[str, str], ...]
    concurrency: int | None = None  # reserved


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an invocation ended: the handler's answer, or a document that says what went wrong."""

    payload: bytes
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a sandbox finds around it: what it runs in, the variables that all share, who reads its output."""

    bodies: Bodies
    variables: dict[str, str]
    log: Callable[[str, str], None]  # sandbox, line
    reached: Callable[[Point, Sandbox, bytes], None]  # a point of its life, with the event's payload


class Sandbox:
    """Started by its first `run`. After a `run`, see whether it is `alive`: if not, it can't be used again."""

    def __init__(
        self, name: str, function: Function, around: Surroundings, keys: tuple[str, str, str]
    ) -> None:
        self.name = name
        self.function = function
        self.access_key = keys[0]
        self.alive = True
        self._around = around
        self._keys = keys
        self._body: Body | None = None
        self._starting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._server = RuntimeServer(self)
        self._timer: asyncio.TimerHandle | None = None
        self._pending: Event | None = None  # given by the plane, not yet taken by the runtime
        self._arrived = asyncio.Event()
        self._over: asyncio.Future[Outcome] | None = None
        self._running: Event | None = None
        self._answer: Outcome | None = None

    async def run(self, request_id: str, payload: bytes) -> Outcome:
        """Have one event handled."""
        deadline = time.time() + self.function.timeout
        event = Event(request_id=request_id, payload=payload, arn=self.function.arn, deadline=deadline)
        self._over = asyncio.get_running_loop().create_future()
        self._answer = None
        self._pending = event
        self._arrived.set()
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(payload))
        try:
            await asyncio.shield(self._starting)  # a caller that is cancelled leaves no half-started body
        except (GrapeshotError, OSError) as error:
            await self._unborn(error)
        return await self._over

    async def close(self) -> None:
        """End the processes and the server; what runs ends as `killed`."""
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        self.kill()
        if self._watching is not None:
            await self._watching
        self.alive = False

    def kill(self) -> None:
        """End the processes at once."""
        if self._body is not None:
            self._body.kill()

    # ---- what the runtime asks and says ----

    async def next(self) -> Event:
        """Give the runtime its next event; the one before is over."""
        assert self._starting is not None
        await asyncio.shield(self._starting)  # a body may speak before we know that it has been started
        assert self._body is not None
        if self._timer is not None:
            self._timer.cancel()
        if self._pending is None:
            await self._body.freeze()  # before anybody learns that the event is over
        if self._running is not None:
            self._end(self._answer or _fault("Runtime.NoResponse", "the runtime gave no response"))
        await self._arrived.wait()
        self._arrived.clear()
        assert self._pending is not None
        await self._body.thaw()
        waited, self._pending = self._pending, None
        # The timeout covers the handler, not the start of the sandbox.
        event = replace(waited, deadline=time.time() + self.function.timeout)
        self._running = event
        self._log(f"START RequestId: {event.request_id} Version: $LATEST")
        self._limit(self.function.timeout, f"Task timed out after {self.function.timeout:.2f} seconds")
        self._around.reached("invoke", self, event.payload)
        return event

    def answered(self, request_id: str, payload: bytes, *, failed: bool) -> None:
        """Keep the runtime's answer until the invocation ends."""
        if self._running is not None and self._running.request_id == request_id and self._answer is None:
            self._answer = Outcome(payload=payload, failed=failed)
            self._around.reached("respond", self, self._running.payload)

    def failed_to_start(self, payload: bytes) -> None:
        """Keep the error; the process ends by itself."""
        self._answer = Outcome(payload=payload, failed=True)

    # ---- life and death ----

    async def _start(self, payload: bytes) -> None:
        await self._server.start()
        self._body = await self._around.bodies.start(
            Birth(
                name=self.name,
                handler=self.function.command,
                memory=self.function.memory,
                environ=self._environ(self._server.address),
            )
        )
        self._watching = asyncio.create_task(self._watch(self._body))
        self._limit(START_LIMIT, f"The sandbox did not start within {START_LIMIT:.0f} seconds")
        self._around.reached("start", self, payload)

    async def _unborn(self, error: Exception) -> None:
        """Tell that there is no body, as the outcome of the event that it was wanted for."""
        self.alive = False
        await self._server.close()
        self._log(f"{self._request()}The sandbox could not be started: {error}")
        self._end(_fault("Sandbox.StartFailed", f"{self._request()}Error: {error}"))

    def _environ(self, address: str) -> dict[str, str]:
        function = self.function
        key, secret, token = self._keys
        return {
            **self._around.variables,
            **dict(function.variables),
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            RUNTIME_API: address,
            "_HANDLER": function.command,
            "TZ": ":UTC",
            MARK: self.name,
        }

    async def _watch(self, body: Body) -> None:
        reading = asyncio.create_task(self._read(body.output))
        code = await body.wait()
        self.alive = False
        body.kill()  # what it left behind
        await reading
        await self._server.close()
        how = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        why = f"Runtime exited with error: {how}" if code else "Runtime exited without providing a reason"
        if self._over is not None and not self._over.done():
            self._log(why)
            self._end(self._answer or _fault("Runtime.ExitError", f"{self._request()}Error: {why}"))

    async def _read(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readline()
            except ValueError:
                line = b"(a line too long to show)\n"
            if not line:
                return
            self._log(line.decode("utf-8", "replace").rstrip("\r\n"))

    def _limit(self, seconds: float, message: str) -> None:
        def over() -> None:
            self._log(f"{self._request()}{message}")
            self._answer = self._answer or _fault("Sandbox.Timedout", f"{self._request()}Error: {message}")
            self.kill()

        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, over)

    def _end(self, outcome: Outcome) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._running is not None:
            self._log(f"END RequestId: {self._running.request_id}")
        self._running = None
        if self._over is not None and not self._over.done():
            self._over.set_result(outcome)

    def _request(self) -> str:
        event = self._running or self._pending
        return f"RequestId: {event.request_id} " if event else ""

    def _log(self, line: str) -> None:
        self._around.log(self.name, line)


def _fault(kind: str, message: str) -> Outcome:
    return Outcome(payload=json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)
