"""A received response: what the connection hands to the steps, captures and checks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import orjson

from grapeshot_worker.script.template import MISSING


class Opening(NamedTuple):
    """What it took to open a connection, in ms."""

    dns: float
    tcp: float
    tls: float


SET_COOKIE, CONTENT_ENCODING, LOCATION, SERVER_TIMING = (
    "set-cookie",
    "content-encoding",
    "location",
    "server-timing",
)
_NOTABLE = frozenset((SET_COOKIE, CONTENT_ENCODING, LOCATION, SERVER_TIMING))

RawHeaders = Sequence[tuple[bytes, bytes]]
Notable = Sequence[tuple[str, bytes]]  # (one of _NOTABLE, raw value)


class _FieldNames(dict[bytes, str | None]):
    """Raw header name → its notable lower-case form, or None: what servers send is few names, many times."""

    def __missing__(self, raw: bytes) -> str | None:
        name = raw.decode("latin-1").lower()
        found = name if name in _NOTABLE else None
        if len(self) < 1000:
            self[raw] = found
        return found


_field_names = _FieldNames()


class Head:
    """Status and headers of a response; responses that begin with the same bytes may share one.

    `raw_headers` are (name, value) pairs in the order received, names as sent. `notable` are those that the engine
    itself acts on.
    """

    __slots__ = ("_headers", "notable", "raw_headers", "status")

    def __init__(self, status: int, raw_headers: RawHeaders) -> None:
        self.status = status
        self.raw_headers = raw_headers
        self.notable: Notable = [
            (kind, value) for name, value in raw_headers if (kind := _field_names[name]) is not None
        ]
        self._headers: dict[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
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


class Response:
    """One response, body decoded only when somebody asks.

    `started` … `ended` are readings of the engine's clock in seconds: exchange begun, request fully written, first
    byte of the head, last byte of the body.
    """

    # What few responses have, or few ask for, stands here: setting it for each would cost more than the rest.
    url = ""
    encoding: str | None = None
    opening: Opening | None = None  # None: the connection had been used before
    _timings: dict[str, float] | None = None
    _text: str | None = None
    _json: Any = None

    def __init__(
        self,
        head: Head,
        body: bytes,
        started: float = 0.0,
        written: float = 0.0,
        answered: float = 0.0,
        ended: float = 0.0,
    ) -> None:
        self.head = head
        self.status = head.status
        self.body = body  # after content-decoding
        self.wire_bytes = len(body)  # body bytes as received
        self.started = started
        self.written = written
        self.answered = answered
        self.ended = ended
        # Ms from the request fully written to the first byte of the head; 0 when that came before.
        self.first_byte = (answered - written) * 1000 if answered > written else 0.0

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
    def headers(self) -> Mapping[str, str]:
        """Headers by lower-case name; repeated ones joined with `, `. Not to be changed: other responses share them."""
        return self.head.headers

    @property
    def set_cookies(self) -> list[str]:
        """The `set-cookie` headers, each by itself: they can't be joined."""
        return [value.decode("latin-1") for kind, value in self.head.notable if kind == SET_COOKIE]

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
