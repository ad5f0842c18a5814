"""Knows how a Set-Cookie header is read by the rules of RFC 6265, dates in odd forms included.

Leaves to others: whether the cookie is kept, and where it is sent (cookies).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_INTEGER = re.compile(r"-?\d+")

# The grammar of dates in RFC 6265, section 5.1.1: what each token may be, in order of trial.
_DATE_DELIMITERS = re.compile(r"[\t -/;-@\[-`{-~]+")
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)")
_DAY = re.compile(r"(\d{1,2})(?!\d)")
_YEAR = re.compile(r"(\d{2,4})(?!\d)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Cookie(NamedTuple):
    """One stored cookie; `expires` in epoch seconds, infinite for a session's."""

    name: str
    value: str
    domain: str  # without a leading dot
    path: str
    expires: float = math.inf
    secure: bool = False
    host_only: bool = True


def parse_set_cookie(text: str, *, host: str, path: str, now: float, loose: bool = False) -> Cookie | None:
    """Read a Set-Cookie value received from this host for this request path (RFC 6265, 5.2); None if it is
    none.

    Attributes that make no sense are ignored; of one that is repeated the last counts; Max-Age beats Expires.
    """
    pair, *attributes = text.strip().split(";")
    named = _split_pair(pair, loose)
    if named is None or _CONTROL.search(pair):
        return None
    found = {}
    for attribute in attributes:
        key, _, value = attribute.partition("=")
        key, value = key.strip().lower(), value.strip()
        if key in _ATTRIBUTES and _ATTRIBUTES[key](value):
            found[key] = value
    domain = found.get("domain", "").removeprefix(".").lower()
    return Cookie(
        name=named[0],
        value=named[1],
        domain=domain or host,
        path=found["path"] if found.get("path", "").startswith("/") else default_path(path),
        expires=_expiry(found, now),
        secure="secure" in found,
        host_only=not domain,
    )


def _split_pair(pair: str, loose: bool) -> tuple[str, str] | None:
    if loose:
        pair = pair.strip().removeprefix("=")
    name, sign, value = pair.partition("=")
    if not sign:
        name, value = "", name
    name, value = name.strip(), value.strip()
    return (name, value) if name or (loose and value) else None


def _expiry(found: Mapping[str, str], now: float) -> float:
    if "max-age" in found:
        seconds = int(found["max-age"])
        return now + seconds if seconds > 0 else -math.inf
    if "expires" in found:
        moment = parse_date(found["expires"])
        return math.inf if moment is None else moment
    return math.inf


def parse_date(text: str) -> float | None:
    """Read a cookie's date in any of the forms servers write (RFC 6265, 5.1.1), as epoch seconds; None if it
    is none.

    >>> parse_date("Wed, 21-Oct-15 07:28:00 GMT") == parse_date("2015 oct 21 7:28:0") == 1445412480.0
    True
    """
    time: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _DATE_DELIMITERS.split(text):
        if time is None and (found := _TIME.match(token)):
            time = int(found[1]), int(found[2]), int(found[3])
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
            year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    if time is None or day is None or month is None or year is None or year < 1601:
        return None
    try:
        return datetime(year, month, day, *time).replace(tzinfo=UTC).timestamp()  # noqa: DTZ001 - set at once
    except ValueError:
        return None


_ATTRIBUTES: dict[str, Callable[[str], Any]] = {  # name → whether a value counts
    "expires": lambda value: parse_date(value) is not None,
    "max-age": _INTEGER.fullmatch,
    "domain": lambda value: value.removeprefix(".") != "",
    "path": lambda value: True,
    "secure": lambda value: True,
}


def default_path(path: str) -> str:
    """Give the path a cookie gets without one: the request's up to, not with, its last slash (RFC 6265,
    5.1.4).
    """
    path = path.partition("?")[0]
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"
