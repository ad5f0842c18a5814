"""A table of the page as a value: columns, and cells that know how they are sorted (pure).

Leaves to others: what stands in one (measurements, workers, judged, conditions), its HTML (templates/grid.html.j2).

Text from outside is shown by `named`: Jinja2 escapes what isn't Markup, so nothing that was forgotten does harm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from grapeshot_launcher.views.breakdown import Times
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.summary.numbers import NONE, count, measured, percent

MOST_ROWS: Final = 1000  # of a table; the report file has all
LONG: Final = 25  # rows from which a table scrolls within itself
_JOINERS: Final = ("\u200c", "\u200d", "\ufe0f")
_JOINER: Final = re.compile(f"([{''.join(_JOINERS)}])")
NAME_LENGTH: Final = 300  # characters of a name that are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What is shown, and what it is sorted by; None comes last in either order. `tone` colours it: a state's name."""

    shown: Markup
    key: float | str | None = None
    tone: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A title; numbers stand to the right."""

    title: str
    number: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table; the first cell of a row names it. `total`: rows there are, of which the first ones are shown."""

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int

    @property
    def long(self) -> bool:
        """Whether it scrolls within itself on a screen."""
        return len(self.rows) > LONG


def grid(
    id: str, caption: str, titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, total: int | None = None
) -> Grid:
    """Make a table; a title that starts with ">" is that of a column of numbers."""
    columns = tuple(Column(title=title.removeprefix(">"), number=title.startswith(">")) for title in titles)
    shown = tuple(map(tuple, rows[:MOST_ROWS]))
    return Grid(id=id, caption=caption, columns=columns, rows=shown, total=total or len(rows))


def named(text: str, *, length: int = NAME_LENGTH) -> Markup:
    """Show a text from outside: what doesn't print as its escape, whatever its direction, broken where it must be.

    >>> named("<b>\\n")
    Markup('<bdi class="name">&lt;b&gt;\\\\n</bdi>')
    """
    shown = readable(text[: length + 1])
    shown = shown if len(shown) <= length else shown[: length - 1] + "…"
    return Markup('<bdi class="name">{}</bdi>').format(shown) if shown.strip() else Markup("<i>(empty)</i>")


def readable(text: str) -> str:
    """Show what doesn't print as its escape, but for the signs that join letters and emoji: a page can show these.

    >>> readable("\N{WOMAN}\u200d\N{GIRL}\u202e") == "\N{WOMAN}\u200d\N{GIRL}\\\\u202e"
    True
    """
    return "".join(part if part in _JOINERS else plain(part) for part in _JOINER.split(text))


def lines(text: str) -> Markup:
    """Show a sentence of ours, or several, in which there may be something from outside; each of them on its line."""
    told = [escape(readable(line.strip())) for line in text.split("\n") if line.strip()]
    return Markup("<br>").join(told)


def text_cell(text: str, *, length: int = NAME_LENGTH) -> Cell:
    """Show a text from outside."""
    return Cell(shown=named(text, length=length), key=text[:length].casefold())


def word(text: str, *, key: float | None = None, tone: str = "") -> Cell:
    """Show a word of ours."""
    return Cell(shown=escape(text), key=text if key is None else key, tone=tone)


def counted(value: int | None) -> Cell:
    """Show a whole number."""
    return Cell(shown=Markup(count(value)), key=value)


def timed(value: float | None, unit: str = "ms") -> Cell:
    """Show a measurement."""
    return Cell(shown=Markup(measured(value, unit)), key=value)


def shared(value: float | None) -> Cell:
    """Show a share of 1 in percent."""
    return Cell(shown=Markup(percent(value)), key=value)


def spread(times: Times | None) -> tuple[Cell, ...]:
    """Show a distribution: p50, p95, p99, max."""
    values = (None,) * 4 if times is None else (times.p50, times.p95, times.p99, times.max)
    return tuple(map(timed, values))


def paid(dollars: float | None) -> Cell:
    """Show dollars."""
    return Cell(shown=Markup(NONE) if dollars is None else Markup(f"${dollars:,.4f}"), key=dollars)
