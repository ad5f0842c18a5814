"""The Python files that a file of hooks needs: its own folder's modules, and theirs; and what nobody provides.

Leaves to others: packages from an index (wheels), reading anything but Python source.

Imports are read from the source, wherever they stand, and nothing is run. The worker puts the hooks' folder last on
its path, so a module of the standard library always wins over a file of the same name. What a program imports by a
computed name can't be seen: such files are named in `config.includeFiles`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What the worker's own dependencies bring, by the names they are imported by. Not botocore: the image has a part of it.
OF_THE_WORKER = frozenset(
    ("yaml", "uvloop", "httptools", "orjson", "lxml", "cssselect", "jmespath", "brotli", "zstandard",
     "publicsuffixlist", "dateutil", "urllib3", "six", "awslambdaric",
     "simplejson", "faker", "grapeshot_worker")
)  # fmt: skip
_GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True, slots=True)
class Missing:
    """A module that a file needs as soon as it is loaded, and that the workers would not have."""

    name: str
    file: Path
    line: int


@dataclass(frozen=True, slots=True)
class _Import:
    """`import name`, or `from name import members`; at its file's top level and unguarded it is `needed`."""

    name: str
    members: tuple[str, ...]
    line: int
    needed: bool


def trace(hooks: Path, *, provided: frozenset[str] = frozenset()) -> tuple[list[Path], list[Missing]]:
    """Give a file of hooks and all local modules it imports, sorted, and what will be missing.

    `provided`: top-level names that installed packages bring. A file that can't be read or parsed is given and not
    looked into: the script's own check has told of it.
    """
    folder = hooks.parent
    known = OF_THE_WORKER | provided
    found: dict[Path, None] = {hooks: None}
    missing: list[Missing] = []
    waiting = [hooks]
    while waiting:
        file = waiting.pop()
        for one in _imports(file, folder):
            local = list(_local(one, folder))
            new = [path for path in local if path not in found]
            found.update(dict.fromkeys(new))
            waiting += new
            top = one.name.split(".")[0]
            if not local and one.needed and top not in known and top not in sys.stdlib_module_names:
                missing.append(Missing(top, file, one.line))
    return sorted(found), missing


def _imports(file: Path, folder: Path) -> Iterator[_Import]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    needed = set(_needed(tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _Import(alias.name, (), node.lineno, node in needed)
        elif isinstance(node, ast.ImportFrom):
            name = ".".join([*_package(file, folder, node.level), *filter(None, [node.module])])
            if name:
                members = tuple(alias.name for alias in node.names)
                yield _Import(name, members, node.lineno, node in needed)


def _needed(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the imports that run when the file is loaded, and whose failure nothing catches."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.Try) and not any(map(_catches, node.handlers)):
            yield from _needed(node.body)


def _catches(handler: ast.ExceptHandler) -> bool:
    names = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
        if handler.type
        else _GUARDS
    )
    return bool(names & _GUARDS)


def _package(file: Path, folder: Path, level: int) -> list[str]:
    """Give the package that `level` dots mean in a file: one is its own, each further one goes up."""
    if level == 0 or not file.is_relative_to(folder):
        return []
    parts = file.relative_to(folder).parent.parts
    return list(parts[: len(parts) - level + 1])


def _local(one: _Import, folder: Path) -> Iterator[Path]:
    """Give the files of the folder that an import loads: of a package each `__init__.py` on the way."""
    parts = one.name.split(".")
    if parts[0] in sys.stdlib_module_names:
        return
    for depth in range(1, len(parts) + 1):
        yield from _module(folder.joinpath(*parts[:depth]))
    for member in one.members:
        if member == "*":
            continue
        yield from _module(folder.joinpath(*parts, member))


def _module(path: Path) -> Iterator[Path]:
    for candidate in (path / "__init__.py", path.with_name(path.name + ".py")):
        if candidate.is_file():
            yield candidate
            return
