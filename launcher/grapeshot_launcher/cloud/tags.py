"""What `--aws-tags` says: `key:value` pairs for the function and the queue (pure).

Leaves to others: putting them on anything. The rules are AWS's for tags, and the reference's for how they are
written: pairs are divided at commas, and a pair at its first colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from grapeshot_worker.errors import Exit, GrapeshotError

MOST_TAGS = 50
LONGEST_KEY, LONGEST_VALUE = 128, 256
_ALLOWED = re.compile(r"[\w .:/=+\-@]*")


class TagsRefused(GrapeshotError):
    """The value of --aws-tags can't be used; the message has all of its faults."""


def parse_tags(text: str) -> dict[str, str]:
    """Read `team:load,stage:dev`; TagsRefused with every fault at once.

    >>> parse_tags("team:load, url:http://x")
    {'team': 'load', 'url': 'http://x'}
    """
    tags: dict[str, str] = {}
    problems: list[str] = []
    pairs = text.split(",")
    for pair in pairs:
        key, colon, value = (part.strip() for part in pair.partition(":"))
        if pair.strip().lower().startswith("aws:"):
            faults = [f"{pair.strip()!r}: keys that begin with aws: belong to AWS"]
        elif colon:
            faults = list(_faults(key, value))
        else:
            faults = [f"{pair.strip()!r} has no colon: write key:value"]
        if key in tags and colon:
            faults.append(f"{key!r} is given twice")
        problems += faults
        tags.setdefault(key, value)
    if len(pairs) > MOST_TAGS:
        problems.append(f"{len(pairs)} tags; AWS takes {MOST_TAGS} at most")
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise TagsRefused(
            f"Invalid --aws-tags value:{lines}",
            remedy="Write --aws-tags key:value,key2:value2.",
            exit_code=Exit.FAILED,
        )
    return tags


def _faults(key: str, value: str) -> Iterable[str]:
    if not key:
        yield f"{':' + value!r} has an empty key"
    if len(key) > LONGEST_KEY:
        yield f"the key {key[:20]!r}… has {len(key)} characters; AWS takes {LONGEST_KEY}"
    if len(value) > LONGEST_VALUE:
        yield f"the value of {key!r} has {len(value)} characters; AWS takes {LONGEST_VALUE}"
    for kind, part in (("key", key), ("value", value)):
        if not _ALLOWED.fullmatch(part):
            yield (
                f"the {kind} {part!r} has characters other than letters, digits, spaces and _ . : / = + - @"
            )
