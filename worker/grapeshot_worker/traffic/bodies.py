"""Knows how bodies are written and read: JSON, forms, queries, multipart as JavaScript's clients write them,
and content-encodings.

Leaves to others: rendering templates and reading the files of uploads (outgoing). brotli and zstandard are
imported when a server first uses them. A response may not unpack to more than a limit, so that a worker's
memory is not in the hands of the target.
"""

from __future__ import annotations

import json
import math
import mimetypes
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import orjson

from grapeshot_worker.errors import StepError
from grapeshot_worker.script.template import MISSING
from grapeshot_worker.traffic.extract.javascript import js_string, number_text

DECODED_LIMIT: Final = 512 * 1024 * 1024  # bytes a response may unpack to

# The names of errors are Node's where it has one.
CORRUPT, TRUNCATED, TOO_LARGE = "Z_DATA_ERROR", "Z_BUF_ERROR", "ERR_BUFFER_TOO_LARGE"
CIRCULAR = "Converting circular structure to JSON"


# ---- JSON ----


def encode_json(value: Any) -> bytes:
    """Write compact JSON as `JSON.stringify` does: 3 for 3.0, null for NaN and for what is missing in a list.

    Integers of any size are kept. StepError for a value that contains itself.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except (TypeError, RecursionError):
        return _encode_slowly(value)
    return (
        _encode_slowly(value) if b".0" in text else text
    )  # the rare float that JavaScript writes as an integer


def _encode_slowly(value: Any) -> bytes:
    try:
        text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise StepError(CIRCULAR) from None
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes \\udXXX, as in JavaScript


def _plain(value: Any) -> Any:
    """Give a value of only what `json` writes the way JavaScript does."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {_key_text(key): _plain(item) for key, item in value.items() if item is not MISSING}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return iso_text(value)
    return None if value is MISSING else str(value)


def _key_text(key: Any) -> str:
    return iso_text(key) if isinstance(key, date) else js_string(key)


def iso_text(moment: date) -> str:
    """Write a date as JavaScript does: ISO 8601 in UTC, with ms and `Z`. One without a time zone is in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ---- forms and queries ----


def encode_form(pairs: Iterable[tuple[str, Any]]) -> bytes:
    """Write application/x-www-form-urlencoded as `URLSearchParams` does: values by `String(value)`.

    >>> encode_form([("a b", [1, 2]), ("c", {})])
    b'a+b=1%2C2&c=%5Bobject+Object%5D'
    """
    return "&".join(f"{_quoted(name)}={_quoted(_text(value))}" for name, value in pairs).encode()


def encode_query(pairs: Iterable[tuple[str, Any]]) -> str:
    """Write a query, without its `?`: a list repeats its key; null, objects and what is missing are empty.

    >>> encode_query([("q", ["a b", 2]), ("on", True), ("none", None), ("o", {})])
    'q=a+b&q=2&on=true&none=&o='
    """
    written: list[str] = []
    for name, value in pairs:
        items = value if isinstance(value, (list, tuple)) else (value,)
        written.extend(f"{_quoted(name)}={_quoted(_query_text(item))}" for item in items)
    return "&".join(written)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return number_text(value)
    return (
        iso_text(value) if isinstance(value, date) else "undefined" if value is MISSING else js_string(value)
    )


def _query_text(value: Any) -> str:
    return "" if value is None or value is MISSING or isinstance(value, (dict, list)) else _text(value)


def _quoted(text: str) -> str:
    # The set of https://url.spec.whatwg.org/#application-x-www-form-urlencoded-percent-encode-set
    return quote(text, safe=" *", errors="replace").replace("~", "%7E").replace(" ", "+")


# ---- multipart ----


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file to upload: its name as told to the server, and its bytes."""

    filename: str
    content: bytes


def encode_multipart(fields: Sequence[tuple[str, Any, str | None]], boundary: str) -> tuple[bytes, str]:
    """Write multipart/form-data (RFC 7578); give the body and its content type.

    A field is name, value or FormFile, and content type; without one a file's is guessed from its name, a
    value has none. What is missing is left out.
    """
    out = bytearray()
    for name, value, content_type in fields:
        if value is MISSING:
            continue
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_field_name(name)}"'
        if isinstance(value, FormFile):
            head += f'; filename="{_field_name(value.filename)}"'
            content_type = content_type or guess_type(value.filename)
            content = value.content
        else:
            content = value if isinstance(value, bytes) else _text(value).encode("utf-8", "replace")
        if content_type:
            head += f"\r\nContent-Type: {content_type}"
        out += f"{head}\r\n\r\n".encode("utf-8", "replace") + content + b"\r\n"
    out += f"--{boundary}--\r\n".encode()
    return bytes(out), f"multipart/form-data; boundary={boundary}"


def _field_name(name: str) -> str:
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


@lru_cache(maxsize=256)
def guess_type(filename: str) -> str:
    """Guess a content type from a file's name; `application/octet-stream` when nothing is known."""
    kind, packing = mimetypes.guess_type(filename)
    if packing is not None:
        return f"application/{packing}" if packing == "gzip" else f"application/x-{packing}"
    return kind or "application/octet-stream"


# ---- content-encoding ----


def decode_body(raw: bytes, content_encoding: str | None, limit: int = DECODED_LIMIT) -> bytes:
    """Undo a response's content-encodings, the last first; unknown ones end it. An empty body stays empty.

    StepError: `Z_DATA_ERROR` for broken data, `Z_BUF_ERROR` for data cut short, `ERR_BUFFER_TOO_LARGE` beyond
    `limit` bytes.
    """
    if not content_encoding or not raw:
        return raw
    for name in reversed(content_encoding.lower().split(",")):
        decode = _DECODERS.get(name.strip())
        if decode is None:
            break
        raw = decode(raw, limit)
    return raw


def _identity(raw: bytes, limit: int) -> bytes:
    return raw


def _gzip(raw: bytes, limit: int) -> bytes:
    out = b""
    while (
        raw[:2] == b"\x1f\x8b" or not out
    ):  # several members in a row are one body; anything else behind is padding
        part, raw = _inflate(raw, limit - len(out), zlib.MAX_WBITS | 16)
        out += part
        if not raw:
            break
    return out


def _deflate(raw: bytes, limit: int) -> bytes:
    has_header = len(raw) > 1 and raw[0] & 0x0F == 8 and (raw[0] << 8 | raw[1]) % 31 == 0
    return _inflate(raw, limit, zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)[0]


def _inflate(raw: bytes, limit: int, window: int) -> tuple[bytes, bytes]:
    stream = zlib.decompressobj(window)
    try:
        out = stream.decompress(raw, limit + 1)
    except zlib.error:
        raise StepError(CORRUPT) from None
    if len(out) > limit:
        raise StepError(TOO_LARGE)
    if not stream.eof:
        raise StepError(TRUNCATED)
    return out, stream.unused_data


def _brotli(raw: bytes, limit: int) -> bytes:
    import brotli

    stream = brotli.Decompressor()
    out = bytearray()
    try:
        out += stream.process(raw, output_buffer_limit=limit + 1)
        while not stream.is_finished() and not stream.can_accept_more_data() and len(out) <= limit:
            out += stream.process(b"", output_buffer_limit=limit + 1 - len(out))
    except brotli.error:
        raise StepError(CORRUPT) from None
    if len(out) > limit:
        raise StepError(TOO_LARGE)
    if not stream.is_finished():
        raise StepError(TRUNCATED)
    return bytes(out)


_ZSTD_CHUNK = (
    2048  # a few bytes of zstd can unpack to 128 KB: small chunks keep the overshoot of the limit small
)


def _zstd(raw: bytes, limit: int) -> bytes:
    import zstandard

    out = bytearray()
    while raw:
        stream = zstandard.ZstdDecompressor().decompressobj()
        at = 0
        try:
            while at < len(raw) and not stream.eof:
                out += stream.decompress(raw[at : at + _ZSTD_CHUNK])
                at += _ZSTD_CHUNK
                if len(out) > limit:
                    raise StepError(TOO_LARGE)
        except zstandard.ZstdError:
            raise StepError(CORRUPT) from None
        if not stream.eof:
            raise StepError(TRUNCATED)
        raw = stream.unused_data + raw[at:]
    return bytes(out)


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
    "identity": _identity,
    "": _identity,
}
