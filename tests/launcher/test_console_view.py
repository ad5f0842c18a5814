from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.report import Apdex
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_launcher.views.console import (
    apdex_line,
    books_line,
    checks_block,
    duration_words,
    finished_line,
    local_time,
    log_file_line,
    metric_lines,
    period_block,
    phase_line,
    plain,
    run_id_line,
    summary_block,
    verdict_lines,
)
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.period import Period, RateCount
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from grapeshot_worker.script.model import Phase

START = 1_795_421_580_000  # 08:13:00 UTC
WINDOW = Period(
    start=START,
    counters={"vusers.failed": 0, "http.requests": 18, "plugins.metrics-by-endpoint./.codes.200": 6},
    rates={"http.request_rate": RateCount(18, START + 0.0, START + 3_600.0)},
    sketches={"http.response_time": Sketch.of({26.25: 1, 30.0: 17})},
    first_counter_at=START + 100.7,
    last_counter_at=START + 9_999.2,
    first_histogram_at=START + 200.0,
    last_histogram_at=START + 9_000.0,
)
BLOCK = """\
--------------------------------------
Metrics for period to: 08:13:10(+0000) (width: 9.899s)
--------------------------------------

http.request_rate: ............................................................. 5/sec
http.requests: ................................................................. 18
http.response_time:
  min: ......................................................................... 26.3
  max: ......................................................................... 30
  mean: ........................................................................ 29.8
  median: ...................................................................... 30.3
  p95: ......................................................................... 30.3
  p99: ......................................................................... 30.3
vusers.failed: ................................................................. 0

"""


def test_the_block_of_a_window() -> None:
    """Title with the window's end and width, then all kinds sorted by name, dots up to the value; 0 is shown."""
    assert period_block(WINDOW, tz=UTC, suppressed=["plugins.metrics-by-endpoint"]) == BLOCK


def test_suppressed_metrics_are_hidden() -> None:
    """Only prefixes that were asked for are hidden."""
    assert any(line.startswith("plugins.") for line in metric_lines(Totals.of_window(WINDOW)))


def test_the_block_of_the_whole() -> None:
    """The summary has its moment and no width."""
    text = summary_block(Totals.of([WINDOW]), at=START / 1000 + 61, tz=UTC)

    assert text.splitlines()[:3] == ["-" * 32, "Summary report @ 08:14:01(+0000)", "-" * 32]


def test_nothing_recorded() -> None:
    """A report without measurements says so."""
    assert "No measurements recorded during this period" in summary_block(Totals(), at=0, tz=UTC)


@pytest.mark.parametrize(("columns", "width"), [(None, 79), (20, 50), (60, 60), (200, 79)])
def test_the_width(columns: int | None, width: int) -> None:
    """Label and dots fill the terminal, but at least 50 and at most 79 columns."""
    (line,) = metric_lines(Totals(counters={"a": 7}), columns=columns)

    assert line == "a: " + "." * (width - 2) + " 7"


def test_long_labels_are_cut() -> None:
    """A label longer than the width ends in three dots."""
    (line,) = metric_lines(Totals(counters={"n" * 90: 7}))

    assert line == "n" * 76 + "...  7"


def test_the_order_is_javascripts() -> None:
    """Names sort by UTF-16 code units: upper case first, an emoji before a private-use character."""
    lines = metric_lines(Totals(counters={"b": 1, "B": 1, "\ue000": 1, "😀": 1}))

    assert [line.split(":")[0] for line in lines] == ["B", "b", "😀", r"\ue000"]


def test_numbers_print_as_javascript_prints_them() -> None:
    """A whole number has no `.0`, others one decimal."""
    lines = metric_lines(Totals(sketches={"t": Sketch.of({2.0: 1, 3.0: 1})}))

    assert [line.split()[-1] for line in lines[1:4]] == ["2", "3", "2.5"]


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Phase(index=0, kind="rate", duration=10, written_duration=10), "unnamed (index: 0, duration: 10s)"),
        (
            Phase(index=2, kind="pause", duration=30, written_duration="0.5 min", name="rest"),
            "rest (index: 2, duration: 0.5 min)",
        ),
        (Phase(index=1, kind="count", duration=5, written_duration="5"), "unnamed (index: 1, duration: 5s)"),
    ],
)
def test_phase_lines(phase: Phase, words: str) -> None:
    """A phase is told with its duration as written; a blank line follows."""
    for change in ("started", "completed"):
        line = phase_line(change, phase, at=START / 1000, tz=UTC)
        assert line == f"Phase {change}: {words} 08:13:00(+0000)\n"


def test_local_time_has_its_zone() -> None:
    """Times are local, with the offset."""
    assert local_time(START / 1000, timezone(timedelta(hours=-5, minutes=-30))) == "02:43:00(-0530)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1.9, "1 second"),
        (5, "5 seconds"),
        (60, "1 minute, 0 seconds"),
        (63, "1 minute, 3 seconds"),
        (3602, "1 hour, 0 minutes, 2 seconds"),
        (90_061, "1 day, 1 hour, 1 minute, 1 second"),
        (-3, "0 seconds"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    """From the largest unit down to seconds."""
    assert duration_words(seconds) == words


def test_the_total_time_starts_at_the_first_metric() -> None:
    """The time told at the end is measured from the first measurement."""
    line = finished_line(Totals.of([WINDOW]), ended_at=START / 1000 + 63.2)

    assert line == "All VUs finished. Total time: 1 minute, 3 seconds\n"


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ((10, 0, 0), "Apdex score: 1 (excellent)"),
        ((10, 2, 0), "Apdex score: 0.9166666666666666 (good)"),
        ((94, 0, 6), "Apdex score: 0.94 (excellent)"),
        ((85, 0, 15), "Apdex score: 0.85 (good)"),
        ((7, 0, 3), "Apdex score: 0.7 (fair)"),
        ((49, 0, 51), "Apdex score: 0.49 (poor)"),
        ((0, 0, 3), "Apdex score: 0 (unacceptable)"),
        ((0, 0, 0), "Apdex score: none (there was no HTTP response)"),
    ],
)
def test_apdex(counts: tuple[int, int, int], line: str) -> None:
    """The score is (satisfied + tolerated / 2) / all, its word by the reference's bounds."""
    names = ("apdex.satisfied", "apdex.tolerated", "apdex.frustrated")
    totals = Totals(counters=dict(zip(names, counts, strict=True)))

    assert apdex_line(Apdex.of(totals, 500.0)) == line


@pytest.mark.parametrize(
    ("tally", "finished", "line"),
    [
        (Tally(started=10), {0}, "Virtual users: 10 planned = 10 started"),
        (
            Tally(started=5, skipped=3, unstarted=2),
            {0},
            "Virtual users: 10 planned = 5 started + 3 dropped by maxVusers"
            " + 2 not started because the run was stopped",
        ),
        (Tally(started=4), set(), "Virtual users: 10 planned = 4 started + 6 lost with worker 1"),
    ],
)
def test_the_books_in_a_line(tally: Tally, finished: set[int], line: str) -> None:
    """Every planned user is told of; what is 0 is left out."""
    assert books_line(Books.of({0: 10}, {0: tally}, finished)) == line


def test_the_verdict_and_its_reasons() -> None:
    """The verdict, and below it every reason."""
    verdict = Verdict(kind="invalid", exit_code=4, reasons=("a", "b"))

    assert verdict_lines(verdict) == "Verdict: invalid\n  - a\n  - b"
    assert verdict_lines(Verdict(kind="pass", exit_code=0), colour=True) == "Verdict: \x1b[32mpass\x1b[39m"


@given(st.text())
def test_plain_text_is_printable(text: str) -> None:
    """Whatever the target says, no control character reaches the terminal, and printable text stays."""
    shown = plain(text)

    assert shown.isprintable()
    assert shown == text or not text.isprintable()


def test_nothing_from_outside_reaches_the_terminal_raw() -> None:
    """Names of metrics, phases, checks, files and reasons are all escaped."""
    bad = "x\x1b[2J\n::error::y"
    phase = Phase(index=0, kind="rate", duration=1, written_duration=bad, name=bad)
    texts = [
        run_id_line(bad),
        log_file_line(bad),
        phase_line("started", phase, at=0, tz=UTC).rstrip("\n"),
        *metric_lines(Totals(counters={bad: 1}, sketches={bad: Sketch.of({1.0: 1})})),
        checks_block(
            [CheckOutcome(label=bad, strict=True, ok=False, values={bad: 1}, missing=(bad,), problem=bad)]
        ),
        verdict_lines(Verdict(kind="fail", exit_code=1, reasons=(bad,))),
    ]

    assert not any("\x1b" in text or "\n::" in text for text in texts)
