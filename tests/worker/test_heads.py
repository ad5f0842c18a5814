"""Heads that are remembered, beside the parser: the same responses, and the same connection after them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_worker.errors import StepError
from grapeshot_worker.traffic.response import Head, Response
from grapeshot_worker.traffic.wire.connection import Connection
from grapeshot_worker.traffic.wire.deadlines import Deadlines
from grapeshot_worker.traffic.wire.heads import LEARN_EVERY, REMEMBERED, Heads
from grapeshot_worker.traffic.wire.pending import Stock
from grapeshot_worker.traffic.wire.url import Origin

PLAIN = b"HTTP/1.1 200 OK\r\nServer: s\r\nX-A: b, c\r\nContent-Length: 3\r\n\r\n"


class Eager(Heads):
    """Learns at once."""

    def learn(self, data: bytes, response: Response) -> None:
        for _ in range(LEARN_EVERY):
            super().learn(data, response)


class Forgetful(Heads):
    """Learns nothing: every head is the parser's."""

    def learn(self, data: bytes, response: Response) -> None:
        return None


@dataclass
class Wire:
    """A transport that goes nowhere."""

    aborted: bool = False
    sent: list[bytes] = field(default_factory=list)

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def abort(self) -> None:
        self.aborted = True


async def outcome(pieces: list[bytes], heads: Heads, *, is_head: bool = False) -> tuple[Any, ...]:
    """What becomes of an exchange whose answer arrives in pieces, and of its connection."""
    stock = Stock(Deadlines(clock=lambda: 1.0))
    stock.heads = heads
    wire = Wire()
    connection = Connection(Origin("http", "a", 80), stock, asyncio.get_running_loop())
    connection.connection_made(wire)  # type: ignore[arg-type]  # as much of a transport as is needed
    answer = connection.exchange(b"GET / HTTP/1.1\r\n\r\n", is_head=is_head)
    for piece in pieces:
        if not wire.aborted:
            connection.data_received(piece)
    after = connection.reusable
    if not wire.aborted:
        connection.eof_received()
    stock.deadlines.timer.cancel()  # type: ignore[union-attr]  # an exchange has begun
    left = len(stock.deadlines.under_way), len(stock.spares)
    try:
        response = await answer
    except StepError as error:
        return error.name, after, left
    return response.status, list(response.head.raw_headers), response.body, response.headers, after, left


def both(pieces: list[bytes], *, is_head: bool = False) -> list[tuple[Any, ...]]:
    async def run() -> list[tuple[Any, ...]]:
        heads = Eager()  # twice: what is learned, and what is then remembered
        return [await outcome(pieces, each, is_head=is_head) for each in (Forgetful(), heads, heads)]

    return asyncio.run(run())


NAMES = (
    b"Content-Length|content-length|Connection|Transfer-Encoding|Upgrade|Keep-Alive|Proxy-Connection|Set-Cookie|"
    b"Location|Content-Type|X Y| X|X |X:||\xe9"
).split(b"|")
VALUES = (
    b"0|3|03|+3|3 | 3||3, 3|99999999999999999999|keep-alive|Keep-Alive|close|keep-alive, close|upgrade|chunked|"
    b"identity|gzip, chunked|a\r\n b|a\nb|a\rb|\t|a\x00b|a\x7fb|\xe9|a: b|\x1f"
).split(b"|")
STATUS_LINES = (
    b"HTTP/1.0 200 OK|HTTP/1.1 200|HTTP/1.1 200 |HTTP/1.1  200 OK|HTTP/1.1 20 OK|HTTP/1.1 2000 OK|http/1.1 200 OK|"
    b"HTTP/1.1 200 O\tK|HTTP/1.1 200 \xe9|HTTP/1.1 200 O\x01K|HTTP/2 200 OK||HTTP/1.1 200OK|\r\nHTTP/1.1 200 OK|"
    b"HTTP/1.1\t200 OK|HTTP/1.1 100 X|HTTP/1.1 101 X|HTTP/1.1 103 X|HTTP/1.1 199 X|HTTP/1.1 204 X|HTTP/1.1 206 X|"
    b"HTTP/1.1 304 X|HTTP/1.1 404 Not Found|HTTP/1.1 599 X|HTTP/1.1 600 X|HTTP/1.1 999 X"
).split(b"|")
BODIES = b"|abc|abcd|ab|abcHTTP/1.1 200 OK\r\n\r\n|3\r\nabc\r\n0\r\n\r\n|abc\r\n\r\n".split(b"|")

words = st.text("abcZ09-", min_size=1, max_size=6).map(str.encode)
names = st.one_of(words, st.sampled_from(NAMES))
values = st.one_of(words, st.sampled_from(VALUES), st.binary(max_size=5))
separators = st.sampled_from([b": ", b": ", b": ", b":", b":  "])
fields = st.lists(st.tuples(names, separators, values).map(b"".join), max_size=4)
status_lines = st.one_of(st.just(b"HTTP/1.1 200 OK"), st.sampled_from(STATUS_LINES))
lengths = st.sampled_from([[], [b"Content-Length: 3"], [b"content-length: 3"], [b"Content-Length: 0"]])
ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
bodies = st.sampled_from(BODIES)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    lines = draw(st.permutations([*draw(fields), *draw(lengths)]))
    end = draw(ends)
    return end.join([draw(status_lines), *lines, b"", draw(bodies)])


@settings(max_examples=400, deadline=None)
@given(answer=answers(), is_head=st.booleans(), data=st.data())
def test_a_head_read_at_once_is_what_the_parser_makes_of_it(
    answer: bytes, is_head: bool, data: st.DataObject
) -> None:
    """Whatever a server sends, in whatever pieces, the exchange and its connection end the same way."""
    cut = data.draw(st.integers(0, len(answer)), label="cut")
    pieces = [piece for piece in (answer[:cut], answer[cut:]) if piece]
    of_parser, first, again = both(pieces, is_head=is_head)

    assert first == again == of_parser


@pytest.mark.parametrize("cut", range(1, len(PLAIN) + 3))
def test_a_plain_response_may_be_split_anywhere(cut: int) -> None:
    """At any byte, the parser takes over."""
    of_parser, first, again = both([(PLAIN + b"abc")[:cut], (PLAIN + b"abc")[cut:]])

    assert first == again == of_parser
    assert first[:3] == (200, [(b"Server", b"s"), (b"X-A", b"b, c"), (b"Content-Length", b"3")], b"abc")


def learned(answer: bytes) -> Heads:
    heads = Eager()
    asyncio.run(outcome([answer], heads))
    return heads


@pytest.mark.parametrize("status", [200, 201, 301, 404, 500])
def test_heads_with_a_length_are_remembered(status: int) -> None:
    """Without this, the comparisons above would compare nothing."""
    head = b"HTTP/1.1 %d Some Words\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\n" % status

    assert {raw: length for raw, (_, length) in learned(head + b"abc").items()} == {head: len(head) + 3}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd",
    ],
    ids=["chunks", "close", "continue", "until the end", "excess"],
)
def test_others_are_the_parsers(answer: bytes) -> None:
    """What a head does not settle alone is parsed each time."""
    assert not learned(answer)


def test_what_is_remembered_has_a_limit() -> None:
    """A server that never says the same thing twice fills no memory."""
    heads = Eager()
    for number in range(3 * REMEMBERED):
        head = b"HTTP/1.1 200 OK\r\nX: %d\r\n\r\n" % number
        heads.learn(head, Response(Head(200, ()), b""))

    assert 0 < len(heads) <= REMEMBERED
