from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_worker.messages import (
    Control,
    Facts,
    Failed,
    Finished,
    Go,
    Message,
    Progress,
    Ready,
    Stop,
    Tally,
    decode,
    encode,
)
from grapeshot_worker.metrics.period import Period, RateCount
from grapeshot_worker.metrics.sketch import Sketch

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**63 - 1)
texts = st.text(max_size=10) | st.sampled_from(["\ud800", "\n", '"', "\x00", "é\u2028"])
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=6,
)
periods = st.builds(
    Period,
    start=st.integers(0, 2**41),
    counters=st.dictionaries(texts, counts, max_size=3),
    rates=st.dictionaries(texts, st.builds(RateCount, counts, numbers, numbers), max_size=2),
    sketches=st.dictionaries(
        texts,
        st.dictionaries(st.floats(-1e9, 1e9), st.integers(1, 9), max_size=4).map(Sketch.of),
        max_size=2,
    ),
    first_counter_at=st.none() | numbers,
    last_histogram_at=st.none() | numbers,
)
period_tuples = st.lists(periods, max_size=2).map(tuple)
tallies = st.builds(Tally, planned=counts, started=counts, skipped=counts, cut=counts)
facts = st.builds(Facts, pid=counts, cpu=numbers, lag_p99=numbers, out_of_files=counts, python=texts)
origin: dict[str, Any] = {"run_id": texts, "generation": counts, "index": counts, "sequence": counts}
messages: st.SearchStrategy[Message | Control] = st.one_of(
    st.builds(Ready, **origin, planned=counts),
    st.builds(Progress, **origin, periods=period_tuples, tally=tallies, at=numbers),
    st.builds(
        Finished,
        **origin,
        periods=period_tuples,
        tally=tallies,
        facts=facts,
        variables=st.dictionaries(texts, json_values, max_size=3),
    ),
    st.builds(Failed, **origin, message=texts, cause=texts, remedy=texts, exit_code=counts),
    st.builds(Go, start_at=numbers),
    st.builds(Stop, reason=st.sampled_from(["interrupted", "terminated", "asked"]), drain=numbers),
)
READY = Ready(run_id="t1", generation=0, index=3, sequence=0, planned=7)


@settings(max_examples=200)
@given(messages)
def test_round_trip(message: Message | Control) -> None:
    """Every message comes back equal: broken text and every float included."""
    assert decode(encode(message)) == message


@settings(max_examples=60)
@given(messages)
def test_a_message_is_one_line(message: Message | Control) -> None:
    """A message ends with its only newline, and its type comes first."""
    line = encode(message)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.replace(b" ", b"").startswith(b'{"type":"')


def test_the_form_on_the_line() -> None:
    """The names on the line are those of the type."""
    assert encode(READY) == (
        b'{"type":"ready","run_id":"t1","generation":0,"index":3,"sequence":0,"planned":7,"sent_at":0.0}\n'
    )


def test_fields_with_a_default_may_be_missing() -> None:
    """A line of an older worker is read, with the defaults of what it doesn't know."""
    line = b'{"type":"failed","run_id":"r","generation":0,"index":0,"sequence":1,"message":"m"}'

    assert decode(line) == Failed(run_id="r", generation=0, index=0, sequence=1, message="m")


def test_a_variable_that_is_no_json_is_refused() -> None:
    """What JSON can't carry is refused with words instead of being lost."""
    message = Finished(
        run_id="r",
        generation=0,
        index=0,
        sequence=0,
        periods=(),
        tally=Tally(),
        facts=Facts(),
        variables={"file": object()},
    )

    with pytest.raises(ValueError, match="can't be sent as JSON"):
        encode(message)


def test_not_a_number_in_a_variable_becomes_null() -> None:
    """JSON has no NaN: a variable arrives as null, as from JavaScript."""
    message = Finished(
        run_id="r",
        generation=0,
        index=0,
        sequence=0,
        periods=(),
        tally=Tally(),
        facts=Facts(),
        variables={"x": math.nan},
    )
    received = decode(encode(message))

    assert isinstance(received, Finished)
    assert received.variables == {"x": None}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "not even JSON"),
        (b"Traceback (most recent call last):", "not even JSON"),
        (b"\xff\xfe", "not even JSON"),
        (b"[1]", "not a message"),
        (b"null", "not a message"),
        (b"{}", "unknown type of message None"),
        (b'{"type": ["go"]}', "unknown type"),
        (b'{"type": "gone"}', "unknown type of message 'gone'; known: ready"),
        (b'{"type": "go"}', "lacks 'start_at'"),
        (b'{"type": "go", "start_at": "now"}', "'go.start_at' must be a number, not 'now'"),
        (b'{"type": "go", "start_at": true}', "must be a number"),
        (b'{"type": "go", "start_at": 1, "end": 2}', "unknown keys: 'end'"),
        (b'{"type": "stop", "reason": "bored"}', "must be interrupted, terminated or asked"),
        (b'{"type": "ready", "run_id": 1}', "'ready.run_id' must be text"),
        (b'{"type": "ready", "run_id": "r", "generation": 1.0}', "must be a whole number"),
    ],
)
def test_anything_else_is_refused(line: bytes, words: str) -> None:
    """A line that is no message is a ValueError that says what is wrong with it."""
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        decode(line)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ('"periods": {}, "tally": {}, "at": 1', "'progress.periods' must be a list"),
        ('"periods": [{}], "tally": {}, "at": 1', "not a period"),
        ('"periods": [], "tally": [], "at": 1', "must be an object"),
        (
            '"periods": [], "tally": {"started": "1"}, "at": 1',
            "'progress.tally.started' must be a whole number",
        ),
    ],
)
def test_faults_inside_are_named(part: str, words: str) -> None:
    """A fault deep inside a message is named by its place."""
    line = f'{{"type": "progress", "run_id": "r", "generation": 0, "index": 0, "sequence": 0, {part}}}'
    with pytest.raises(ValueError, match=words):
        decode(line.encode())
