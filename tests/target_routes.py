"""What the test target answers: a table of routes, each a pure function of the request that gives a Reply.

Leaves to others: reading requests and sending replies (target).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from functools import cached_property, lru_cache
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

import brotli
import zstandard

LIMIT = 100_000_000  # bytes of one reply


@dataclass(frozen=True)
class Request:
    """One request as it was received; header names are lower-case, repeated headers are joined by a comma."""

    method: str
    target: str  # the request line's: path and query, or a whole URL when asked as a proxy
    headers: dict[str, str]
    body: bytes
    at: float  # when it was complete: seconds of the monotonic clock, which all processes of a machine share
    connection: int  # 1 is the first connection this server accepted

    @cached_property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path) or "/"

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @cached_property
    def cookies(self) -> dict[str, str]:
        pairs = (part.partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.body)

    def argument(self, name: str, default: str = "") -> str:
        """Give the first value of a query argument."""
        return self.query.get(name, [default])[0]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to send, and how: the connection follows it to the letter, faults included."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    framing: Literal["length", "chunked", "until close", "too short", "nothing"] = "length"
    pieces: tuple[bytes, ...] | None = None  # of the body, sent one by one
    delay: float = 0.0  # seconds before the first byte
    pause: float = 0.0  # seconds between pieces
    ending: Literal["keep", "close", "reset"] = "keep"
    freeze: float = 0.0  # seconds for which the whole server stands still afterwards
    counted: bool = field(default=True)  # in /stats


Handler = Callable[..., Reply]


def as_json(value: Any, status: int = 200, **more: Any) -> Reply:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status=status, body=body, content_type="application/json", **more)


def as_html(text: str) -> Reply:
    return Reply(body=text.encode(), content_type="text/html; charset=utf-8")


# ---- a little shop ----

ITEMS = tuple({"id": n, "name": f"Grape no. {n}", "price": round(0.5 + n * 1.25, 2)} for n in range(1, 11))
_ITEMS = as_json(ITEMS)
_ITEM = {str(item["id"]): as_json(item) for item in ITEMS}
_NOT_FOUND = as_json({"error": "not found"}, 404)
_HEALTH = Reply(body=b"ok")
_OBJECT = as_json(
    {
        "id": 42,
        "name": "grape",
        "token": "abc123",
        "ok": True,
        "nothing": None,
        "price": 2.5,
        "tags": ["red", "sweet"],
        "deep": {"list": [{"id": 1}, {"id": 2}, {"id": 3}], "a-b": "dash"},
    }
)
_HOME = as_html(
    """<!DOCTYPE html>
<html lang="en"><head><title>Target</title></head><body>
<h1 id="title">Target</h1>
<ul class="links">
<li><a class="item" href="/items/1">First</a></li>
<li><a class="item" href="/items/2">Second</a></li>
<li><a class="item" href="/items/3">Third</a></li>
</ul>
<form action="/login" method="post">
<input type="hidden" name="csrf" value="c5rf-t0ken">
<input name="username"><input name="password" type="password">
<button type="submit">Log in</button>
</form>
</body></html>
"""
)
_XML = Reply(
    body=b'<?xml version="1.0" encoding="UTF-8"?>\n<shop>'
    b'<item id="1"><name>Red</name><price>1.75</price></item>'
    b'<item id="2"><name>White</name><price>3.00</price></item></shop>\n',
    content_type="application/xml",
)


def home(_: Request) -> Reply:
    return _HOME


def health(_: Request) -> Reply:
    return _HEALTH


def an_object(_: Request) -> Reply:
    return _OBJECT


def xml(_: Request) -> Reply:
    return _XML


def items(request: Request) -> Reply:
    """GET: the list. POST: 201 with what was sent, its id kept or given."""
    if request.method != "POST":
        return _ITEMS
    try:
        sent = request.json()
    except ValueError:
        return as_json({"error": "the body is not JSON"}, 400)
    created = (
        {"id": len(ITEMS) + 1, **sent} if isinstance(sent, dict) else {"id": len(ITEMS) + 1, "value": sent}
    )
    return as_json(created, 201, headers=(("location", f"/items/{created['id']}"),))


def item(_: Request, number: str) -> Reply:
    return _ITEM.get(number, _NOT_FOUND)


def search(request: Request) -> Reply:
    words = request.argument("q")
    found = [item for item in ITEMS if words.lower()[:5] in str(item["name"]).lower()]
    return as_json({"query": words, "count": len(found), "results": found})


def token_of(username: str) -> str:
    """Give the token of a user: the server remembers nothing, the token proves itself."""
    return f"{quote(username, safe='')}.{hashlib.sha256(b'target:' + username.encode()).hexdigest()[:16]}"


def user_of(token: str) -> str | None:
    username = unquote(token.rpartition(".")[0])
    return username if username and token == token_of(username) else None


def login(request: Request) -> Reply:
    """Let everybody in who has a name and a password, but for the password `wrong`."""
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            sent = request.json()
        else:
            sent = {name: values[0] for name, values in parse_qs(request.text).items()}
        username, password = str(sent["username"]), str(sent["password"])
    except (ValueError, KeyError, TypeError):
        return as_json({"error": "send username and password, as JSON or as a form"}, 400)
    if not username or password in ("", "wrong"):
        return as_json({"error": "wrong password"}, 401)
    cookie = f"session={token_of(username)}; Path=/; HttpOnly"
    return as_json({"token": token_of(username), "user": username}, headers=(("set-cookie", cookie),))


def account(request: Request) -> Reply:
    """Serve who brings the session cookie or the token."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer if scheme.lower() == "bearer" else request.cookies.get("session", "")
    user = user_of(token)
    if user is None:
        return as_json({"error": "log in first"}, 401, headers=(("www-authenticate", "Bearer"),))
    return as_json({"user": user, "balance": 100})


# ---- mirrors ----


def _flat(values: dict[str, list[str]]) -> dict[str, str | list[str]]:
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def echo(request: Request) -> Reply:
    """Show the request; `json` is the body where it is JSON, repeated query arguments are lists."""
    try:
        parsed = request.json()
    except ValueError:
        parsed = None
    return as_json(
        {
            "method": request.method,
            "path": request.path,
            "target": request.target,
            "query": _flat(request.query),
            "headers": request.headers,
            "cookies": request.cookies,
            "body": request.text,
            "json": parsed,
            "size": len(request.body),
            "connection": request.connection,
        }
    )


def upload(request: Request) -> Reply:
    """Tell what a multipart body holds: values under `fields`, files under `files`."""
    try:
        parts = list(map(_part, _multipart(request)))
    except ValueError as error:
        return as_json({"error": str(error)}, 400)
    files = [
        {"name": name, "filename": head.get_filename(), "size": len(body), "type": head.get("content-type")}
        for name, head, body in parts
        if head.get_filename() is not None
    ]
    fields = {n: body.decode("utf-8", "replace") for n, head, body in parts if head.get_filename() is None}
    types = {name: head.get("content-type") for name, head, _ in parts}
    return as_json({"fields": fields, "files": files, "types": types})


def _multipart(request: Request) -> list[bytes]:
    head = HeaderParser().parsestr(f"content-type: {request.headers.get('content-type', '')}")
    boundary = head.get_param("boundary")
    if head.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise ValueError("send multipart/form-data with a boundary")
    first, *parts, last = (b"\r\n" + request.body).split(b"\r\n--" + boundary.encode())
    if first or not last.startswith(b"--") or not all(part.startswith(b"\r\n") for part in parts):
        raise ValueError("the multipart body is not well-formed")
    return [part[2:] for part in parts]


def _part(part: bytes) -> tuple[str, Message, bytes]:
    head, found, body = part.partition(b"\r\n\r\n")
    parsed = HeaderParser().parsestr(head.decode())
    name = parsed.get_param("name", header="content-disposition")
    if not found or not isinstance(name, str):
        raise ValueError("a part has no name")
    return name, parsed, body


# ---- statuses, redirects, credentials ----


def status(_: Request, code: str) -> Reply:
    return Reply(status=int(code), body=b"" if int(code) in (204, 304) else f"status {code}".encode())


def redirect(_: Request, hops: str) -> Reply:
    """Redirect as often as asked, to `/redirect/0`, which answers."""
    if int(hops) == 0:
        return as_json({"redirected": True})
    return Reply(status=302, headers=(("location", f"/redirect/{int(hops) - 1}"),))


def redirect_to(request: Request) -> Reply:
    location = quote(request.argument("url", "/"), safe="/:?&=%#@+,;!$'()*[]~")
    return Reply(status=int(request.argument("status", "302")), headers=(("location", location),))


def cookies(request: Request) -> Reply:
    return as_json({"cookies": request.cookies})


def set_cookies(request: Request) -> Reply:
    """Set a cookie for each query argument: `/cookies/set?name=value`."""
    lines = tuple(("set-cookie", f"{n}={v}; Path=/") for n, values in request.query.items() for v in values)
    return as_json({"set": _flat(request.query)}, headers=lines)


def basic_auth(request: Request, user: str, password: str) -> Reply:
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    if request.headers.get("authorization") == wanted:
        return as_json({"authenticated": True, "user": user})
    return as_json({"authenticated": False}, 401, headers=(("www-authenticate", 'Basic realm="target"'),))


def server_timing(_: Request) -> Reply:
    timing = 'db;dur=53.2, cache;desc="Cache Read";dur=23.2, app;dur=47, miss'
    return Reply(body=b"timed", headers=(("server-timing", timing),))


# ---- bodies and time ----


@lru_cache(maxsize=32)
def _filler(size: int) -> bytes:
    return (b"0123456789abcde\n" * (size // 16 + 1))[:size]


def some_bytes(_: Request, size: str) -> Reply:
    return Reply(body=_filler(min(int(size), LIMIT)), content_type="application/octet-stream")


def chunked(_: Request, number: str) -> Reply:
    """Send that many lines, a chunk each."""
    return Reply(pieces=tuple(f"chunk {n}\n".encode() for n in range(int(number))), framing="chunked")


def delay(_: Request, milliseconds: str) -> Reply:
    return Reply(body=f"after {milliseconds} ms".encode(), delay=int(milliseconds) / 1000)


def drip(_: Request, size: str, milliseconds: str) -> Reply:
    """Send the head at once and then that many bytes, one each so many milliseconds."""
    pieces = tuple(bytes([byte]) for byte in _filler(min(int(size), 100_000)))
    return Reply(pieces=pieces, pause=int(milliseconds) / 1000)


def _encoded(name: str, body: bytes) -> Reply:
    return Reply(body=body, content_type="application/json", headers=(("content-encoding", name),))


def _plain(name: str) -> bytes:
    return json.dumps({"encoding": name, "items": ITEMS}).encode()


ENCODED = {
    "/gzip": _encoded("gzip", gzip.compress(_plain("gzip"), mtime=0)),
    "/deflate": _encoded("deflate", zlib.compress(_plain("deflate"))),
    "/brotli": _encoded("br", brotli.compress(_plain("brotli"))),
    "/zstd": _encoded("zstd", zstandard.compress(_plain("zstd"))),
}


def encoded(request: Request) -> Reply:
    """Send JSON in the content encoding the path names, whatever the client accepts."""
    return ENCODED[request.path]


# ---- faults ----


def close(_: Request) -> Reply:
    return Reply(framing="nothing", ending="close")


def reset(_: Request) -> Reply:
    return Reply(framing="nothing", ending="reset")


def truncate(_: Request) -> Reply:
    return Reply(body=_filler(1000), framing="too short", ending="close")


def stream_close(_: Request) -> Reply:
    return Reply(body=_filler(1000), framing="until close", ending="close")


def freeze(request: Request) -> Reply:
    """Answer, then let the whole server stand still for so many seconds: nothing is read, nothing is sent."""
    seconds = float(request.argument("seconds", "1"))
    return as_json({"frozen": seconds}, freeze=seconds, counted=False)


# ---- the table ----

ROUTES: dict[str, Handler] = {
    "/": home,
    "/html": home,
    "/health": health,
    "/json": an_object,
    "/xml": xml,
    "/items": items,
    "/items/{number}": item,
    "/search": search,
    "/login": login,
    "/account": account,
    "/echo": echo,
    "/upload": upload,
    "/status/{code}": status,
    "/redirect/{hops}": redirect,
    "/redirect-to": redirect_to,
    "/cookies": cookies,
    "/cookies/set": set_cookies,
    "/basic-auth/{user}/{password}": basic_auth,
    "/server-timing": server_timing,
    "/bytes/{size}": some_bytes,
    "/chunked/{number}": chunked,
    "/delay/{milliseconds}": delay,
    "/drip/{size}/{milliseconds}": drip,
    **dict.fromkeys(ENCODED, encoded),
    "/close": close,
    "/reset": reset,
    "/truncate": truncate,
    "/stream-close": stream_close,
    "/freeze": freeze,
}
_FAMILIES = {
    (pattern.split("/")[1], pattern.count("/")): (pattern, handler)
    for pattern, handler in ROUTES.items()
    if "{" in pattern
}


def answer(request: Request) -> tuple[str, Reply]:
    """Give the route's pattern (of an unknown path `?`) and the reply."""
    path = request.path
    if handler := ROUTES.get(path):
        return path, handler(request)
    first, *arguments = path[1:].split("/")
    pattern, handler = _FAMILIES.get((first, len(arguments) + 1), ("?", None))
    if handler is None:
        return "?", _NOT_FOUND
    try:
        return pattern, handler(request, *arguments)
    except ValueError:
        return pattern, as_json({"error": f"{path} does not fit {pattern}"}, 400)
