"""What was found wrong with a script, each fault with the place it was written.

Leaves to others: finding it (load, validate, parse) and printing it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from grapeshot_worker.errors import Exit, Path, Place, Problem, ScriptError, dotted


@dataclass(slots=True)
class Findings:
    """Collects the problems of one script; `marks` knows the lines, `file` stands in where it does not."""

    file: str
    marks: Mapping[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Give the place of a path; of one that is not written, the line of what it would stand in."""
        written = path
        while written and written not in self.marks:
            written = written[:-1]
        mark = self.marks.get(written)
        return Place(
            file=mark.file if mark else self.file, line=mark.line if mark else None, path=dotted(path)
        )

    def error(self, message: str, path: Path, *, remedy: str = "", exit_code: int = Exit.FAILED) -> None:
        """Note what refuses the script."""
        self.problems.append(
            Problem(message=message, place=self.place(path), remedy=remedy, exit_code=exit_code)
        )

    def warn(self, message: str, path: Path, *, remedy: str = "") -> None:
        """Note what the author should know but can live with."""
        self.problems.append(
            Problem(message=message, place=self.place(path), remedy=remedy, severity="warning")
        )

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What was found and does not refuse the script."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    def raise_errors(self) -> None:
        """Raise ScriptError with every problem, warnings included, if one of them is an error."""
        if any(problem.severity == "error" for problem in self.problems):
            raise ScriptError(self.problems)


def nearest(word: str, known: object) -> str:
    """Suggest the known word that `word` probably means: `Did you mean "flow"?`, or nothing."""
    words = (
        {str(one).lower(): str(one) for one in known}
        if isinstance(known, (tuple, list, set, frozenset))
        else {}
    )
    close = get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return f'Did you mean "{words[close[0]]}"?' if close else ""
