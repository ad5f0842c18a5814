"""Where text goes: standard output and error, with the live numbers kept below it on a terminal.

Leaves to others: every word (views).

On anything but a terminal there are no live numbers, and a line is a line. `-q` silences reports, not what the
author wants said. Control characters of relayed lines are made visible: they may come from the target, and could
otherwise repaint the terminal.
"""

from __future__ import annotations

import os
import shutil
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from grapeshot_launcher.errors import OutputRefused
from grapeshot_launcher.results.collect import LiveNumbers
from grapeshot_launcher.views.console import plain

if TYPE_CHECKING:
    from grapeshot_launcher.views.live import LivePanel


class Screen:
    """Writes to `out` and `err`. Use it as a context: on leaving, the live numbers are gone."""

    def __init__(self, out: TextIO, err: TextIO, *, quiet: bool = False) -> None:
        self._out, self._err, self._quiet = out, err, quiet
        self._panel: LivePanel | None = None

    def __enter__(self) -> Screen:
        """Start writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the live numbers away."""
        self.still()

    @property
    def colour(self) -> bool:
        """Whether a terminal shows what is written."""
        wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return self._out.isatty() and wanted

    @property
    def columns(self) -> int | None:
        """The terminal's width, None where there is no terminal."""
        return shutil.get_terminal_size().columns if self._out.isatty() else None

    def say(self, text: str) -> None:
        """Write what is always shown."""
        self._write(self._out, text)

    def show(self, text: str) -> None:
        """Write what `-q` silences."""
        if not self._quiet:
            self.say(text)

    def warn(self, text: str) -> None:
        """Write to standard error."""
        self._write(self._err, text)

    def relay(self, stream: str, line: str) -> None:
        """Write a line that an author's hook or `log` step printed, to the stream it was meant for."""
        shown = "\t".join(map(plain, line.split("\t")))
        self._write(self._err if stream == "stderr" else self._out, shown)

    def update(self, numbers: LiveNumbers, *, elapsed: float, total: float) -> None:
        """Show the live numbers, on a terminal; `elapsed` of `total` seconds."""
        if not self._quiet and self._out.isatty():
            (self._panel or self._begin()).update(numbers, elapsed=elapsed, total=total)

    def still(self) -> None:
        """Take the live numbers away."""
        if self._panel is not None:
            self._panel.__exit__(None, None, None)
            self._panel = None

    def _begin(self) -> LivePanel:
        # Imported late: rich takes 0.1 s, and only who sees the panel should wait for it.
        from rich.console import Console

        from grapeshot_launcher.views.live import LivePanel

        self._panel = LivePanel(Console(file=self._out)).__enter__()
        return self._panel

    def _write(self, stream: TextIO, text: str) -> None:
        if self._panel is not None and stream.isatty():
            self._panel.say(text)  # above the panel, which stands on the last lines
            return
        try:
            stream.write(text + "\n")
            stream.flush()
        except BrokenPipeError:
            raise  # nobody reads any more: no fault
        except OSError as error:
            raise OutputRefused(
                "What the run has to say can't be written.",
                cause=error.strerror or str(error),
                remedy="Make room where the output goes, or send it elsewhere.",
            ) from error
