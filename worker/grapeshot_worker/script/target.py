"""The address under test: what is wrong with it (pure).

Leaves to others: connecting to it (traffic).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from grapeshot_worker.script.findings import Findings
from grapeshot_worker.script.foresight import requests

_EXAMPLE: Final = "Write it with its scheme: 'http://localhost:3000' or 'https://example.com'."


def check_target(document: Mapping[str, Any], target: str, findings: Findings) -> None:
    """Refuse a target that the requests of a valid document can't be sent to; one that none uses may be anything."""
    used = any(str(params.get("url", "")).startswith("/") for _, params in requests(document))
    wrong = target_fault(target) if used else None
    if wrong is not None:
        findings.error(f"the target {target} {wrong}", ("config", "target"), remedy=_EXAMPLE)


def target_fault(target: str) -> str | None:
    """Say what is wrong with a base URL.

    >>> target_fault("http://h:3000/base"), target_fault("localhost:3000"), target_fault("http://h:99999")
    (None, 'does not start with http:// or https://', 'has a port that is none')
    """
    if "{{" in target:
        return None  # filled in for each user
    if not target.lower().startswith(("http://", "https://")):
        return "does not start with http:// or https://"
    if any(c.isspace() for c in target):
        return "contains white space"
    try:
        split = urlsplit(target)
    except ValueError:
        return "has a host that is none"
    try:
        port = split.port
    except ValueError:
        port = 0
    if port == 0:
        return "has a port that is none"
    return None if split.hostname else "names no host"
