"""GitHub's side of a keyless login: an issuer of identity tokens on 127.0.0.1, and a job's environment.

with GitHubIdentity() as github:
    environ = github.environ()                       # what a job with `id-token: write` finds
    github.claims["sub"] = "repo:acme/shop:environment:prod"
    github.answers.append((503, "busy"))             # instead of a token, once
    github.asked                                     # the audiences that were asked for
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://token.actions.githubusercontent.com"
KEY_ID = "test-key"


class GitHubIdentity:
    """Issues RS256 tokens with `claims`, good for `lifetime` seconds, to whoever shows `bearer`."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.bearer = secrets.token_hex(16)
        self.lifetime = 300.0
        self.claims: dict[str, Any] = {
            "iss": ISSUER,
            "sub": "repo:acme/shop:ref:refs/heads/main",
            "repository": "acme/shop",
            "ref": "refs/heads/main",
            "event_name": "push",
        }
        self.answers: list[tuple[int, str]] = []
        self.asked: list[str] = []
        self.issued: list[str] = []

    def __enter__(self) -> GitHubIdentity:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, audience: str) -> str:
        now = time.time()
        claims = {"aud": audience, "iat": now, "exp": now + self.lifetime, "jti": secrets.token_hex(8)}
        token = jwt.encode({**claims, **self.claims}, self.key, algorithm="RS256", headers={"kid": KEY_ID})
        self.issued.append(token)
        return token

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a job that may ask for tokens."""
        port = self._server.server_address[1]
        return {
            **runner_environ(),
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{port}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.bearer,
            **more,
        }


def runner_environ(**more: str) -> dict[str, str]:
    """The environment of any job."""
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "4711",
        "GITHUB_EVENT_NAME": "push",
        **more,
    }


def pull_request(folder: Path, *, head: str | None, base: str = "acme/shop") -> dict[str, str]:
    """What a job of a pull request finds besides; `head` is the repository it comes from, None one that is gone."""
    event = {
        "pull_request": {
            "head": {"repo": {"full_name": head} if head else None},
            "base": {"repo": {"full_name": base}},
        }
    }
    path = folder / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    return {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path)}


def _handler(github: GitHubIdentity) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            github.asked.append(query.get("audience", [""])[0])
            if github.answers:
                self._give(*github.answers.pop(0))
            elif self.headers.get("Authorization") != f"bearer {github.bearer}":
                self._give(401, "not the job's token")
            else:
                self._give(200, json.dumps({"value": github.token(github.asked[-1])}))

        def _give(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def decoded(token: str) -> Mapping[str, Any]:
    """A token's claims, unchecked, as another's library reads them."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
