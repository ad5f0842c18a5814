"""Files of this machine as a tree of names and contents, relative to the folder they have in common.

Leaves to others: which files (references, imports), packing them (archive).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grapeshot_worker.errors import Place, Problem, ScriptError

LIMIT = 200_000_000  # bytes of all contents: a worker unpacks them into its /tmp, of 512 MB by default
SHOWN = 5  # of the largest files, when there is too much
_SKIPPED = ("__pycache__",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A file by its absolute path, where it is named, and what it is in words; or a `folder` with all its files."""

    path: str
    what: str
    place: Place | None = None
    needed: bool = True
    folder: bool = False


def root_of(paths: Sequence[str]) -> str:
    """Give the longest folder that all these absolute paths have in common.

    >>> root_of(["/a/b/script.yml", "/a/data/users.csv"])
    '/a'
    """
    return os.path.commonpath([os.path.dirname(path) for path in paths])


def gather(wanted: Sequence[Wanted], *, limit: int = LIMIT) -> tuple[dict[str, bytes], list[Problem]]:
    """Read all files, by absolute path; give them with what the author should know.

    Raises ScriptError with everything at once that is missing, can't be read, or is no file, or with the size if that
    is more than `limit` bytes.
    """
    problems: list[Problem] = []
    sizes: dict[str, int] = {}
    for one in wanted:
        for path in _files(one, problems):
            try:
                sizes[path] = os.stat(path).st_size
            except OSError as error:
                problems.append(_unreadable(one, path, error))
    check_size(sizes, limit=limit, problems=problems)
    contents: dict[str, bytes] = {}
    if not _refused(problems):
        for path in sizes:
            try:
                contents[path] = Path(path).read_bytes()
            except OSError as error:
                problems.append(_unreadable(Wanted(path=path, what="file"), path, error))
    if _refused(problems):
        raise ScriptError(problems)
    return contents, problems


def check_size(sizes: dict[str, int], *, limit: int, problems: list[Problem]) -> None:
    """Note a problem when these sizes by name are more than `limit` bytes together, with the largest ones."""
    total = sum(sizes.values())
    if total <= limit:
        return
    largest = sorted(sizes, key=lambda name: -sizes[name])[:SHOWN]
    listed = ", ".join(f"{name} ({_megabytes(sizes[name])})" for name in largest)
    message = f"the script's files are too big for the workers: {_megabytes(total)}, the limit is {_megabytes(limit)}"
    problems.append(
        Problem(message=message, remedy=f"Leave out what the load does not need. Largest: {listed}.")
    )


def _files(one: Wanted, problems: list[Problem]) -> Iterator[str]:
    path = one.path
    if os.path.isfile(path):
        yield path
    elif os.path.isdir(path) and one.folder:
        yield from _inside(path, frozenset())
    elif one.needed or os.path.lexists(path):
        problems.append(_missing(one))
    else:
        remedy = "It belongs to an environment that was not chosen, so this run does without it."
        message = f"the {one.what} {path} does not exist"
        problems.append(Problem(message=message, place=one.place, remedy=remedy, severity="warning"))


def _inside(folder: str, above: frozenset[str]) -> Iterator[str]:
    """Give the files below a folder in order; links are followed, but not round in circles."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and name not in _SKIPPED:
            yield from _inside(path, above | {real})
        elif os.path.isfile(path):
            yield path


def _missing(one: Wanted) -> Problem:
    if os.path.isdir(one.path):
        message, remedy = f"the {one.what} {one.path} is a folder", "Name a file."
    elif os.path.lexists(one.path) and not os.path.islink(one.path):
        message, remedy = f"the {one.what} {one.path} is no ordinary file", "Name a file that can be copied."
    else:
        message = f"there is no {one.what} {one.path}"
        remedy = "Workers get a copy of every file of the script. Paths are relative to the script's folder."
    return Problem(message=message, place=one.place, remedy=remedy)


def _unreadable(one: Wanted, path: str, error: OSError) -> Problem:
    message = f"the {one.what} {path} can't be read: {error.strerror or error}"
    return Problem(message=message, place=one.place, remedy="Change its permissions.")


def _refused(problems: list[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
