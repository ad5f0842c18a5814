"""Messages as text for the queue: packed, and divided where one is larger than the queue takes (pure).

Leaves to others: what messages mean (messages), carrying the text (courier, the launcher's collection).

A packed message is one digit for the version of this format, then base64 of zlib of the message's JSON: a
tenth of the JSON's size for the usual names and sketches. A queue takes 1 MiB today and took 256 KiB before;
LIMIT stays below both. What is larger is a Progress of many metric names: it is halved, by windows first, then
by names, until each part fits. Since parts merge, their order does not matter.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable
from dataclasses import replace

from grapeshot_worker.errors import Exit, MessageTooLarge
from grapeshot_worker.messages import Failed, Finished, Message, Progress, Ready, decode, encode
from grapeshot_worker.metrics.period import Period

VERSION = "2"
LIMIT = 200_000  # characters
OPENED_LIMIT = 1 << 28  # bytes of JSON that `unpack` is willing to look at
_NUMBERS = 64  # characters kept free: the parts' sequence numbers may be longer than the whole's


def pack(message: Message, *, limit: float = LIMIT) -> str:
    """Give a message as ASCII text; MessageTooLarge beyond `limit` characters (math.inf: none)."""
    text = VERSION + base64.b64encode(zlib.compress(encode(message))).decode("ascii")
    if len(text) > limit:
        raise MessageTooLarge(
            f"A message `{type(message).__name__}` takes {len(text):,} characters; the queue takes {limit:,.0f}.",
            cause="Very long names of metrics, or large variables captured by `before`.",
            remedy="Capture only what the load needs; name requests so that no long URL becomes a metric.",
            exit_code=Exit.WORKER,
        )
    return text


def unpack(text: str) -> Message:
    """Read back what `pack` gave; ValueError for anything else."""
    if not text.startswith(VERSION):
        raise ValueError(f"not a message packed in format {VERSION}: {text[:40]!r}")
    try:
        opener = zlib.decompressobj()
        line = opener.decompress(base64.b64decode(text[1:], validate=True), OPENED_LIMIT)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"not a packed message: {error}: {text[:40]!r}") from None
    if not opener.eof:
        raise ValueError(f"not a packed message: cut off, or larger than {OPENED_LIMIT} bytes: {text[:40]!r}")
    message = decode(line)
    if not isinstance(message, Ready | Progress | Finished | Failed):
        raise ValueError(f"not a message of a worker: `{type(message).__name__}`")
    return message


def split(message: Message, limit: float, next_sequence: Callable[[], int]) -> list[Message]:
    """Divide a message whose packed form exceeds `limit`; in the order to send, one that fits as it is.

    A Finished leaves its periods to Progress messages ahead of it. Parts but the last say of themselves only what
    is true: nothing will come from before the first of the windows. What can't be divided is left for `pack` to refuse.
    """
    if not isinstance(message, Progress | Finished) or not message.periods or _fits(message, limit):
        return [message]
    whole = Progress(
        run_id=message.run_id,
        generation=message.generation,
        index=message.index,
        sequence=message.sequence,
        periods=message.periods,
        tally=message.tally,
        at=min(period.start for period in message.periods) / 1000,
        sent_at=message.sent_at if isinstance(message, Progress) else 0.0,
    )
    ahead = [replace(whole, periods=part) for part in _parts(whole, limit - _NUMBERS)]
    last: Message
    if isinstance(message, Progress):
        last = replace(ahead.pop(), at=message.at)
    else:
        last = replace(message, periods=())
    numbers = [message.sequence, *(next_sequence() for _ in ahead)]
    return [replace(part, sequence=number) for part, number in zip([*ahead, last], numbers, strict=True)]


def _fits(message: Message, limit: float) -> bool:
    try:
        pack(message, limit=limit)
    except MessageTooLarge:
        return False
    return True


def _parts(message: Progress, limit: float) -> list[tuple[Period, ...]]:
    if _fits(message, limit):
        return [message.periods]
    halves = _halves(message.periods)
    return [part for half in halves for part in _parts(replace(message, periods=half), limit)] or [
        message.periods
    ]


def _halves(periods: tuple[Period, ...]) -> list[tuple[Period, ...]]:
    """Halve windows, or the names of a single window; nothing when there is a single name."""
    if len(periods) > 1:
        middle = len(periods) // 2
        return [periods[:middle], periods[middle:]]
    period = periods[0]
    names = [
        (kind, name) for kind in ("sketches", "rates", "counters") for name in sorted(getattr(period, kind))
    ]
    if len(names) < 2:
        return []
    # Every other name: the sketches, which are the bulk, go to both sides.
    return [(_only(period, set(names[side::2])),) for side in (0, 1)]


def _only(period: Period, names: set[tuple[str, str]]) -> Period:
    return replace(
        period,
        counters={name: value for name, value in period.counters.items() if ("counters", name) in names},
        rates={name: value for name, value in period.rates.items() if ("rates", name) in names},
        sketches={name: value for name, value in period.sketches.items() if ("sketches", name) in names},
    )
