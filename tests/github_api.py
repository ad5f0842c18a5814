"""GitHub's REST API for the comments of one repository, in memory, on a port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class GitHubApi:
    """What it holds: comments by number of the pull request; `status` other than 200 is all it answers."""

    address: str = ""
    repository: str = "acme/shop"
    token: str = "t0k3n"
    status: int = 200
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def say(self, number: int, body: str, *, kind: str = "User", association: str = "NONE") -> None:
        """Have somebody comment."""
        thread = self.comments.setdefault(number, [])
        known = sum(map(len, self.comments.values()))
        thread.append(
            {"id": known + 1, "body": body, "user": {"type": kind}, "author_association": association}
        )


@contextlib.contextmanager
def serve() -> Iterator[GitHubApi]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    api = GitHubApi(f"http://127.0.0.1:{server.server_port}")
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

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def _answer(self) -> None:
        api: GitHubApi = self.server.api  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        status, answer = self._act(api, body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _act(self, api: GitHubApi, body: dict[str, Any]) -> tuple[int, Any]:
        if api.status != 200:
            return api.status, {"message": "no"}
        if self.headers.get("Authorization") != f"Bearer {api.token}":
            return 401, {"message": "Bad credentials"}
        url = urlsplit(self.path)
        path = url.path.removeprefix(f"/repos/{api.repository}/")
        if found := re.fullmatch(r"issues/(\d+)/comments", path):
            number = int(found[1])
            if self.command == "POST":
                api.say(number, body["body"], kind="Bot")
                return 201, api.comments[number][-1]
            query = {name: int(value[0]) for name, value in parse_qs(url.query).items()}
            first = (query["page"] - 1) * query["per_page"]
            return 200, api.comments.get(number, [])[first : first + query["per_page"]]
        if (found := re.fullmatch(r"issues/comments/(\d+)", path)) and self.command == "PATCH":
            for comment in (each for thread in api.comments.values() for each in thread):
                if comment["id"] == int(found[1]):
                    comment["body"] = body["body"]
                    return 200, comment
        return 404, {"message": "Not Found"}

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
