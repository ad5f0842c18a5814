"""What a parked connection keeps in memory, by who does its TLS: ours, uvloop's, or OpenSSL on a blocking socket.

    python bench/tls_memory.py [--connections 500] [--tls TLSv1.2] [--way ours …]

A process for each row opens so many connections to nginx, makes one request over each, reads the response and keeps
them open; its resident memory before and after is compared. The last ways are the least that Python's `ssl` can do:
without an event loop, and without a connection.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import nginx
import uvloop
from run import pin

from grapeshot_worker.__main__ import keep_freed_memory
from grapeshot_worker.traffic.wire.secure import secured
from grapeshot_worker.traffic.wire.tls import client_context

AT_ONCE = 20  # connections that are opened together
LIMIT = 120.0  # seconds a process may take
PATHS = {"small": "/items/1", "1 MB": "/large/1"}


class Reader(asyncio.Protocol):
    """Reads one response and keeps nothing of it."""

    def __init__(self) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._left: int | None = None
        self.open = True

    def data_received(self, data: bytes) -> None:
        if self._left is None:
            self._left = length(data) - len(data)
        else:
            self._left -= len(data)
        if self._left <= 0 and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False


def length(start: bytes) -> int:
    """Give the bytes of a whole response, head and body, from its beginning."""
    found = re.search(rb"(?i)content-length: (\d+)", start)
    assert found is not None, start[:200]
    return start.index(b"\r\n\r\n") + 4 + int(found[1])


def context() -> ssl.SSLContext:
    return client_context({"rejectUnauthorized": False}, directory=".", environ={})


async def opened(way: str, tls: ssl.SSLContext, host: str, port: int) -> tuple[asyncio.Transport, Reader]:
    loop = asyncio.get_running_loop()
    if way == "uvloop":
        return await loop.create_connection(Reader, host, port, ssl=tls, server_hostname=host)
    transport, reader = await loop.create_connection(Reader, host, port)
    return (await secured(transport, reader, tls, host) if way == "ours" else transport), reader


async def on_the_loop(way: str, host: str, port: int, request: bytes, connections: int) -> float:
    tls, turns = context(), asyncio.Semaphore(AT_ONCE)
    kept: list[tuple[asyncio.Transport, Reader]] = []

    async def one() -> None:
        async with turns:
            transport, reader = await opened(way, tls, host, port)
            transport.write(request)
            await reader.done
            kept.append((transport, reader))

    await one()  # what comes once
    before = resident()
    await asyncio.gather(*(one() for _ in range(connections)))
    grown = resident() - before
    assert all(reader.open for _, reader in kept)
    return grown / connections


def blocking(tls: ssl.SSLContext, host: str, port: int, request: bytes, connections: int) -> float:
    kept: list[ssl.SSLSocket] = []

    def one() -> None:
        wrapped = tls.wrap_socket(socket.create_connection((host, port)), server_hostname=host)
        wrapped.sendall(request)
        start = wrapped.recv(16384)
        left = length(start) - len(start)
        while left > 0:
            left -= len(wrapped.recv(16384))
        kept.append(wrapped)

    one()
    before = resident()
    for _ in range(connections):
        one()
    return (resident() - before) / connections


def unused(connections: int) -> float:
    tls = context()

    def one() -> ssl.SSLObject:
        return tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="127.0.0.1")

    one()
    before = resident()
    kept = [one() for _ in range(connections)]
    return (resident() - before) / len(kept)


WAYS = {
    "plain": "without TLS",
    "ours": "`traffic/wire/secure.py`",
    "uvloop": "uvloop's TLS",
    "blocking": "OpenSSL on a blocking socket, no event loop",
    "no-tickets": "the same, without session tickets",
    "unused": "OpenSSL with two memory buffers, not a byte sent",
}


def resident() -> int:
    """Give this process's resident memory in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def hold(way: str, url: str, path: str, connections: int) -> float:
    """Give the bytes of each connection."""
    host, port = url.split("//")[1].split(":")
    request = f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
    keep_freed_memory()  # as an engine process does
    if way == "unused":
        return unused(connections)
    if way in ("plain", "ours", "uvloop"):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(on_the_loop(way, host, int(port), request, connections))
    tls = context()
    if way == "no-tickets":
        tls.options |= ssl.OP_NO_TICKET
    return blocking(tls, host, int(port), request, connections)


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of parked connections, by who does their TLS.")
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument(
        "--tls", default="TLSv1.2", help="what nginx speaks: TLSv1.2 (the default) or TLSv1.3"
    )
    parser.add_argument("--way", action="append", choices=list(WAYS), help="default: all")
    parser.add_argument("--hold", nargs=3, metavar=("WAY", "URL", "PATH"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.hold:
        way, url, path = chosen.hold
        print(hold(way, url, path, chosen.connections))
        return
    print(f"{ssl.OPENSSL_VERSION}, {chosen.tls}, {chosen.connections} connections\n")
    print(f"| kB of a connection after a response of | {' | '.join(PATHS)} |\n| --- | ---: | ---: |")
    with (
        tempfile.TemporaryDirectory(prefix="grapeshot-bench-") as name,
        nginx.running(Path(name), pin(1), chosen.tls) as server,
    ):
        for way in chosen.way or WAYS:
            url = server.url if way == "plain" else server.tls_url
            cells = [f"{measured(way, url, path, chosen.connections) / 1000:.1f}" for path in PATHS.values()]
            print(f"| {WAYS[way]} | {' | '.join(cells)} |", flush=True)


def measured(way: str, url: str, path: str, connections: int) -> float:
    """Hold connections in a process of their own."""
    command = [sys.executable, __file__, "--connections", str(connections), "--hold", way, url, path]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=LIMIT).stdout)


if __name__ == "__main__":
    main()
