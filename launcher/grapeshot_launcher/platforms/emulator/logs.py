"""What the sandboxes print: a file for each, and a listener.

Leaves to others: reading the sandboxes' output (sandbox).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

Listener = Callable[[str, str], None]  # sandbox and one line, called in the emulator's thread


class Logs:
    """Writes `<folder>/<sandbox>.log`."""

    def __init__(self, folder: Path, listener: Listener | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._listener = listener
        self._lock = threading.Lock()

    def write(self, sandbox: str, line: str) -> None:
        """Add a line of one sandbox."""
        path = self.folder / f"{sandbox.replace('/', '-')}.log"
        with self._lock, path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self._listener is not None:
            self._listener(sandbox, line)

    @property
    def files(self) -> list[Path]:
        """The files so far."""
        return sorted(self.folder.glob("*.log"))

    def text(self) -> str:
        """Give all that was printed, one sandbox after the other."""
        with self._lock:
            return "".join(path.read_text(encoding="utf-8") for path in self.files)
