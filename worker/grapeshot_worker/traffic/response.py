"""A received response: what the connection hands to the steps, captures and checks."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, NoReturn

import orjson

from grapeshot_worker.script.template import MISSING


class Opening(NamedTuple):
    """What it took to open a connection, in ms."""

    dns: float
    tcp: float
    tls: float


class Response:
    """One response, body decoded only when somebody asks.

    `raw_headers` are (name, value) pairs in the order received, names as sent. `started` … `ended` are
    readings of the engine's clock in seconds: exchange begun, request fully written, first byte of the head,
    last byte of the body.
    """

    __slots__ = (
        "_headers",
        "_json",
        "_text",
        "_timings",
        "answered",
        "body",
        "encoding",
        "ended",
        "first_byte",
        "opening",
        "raw_headers",
        "started",
        "status",
        "url",
        "wire_bytes",
        "written",
    )

    def __init__(
        self, status: int, raw_headers: list[tuple[bytes, bytes]], body: bytes, wire_bytes: int, url: str = ""
    ) -> None:
        self.status = status
        self.raw_headers = raw_headers
        self.body = body  # after content-decoding
        self.wire_bytes = wire_bytes  # body bytes as received
        self.url = url
        self.first_byte = 0.0  # ms from the request fully written to the first byte of the head
        self.started = self.written = self.answered = self.ended = 0.0
        self.opening: Opening | None = None  # None: the connection had been used before
        self.encoding: str | None = None
        self._timings: dict[str, float] | None = None
        self._headers: dict[str, str] | None = None
        self._text: str | None = None
        self._json: Any = None

    @property
    def total(self) -> float:
        """The whole exchange in ms, with the opening of the connection if there was one."""
        return (self.ended - self.started) * 1000 + (sum(self.opening) if self.opening else 0.0)

    @property
    def timings(self) -> dict[str, float]:
        """The phases in ms, under the names the author's hooks know."""
        if self._timings is None:
            opening = self.opening or Opening(0.0, 0.0, 0.0)
            self._timings = {
                "wait": 0.0,
                **opening._asdict(),
                "request": (self.written - self.started) * 1000,
                "firstByte": self.first_byte,
                "download": (self.ended - self.answered) * 1000,
                "total": self.total,
            }
        return self._timings

    @property
    def headers(self) -> dict[str, str]:
        """Headers by lower-case name; repeated ones joined with `, ` (set-cookie stays a list in
        `raw_headers`).
        """
        if self._headers is None:
            headers: dict[str, str] = {}
            for raw_name, raw_value in self.raw_headers:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
            self._headers = headers
        return self._headers

    @property
    def set_cookies(self) -> list[str]:
        """The `set-cookie` headers, each by itself: they can't be joined."""
        return [value.decode("latin-1") for name, value in self.raw_headers if name.lower() == b"set-cookie"]

    @property
    def text(self) -> str:
        """The body as text (UTF-8; undecodable bytes replaced)."""
        if self._text is None:
            self._text = self.body.decode(self.encoding or "utf-8", "replace")
        return self._text

    @property
    def json(self) -> Any:
        """The body parsed as JSON, once, whatever its content-type; MISSING if it is not JSON."""
        if self._json is None:  # also of a body that says null: parsed again, which costs nothing
            try:
                self._json = orjson.loads(self.body if self.encoding is None else self.text)
            except orjson.JSONDecodeError:
                self._json = _lenient_json(self.text)
        return self._json


def _lenient_json(text: str) -> Any:
    # JavaScript reads lone surrogates and replaced bytes, which orjson refuses.
    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return MISSING


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
