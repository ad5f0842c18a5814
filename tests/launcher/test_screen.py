"""Where text goes: streams, quiet, and the live numbers of a terminal."""

from __future__ import annotations

import asyncio
import io
import os
from signal import Signals

import pytest

from grapeshot_launcher.crew import Inbox, Signalled
from grapeshot_launcher.errors import OutputRefused
from grapeshot_launcher.results.collect import LiveNumbers
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.signals import listening


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_reports_and_warnings_have_their_streams() -> None:
    """What is said goes out, what is warned of goes to standard error, each as a line."""
    out, err = io.StringIO(), io.StringIO()
    screen = Screen(out, err)

    screen.say("said")
    screen.show("shown")
    screen.warn("warned")
    screen.relay("stdout", "printed")
    screen.relay("stderr", "complained")

    assert out.getvalue() == "said\nshown\nprinted\n"
    assert err.getvalue() == "warned\ncomplained\n"


def test_quiet_silences_reports_only() -> None:
    """What must be known is said all the same."""
    out = io.StringIO()
    screen = Screen(out, io.StringIO(), quiet=True)

    screen.say("said")
    screen.show("shown")

    assert out.getvalue() == "said\n"


def test_live_numbers_need_a_terminal() -> None:
    """A log file gets lines alone."""
    out = io.StringIO()

    with Screen(out, io.StringIO()) as screen:
        screen.update(LiveNumbers(planned=10), elapsed=1.0, total=2.0)

    assert out.getvalue() == ""
    assert screen.columns is None
    assert not screen.colour


def test_on_a_terminal_lines_go_above_the_live_numbers() -> None:
    """Numbers are redrawn below each line, and gone at the end; brackets in a line are no markup."""
    out = Terminal()

    with Screen(out, out) as screen:
        screen.update(LiveNumbers(planned=10), elapsed=1.0, total=2.0)
        screen.say("[bold]a line[/bold]")
        screen.warn("a warning")
        screen.still()
        screen.say("the end")

    assert "0/10 started" in out.getvalue()
    assert "[bold]a line[/bold]" in out.getvalue()
    assert out.getvalue().endswith("the end\n")
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h")  # the cursor is back


def test_the_first_signal_asks_and_the_second_leaves() -> None:
    """Ctrl-C once is an event like others; twice ends the process by the function given for it."""
    left: list[int] = []

    async def main() -> list[object]:
        inbox: Inbox = asyncio.Queue()
        with listening(inbox, leave=left.append):
            os.kill(os.getpid(), Signals.SIGINT)
            first = await asyncio.wait_for(inbox.get(), 1.0)
            assert left == []
            os.kill(os.getpid(), Signals.SIGTERM)
            second = await asyncio.wait_for(inbox.get(), 1.0)
        return [first, second]

    heard = asyncio.run(main())

    assert heard[0] == Signalled(Signals.SIGINT)
    assert left == [143]


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_told_as_such() -> None:
    """What can't be written ends the run with the reason, not as a fault of ours."""
    with pytest.raises(OutputRefused) as caught:
        Screen(Full(), io.StringIO()).say("said")

    assert caught.value.cause == "No space left on device"


@pytest.mark.parametrize(
    ("environ", "colour"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
    ],
)
def test_colours_are_for_those_who_can_see_them(
    environ: dict[str, str], colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal, unless it is dumb or NO_COLOR says something."""
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert Screen(Terminal(), io.StringIO()).colour is colour
