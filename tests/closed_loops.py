"""The same requests made by the engine and by a bare loop: what a request costs in CPU time, and what of it is ours.

    python tests/closed_loops.py serve                             prints its port, answers until its input ends
    python tests/closed_loops.py {engine,bare} KIND PORT REQUESTS  makes requests, prints the CPU seconds they took
    python tests/closed_loops.py race KIND PORT REQUESTS ROUNDS    both in turn: [[engine's seconds, bare's], …]

The engine is whole (a Session, all default metrics), but for the pipes of its process. The bare loop is the least that
uvloop can do: a Protocol that writes the next request when something came. Both are 50 clients; for `connect` each
request is a client of its own, and they come at a rate.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from grapeshot_worker.messages import Control, Finished, Go, Message, Ready
from grapeshot_worker.plan import Assignment
from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script
from grapeshot_worker.session import Session

HOST = "127.0.0.1"
CLIENTS = 50
RATE = 1500  # users a second, where each has a connection of its own
LIMIT = 60.0  # seconds for anything here
BODY = b'{"id":42,"name":"grape","token":"0123456789abcdef","tags":["red","sweet"],"price":2.5}'
FIELDS = (
    b"Server: bench\r\nDate: Sat, 28 Nov 2026 03:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Connection: keep-alive\r\n"
)
KINDS: dict[str, dict[str, Any]] = {
    "get": {},
    "capture": {"capture": {"json": "$.token", "as": "token"}},
    "check": {
        "capture": {"json": "$.token", "as": "token"},
        "expect": [{"statusCode": 200}, {"contentType": "json"}, {"hasProperty": "token"}],
    },
    "varied": {},  # every response has a header of its own
    "connect": {},
}


class Answerer(asyncio.Protocol):
    """A connection of the server: whatever is asked, it gives the same body."""

    served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        fields = FIELDS
        if data.startswith(b"GET /varied"):
            Answerer.served += 1
            fields += b"X-Request-Id: %016x\r\n" % Answerer.served
        self.transport.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(BODY), BODY))


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answerer, HOST, 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    await loop.run_in_executor(None, sys.stdin.read)


class Bare(asyncio.Protocol):
    """A client that asks again as soon as it has an answer, `left` times."""

    def __init__(self, kind: str, left: int, done: asyncio.Future[None]) -> None:
        self.kind, self.left, self.done = kind, left, done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.ask()

    def ask(self) -> None:
        self.transport.write(
            b"GET /%b/%d HTTP/1.1\r\nhost: 127.0.0.1\r\naccept-encoding: gzip, deflate, br, zstd\r\n"
            b"connection: keep-alive\r\n\r\n" % (self.kind.encode(), self.left)
        )

    def data_received(self, data: bytes) -> None:
        assert data.endswith(BODY)
        self.left -= 1
        if self.left:
            self.ask()
        else:
            self.transport.abort()
            self.done.set_result(None)


async def bare(kind: str, port: int, requests: int) -> float:
    """Make the requests without the engine; give the CPU seconds."""
    loop = asyncio.get_running_loop()
    before, began = time.process_time(), loop.time()
    clients = requests if kind == "connect" else CLIENTS
    ends: list[asyncio.Future[None]] = []
    opening = []
    for number in range(clients):
        if kind == "connect" and (early := began + number / RATE - loop.time()) > 0:
            await asyncio.sleep(early)
        ends.append(loop.create_future())
        make = partial(Bare, kind, requests // clients, ends[-1])
        opening.append(asyncio.ensure_future(loop.create_connection(make, HOST, port)))
    await asyncio.gather(*opening, *ends)
    return time.process_time() - before


async def engine(kind: str, port: int, requests: int) -> float:
    """Make the requests as users of a script; give the CPU seconds."""
    step: dict[str, Any] = {"get": {"url": f"/{kind}/{{{{ $loopCount }}}}", **KINDS[kind]}}
    phase: dict[str, Any] = {"duration": 1, "arrivalCount": CLIENTS}
    flow = [{"loop": [step], "count": requests // CLIENTS}]
    if kind == "connect":
        phase = {"duration": math.ceil(requests / RATE), "arrivalCount": requests}
        flow = [step]
    config: dict[str, Any] = {"target": f"http://{HOST}:{port}", "phases": [phase]}
    if "expect" in KINDS[kind]:
        config["plugins"] = {"expect": {"outputFormat": "silent"}}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.yml"
        script.write_text(json.dumps({"config": config, "scenarios": [{"flow": flow}]}), encoding="utf-8")
        source = load_script(
            ScriptOptions(script=str(script), test_id="t"),
            environ={},
            read_text=lambda path: Path(path).read_text(encoding="utf-8"),
            functions=builtin_functions(random.Random(1)),
        )
    moments: list[float] = []
    last: list[Message] = []

    def send(message: Message) -> None:
        if isinstance(message, Ready | Finished):
            moments.append(time.process_time())
        last[:] = [message]

    controls: asyncio.Queue[Control | None] = asyncio.Queue()
    controls.put_nowait(Go(start_at=time.time() - (0 if kind == "connect" else 10)))
    session = Session(
        Assignment(run_id="run", source=source), send=send, controls=controls, environ={}, print_line=print
    )
    async with asyncio.timeout(LIMIT):
        await session.run()
    assert isinstance(last[0], Finished), last[0]
    assert last[0].tally.failed == 0, last[0].tally
    return moments[-1] - moments[0]


def race(kind: str, port: int, requests: int, rounds: int) -> list[list[float]]:
    """Make the requests in turn: [engine's CPU seconds, the bare loop's] of each round."""
    return [
        [uvloop.run(engine(kind, port, requests)), uvloop.run(bare(kind, port, requests))]
        for _ in range(rounds)
    ]


def main() -> None:
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as an engine process has it
    what, *words = sys.argv[1:]
    if what == "serve":
        uvloop.run(serve())
        return
    kind, port, requests, *rounds = words
    if what == "race":
        found: Any = race(kind, int(port), int(requests), int(rounds[0]))
    else:
        found = uvloop.run((engine if what == "engine" else bare)(kind, int(port), int(requests)))
    print(json.dumps(found))  # noqa: T201 - for whoever started it


if __name__ == "__main__":
    main()
