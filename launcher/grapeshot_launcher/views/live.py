"""How a run is doing, while it runs: a panel that redraws itself on a terminal, or plain lines for a log.

Leaves to others: the numbers (collect), when to draw, and the clock: elapsed and total seconds are arguments.

Names of errors come from the target, so they are shown as text and never read as markup.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from grapeshot_launcher.results.collect import LiveNumbers
from grapeshot_launcher.results.verdict import LAG_LIMIT_MS
from grapeshot_launcher.views.console import cut, plain

_ERROR_WIDTH = 60


def live_panel(numbers: LiveNumbers, *, elapsed: float, total: float) -> RenderableType:
    """Draw the bar of time and two lines of numbers; seconds. A total of 0 shows a full bar."""
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    # A bar without a total would pulse, and so move without being told to.
    bar.add_row(
        clock_text(min(elapsed, total)),
        ProgressBar(total=total or 1.0, completed=min(elapsed, total) if total else 1.0),
        clock_text(total),
    )
    lag = Text(lag_text(numbers), style="yellow" if numbers.lag_p99 > LAG_LIMIT_MS else "")
    errors = Text(errors_text(numbers), style="red" if numbers.errors else "")
    return Group(
        bar,
        Text(users_text(numbers), no_wrap=True, overflow="ellipsis"),
        Text.assemble(
            Text(requests_text(numbers)), " · ", errors, " · ", lag, no_wrap=True, overflow="ellipsis"
        ),
    )


def live_line(numbers: LiveNumbers, *, elapsed: float, total: float) -> str:
    """Say the same in one line of plain text, for logs."""
    parts = (users_text(numbers), requests_text(numbers), errors_text(numbers), lag_text(numbers))
    return f"{clock_text(min(elapsed, total))}/{clock_text(total)}  {' · '.join(parts)}"


def users_text(numbers: LiveNumbers) -> str:
    """Say how the users are doing."""
    skipped = f", {numbers.skipped} dropped by maxVusers" if numbers.skipped else ""
    return (
        f"users {numbers.active} active, {numbers.started}/{numbers.planned} started,"
        f" {numbers.completed} completed, {numbers.failed} failed{skipped}"
    )


def requests_text(numbers: LiveNumbers) -> str:
    """Say how many requests there were, how fast they go out and come back."""
    p95 = "–" if numbers.p95 is None else f"{numbers.p95:.0f} ms"
    return f"requests {numbers.requests}, {numbers.requests_per_second:.0f}/s, p95 {p95}"


def errors_text(numbers: LiveNumbers) -> str:
    """Say how many errors there were, and the name of the most frequent."""
    name = f", mostly {cut(plain(numbers.top_error), _ERROR_WIDTH)}" if numbers.top_error else ""
    return f"errors {numbers.errors}{name}"


def lag_text(numbers: LiveNumbers) -> str:
    """Say how late the generator itself is."""
    return f"start lag p99 {numbers.lag_p99:.0f} ms"


def clock_text(seconds: float) -> str:
    """Write seconds as a stopwatch does.

    >>> clock_text(75.9), clock_text(3600)
    ('01:15', '1:00:00')
    """
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


class LivePanel:
    """The panel on a terminal, as a context; it is gone when the context is left. Nothing moves between updates."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # No thread redraws: the run's own loop says when. What others print goes through `say`, above the panel.
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, numbers: LiveNumbers, *, elapsed: float, total: float) -> None:
        """Draw the panel anew."""
        self._live.update(live_panel(numbers, elapsed=elapsed, total=total), refresh=True)

    def say(self, text: str) -> None:
        """Print a text as it is, above the panel."""
        self._console.print(Text.from_ansi(text), soft_wrap=True)


class LiveLines:
    """The same for a log: one line at most every `interval` seconds of the run."""

    def __init__(self, write: Callable[[str], object], *, interval: float = 10.0) -> None:
        self._write, self._interval = write, interval
        self._next = interval

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(self, numbers: LiveNumbers, *, elapsed: float, total: float) -> None:
        """Write a line when it is time for one."""
        if elapsed >= self._next:
            self._next = (elapsed // self._interval + 1) * self._interval
            self.say(live_line(numbers, elapsed=elapsed, total=total))

    def say(self, text: str) -> None:
        """Write a text as it is."""
        self._write(text)
