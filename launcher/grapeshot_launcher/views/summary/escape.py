"""Text from outside → HTML that shows it and does nothing else (pure).

Leaves to others: where it stands (tables).

Names of endpoints, errors, checks and runs come from the script or the target, and a page of GitHub obeys four readers
in turn: the runner's log (`::error::` at the start of a line, `##[group]` anywhere), the Markdown parser, the HTML
sanitizer, and the filters that turn `@name`, `#1`, `GH-1`, hashes of commits and `:tada:` into links, notifications and
pictures. Hence:

- Such text stands in HTML blocks only, where no Markdown is read. A block ends at an empty line, and there is none:
  what doesn't print, line breaks first, is shown as its escape (`plain`).
- Every sign but letters, digits and a few harmless ones is written as its number, so neither the runner nor the
  Markdown parser would find one to obey, even where the first rule were broken.
- The filters leave `<code>` alone. A name stands in one as a whole; of a sentence the words that could mean something.

`Html` is a type of its own, so that the type checker finds the text that was forgotten.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NewType

from grapeshot_launcher.views.console import plain

Html = NewType("Html", str)

NAME_LENGTH: Final = 120  # characters of a name that are shown
SENTENCE_LENGTH: Final = 400
_UNBROKEN: Final = 40  # characters of a name that stay on one line

_HARMLESS: Final = string.ascii_letters + string.digits + " .,-/()=%"
_NUMBERS: Final = {sign: f"&#{sign};" for sign in range(128) if chr(sign) not in _HARMLESS}
_ENDING: Final = ",;:.!?…"
_OPENING, _CLOSING = "([{\"'“‘", ")]}\"'”’"
_PAIRS: Final = frozenset(zip(_OPENING, _CLOSING, strict=True))
# What can't mean anything to a filter: words of letters, short numbers, signs that stand alone.
_INNOCENT: Final = re.compile(
    r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[-+±~]?[0-9]{1,6}(?:[.,][0-9]{1,6})*%?|[<>=+–—×·|&%-]{0,2}"
)
_HASH: Final = re.compile(r"[0-9a-fA-F]{7,}")


def escaped(text: str) -> Html:
    """Write every sign that anybody might obey as its number.

    >>> escaped("<b> #1")
    '&#60;b&#62; &#35;1'
    """
    return Html(plain(text).translate(_NUMBERS))


def shortened(text: str, length: int) -> str:
    """Cut a text to so many characters, as they will be shown, the last one saying so.

    >>> shortened("http.response_time", 5)
    'http…'
    """
    if len(text) > length:
        text = text[: length + 1]  # the rest needs no escape
    shown = plain(text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def code(text: str, *, length: int = NAME_LENGTH) -> Html:
    """Show a name as it is; a long one may be broken over lines, so that it doesn't push a table off the page."""
    shown = shortened(text, length)
    if not shown.strip():
        return Html("(empty)")
    pieces = (shown[at : at + _UNBROKEN] for at in range(0, len(shown), _UNBROKEN))
    return Html(f"<code>{'<wbr>'.join(map(escaped, pieces))}</code>")


def prose(text: str, *, length: int = SENTENCE_LENGTH) -> Html:
    """Show a sentence; words that a filter might read, and what is quoted by backticks, stand in `<code>`.

    >>> prose("worker 3: ask @me, or `x y`")
    'worker 3&#58; ask <code>&#64;me</code>, or <code>x y</code>'
    """
    return Html(
        "".join(code(part, length=length) if name else escaped(part) for name, part in spoken(text, length))
    )


def spoken(text: str, length: int) -> Iterator[tuple[bool, str]]:
    """Take a sentence apart, shortened: True with what is to be shown as a name, False with what means nothing."""
    parts = shortened(text, length).split("`")
    if len(parts) % 2 == 0:  # the last one opens a quotation that never ends
        parts[-2:] = ["`".join(parts[-2:])]
    for index, part in enumerate(parts):
        if index % 2 == 0:
            yield from _words(part)
        else:
            yield True, part if part.strip() else f"`{part}`"


def lines(text: str, *, length: int) -> Html:
    """Show a text of several sentences or lines, its line breaks kept; empty lines go."""
    text = text if len(text) <= length else text[: length - 1] + "…"
    kept = [line.strip() for line in text.split("\n") if line.strip()]
    return Html("<br>".join(prose(line, length=length) for line in kept))


def block(text: str, *, length: int = 4_000) -> Html:
    """Show a command as a block that can be copied, its line breaks kept."""
    text = text if len(text) <= length else text[: length - 1] + "…"
    shown = "\n".join(map(escaped, text.split("\n")))
    return Html(f"<pre><code>{shown}</code></pre>")


def _words(text: str) -> Iterator[tuple[bool, str]]:
    blank = False
    for innocent, group in groupby(text.split(" "), key=_innocent):
        words = " ".join(group)
        if blank:
            yield False, " "
        blank = True
        if innocent:
            yield False, words
        else:
            core = words.rstrip(_ENDING)
            after = words[len(core) :]
            before, core, behind = _unwrapped(core)
            yield False, before
            yield True, core
            yield False, behind + after


def _unwrapped(text: str) -> tuple[str, str, str]:
    """Take a pair of brackets or quotes off: what stands before, inside, behind."""
    if len(text) > 2 and (text[0], text[-1]) in _PAIRS:
        return text[0], text[1:-1], text[-1]
    return "", text, ""


def _innocent(word: str) -> bool:
    core = word.lstrip(_OPENING).rstrip(_CLOSING + _ENDING)
    return _INNOCENT.fullmatch(core) is not None and _HASH.fullmatch(core) is None
