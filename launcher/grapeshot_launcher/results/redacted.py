"""A script as it may be shown: whatever may be a secret in it is named, not shown (pure).

Leaves to others: reading the file, keeping the text in the report (prepare, publish).

A report is published: as an artifact, on a page. So a value is hidden if its key speaks of a secret, or if it looks
like one wherever it stands: a token of a known form, the login in an address, a query parameter with such a name. What
a template takes from elsewhere (`{{ $env.TOKEN }}`) says where it comes from, and stays. Comments are left out: nothing
is known of what they hold.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from grapeshot_worker.errors import ScriptError
from grapeshot_worker.script.source import read_document

HIDDEN: Final = "…"
MOST: Final = 65_536  # characters: a script is read by people

_SECRET: Final = (
    r"pass(?:word|wd|phrase)?(?![a-z])|pwd|secret|token|auth|api[-_]?key|access[-_]?key|private[-_]?key|subscription[-_]?key"
    r"|credential|cookie|session|signature|bearer|otp(?![a-z])|(?<![a-z])pin(?![a-z])"
)
_SECRET_KEY: Final = re.compile(_SECRET, re.IGNORECASE)
_ONLY_TEMPLATES: Final = re.compile(r"\s*(?:(?:Bearer|Basic|Token)\s+)?(?:\{\{[^{}]*\}\}\s*)+", re.IGNORECASE)
_SHOWN_BENEATH: Final = {
    "if",
    "url",
    "as",
    "json",
    "jsonpath",
    "xpath",
    "selector",
    "regexp",
    "header",
    "name",
}
_LOOKS: Final = re.compile(
    r"(?P<login>(?<=://)[^/?#@\s]+(?=@))"
    rf"|(?P<query>(?<=[?&])[\w.-]*(?:{_SECRET})[\w.-]*=)(?!\{{\{{)[^&#\s]+"
    r"|(?P<scheme>\b(?:Bearer|Basic|Token)\s+)(?!\{\{)[\w.~+/=-]{8,}"
    r"|(?:\beyJ[\w-]{8,}(?:\.[\w-]+)+|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}"
    r"|\bxox[abprs]-[\w-]{8,}|\bsk[-_](?:live|test|proj)?[\w-]{16,})",
    re.IGNORECASE,
)


def redacted_script(text: str, file: str) -> str | None:
    """Give a script's text as YAML without its secrets, at most MOST characters; None for one that can't be read.

    >>> print(redacted_script("target: https://ada:x@a.b\\npassword: hush\\nx: '{{ $env.X }}'", "a.yml"), end="")
    target: https://…@a.b
    password: …
    x: '{{ $env.X }}'
    """
    try:
        value = _shown(read_document(text, file).value)
        shown = yaml.dump(value, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
    except (ScriptError, yaml.YAMLError, RecursionError):
        return None
    return shown if len(shown) <= MOST else shown[: MOST - 2] + "…\n"


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice: an anchor of ours is nothing the author wrote."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            _text(str(key)): _hidden(item) if _SECRET_KEY.search(str(key)) else _shown(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _hidden(value: Any) -> Any:
    """Hide every value beneath a key that speaks of a secret, but for what only refers to one."""
    if isinstance(value, dict):
        return {_text(str(key)): _hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if (
        value is None
        or isinstance(value, bool)
        or (isinstance(value, str) and _ONLY_TEMPLATES.fullmatch(value))
    ):
        return value
    return HIDDEN


def _text(text: str) -> str:
    return _LOOKS.sub(lambda match: (match["query"] or match["scheme"] or "") + HIDDEN, text)
