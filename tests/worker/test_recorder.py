"""The recorder: windows by each measurement's own moment, names spelled out, zero counts kept."""

from __future__ import annotations

from grapeshot_worker.metrics.recorder import NAME_LIMIT, Recorder


class Clock:
    """Monotonic seconds set by the test."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


EPOCH = 1_000_000.0  # the clock's 100.0 is epoch second 1 000 100: a window border


def recorder_at(clock: Clock) -> Recorder:
    return Recorder(clock, epoch=EPOCH)


def test_a_measurement_belongs_to_the_window_of_its_own_moment() -> None:
    """A request sent in one window and answered in the next counts in both."""
    clock = Clock(109.9)
    recorder = recorder_at(clock)
    recorder.sent(clock.now)
    clock.now = 110.1
    recorder.answered(clock.now, None, 200, 200.4, 7, 200.4)

    first, second = recorder.flush()

    assert (first.start, second.start) == (1_000_100_000, 1_000_110_000)
    assert dict(first.counters) == {"http.requests": 1}
    assert second.counters["http.responses"] == 1
    assert "http.requests" not in second.counters


def test_a_response_is_spelled_out_under_all_its_names() -> None:
    """Codes, bytes, times by class and by endpoint come from one cell."""
    clock = Clock()
    recorder = recorder_at(clock)
    for milliseconds in (1.4, 1.6, 12.0):
        recorder.answered(clock.now, "/a", 404, milliseconds, 10, milliseconds)

    (period,) = recorder.flush()

    assert dict(period.counters) == {
        "http.responses": 3,
        "http.codes.404": 3,
        "http.downloaded_bytes": 30,
        "plugins.metrics-by-endpoint./a.codes.404": 3,
    }
    assert set(period.sketches) == {
        "http.response_time",
        "http.response_time.4xx",
        "http.intended_response_time",
        "plugins.metrics-by-endpoint.response_time./a",
    }
    for sketch in period.sketches.values():
        assert (sketch.count, sketch.min, sketch.max, sketch.sum) == (3, 1, 12, 15)


def test_the_time_from_the_intended_start_is_kept_beside_the_response_time() -> None:
    """One distribution over all responses; a start half a millisecond early makes it no shorter than the other."""
    clock = Clock()
    recorder = recorder_at(clock)
    recorder.answered(clock.now, "/a", 200, 5.0, 0, 1005.2)
    recorder.answered(clock.now, "/b", 500, 5.0, 0, 4.4)

    (period,) = recorder.flush()
    times, intended = period.sketches["http.response_time"], period.sketches["http.intended_response_time"]

    assert (times.min, times.max, times.count) == (5, 5, 2)
    assert (intended.min, intended.max, intended.count) == (5, 1005, 2)


def test_a_count_of_zero_makes_the_name_exist() -> None:
    """`vusers.failed` is reported as 0 when nobody failed."""
    recorder = recorder_at(Clock())
    recorder.count("vusers.failed", 0)

    (period,) = recorder.flush()

    assert dict(period.counters) == {"vusers.failed": 0}


def test_flush_gives_only_what_came_since_the_last_one() -> None:
    """Two flushes of one window are parts that add up."""
    clock = Clock()
    recorder = recorder_at(clock)
    recorder.count("a")
    (first,) = recorder.flush()
    recorder.count("a", 2)
    (second,) = recorder.flush()

    assert recorder.flush() == ()
    assert first.merge(second).counters == {"a": 3}


def test_a_rate_keeps_its_first_and_last_moment() -> None:
    """The rate of a window is its count over the time between them."""
    clock = Clock(101.0)
    recorder = recorder_at(clock)
    recorder.rate("r")
    clock.now = 103.5
    recorder.rate("r")

    (period,) = recorder.flush()

    assert period.rates["r"] == (2, 1_000_101_000.0, 1_000_103_500.0)


def test_moments_of_counters_and_histograms_are_kept_apart() -> None:
    """firstCounterAt, lastHistogramAt and the like are epoch milliseconds."""
    clock = Clock(101.0)
    recorder = recorder_at(clock)
    recorder.count("c")
    clock.now = 102.0
    recorder.observe("h", 5)
    clock.now = 104.0
    recorder.count("c")

    (period,) = recorder.flush()

    assert period.first_counter_at == 1_000_101_000
    assert period.last_counter_at == 1_000_104_000
    assert period.first_histogram_at == period.last_histogram_at == 1_000_102_000


def test_names_are_cut_at_the_limit() -> None:
    """A metric name of any length costs a bounded amount."""
    recorder = recorder_at(Clock())
    recorder.count("n" * 5000)

    (period,) = recorder.flush()

    assert list(period.counters) == ["n" * NAME_LIMIT]
