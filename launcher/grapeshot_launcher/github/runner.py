"""The runner of GitHub Actions: workflow commands in the log, files for outputs and the job summary.

Leaves to others: every word (views, annotations, outputs), and when it is said (action).

The runner obeys any line of the log that looks like a command. What scripts, hooks and targets print is therefore
written inside `foreign`, where the runner obeys one unguessable word only; a command of ours lifts that for itself.
Formats: GitHub's "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

Level = Literal["error", "warning", "notice"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """A message that GitHub shows beside the run, and at a line of a file; `file` is relative to the repository."""

    level: Level
    message: str
    title: str = ""
    file: str = ""
    line: int | None = None


class Runner:
    """Speaks to the runner by the process's output and by the files that `environ` names."""

    def __init__(
        self,
        environ: Mapping[str, str],
        out: TextIO,
        *,
        random_word: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._environ, self._out, self._random_word = environ, out, random_word
        self._lock = threading.Lock()  # credentials are renewed, and masked, in a thread of the SDK's
        self._stopped: str | None = None

    def mask(self, value: str) -> None:
        """Have the runner hide a value, line by line, wherever the log shows it from now on."""
        self._command(*(f"::add-mask::{_escaped(line)}" for line in value.splitlines() if line.strip()))

    def annotate(self, annotation: Annotation) -> None:
        """Show a message beside the run."""
        places = {
            "title": annotation.title,
            "file": annotation.file,
            "line": "" if annotation.line is None else str(annotation.line),
        }
        properties = ",".join(f"{name}={_escaped_property(value)}" for name, value in places.items() if value)
        head = f"::{annotation.level} {properties}" if properties else f"::{annotation.level}"
        self._command(f"{head}::{_escaped(annotation.message)}")

    def output(self, name: str, value: str) -> None:
        """Set an output of the step. No value can end its own block early: the delimiter is random."""
        word = self._random_word()
        self._append("GITHUB_OUTPUT", f"{name}<<{word}\n{value}\n{word}\n")

    def summarize(self, markdown: str) -> None:
        """Add to the job summary of the step."""
        self._append("GITHUB_STEP_SUMMARY", markdown.rstrip("\n") + "\n")

    @contextmanager
    def foreign(self) -> Iterator[None]:
        """Inside, what others print is text to the runner, whatever it looks like."""
        with self._lock:
            self._stopped = self._random_word()
            self._write(f"::stop-commands::{self._stopped}\n")
        try:
            yield
        finally:
            with self._lock:
                self._write(f"::{self._stopped}::\n")
                self._stopped = None

    def _command(self, *lines: str) -> None:
        if not lines:
            return
        text = "".join(line + "\n" for line in lines)
        with self._lock:
            if self._stopped is not None:
                # In one piece, so that nothing of others comes between; the word is used up by being shown.
                ended, self._stopped = self._stopped, self._random_word()
                text = f"::{ended}::\n{text}::stop-commands::{self._stopped}\n"
            self._write(text)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _append(self, variable: str, text: str) -> None:
        path = self._environ.get(variable)
        if path:  # outside of a runner there is no such file, and nobody who reads it
            with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)


def _escaped(text: str) -> str:
    """Write a command's message on one line, as the runner unescapes it.

    >>> _escaped("100 %\\nfine")
    '100 %25%0Afine'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
