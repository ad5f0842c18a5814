from __future__ import annotations

import io

import pytest
from rich.console import Console

from grapeshot_launcher.results.collect import LiveNumbers
from grapeshot_launcher.views.live import LiveLines, LivePanel, clock_text, live_line, live_panel

NUMBERS = LiveNumbers(
    planned=50,
    started=9,
    active=4,
    completed=4,
    failed=1,
    skipped=2,
    requests=120,
    requests_per_second=41.6,
    p95=99.9,
    errors=3,
    top_error="[bold]ETIMEDOUT[/] \x1b[2J",
    lag_p99=4.6,
)


def screen(*, terminal: bool = True, width: int = 120) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=width,
        color_system=None,
        legacy_windows=False,
        _environ={"TERM": "xterm"},
    )


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_line() -> None:
    """One line tells time, users, requests, errors and lag; text from the target is escaped."""
    assert live_line(NUMBERS, elapsed=75, total=120) == (
        "01:15/02:00  users 4 active, 9/50 started, 4 completed, 1 failed, 2 dropped by maxVusers"
        " · requests 120, 42/s, p95 100 ms · errors 3, mostly [bold]ETIMEDOUT[/] \\x1b[2J · start lag p99 5 ms"
    )


def test_the_panel_shows_the_target_as_text() -> None:
    """What looks like markup in an error's name is shown, not obeyed."""
    console = screen(terminal=False)
    console.print(live_panel(NUMBERS, elapsed=30, total=120))
    text = text_of(console)

    assert r"mostly [bold]ETIMEDOUT[/] \x1b[2J" in text
    assert "00:30" in text
    assert "9/50 started" in text


@pytest.mark.parametrize(("elapsed", "total"), [(0, 0), (200, 120), (-1, 10)])
def test_odd_times_draw(elapsed: float, total: float) -> None:
    """Before the start, past the end and without a duration there is still a picture."""
    console = screen(terminal=False)
    console.print(live_panel(LiveNumbers(), elapsed=elapsed, total=total))

    assert "users 0 active" in text_of(console)


def test_a_narrow_terminal_gets_three_lines() -> None:
    """The panel never wraps."""
    console = screen(terminal=False, width=40)
    console.print(live_panel(NUMBERS, elapsed=1, total=2))

    assert len(text_of(console).splitlines()) == 3


def test_the_panel_redraws_only_when_told() -> None:
    """Each update draws once; what is said stands above it, markup and all."""
    console = screen()
    with LivePanel(console) as panel:
        panel.update(NUMBERS, elapsed=1, total=10)
        drawn = text_of(console).count("00:01")
        panel.say("Phase started: [red]x[/] (index: 0, duration: 1s)\n")

    assert drawn == 1
    assert "Phase started: [red]x[/] (index: 0, duration: 1s)" in text_of(console)


def test_lines_come_at_their_interval() -> None:
    """For a log, a line is written every so many seconds of the run, however often there is news."""
    lines: list[str] = []
    with LiveLines(lines.append, interval=10) as view:
        for second in range(31):
            view.update(NUMBERS, elapsed=float(second), total=60)

    assert [line[:5] for line in lines] == ["00:10", "00:20", "00:30"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00"), (-5, "00:00"), (75.9, "01:15"), (3_600, "1:00:00"), (36_061, "10:01:01")],
)
def test_clock_text(seconds: float, text: str) -> None:
    """Seconds are written as on a stopwatch."""
    assert clock_text(seconds) == text
