"""CSV payloads: their text becomes rows, and the rows become one user's variables.

Leaves to others: reading the files and warning about options (parse), and the order in which variables win
(traffic).

Reading follows RFC 4180: cells are divided by the delimiter, a quoted cell may hold delimiters, line breaks
and doubled quotes. Most lines hold no quote and are simply split. A record with quotes goes on until their
number is even. Blanks, and a byte order mark, are part of the cell. Python's csv module is not used: it has
no comments, no trimming around quotes, no delimiters of several characters, and a limit on cells that is
global to the process.

Casting makes a number of what JavaScript's `Number` would accept: "007" is 7, " 12" is 12, "1." is 1;
hexadecimal, octal and binary ones are 0, as in the reference. Whole numbers keep all their digits, where the
reference would round them beyond 2^53.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from grapeshot_worker.script.model import Payload
from grapeshot_worker.script.values import SPACE, to_number, truthy

Rows = tuple[tuple[Any, ...], ...]


class PayloadError(Exception):
    """A CSV that can't be read, at a 1-based `line`; `expected` and `got` are columns that don't match."""

    def __init__(
        self, message: str, line: int, *, expected: int | None = None, got: int | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.line, self.expected, self.got = message, line, expected, got


@dataclass(frozen=True, kw_only=True, slots=True)
class _Dialect:
    """How the CSV is written; the names are the options'. Lines count from 1."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    comment: str = ""
    trim: bool = False
    ltrim: bool = False
    rtrim: bool = False
    skip_empty_lines: bool = True
    relax_column_count: bool = False
    from_line: int = 1
    to_line: int = -1
    bom: bool = False
    cast: bool = True


OPTIONS: Final = tuple(field.name for field in fields(_Dialect))
_NUMBERS = ("from_line", "to_line")
_TEXTS = ("delimiter", "quote", "escape", "comment")


def option_name(written: str) -> str:
    """Give the name an option goes by: `fromLine` and `from_line` are the same."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: "_" + match[1].lower(), written)


def read_payload(
    text: str,
    *,
    delimiter: str = ",",
    skip_header: bool = False,
    skip_empty_lines: bool = True,
    cast: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Rows:
    """Read a CSV into rows of cells, in file order; `options` beat the other arguments, unknown ones don't count.

    Raises PayloadError when a row's cells are not as many as the first row's, or when quotes don't match.
    """
    dialect = _dialect(
        {
            "delimiter": delimiter,
            "from_line": 2 if skip_header else 1,
            "skip_empty_lines": skip_empty_lines,
            "cast": cast,
            **{option_name(name): value for name, value in (options or {}).items()},
        }
    )
    rows: list[tuple[Any, ...]] = []
    for line, cells in _records(text, dialect):
        if rows and len(cells) != len(rows[0]) and not dialect.relax_column_count:
            expected, got = len(rows[0]), len(cells)
            message = f"Invalid Record Length: expect {expected}, got {got} on line {line}"
            raise PayloadError(message, line, expected=expected, got=got)
        rows.append(tuple(map(cast_cell, cells)) if dialect.cast else tuple(cells))
    return tuple(rows)


def _dialect(written: Mapping[str, Any]) -> _Dialect:
    values: dict[str, Any] = {}
    for name, value in written.items():
        if name in _NUMBERS:
            number = to_number(value)
            if math.isfinite(number):
                values[name] = int(number)
        elif name in _TEXTS:
            values[name] = value if isinstance(value, str) else ""
        elif name in OPTIONS:
            values[name] = truthy(value)
    return _Dialect(**{**values, "delimiter": values.get("delimiter") or ","})


# ---- records ----


def _records(text: str, dialect: _Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its last line."""
    lines = _lines(text.removeprefix("\ufeff") if dialect.bom else text)
    split = _splitter(dialect)
    number = 0
    while number < len(lines):
        start, first = number + 1, _uncommented(lines[number], dialect)
        commented = first != lines[number]
        parts, is_open = [first], _open(first, dialect)
        number += 1
        while is_open:
            if number == len(lines):
                raise PayloadError(
                    f"Quote Not Closed: a quote is opened at line {start} and never closed", start
                )
            parts.append(lines[number])
            is_open ^= _open(lines[number], dialect)
            number += 1
        if 0 < dialect.to_line < start:
            return
        record = "\n".join(parts).removesuffix("\r")
        blank = not (record.strip() if dialect.trim or commented else record)
        if start >= dialect.from_line and not (blank and (commented or dialect.skip_empty_lines)):
            yield number, split(record, number)


def _lines(text: str) -> list[str]:
    lines = text.split("\n") if "\n" in text else text.split("\r")
    return lines if lines[-1] else lines[:-1]


def _open(record: str, dialect: _Dialect) -> bool:
    """Say whether an odd number of quotes stands in a line, or in a part of one."""
    if not dialect.quote or dialect.quote not in record:
        return False
    if dialect.escape and dialect.escape != dialect.quote:
        record = record.replace(dialect.escape * 2, "").replace(dialect.escape + dialect.quote, "")
    return record.count(dialect.quote) % 2 == 1


def _uncommented(line: str, dialect: _Dialect) -> str:
    """Cut a comment off, unless its sign stands inside quotes."""
    end = line.find(dialect.comment) if dialect.comment else -1
    while end >= 0:
        if not _open(line[:end], dialect):
            return line[:end]
        end = line.find(dialect.comment, end + 1)
    return line


def _splitter(dialect: _Dialect) -> Callable[[str, int], list[str]]:
    quote, delimiter = dialect.quote, dialect.delimiter
    q, d, e = re.escape(quote), re.escape(delimiter), re.escape(dialect.escape or quote)
    blanks = rf"(?:(?!{d})\s)*"  # a tab may be the delimiter
    left = blanks if dialect.trim or dialect.ltrim else ""
    right = blanks if dialect.trim or dialect.rtrim else ""
    inside = rf"(?:{e}{q}|{e}{e}|(?!{q}).)*" if quote else ""
    quoted = re.compile(rf"{left}{q}({inside}){q}{right}(?={d}|\Z)", re.DOTALL) if quote else None
    escaped = re.compile(rf"{e}({q}|{e})")

    def trimmed(cell: str) -> str:
        cell = cell.lstrip() if left else cell
        return cell.rstrip() if right else cell

    def split(record: str, line: int) -> list[str]:
        if quoted is None or quote not in record:
            cells = record.split(delimiter)
            return [trimmed(cell) for cell in cells] if left or right else cells
        cells, position = list[str](), 0
        while position <= len(record):
            if match := quoted.match(record, position):
                cells.append(escaped.sub(r"\1", match[1]))
                position = match.end() + len(delimiter)
                continue
            end = record.find(delimiter, position)
            cell = record[position : end if end >= 0 else len(record)]
            if quote in cell:
                message = f"Invalid Quote: a quote stands beside other text in a cell at line {line}"
                raise PayloadError(message, line)
            cells.append(trimmed(cell))
            position += len(cell) + len(delimiter)
        return cells

    return split


# ---- cells ----

_DECIMAL = re.compile(rf"[{SPACE}]*([+-]?(?:(\d+)|\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?)[{SPACE}]*", re.ASCII)
_RADIX = re.compile(rf"[{SPACE}]*0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)[{SPACE}]*")


def cast_cell(cell: str) -> str | int | float:
    """Make a number of a cell that looks like one.

    >>> [cast_cell(c) for c in ("007", "1.50", " 12", "1e3", "0x10", "true", "")]
    [7, 1.5, 12, 1000, 0, 'true', '']
    """
    if not cell or "A" <= cell[0] <= "z":  # most texts, quickly
        return cell
    match = _DECIMAL.fullmatch(cell)
    if match is None:
        return 0 if _RADIX.fullmatch(cell) else cell
    number = float(match[1])
    if math.isinf(number):
        return cell
    if match[2] is not None and match[1].lstrip("+-") == match[2]:
        return int(match[1])
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


# ---- rows to variables ----


class Drawer:
    """Draws one share's rows of one payload; `draw` gives the variables for one user.

    Row k belongs to share `k % count`; with fewer rows than shares, share i has row `i % rows`. Rows come at
    random with replacement, or in sequence and round again. A payload to load whole is the same for every
    share, and its rows are shared by all users. `drawn` users of the share came before, from another process: the
    sequence goes on behind their rows.
    """

    def __init__(
        self, payload: Payload, share_index: int, share_count: int, rng: random.Random, *, drawn: int = 0
    ) -> None:
        self._payload, self._rng = payload, rng
        rows = payload.rows
        few = rows and [rows[share_index % len(rows)]]
        self._rows = rows[share_index::share_count] if len(rows) >= share_count else few
        self._next = drawn % len(self._rows) if self._rows else 0
        self._all = self._everything() if payload.load_all and not payload.ordered else None

    def draw(self) -> dict[str, Any]:
        """Give the variables for the next user; none of an empty file, or where nothing names them."""
        payload = self._payload
        if payload.load_all:
            if payload.name is None:
                return {}
            if self._all is not None:
                return {payload.name: self._all}
            return {payload.name: list(self._row())} if self._rows else {}
        if not payload.fields or not self._rows:
            return {}
        return dict(zip(payload.fields, self._row(), strict=False))

    def _row(self) -> Sequence[Any]:
        rows = self._rows
        if not self._payload.sequence:
            return rows[int(self._rng.random() * len(rows))]
        row = rows[self._next]
        self._next = (self._next + 1) % len(rows)
        return row

    def _everything(self) -> list[Any]:
        names = self._payload.fields
        if names:
            return [dict(zip(names, row, strict=False)) for row in self._payload.rows]
        return [list(row) for row in self._payload.rows]
