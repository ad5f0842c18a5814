"""Templates `{{ … }}`: compiled once into closures, rendered for every use.

Leaves to others: looking a name up (path), string forms (values), what the functions do (functions, fake),
and what a missing value means where it lands (a header, a query).

The rules, which are the reference's:

- A tag is `{{ name }}` or `{{{ name }}}` with letters, digits, blanks and `_ $ . [ ] ' " -` inside, or a call
  `{{ $name(words) }}`. Anything else between braces is plain text and is sent as it stands.
- A string that is one name and nothing else gives the value itself, type and all, MISSING included.
- Any other string gives text; what was put in is expanded again while it holds names. Calls are made for the
  tags the author wrote only, never for text that came out of a variable.
- A call gives text. A string that calls an unknown function is MISSING as a whole.
- Objects and lists are rendered member by member. A MISSING member is left out of an object and is None in a
  list, which is what serialising makes of it. A key that is a template moves to the end.

Our own: three braces close what three opened, so that `{"id":{{ id }}}` keeps its last brace. Expansion ends
after 100 rounds or four million characters, so that a variable that names itself ends too.

Speed. Nearly all templates are a constant, one name, or one name inside a text; these have closures of their
own. Containers are built anew by each rendering, constant ones too, so that a hook may change what it gets.
Who is in a hurry renders a `constant` template once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grapeshot_worker.errors import Path
from grapeshot_worker.script.path import compile_path, set_path
from grapeshot_worker.script.values import MISSING, Missing, to_text

__all__ = [
    "MISSING",
    "Functions",
    "Missing",
    "Template",
    "Variables",
    "called",
    "compile_path",
    "compile_template",
    "set_path",
    "suspicious",
    "to_text",
]

Variables = dict[str, Any]
Functions = Mapping[str, Callable[..., Any]]  # "$randomNumber" → function of the written arguments
Render = Callable[[Variables], Any]

_ROUNDS: Final = 100
_LONGEST: Final = 4_000_000  # characters

_TAG = re.compile(r"\{\{\{([^{}]*)\}\}\}|\{\{([^{}]*)\}\}")
_NAME = re.compile(r"""[A-Za-z0-9_\s$.\[\]'"-]+""")
_CALL = re.compile(r"\s*(\$[A-Za-z0-9_]+)\s*\(([A-Za-z0-9_,\s]*)\)\s*")
_PLAIN = re.compile(r"[A-Za-z0-9_$]+")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled value of the script: `render(variables)` gives it for one user.

    `constant` is set when rendering gives an equal value whatever the variables; `around` when it is a text with one
    plain name in it: what stands before the name, the name, and what stands after it.
    """

    source: Any
    render: Render
    constant: bool
    around: tuple[str, str, str] | None = None


def compile_template(source: Any, functions: Functions) -> Template:
    """Compile a string, list, object or scalar; never fails: what is no template is sent as it stands."""
    if isinstance(source, str):
        return _compile_text(source, functions)
    if isinstance(source, Mapping):
        return _compile_object(source, functions)
    if isinstance(source, (list, tuple)):
        return _compile_list(source, functions)
    return _constant(source, source)


def suspicious(source: Any) -> Iterator[tuple[Path, str]]:
    """Yield place and text of each `{{…}}` in `source` that looks like a template but is sent as is."""
    for path, text in _strings(source):
        start = text.find("{{")
        while start >= 0 and (end := text.find("}}", start) + 2) >= 2:
            match = _TAG.match(text, start) or _TAG.match(text, start + 1)
            if match is None:
                yield path, text[start:end]
            elif not (_NAME.fullmatch(_body(match)) or _CALL.fullmatch(_body(match))):
                yield path, match[0]
            start = text.find("{{", match.end() if match else end)


def called(source: Any) -> Iterator[tuple[Path, str]]:
    """Yield the place inside `source` and the name (`$randomNumber`) of each function call."""
    for path, text in _strings(source):
        for match in _TAG.finditer(text):
            if call := _CALL.fullmatch(_body(match)):
                yield path, call[1]


def _body(match: re.Match[str]) -> str:
    return match[1] if match[1] is not None else match[2]


def _strings(source: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(source, str):
        yield path, source
    elif isinstance(source, Mapping):
        for key, value in source.items():
            yield from _strings(key, (*path, key))
            yield from _strings(value, (*path, key))
    elif isinstance(source, (list, tuple)):
        for index, value in enumerate(source):
            yield from _strings(value, (*path, index))


# ---- strings ----


class _UnknownFunction(Exception):
    """A string calls a function nobody gave."""


def _constant(source: Any, value: Any) -> Template:
    return Template(source, lambda _: value, constant=True)


def _compile_text(source: str, functions: Functions) -> Template:
    if "{{" not in source:
        return _constant(source, source)
    try:
        texts, getters = _divide(source, functions)
    except _UnknownFunction:
        return _constant(source, MISSING)
    if not getters:
        return _constant(source, source)
    whole = _TAG.fullmatch(source)
    name = _body(whole).strip() if whole else ""
    if whole and _NAME.fullmatch(name or " "):
        return Template(source, _value(name), constant=False)
    if len(getters) == 1:
        before, after = texts
        if (single := _single_name(source)) is None:
            return Template(source, _around_any(before, getters[0], after), constant=False)
        render = _around_name(before, single, after)
        return Template(source, render, constant=False, around=(before, single, after))
    return Template(source, _between(texts, getters), constant=False)


def _divide(source: str, functions: Functions) -> tuple[list[str], list[Render]]:
    """Split into n + 1 texts and the n getters between them."""
    texts, getters, end = [], list[Render](), 0
    for match in _TAG.finditer(source):
        body = _body(match)
        if _NAME.fullmatch(body):
            getter: Render = compile_path(body.strip())
        elif call := _CALL.fullmatch(body):
            getter = _call(call[1], call[2], functions)
        else:
            continue
        texts.append(source[end : match.start()])
        getters.append(getter)
        end = match.end()
    return [*texts, source[end:]], getters


def _single_name(source: str) -> str | None:
    """Give the name in a string with one getter, if it is plain: a dict's `get` finds it without a path."""
    bodies = (_body(match).strip() for match in _TAG.finditer(source))
    return next((body for body in bodies if _PLAIN.fullmatch(body)), None)


def _call(name: str, words: str, functions: Functions) -> Render:
    if name not in functions:
        raise _UnknownFunction(name)
    function = functions[name]
    arguments = [
        int(word) if word.isdigit() else word for word in (w.strip() for w in words.split(",")) if word
    ]
    return lambda _: function(*arguments)


def _value(name: str) -> Render:
    if _PLAIN.fullmatch(name):
        return lambda variables: variables.get(name, MISSING)
    return compile_path(name)


def _around_name(before: str, name: str, after: str) -> Render:
    def render(variables: Variables) -> str:
        value = variables.get(name, MISSING)
        if value.__class__ is not str and value.__class__ is not int:
            value = to_text(value)
        text = f"{before}{value}{after}"
        return _expand(text, variables) if "{{" in text else text

    return render


def _around_any(before: str, get: Render, after: str) -> Render:
    def render(variables: Variables) -> str:
        value = get(variables)
        if value.__class__ is not str and value.__class__ is not int:
            value = to_text(value)
        text = f"{before}{value}{after}"
        return _expand(text, variables) if "{{" in text else text

    return render


def _between(texts: Sequence[str], getters: Sequence[Render]) -> Render:
    slots = [""] * (len(texts) + len(getters))
    slots[::2] = texts
    numbered = list(zip(range(1, len(slots), 2), getters, strict=True))

    def render(variables: Variables) -> str:
        parts = slots.copy()
        for slot, get in numbered:
            value = get(variables)
            parts[slot] = value if value.__class__ is str else to_text(value)
        text = "".join(parts)
        return _expand(text, variables) if "{{" in text else text

    return render


def _expand(text: str, variables: Variables) -> str:
    """Put names in until none is left; calls stay text."""

    def put(match: re.Match[str]) -> str:
        body = _body(match)
        return to_text(compile_path(body.strip())(variables)) if _NAME.fullmatch(body) else match[0]

    for _ in range(_ROUNDS):
        before, text = text, _TAG.sub(put, text)
        if text == before or len(text) > _LONGEST:
            break
    return text


# ---- containers ----


def _compile_object(source: Mapping[Any, Any], functions: Functions) -> Template:
    fixed: dict[Any, Any] = {}  # placeholders keep the order of the keys
    rendered: list[tuple[Any, Render]] = []
    moved: list[tuple[Render, Render]] = []
    constant = True
    for key, value in source.items():
        member = compile_template(value, functions)
        name = _compile_text(key, functions) if isinstance(key, str) else _constant(key, key)
        constant = constant and member.constant and name.constant
        if not name.constant or name.render({}) is MISSING:
            moved.append((name.render, member.render))
        elif not member.constant or isinstance(value, (Mapping, list, tuple)):
            fixed[key] = None
            rendered.append((key, member.render))
        elif member.render({}) is not MISSING:
            fixed[key] = value
    return Template(source, _object_renderer(fixed, rendered, moved), constant)


def _object_renderer(
    fixed: dict[Any, Any], rendered: list[tuple[Any, Render]], moved: list[tuple[Render, Render]]
) -> Render:
    def render(variables: Variables) -> dict[Any, Any]:
        result = fixed.copy()
        for key, member in rendered:
            value = member(variables)
            if value is MISSING:
                del result[key]
            else:
                result[key] = value
        for name, member in moved:
            key, value = to_text(name(variables)), member(variables)
            if value is MISSING:
                result.pop(key, None)
            else:
                result[key] = value
        return result

    return render


def _compile_list(source: Sequence[Any], functions: Functions) -> Template:
    members = [compile_template(value, functions) for value in source]
    fixed = [m.render({}) if m.constant else None for m in members]
    fixed = [None if value is MISSING else value for value in fixed]
    rendered = [
        (index, member.render)
        for index, member in enumerate(members)
        if not member.constant or isinstance(member.source, (Mapping, list, tuple))
    ]

    def render(variables: Variables) -> list[Any]:
        result = fixed.copy()
        for index, member in rendered:
            value = member(variables)
            result[index] = None if value is MISSING else value
        return result

    return Template(source, render, all(member.constant for member in members))
