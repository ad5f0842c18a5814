"""Joining documents: the later one wins, and every value keeps the place it came from (pure).

Leaves to others: which documents are joined, and in which order (load).
"""

from __future__ import annotations

from typing import Any, Literal

from grapeshot_worker.errors import Path, Place
from grapeshot_worker.script.source import Document


def merge(base: Document, over: Document, *, arrays: Literal["by index", "whole"] = "by index") -> Document:
    """Lay `over` on `base`: mappings join, everything else is replaced; neither argument is changed.

    Lists join item by item (a longer base keeps its tail), or are replaced as a whole with `arrays="whole"`.
    """
    joined: list[Path] = []

    def join(below: Any, above: Any, path: Path) -> Any:
        if isinstance(below, dict) and isinstance(above, dict):
            joined.append(path)
            both = {key: join(below[key], above[key], (*path, key)) for key in above if key in below}
            return {**below, **above, **both}
        if arrays == "by index" and isinstance(below, list) and isinstance(above, list):
            joined.append(path)
            pairs = enumerate(zip(below, above, strict=False))
            head = [join(one, other, (*path, i)) for i, (one, other) in pairs]
            return head + below[len(head) :] + above[len(head) :]
        return above

    value = join(base.value, over.value, ())
    marks: dict[Path, Place] = {**base.marks, **over.marks}
    marks.update((path, base.marks[path]) for path in joined if path in base.marks)
    return Document(value=value, marks=marks)


def moved(marks: dict[Path, Place], start: Path, *, to: Path) -> dict[Path, Place]:
    """Give the places below `start` as if they had been written below `to`."""
    depth = len(start)
    return {(*to, *path[depth:]): place for path, place in marks.items() if path[:depth] == start}
