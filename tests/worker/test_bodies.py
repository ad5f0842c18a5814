"""Bodies as JavaScript's clients write them, and content-encodings undone."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_worker.errors import StepError
from grapeshot_worker.script.template import MISSING
from grapeshot_worker.traffic.bodies import (
    FormFile,
    decode_body,
    encode_form,
    encode_json,
    encode_multipart,
    encode_query,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, "x", None, True]}, '{"a":[1,"x",null,true]}'),
        ({}, "{}"),
        (True, "true"),
        ("é\n", '"é\\n"'),
        (3.0, "3"),
        ([1.5, 2.0, -0.25], "[1.5,2,-0.25]"),
        ({"v": "1.0", "w": 1.0}, '{"v":"1.0","w":1}'),
        ([float("nan"), float("inf")], "[null,null]"),
        ([float("nan"), 1.0], "[null,1]"),
        (2**70, "1180591620717411303424"),
        ({2: "a", None: 2, True: 3, 1.5: 4}, '{"2":"a","null":2,"true":3,"1.5":4}'),
        ([1, MISSING, {"gone": MISSING, "b": 1}], '[1,null,{"b":1}]'),
        ((1, 2), "[1,2]"),
        ("\ud83d", '"\\ud83d"'),
        ({"d": date(2020, 1, 2)}, '{"d":"2020-01-02T00:00:00.000Z"}'),
        ([datetime(2020, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)], '["2020-01-02T03:04:05.678Z"]'),
        (datetime(2020, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), '"2020-01-02T01:00:00.000Z"'),
    ],
)
def test_json_is_written_as_javascript_does(value: Any, text: str) -> None:
    """JSON is compact, numbers look as in JavaScript, and what JSON lacks becomes null."""
    assert encode_json(value).decode() == text


@given(value=JSON)
def test_json_means_what_was_given(value: Any) -> None:
    """What is written reads back as the same value."""
    try:
        assert json.loads(encode_json(value)) == value
    except UnicodeError:
        raise AssertionError(value) from None


def test_value_that_contains_itself_fails_the_step() -> None:
    """A circular value ends the user with the reason, not the program."""
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(StepError, match="circular"):
        encode_json(circle)


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([("a", "1"), ("b", 2)], "a=1&b=2"),
        ([("a b", "c d")], "a+b=c+d"),
        ([("a", [1, 2])], "a=1%2C2"),
        ([("a", {"x": 1})], "a=%5Bobject+Object%5D"),
        ([("a", None), ("b", True), ("c", 2.0), ("d", MISSING)], "a=null&b=true&c=2&d=undefined"),
        ([("a", "*-._~!'()")], "a=*-._%7E%21%27%28%29"),
        ([("é", "😀")], "%C3%A9=%F0%9F%98%80"),
        ([("a", "x&y=z%")], "a=x%26y%3Dz%25"),
        ([], ""),
    ],
)
def test_forms(pairs: list[tuple[str, Any]], text: str) -> None:
    """A form is written as URLSearchParams does."""
    assert encode_form(pairs).decode() == text


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([("q", "a b")], "q=a+b"),
        ([("q", ["a", 2])], "q=a&q=2"),
        ([("q", [])], ""),
        ([("q", None), ("r", MISSING), ("s", 1.0)], "q=&r=&s=1"),
        ([("q", {"a": 1}), ("r", [MISSING, {}])], "q=&r=&r="),
        ([("q", "a+b&c")], "q=a%2Bb%26c"),
    ],
)
def test_queries(pairs: list[tuple[str, Any]], text: str) -> None:
    """In a query lists repeat their key; null, objects and what is missing are empty."""
    assert encode_query(pairs) == text


@given(pairs=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5))))
def test_queries_and_forms_read_back(pairs: list[tuple[str, str]]) -> None:
    """Any text comes through a query and a form unchanged."""
    pairs = [(a.encode("utf-8", "replace").decode(), b.encode("utf-8", "replace").decode()) for a, b in pairs]

    assert parse_qsl(encode_query(pairs), keep_blank_values=True) == pairs
    assert parse_qsl(encode_form(pairs).decode(), keep_blank_values=True) == pairs


def test_multipart_layout() -> None:
    """Values have no content type, files have a name and a guessed one."""
    body, content_type = encode_multipart(
        [
            ("a", 1, None),
            ("j", "{}", "application/json"),
            ("f", FormFile("x.csv", b"1,2\n"), None),
            ("n", MISSING, None),
        ],
        "BOUND",
    )

    assert content_type == "multipart/form-data; boundary=BOUND"
    assert body == (
        b'--BOUND\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--BOUND\r\nContent-Disposition: form-data; name="j"\r\nContent-Type: application/json\r\n\r\n{}\r\n'
        b'--BOUND\r\nContent-Disposition: form-data; name="f"; filename="x.csv"\r\n'
        b"Content-Type: text/csv\r\n\r\n1,2\n\r\n"
        b"--BOUND--\r\n"
    )


def test_multipart_names_cannot_break_out() -> None:
    """Quotes and line ends in names are percent-encoded, as browsers do."""
    body, _ = encode_multipart([('a"\r\nb', FormFile('f"\n.txt', b"x"), "text/x")], "B")

    assert b'name="a%22%0D%0Ab"; filename="f%22%0A.txt"\r\nContent-Type: text/x\r\n' in body


@pytest.mark.parametrize(
    ("filename", "kind"),
    [("a.png", "image/png"), ("a.json", "application/json"), ("a.tar.gz", "application/gzip"), ("a", None)],
)
def test_content_type_of_a_file(filename: str, kind: str | None) -> None:
    """A file's content type follows from its extension."""
    body, _ = encode_multipart([("f", FormFile(filename, b""), None)], "B")

    assert f"Content-Type: {kind or 'application/octet-stream'}\r\n".encode() in body


def test_multipart_is_read_by_a_parser() -> None:
    """An independent parser finds the parts again."""
    body, content_type = encode_multipart(
        [("a", "é", None), ("f", FormFile("n.bin", bytes(range(256))), None)], "Q1"
    )
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)

    parts = list(message.iter_parts())
    assert [part.get_payload(decode=True) for part in parts] == ["é".encode(), bytes(range(256))]


def deflate_raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd_stream(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()  # as servers stream it: without the size in front
    return packer.compress(data) + packer.flush()


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("X-GZip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", deflate_raw),
    ("br", brotli.compress),
    ("zstd", zstandard.ZstdCompressor().compress),
    ("zstd", zstd_stream),
]


@pytest.mark.parametrize(("name", "pack"), PACKERS)
@pytest.mark.parametrize("data", [b"", b"x", b"hello " * 5000])
def test_encodings_are_undone(name: str, pack: Callable[[bytes], bytes], data: bytes) -> None:
    """Each content-encoding gives back what was packed."""
    assert decode_body(pack(data), name) == data


@pytest.mark.parametrize("name", ["gzip", "br", "deflate", "zstd", "gzip, br"])
def test_empty_body_stays_empty(name: str) -> None:
    """A response without a body (HEAD, 204) may carry the header all the same."""
    assert decode_body(b"", name) == b""


@pytest.mark.parametrize("name", [None, "", "identity", "compress", "unknown"])
def test_unknown_encodings_leave_the_body(name: str | None) -> None:
    """What can't be undone is left as it came."""
    assert decode_body(b"data", name) == b"data"


def test_stacked_encodings_are_undone_in_reverse() -> None:
    """`gzip, br` was packed by gzip first."""
    assert decode_body(brotli.compress(gzip.compress(b"data")), "gzip, br") == b"data"


def test_members_in_a_row_are_one_body() -> None:
    """Several gzip members, or zstd frames, one behind the other make one body; padding is ignored."""
    assert decode_body(gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0", "gzip") == b"ab"
    assert decode_body(zstd_stream(b"a") + zstd_stream(b"b"), "zstd") == b"ab"


@pytest.mark.parametrize(("name", "pack"), PACKERS)
def test_broken_data_fails_the_step(name: str, pack: Callable[[bytes], bytes]) -> None:
    """Data that is none of its encoding, or cut short, has Node's names of errors."""
    packed = pack(bytes(range(256)) * 40)
    with pytest.raises(StepError, match="Z_BUF_ERROR"):
        decode_body(packed[:-6], name)
    with pytest.raises(StepError, match=r"Z_DATA_ERROR|Z_BUF_ERROR"):
        decode_body(b"\xff\xfe plain text, no archive", name)


@pytest.mark.parametrize(("name", "pack"), PACKERS)
def test_bomb_is_stopped_at_the_limit(name: str, pack: Callable[[bytes], bytes]) -> None:
    """A body that unpacks beyond the limit fails the step; one that just fits does not."""
    packed = pack(b"\0" * 300_000)

    assert len(decode_body(packed, name, 300_000)) == 300_000
    with pytest.raises(StepError, match="ERR_BUFFER_TOO_LARGE"):
        decode_body(packed, name, 299_999)
