"""Remembers heads of responses, byte for byte, so that the parser reads each of them once.

Leaves to others: what a head says (pending, with its parser).

Servers say the same thing again and again. Where a head settles alone how long its message is (a Content-Length, a
status without a body), the parser can only do what it did the last time that these bytes came, with as many bytes
behind them. So nothing is known here about HTTP: what is learned is what the parser made of it.

Weak spot: of a server that never says the same thing twice nothing can be remembered. A look-up that finds nothing is
cheap, a lesson is not: so only every eighth head that was not known is learned, and all are forgotten when it gets too
much.
"""

from __future__ import annotations

from grapeshot_worker.traffic.response import Head, Response

REMEMBERED = 500  # heads
LEARN_EVERY = 8  # heads that were not known


class Heads(dict[bytes, tuple[Head, int]]):
    """A head's bytes, with its blank line → what they say, and the length of the whole response.

    `usual` is the length of the last head that was looked for: mostly that of the next too, which need not be searched
    for its end then.
    """

    __slots__ = ("_unknown", "usual")

    def __init__(self) -> None:
        super().__init__()
        self._unknown = 0
        self.usual = 0

    def learn(self, data: bytes, response: Response) -> None:
        """Perhaps remember the head of a `response` that was all of `data` and keeps its connection open."""
        self._unknown += 1
        if self._unknown % LEARN_EVERY:
            return
        end = data.find(b"\r\n\r\n") + 4
        # Else its end was written behind the body (chunks), or there was another head before (100 Continue).
        if end + response.wire_bytes == len(data):
            if len(self) >= REMEMBERED:
                self.clear()
            self[data[:end]] = response.head, len(data)
