"""Tables, lists and folds, as blocks of HTML without an empty line (pure).

Leaves to others: what stands in them. Cells and items are `Html`: escaped by whoever made them.

They are HTML and not Markdown, because in a Markdown table a `|` or a backslash of a name would have to be written in a
way that differs between text and code, and the sentence parser would read every cell.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from grapeshot_launcher.views.summary.escape import Html

Row = Sequence[Html]
T = TypeVar("T")

OPEN_ROWS: Final = 20  # of a long table
RIGHT: Final = ">"  # begins the title of a column of numbers


def table(titles: Sequence[str], rows: Sequence[Row], *, total: int | None = None) -> Html:
    """Make a table; titles that begin with ">" are of columns of numbers. `total` rows there are, if not all shown."""
    right = [title.startswith(RIGHT) for title in titles]
    heads = [_cell("th", title.removeprefix(RIGHT), at) for title, at in zip(titles, right, strict=True)]
    body = ["".join(_cell("td", cell, at) for cell, at in zip(row, right, strict=True)) for row in rows]
    lines = ["<table>", f"<tr>{''.join(heads)}</tr>", *(f"<tr>{cells}</tr>" for cells in body)]
    if (hidden := (total or 0) - len(rows)) > 0:
        lines.append(f'<tr><td colspan="{len(titles)}">{more(hidden)}</td></tr>')
    return Html("\n".join([*lines, "</table>"]))


def long_table(titles: Sequence[str], rows: Sequence[Row], *, total: int, of: str) -> Html:
    """Make a table whose first rows are open, and the others behind a fold that says how many there are `of` what."""
    if len(rows) <= OPEN_ROWS:
        return table(titles, rows, total=total)
    others = f"{total - OPEN_ROWS:,} other {of}"
    below = fold(others, table(titles, rows[OPEN_ROWS:], total=total - OPEN_ROWS))
    return Html(f"{table(titles, rows[:OPEN_ROWS])}\n\n{below}")


def bullets(items: Sequence[Html], *, total: int | None = None) -> Html:
    """Make a list; of `total` items, if not all are shown."""
    lines = [f"<li>{item}</li>" for item in items]
    if (hidden := (total or 0) - len(items)) > 0:
        lines.append(f"<li>{more(hidden)}</li>")
    return Html("\n".join(["<ul>", *lines, "</ul>"]))


def fold(title: str, block: Html) -> Html:
    """Put a block behind a title that opens at a click."""
    return Html(f"<details><summary>{title}</summary>\n{block}\n</details>")


def paragraph(text: Html) -> Html:
    """Make a paragraph."""
    return Html(f"<p>{text}</p>")


def joined(parts: Iterable[Html], sign: str = " · ") -> Html:
    """Write texts in a line."""
    return Html(sign.join(parts))


def more(hidden: int) -> str:
    """Say that there is more.

    >>> more(1234)
    '… and 1,234 more'
    """
    return f"… and {hidden:,} more"


def first(items: Iterable[T], limit: int, *, key: Callable[[T], Any]) -> list[T]:
    """Give the first `limit` items of those sorted by `key`, without sorting all of them."""
    return heapq.nsmallest(limit, items, key=key)


def _cell(tag: str, text: str, right: bool) -> str:
    return f'<{tag} align="right">{text}</{tag}>' if right else f"<{tag}>{text}</{tag}>"
