"""Messages on the queue: packed small, divided where too large, never changed."""

from __future__ import annotations

import base64
import itertools
import math
import random
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_messages import messages

from grapeshot_worker.errors import MessageTooLarge
from grapeshot_worker.messages import Facts, Failed, Finished, Go, Message, Progress, Ready, Tally, encode
from grapeshot_worker.metrics.period import Period, RateCount, by_window
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.wire import LIMIT, pack, split, unpack

ORIGIN = {"run_id": "t1", "generation": 0, "index": 3, "sequence": 7}
TALLY = Tally(planned=9, started=4)


def period(start: int, names: int, *, seed: int = 1) -> Period:
    """A window with so many names of each kind, its sketches full of random values."""
    rng = random.Random(seed)
    some = [f"path.{rng.randrange(10**9)}" for _ in range(names)]
    return Period(
        start=start,
        counters={name: rng.randrange(10**6) for name in some},
        rates={name: RateCount(3, start + 1.0, start + 9.0) for name in some[:3]},
        sketches={name: Sketch.of({rng.uniform(1, 10**5): 1 for _ in range(50)}) for name in some},
        first_counter_at=start + 1.5,
        last_counter_at=start + 9.5,
    )


def progress(*periods: Period) -> Progress:
    return Progress(**ORIGIN, periods=periods, tally=TALLY, at=99.5)  # type: ignore[arg-type]


def finished(*periods: Period) -> Finished:
    return Finished(**ORIGIN, periods=periods, tally=TALLY, facts=Facts(pid=5), variables={"a": [1]})  # type: ignore[arg-type]


def divided(message: Message, limit: float) -> list[Message]:
    numbers = itertools.count(100)
    return split(message, limit, lambda: next(numbers))


@settings(max_examples=100)
@given(messages)
def test_a_message_comes_back_as_it_was(message: Message | Go) -> None:
    """Unpacking gives what was packed."""
    if isinstance(message, Ready | Progress | Finished | Failed):
        assert unpack(pack(message, limit=math.inf)) == message


def test_a_packed_message_is_text_for_any_queue() -> None:
    """ASCII letters and digits, far smaller than the JSON."""
    message = progress(period(0, 60))
    text = pack(message)

    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 0.6 * len(encode(message))


def test_a_message_beyond_the_limit_is_refused_in_words() -> None:
    """Nothing is sent that the queue would refuse."""
    with pytest.raises(MessageTooLarge, match="the queue takes 200,000"):
        pack(replace(finished(), variables={"body": random.Random(1).randbytes(200_000).hex()}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2abc",
        "1***",
        "1" + base64.b64encode(b"no zlib").decode(),
        "1" + base64.b64encode(zlib.compress(b"no message")).decode(),
        "1" + base64.b64encode(zlib.compress(encode(Go(start_at=1.0)))).decode(),
        pack(progress())[:-8],
    ],
)
def test_anything_else_is_no_message(text: str) -> None:
    """Other versions, other texts, and controls are refused."""
    with pytest.raises(ValueError, match="message"):
        unpack(text)


def test_what_fits_is_not_divided() -> None:
    """It goes as it is, with its own number."""
    message = progress(period(0, 3))

    assert divided(message, LIMIT) == [message]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 40), st.sampled_from([1_500, 4_000, 10_000]))
def test_the_parts_fit_and_merge_into_the_whole(windows: int, names: int, limit: int) -> None:
    """Each part is below the limit; nothing is lost, nothing doubled; no two parts have one number."""
    message = progress(*(period(10_000 * at, names, seed=at) for at in range(windows)))
    parts = divided(message, limit)
    measured = [each for part in parts if isinstance(part, Progress) for each in part.periods]

    assert all(len(pack(part)) <= limit for part in parts)
    assert by_window(measured) == by_window(message.periods)
    assert len({part.sequence for part in parts}) == len(parts)
    assert parts[0].sequence == message.sequence


def test_a_divided_progress_claims_its_moment_with_its_last_part_only() -> None:
    """Until then the launcher must not take the windows for complete."""
    parts = divided(progress(period(20_000, 40), period(30_000, 40)), 3_000)
    moments = [part.at for part in parts if isinstance(part, Progress)]

    assert len(moments) > 2
    assert set(moments[:-1]) == {20.0}
    assert moments[-1] == 99.5


def test_every_part_tells_when_it_was_sent() -> None:
    """The queue stamps each of them."""
    parts = divided(replace(progress(period(20_000, 40)), sent_at=99.75), 3_000)

    assert len(parts) > 1
    assert {part.sent_at for part in parts if isinstance(part, Progress)} == {99.75}


def test_a_large_finished_leaves_its_periods_to_progress_ahead_of_it() -> None:
    """The last message stays the last, and still has facts and variables."""
    message = finished(period(0, 40), period(10_000, 40))
    *ahead, last = divided(message, 3_000)

    assert all(isinstance(part, Progress) for part in ahead)
    assert last == replace(message, periods=(), sequence=last.sequence)
    assert last.sequence == max(part.sequence for part in [*ahead, last])


def test_a_single_name_can_t_be_divided() -> None:
    """It is left as it is, for `pack` to refuse."""
    message = progress(Period(start=0, counters={random.Random(1).randbytes(9_000).hex(): 1}))

    assert divided(message, 5_000) == [message]
