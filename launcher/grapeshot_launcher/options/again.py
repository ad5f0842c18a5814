"""The command line that makes a run again, fit for a report that others read.

Leaves to others: what the flags mean (the commands beside).

A report is published: in job summaries, in comments of pull requests. What may hold a secret is therefore named and
not shown: the values of variables and overrides, and the login in an address.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from grapeshot_launcher.options.asked import LambdaOptions, RunOptions

# Fields whose flag is not their name with dashes.
_FLAGS: Mapping[str, str] = {
    "inputs": "--input",
    "thresholds": "--threshold",
    "regions": "--region",
    "role_arn": "--lambda-role-arn",
}
_SECRET: Mapping[str, str] = {"variables": "$VARIABLES", "overrides": "$OVERRIDES"}
_APART = {
    "script",
    "run",
    "check",
    "output",
    "baseline",
    "quiet",
    "serve",
    "serve_port",
}  # no flags, or nothing that shapes a run
_JOINED = {"regions", "security_group_ids", "subnet_ids"}
_LOGIN = re.compile(r"(?<=://)[^/?#@\s]+@")


def command_line(asked: RunOptions | LambdaOptions) -> str:
    """Write what was asked for as a command to type, without what is as it would be anyway.

    >>> command_line(RunOptions(script="a b.yml", workers=2, variables='{"password": "x"}', quiet=True))
    'grapeshot run --variables "$VARIABLES" --workers 2 \\'a b.yml\\''
    """
    if isinstance(asked, RunOptions):
        words = ["grapeshot run", *_words(asked), _quoted(asked.script)]
    else:
        words = ["grapeshot run-lambda", *_words(asked), *_words(asked.run), _quoted(asked.run.script)]
    return " ".join(words)


def without_login(url: str) -> str:
    """Give an address without the user and password in it.

    >>> without_login("https://ada:secret@example.com/a@b")
    'https://…@example.com/a@b'
    """
    return _LOGIN.sub("…@", url)


def _words(asked: RunOptions | LambdaOptions) -> Iterator[str]:
    for each in fields(asked):
        value = getattr(asked, each.name)
        if each.name in _APART or value == each.default:
            continue
        flag = _FLAGS.get(each.name, "--" + each.name.replace("_", "-"))
        if each.name in _SECRET:
            yield f'{flag} "{_SECRET[each.name]}"'
        elif each.name == "emulate":
            yield flag if value == "processes" else f"{flag}={value}"
        elif each.name in _JOINED:
            yield f"{flag} {_quoted(','.join(value))}"
        elif isinstance(value, tuple):
            yield from (f"{flag} {_quoted(one)}" for one in value)
        else:
            yield flag if value is True else f"{flag} {_quoted(value)}"


def _quoted(value: Any) -> str:
    return shlex.quote(without_login(str(value)))
