"""Paths into variables: `a.b[0]['k-1'].length`, read and written by lodash's rules.

Leaves to others: what the values mean (values) and where the paths stand (template, capture).

The rules. A path that is itself a key of the root means that key, dots and all. Otherwise dots and brackets
divide it; brackets hold a number, a quoted key or a bare word (`pet[id]` is `pet.id`). Objects answer to
keys; lists and strings to indexes and `length`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from grapeshot_worker.script.values import MISSING

Getter = Callable[[Any], Any]

_DEEP = re.compile(r"""\.|\[[^\[\]]*\]|\[(["'])(?:\\.|(?!\1).)*\1\]""", re.DOTALL)
_KEY = re.compile(
    r"""[^.\[\]]+                                 # a word between dots or brackets
    | \[(?: (-?\d+(?:\.\d+)?)                     # [0]
          | '((?:\\.|[^'\\])*)' | "((?:\\.|[^"\\])*)" )\]
    | (?=(?:\.|\[\])(?:\.|\[\]|$))                # nothing between two dots: the empty key""",
    re.VERBOSE | re.DOTALL,
)
_INDEX = re.compile(r"0|[1-9][0-9]*")


class Key(NamedTuple):
    """One part of a path; `position` when the name is also a list's index."""

    name: str
    position: int | None


@lru_cache(maxsize=4096)
def parse_path(path: str) -> tuple[Key, ...]:
    """Divide a path into its keys; a path without dots and brackets is one key."""
    if not _DEEP.search(path):
        return (_key(path),)
    names = [""] if path.startswith(".") else []
    for match in _KEY.finditer(path):
        number, single, double = match.groups()
        quoted = single if single is not None else double
        names.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else number or match[0])
    return tuple(map(_key, names))


@lru_cache(maxsize=4096)
def compile_path(path: str) -> Getter:
    """Compile a path (`a.b[0]['k-1'].length`) into a getter that gives MISSING where nothing is."""
    keys = parse_path(path)
    if len(keys) == 1 and keys[0].name == path:
        name, index = keys[0]
        return lambda root: root.get(name, MISSING) if root.__class__ is dict else _member(root, name, index)

    def get(root: Any) -> Any:
        value = root.get(path, MISSING) if root.__class__ is dict else MISSING
        if value is not MISSING:
            return value
        value = root if keys else MISSING
        for name, index in keys:
            found = value.get(name, MISSING) if value.__class__ is dict else _member(value, name, index)
            if found is MISSING and index is not None and value.__class__ is dict:
                found = value.get(index, MISSING)  # hooks are Python and may have integer keys
            if found is MISSING:
                return MISSING
            value = found
        return value

    return get


def set_path(variables: dict[str, Any], path: str, value: Any) -> None:
    """Store under a path (`pet[id]`, `a.b.c`), creating objects on the way, and lists where an index follows.

    Containers on the way are replaced by changed copies, never changed: users may share them
    (`config.variables`, CSV rows), and what one user captures must not appear in another's variables.
    """
    keys = parse_path(path)
    if path in variables or len(keys) < 2:
        variables[keys[0].name if keys and path not in variables else path] = value
        return
    first = keys[0].name
    variables[first] = _changed(variables.get(first, MISSING), keys[1:], value)


def _changed(container: Any, keys: Sequence[Key], value: Any) -> Any:
    (name, index), rest = keys[0], keys[1:]
    if index is not None and not isinstance(container, Mapping):
        items = list(container) if isinstance(container, (list, tuple)) else []
        items.extend([None] * (index + 1 - len(items)))
        items[index] = _changed(items[index], rest, value) if rest else value
        return items
    members = _as_object(container)
    members[name] = _changed(members.get(name, MISSING), rest, value) if rest else value
    return members


def _as_object(container: Any) -> dict[str, Any]:
    if isinstance(container, Mapping):
        return dict(container)
    if isinstance(container, (list, tuple)):  # a list given a named member: keep its items reachable
        return {str(i): item for i, item in enumerate(container)}
    return {}


def _key(name: str) -> Key:
    return Key(name, int(name) if _INDEX.fullmatch(name) else None)


def _member(value: Any, name: str, index: int | None) -> Any:
    if isinstance(value, Mapping):
        return value.get(name, MISSING)
    if isinstance(value, str):
        return _part_of_text(value, name, index)
    if isinstance(value, (list, tuple)):
        if index is not None:
            return value[index] if index < len(value) else MISSING
        return len(value) if name == "length" else MISSING
    return MISSING


def _part_of_text(text: str, name: str, index: int | None) -> Any:
    if index is not None:
        return text[index] if index < len(text) else MISSING
    if name != "length":
        return MISSING
    # JavaScript counts UTF-16 units: an emoji is two.
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
