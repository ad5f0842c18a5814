"""The server of the benchmarks: nginx with one worker, its configuration in a temporary folder.

Leaves to others: making load. What a client achieved is read from nginx's own counters, so it is counted the same
way for every client.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme
from scenarios import LARGE

HOST = "127.0.0.1"
MISSING = (
    "nginx is not installed; the benchmarks need it as their server. Install it, for example with "
    "`apt-get install nginx-light`, `dnf install nginx` or `brew install nginx`."
)
CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 16384; multi_accept on; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {host}:{port} backlog=8192;
    listen {host}:{tls_port} ssl backlog=8192;
    ssl_protocols {tls};
    ssl_certificate {folder}/chain.pem;
    ssl_certificate_key {folder}/key.pem;
    location = /counters {{ stub_status; }}
    location /json/ {{
      default_type application/json;
      return 200 '{{"id":42,"name":"grape","token":"0123456789abcdef","tags":["red","sweet"],"price":2.5}}';
    }}
    # A static file: what is asked for by many URLs.
    location /large/ {{ root {folder}; try_files /large.bin =404; }}
    # `mirror` reads the body before anything is answered; `return` alone answers at once, and the client would be
    # through before it has sent a byte of it. A static file can't be posted to, which is how the answer is reached.
    location /upload/ {{
      client_max_body_size 2m;
      client_body_buffer_size 1m;
      mirror /mirrored;
      root {folder};
      try_files /large.bin =404;
      error_page 405 =200 @uploaded;
    }}
    location @uploaded {{ default_type text/plain; return 200 'taken\n'; }}
    location = /mirrored {{ internal; return 204; }}
    location / {{ default_type text/plain; return 200 'a small body of some sixty bytes, as of a terse service\\n'; }}
  }}
}}
"""


@dataclass(frozen=True)
class Counters:
    """What nginx has seen so far, and when it was asked."""

    at: float
    accepted: int
    requests: int
    active: int  # open connections


class Nginx:
    """A running nginx."""

    def __init__(self, port: int, tls_port: int) -> None:
        self.url, self.tls_url = f"http://{HOST}:{port}", f"https://{HOST}:{tls_port}"
        self._connection = http.client.HTTPConnection(HOST, port, timeout=10)

    def counters(self) -> Counters:
        """Ask nginx; the question itself is one request on a connection that stays open."""
        self._connection.request("GET", "/counters")
        text = self._connection.getresponse().read().decode()
        active, accepted, _, requests = map(int, re.findall(r"\d+", text)[:4])
        return Counters(time.monotonic(), accepted, requests, active)

    def check(self) -> None:
        """See that the large bodies come and go; a client is fast at being refused."""
        for method, path, body, size in (
            ("GET", "/large/1", None, LARGE),
            ("POST", "/upload/1", LARGE * b"u", 6),
        ):
            self._connection.request(method, path, body)
            response = self._connection.getresponse()
            if (response.status, len(response.read())) != (200, size):
                raise SystemExit(f"nginx answers {method} {path} with {response.status}")

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def running(folder: Path, pin: list[str], tls: str = "TLSv1.2") -> Iterator[Nginx]:
    """Start nginx behind the `pin` command (`taskset -c 1`), stop it at the end; `tls` is the version it speaks.

    By itself it speaks TLS 1.2 or 1.3, as its own version likes, so it is told.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise SystemExit(MISSING)
    leaf = trustme.CA().issue_cert(HOST)
    leaf.cert_chain_pems[0].write_to_path(str(folder / "chain.pem"))
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    port, tls_port = _free_ports()
    text = CONFIGURATION.format(folder=folder, host=HOST, port=port, tls_port=tls_port, tls=tls)
    folder.chmod(0o755)  # nginx's worker is another user where we are root
    (folder / "large.bin").write_bytes(LARGE * b"d")
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    log = folder / "start.log"
    command = [
        *pin,
        nginx,
        "-p",
        str(folder),
        "-e",
        str(folder / "error.log"),
        "-c",
        str(folder / "nginx.conf"),
    ]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        server = Nginx(port, tls_port)
        try:
            _await_start(server, process, log)
            server.check()
            yield server
        finally:
            server.close()
            process.terminate()


def _await_start(server: Nginx, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            server.counters()
            return
        except OSError:
            server.close()  # or http.client goes on waiting for the answer to its first question
            if process.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(encoding="utf-8", errors="replace")
                raise SystemExit(f"nginx did not start:\n{text}") from None
            time.sleep(0.05)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind((HOST, 0))
        other.bind((HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]
