"""Extractors of a response: `capture` and `match`, compiled (pure).

Leaves to others: running them on a response (traffic).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from grapeshot_worker.errors import StepError
from grapeshot_worker.script.convert import as_number
from grapeshot_worker.script.model import Capture
from grapeshot_worker.script.template import Functions, compile_template

Kind = Literal["json", "xpath", "regexp", "header", "selector"]

KINDS: Final[tuple[Kind, ...]] = ("json", "xpath", "regexp", "header", "selector")


def compile_captures(written: Any, *, functions: Functions, strict: bool) -> tuple[Capture, ...]:
    """Compile `capture`, one mapping or a list; `strict` is the default of the script."""
    return tuple(
        _compile(one, functions=functions, strict=strict, store=str(one.get("as", "")))
        for one in _listed(written)
    )


def compile_matches(written: Any, *, functions: Functions) -> tuple[Capture, ...]:
    """Compile `match`, one mapping or a list; each is strict unless it says otherwise."""
    return tuple(_compile(one, functions=functions, strict=True, store=None) for one in _listed(written))


def _listed(written: Any) -> list[Mapping[str, Any]]:
    listed = written if isinstance(written, list) else [written]
    if not all(isinstance(one, Mapping) for one in listed):
        raise StepError("Failed capture or match")
    return listed


def _compile(one: Mapping[str, Any], *, functions: Functions, strict: bool, store: str | None) -> Capture:
    kind = next((kind for kind in KINDS if kind in one), None)
    if kind is None:  # without an extractor there is never a value
        raise StepError("Failed capture or match")
    group = one.get("group")
    attr = one.get("attr")
    return Capture(
        kind=kind,
        expression=compile_template(one[kind], functions),
        store=store,
        expected=compile_template(one["value"], functions) if store is None and "value" in one else None,
        strict=one["strict"] is not False if "strict" in one else strict,
        multiple=one.get("multiple") is not False,
        flags=str(one.get("flags") or ""),
        group=group if isinstance(group, (str, int)) else None,
        attr=None if attr is None else str(attr),
        index=_index(one.get("index", 0)),
    )


def _index(written: Any) -> int | Literal["last", "random"]:
    if written in ("last", "random"):
        return cast(Literal["last", "random"], written)
    return int(as_number(written) or 0)
