"""The author's Python file, looked at without running it: does it parse, and which functions does it define?

Leaves to others: finding the file (parse), running it (traffic).

Names that a module makes at run time can't be seen: `from x import *`, `exec`, `globals()` and `setattr` make this
module silent about what is missing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Final

from grapeshot_worker.errors import Exit, Path, Place, Problem
from grapeshot_worker.script.convert import as_mapping, as_texts
from grapeshot_worker.script.findings import Findings, nearest
from grapeshot_worker.script.foresight import requests
from grapeshot_worker.script.keys import kind_of

_DYNAMIC: Final = ("exec", "eval", "globals", "vars", "setattr", "__getattr__")
_OF_SCENARIOS: Final = ("beforeScenario", "afterScenario", "beforeRequest", "afterResponse", "onError")
_OF_REQUESTS: Final = ("beforeRequest", "afterResponse")


def syntax_problem(text: str, file: str) -> Problem | None:
    """Tell why Python can't read a file."""
    try:
        compile(text, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        message, line = f"not valid Python: {error.msg}", error.lineno
    except ValueError as error:  # a NUL byte
        message, line = f"not valid Python: {error}", None
    else:
        return None
    remedy = "The processor must be a Python file that can be imported."
    place = Place(file=file, line=line)
    return Problem(message=message, place=place, remedy=remedy, exit_code=Exit.WORKER)


def warn_missing_functions(document: Mapping[str, Any], text: str | None, findings: Findings) -> None:
    """Warn of each function named in the document that the processor (its text; None: there is none) lacks."""
    known = frozenset[str]() if text is None else defined(text)
    if known is None:
        return
    for path, name in named(document):
        if name not in known and "{{" not in name:
            remedy = nearest(name, known)
            if text is None:
                remedy = "The script has no processor: name the Python file in config.processor."
            elif not remedy:
                remedy = f"The processor defines: {', '.join(sorted(known)) or 'nothing'}."
            findings.warn(f"custom function {name} could not be found", path, remedy=remedy)


def defined(text: str) -> frozenset[str] | None:
    """Give the names a module binds at its top level; None when they can't be known without running it."""
    names: set[str] = set()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in _DYNAMIC:
            return None
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return None
        # Wherever it is bound: a name of an inner scope may hide a mistake, but never makes a false alarm.
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    return None if "__getattr__" in names else frozenset(names)


def named(document: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Give every function a document names, with its path."""
    scenarios = document.get("scenarios")
    sections: list[tuple[Path, Mapping[str, Any]]] = [
        (("scenarios", i), as_mapping(one))
        for i, one in enumerate(scenarios if isinstance(scenarios, list) else [])
    ]
    sections += [((part,), as_mapping(document.get(part))) for part in ("before", "after")]
    for path, section in sections:
        for key in _OF_SCENARIOS:
            yield from _texts_at((*path, key), section.get(key))
        yield from _in_flow(section.get("flow"), (*path, "flow"))
    for path, params in requests(document):
        for key in _OF_REQUESTS:
            yield from _texts_at((*path, key), params.get(key))


def _in_flow(steps: Any, path: Path) -> Iterator[tuple[Path, str]]:
    for i, step in enumerate(steps if isinstance(steps, list) else []):
        kind = kind_of(step) if isinstance(step, Mapping) and step else ""
        if kind == "function":
            yield from _texts_at((*path, i, kind), step[kind])
        elif kind in ("loop", "parallel"):
            if "whileTrue" in step:
                yield from _texts_at((*path, i, "whileTrue"), step["whileTrue"])
            yield from _in_flow(step[kind], (*path, i, kind))


def _texts_at(path: Path, written: Any) -> Iterator[tuple[Path, str]]:
    listed = isinstance(written, list)
    for i, name in enumerate(as_texts(written)):
        yield (*path, i) if listed else path, name
