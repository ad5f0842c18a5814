"""A target over TLS that takes its time at each phase of one exchange, and then tells when it did what.

    python tests/phase_server.py CERT KEY      prints its port; after the exchange its moments, as JSON

Moments are seconds of the monotonic clock. It serves one connection and one request, and ends.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from target import HOST, Certificate

TLS, FIRST_BYTE, DOWNLOAD = 0.12, 0.25, 0.06  # seconds that it waits


@dataclass(frozen=True)
class Exchange:
    """What the server knows of the exchange: the moments at which …"""

    accepted: float  # … it had the connection
    secured: float  # … the handshake was over
    received: float  # … the request was here
    answered: float  # … it sent the first byte
    ended: float  # … it had sent the last one


class PhaseServer:
    """The server, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.url = f"https://{HOST}:{port}"

    def exchange(self) -> Exchange:
        """Ask for its record once the exchange is over."""
        output, _ = self._process.communicate(timeout=10)
        return Exchange(**json.loads(output))


@contextlib.contextmanager
def phase_server(certificate: Certificate) -> Iterator[PhaseServer]:
    """Run the server; it is killed at the end if nobody has come."""
    command = [sys.executable, str(Path(__file__)), *certificate]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield PhaseServer(process, int(process.stdout.readline()))
        finally:
            process.kill()


def serve_once(listener: socket.socket, context: ssl.SSLContext) -> Exchange:
    """Serve one connection, slowly."""
    plain, _ = listener.accept()
    accepted = time.monotonic()
    plain.settimeout(10)
    _wait(TLS)
    with context.wrap_socket(plain, server_side=True) as connection:
        secured = time.monotonic()
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        received = time.monotonic()
        _wait(FIRST_BYTE)
        answered = time.monotonic()
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        _wait(DOWNLOAD)
        connection.sendall(b"ok")
        return Exchange(accepted, secured, received, answered, time.monotonic())


def _wait(seconds: float) -> None:
    select.select([], [], [], seconds)


def main() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*sys.argv[1:3])
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(30)
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        sys.stdout.write(json.dumps(vars(serve_once(listener, context))))


if __name__ == "__main__":
    main()
