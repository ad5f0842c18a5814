"""The windows of a run: the same numbers packed or open, in whatever order they come."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from grapeshot_launcher.results.windows import Windows
from grapeshot_worker.metrics.period import WINDOW_MS, Period, by_window
from grapeshot_worker.metrics.sketch import Sketch


def part(window: int, n: int = 1) -> Period:
    return Period(
        start=window * WINDOW_MS,
        counters={"http.requests": n, "half a \ud800 pair": 0},
        sketches={"http.response_time": Sketch.of({float(n): 1})},
        first_counter_at=window * WINDOW_MS + float(n),
    )


parts = st.builds(part, st.integers(0, 4), st.integers(1, 9))


@given(st.lists(st.tuples(parts, st.integers(-1, 5)), max_size=12))
def test_packing_changes_no_number(steps: list[tuple[Period, int]]) -> None:
    """Whenever windows are packed, and whatever comes for them afterwards, they are the parts merged."""
    windows = Windows()
    for period, until in steps:
        windows.add(period)
        windows.pack(until * WINDOW_MS)

    assert tuple(windows.periods()) == by_window(period for period, _ in steps)


def test_periods_are_a_sequence_that_stays() -> None:
    """They can be counted, picked and cut, and what comes later does not change them."""
    windows = Windows([part(2), part(0), part(1)])
    periods = windows.periods()
    windows.add(part(1, 5))

    assert len(periods) == 3
    assert (periods[0], periods[-1]) == (part(0), part(2))
    assert list(periods[1:]) == [part(1), part(2)]
    assert periods[1] != windows.periods()[1]


def test_the_newest_window_stays_open() -> None:
    """The live numbers are read from it twice a second."""
    windows = Windows()
    for window in (0, 1):
        windows.add(part(window, window + 1))
    windows.pack(10 * WINDOW_MS)

    assert windows.newest("http.response_time") == Sketch.of({2.0: 1})
    assert windows.newest("vusers.start_lag") is None
    assert Windows().newest("http.response_time") is None


def test_packed_windows_are_given_like_open_ones() -> None:
    """Whether a window is packed is nobody else's business."""
    windows = Windows([part(0, 3), part(1, 4), part(2, 5)])

    assert windows.after(0) == [WINDOW_MS, 2 * WINDOW_MS]
    assert [windows.period(window * WINDOW_MS) for window in range(3)] == [part(0, 3), part(1, 4), part(2, 5)]


def test_a_packed_window_is_small() -> None:
    """A window of a hundred names of a hundred buckets each takes less than a tenth of what it takes open."""
    sketch = Sketch.of({1.02**n: n for n in range(1, 101)})
    windows = Windows()
    tracemalloc.start()
    try:
        for window in range(20):
            windows.add(Period(start=window * WINDOW_MS, sketches={f"t{n}": sketch for n in range(100)}))
        opened = tracemalloc.get_traced_memory()[0]
        windows.pack(20 * WINDOW_MS)
        packed = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert packed < opened / 10
