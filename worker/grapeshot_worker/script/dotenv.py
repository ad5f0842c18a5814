"""Environment files: `KEY=value` lines (pure).

Leaves to others: reading the file, and which of two values of a variable wins.

There is no expansion of `${OTHER}`: a value is what is written.
"""

from __future__ import annotations

import re

_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[\w.-]+)[ \t]*(?:=|:[ \t])[ \t]*
        (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | `(?P<back>[^`]*)` | (?P<bare>[^#\r\n]*) )
        [ \t]*(?:\#.*)?$""",
    re.VERBOSE | re.MULTILINE,
)


def parse_dotenv(text: str) -> dict[str, str]:
    """Read the variables of an environment file; other lines are passed over, the last of two wins.

    >>> parse_dotenv("export TOKEN='a b' # secret")
    {'TOKEN': 'a b'}
    """
    variables: dict[str, str] = {}
    for match in _LINE.finditer(text.removeprefix("\ufeff").replace("\r\n", "\n")):
        if (double := match["double"]) is not None:
            value = double.replace("\\n", "\n").replace("\\r", "\r").replace('\\"', '"')
        else:
            value = next(part for part in (match["single"], match["back"], match["bare"]) if part is not None)
            value = value.strip() if match["bare"] is not None else value
        variables[match["name"]] = value
    return variables
