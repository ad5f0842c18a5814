"""A YAML or JSON text as a document: plain values, and for every path the line it was written on.

Leaves to others: the meaning of a plain word (scalars), joining documents (merge), what the values say
(parse).

PyYAML's parser gives the events and their positions; structure is built here, because the dialect differs
from PyYAML's own in every layer above: keys are texts, a key written twice is a fault, an anchor may be
given anew, and `{{ x }}` without quotes – which YAML reads as a mapping whose key is a mapping – is what an
author forgot to quote. An alias costs nothing here, but whoever walks the document sees every copy, so the
size as seen is limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from grapeshot_worker.errors import Path, Place, Problem, ScriptError, dotted
from grapeshot_worker.script.scalars import read_scalar

_DEEPEST: Final = 100  # levels
_LARGEST: Final = 1_000_000  # values, copies by alias included
_TAG: Final = "tag:yaml.org,2002:"
_QUOTE: Final = 'Quote it: "{{ name }}". Without quotes YAML reads braces as a mapping.'
_UNQUOTED_TEMPLATE = re.compile(r"(?:^|[:\[,-])\s*\{\{|[\[,]\s*[^\"'\s][^\"']*\{\{")
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

# What the YAML parser says → what happened, what to do.
_FAULTS: Final[dict[str, tuple[str, str]]] = {
    "mapping values are not allowed in this context": (
        "a ':' is not expected here",
        "Check the indentation of this line and the one above; quote a text that contains ': '.",
    ),
    "did not find expected key": (
        "a key ('name: …') was expected here",
        "Check that the indentation matches the lines above, and that quotes end where the value ends.",
    ),
    "did not find expected '-' indicator": (
        "a list item ('- …') was expected here",
        "Start the line with '- ', or move it to the indentation of the key it belongs to.",
    ),
    "could not find expected ':'": (
        "a ':' was expected after the key",
        "Write 'key: value', with a space after the colon.",
    ),
    "found character that cannot start any token": (
        "a value can't start with this character",
        "Quote the value.",
    ),
    "found unexpected end of stream": ("a quote is opened but never closed", "Close the quote."),
    "did not find expected ',' or ']'": ("a ',' or ']' was expected here", "Close the '[' opened before."),
    "did not find expected ',' or '}'": ("a ',' or '}' was expected here", "Close the '{' opened before."),
    "did not find expected node content": ("a value was expected here", "Close every '[' and '{'."),
    "found unknown escape character": (
        "unknown escape in a double-quoted text",
        "Write '\\\\' for a backslash, or use single quotes.",
    ),
}
_TAB = ("a tab is used for indentation", "Indent with spaces: YAML allows no tabs there.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A value, and the place of every path in it."""

    value: Any
    marks: dict[Path, Place] = field(default_factory=dict)


def read_document(text: str, file: str) -> Document:
    """Read a YAML or JSON text; `file` is its name in places.

    Raises ScriptError with every repeated key and unquoted template, and the one fault that stops the YAML
    parser.
    """
    text = text.removeprefix("\ufeff")
    if file.endswith(".json"):  # JSON writes a character beyond 16 bits as two escapes, YAML does not
        text = _SURROGATES.sub(_join_surrogates, text)
    builder = _Builder(yaml.parse(text, Loader=yaml.CSafeLoader), file)
    try:
        value = builder.document()
    except yaml.YAMLError as error:
        problem = _parser_problem(error, text=text, file=file)
        if not any(
            p.place and problem.place and p.place.line == problem.place.line for p in builder.problems
        ):
            builder.problems.append(problem)
        value = None
    if builder.problems:
        raise ScriptError(builder.problems)
    return Document(value=value, marks=builder.marks)


def document_of(value: Any, place: Place) -> Document:
    """Make a document of a value that came from one place, such as a flag of the command line."""
    marks: dict[Path, Place] = {}

    def mark(part: Any, path: Path) -> None:
        marks[path] = Place(file=place.file, line=place.line, path=dotted(path))
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, item in items:
            mark(item, (*path, key))

    mark(value, ())
    return Document(value=value, marks=marks)


class _TooLarge(yaml.YAMLError):
    """The document is deeper or larger than any script."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Builder:
    """Builds values from parser events, noting the place of each path and the faults that do not stop it."""

    def __init__(self, events: Iterator[yaml.Event], file: str) -> None:
        self._events = events
        self._file = file
        self._anchors: dict[str, tuple[Any, int]] = {}  # value, size
        self._size = 0
        self.marks: dict[Path, Place] = {}
        self.problems: list[Problem] = []

    def document(self) -> Any:
        starts = (event for event in self._events if isinstance(event, yaml.DocumentStartEvent))
        if next(starts, None) is None:
            return None
        value = self._value(next(self._events), ())
        if second := next(starts, None):
            remedy = "A script is one YAML document: remove the '---' line, or load two files with -i."
            self._problem("a second document starts here", second, path=(), remedy=remedy)
        return value

    def _value(self, event: yaml.Event, path: Path) -> Any:
        if path not in self.marks:
            self._mark(event, path)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        size = self._size
        self._grow(1, event, path)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path)
        else:
            value = self._mapping(path)
        if (anchor := getattr(event, "anchor", None)) is not None:
            self._anchors[anchor] = (value, self._size - size)
        return value

    def _grow(self, size: int, event: yaml.Event, path: Path) -> None:
        self._size += size
        if self._size > _LARGEST or len(path) > _DEEPEST:
            limit = f"{_DEEPEST} levels" if len(path) > _DEEPEST else f"{_LARGEST} values"
            raise _TooLarge(f"the document has more than {limit}", _line(event))

    def _alias(self, event: yaml.AliasEvent, path: Path) -> Any:
        if event.anchor not in self._anchors:
            remedy = f"Define it above with &{event.anchor}, or quote the text if '*' is meant literally."
            self._problem(f"nothing above is named &{event.anchor}", event, path=path, remedy=remedy)
            return None
        value, size = self._anchors[event.anchor]
        self._grow(size, event, path)
        return value

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> Any:
        if event.tag is None:
            return read_scalar(event.value) if event.implicit[0] else event.value
        kind = event.tag.removeprefix(_TAG)
        if kind in ("int", "float", "bool", "null", "timestamp"):
            return read_scalar(event.value)
        if kind not in ("str", "!"):
            remedy = "Remove the tag; quote the value if it is a text."
            self._problem(f"unknown tag {event.tag}", event, path=path, remedy=remedy)
        return event.value

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: list[tuple[Any, yaml.Event]] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._complex_key(event, path)
                continue
            if event.value == "<<" and event.implicit[0]:
                merged.append((self._value(next(self._events), (*path, "<<")), event))
                continue
            key = _key_text(self._scalar(event, path))
            entry = (*path, key)
            if key in mapping:
                first = self.marks[entry].line
                message = f"the key '{key}' is written twice, first on line {first}"
                self._problem(message, event, path=entry, remedy="Remove or rename one of the two.")
            else:
                self._mark(event, entry)
            mapping[key] = self._value(next(self._events), entry)
        for value, event in merged:
            self._merge(mapping, value, event=event, path=path)
        return mapping

    def _merge(self, mapping: dict[str, Any], value: Any, *, event: yaml.Event, path: Path) -> None:
        """Add the entries of a merge key (`<<`): what is written out wins, then the first one with the key."""
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                remedy = "Write '<<: *name', where &name stands before a mapping."
                self._problem("'<<' needs a mapping", event, path=path, remedy=remedy)
                continue
            for key, item in source.items():
                if key not in mapping:
                    mapping[key] = item
                    self._mark(event, (*path, key))

    def _complex_key(self, event: yaml.Event, path: Path) -> None:
        if isinstance(event, yaml.MappingStartEvent) and event.flow_style:
            self._problem("a template without quotes", event, path=path, remedy=_QUOTE)
        else:
            remedy = "Give the value a text as its key; quote a text that starts with '?', '[' or '*'."
            self._problem("a list or mapping can't be a key", event, path=path, remedy=remedy)
        noted, seen = len(self.problems), self.marks.copy()
        self._value(event, (*path, "?"))  # read on behind the key and its value, whatever they contain
        self._value(next(self._events), (*path, "?"))
        del self.problems[noted:]
        self.marks = seen

    def _mark(self, event: yaml.Event, path: Path) -> None:
        self.marks[path] = Place(file=self._file, line=_line(event), path=dotted(path))

    def _problem(self, message: str, event: yaml.Event, *, path: Path, remedy: str) -> None:
        place = Place(file=self._file, line=_line(event), path=dotted(path))
        self.problems.append(Problem(message=message, place=place, remedy=remedy))


def _key_text(key: Any) -> str:
    """Write a key as the reference does, where every key is a text (`200:` is "200", `true:` is "true")."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _join_surrogates(match: re.Match[str]) -> str:
    return chr(0x10000 + ((int(match[1], 16) - 0xD800) << 10) + int(match[2], 16) - 0xDC00)


def _parser_problem(error: yaml.YAMLError, *, text: str, file: str) -> Problem:
    """Say in plain words where and why the parser stopped."""
    if isinstance(error, _TooLarge):
        return Problem(
            message=str(error),
            place=Place(file=file, line=error.line),
            remedy="Split it, or use fewer aliases.",
        )
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    lines = text.splitlines()
    number = mark.line if mark else text[: getattr(error, "position", 0)].count("\n")
    if "end of stream" in said and (start := getattr(error, "context_mark", None)):
        number = start.line  # where the quote opens says more than the end of the file
    line = lines[number] if number < len(lines) else ""
    message, remedy = _FAULTS.get(said, (said, ""))
    if "\t" in line[: len(line) - len(line.lstrip())]:
        message, remedy = _TAB
    elif _UNQUOTED_TEMPLATE.search(line):
        message, remedy = "a template without quotes", _QUOTE
    return Problem(
        message=f"not valid YAML: {message}", place=Place(file=file, line=number + 1), remedy=remedy
    )
