"""Knows one user's cookies by the rules of RFC 6265: which a host may set, which a request carries.

Leaves to others: reading Set-Cookie (set_cookie), when the jar is used at all, and counting what could not be
parsed (exchange). The `Cookie` header is remembered for each (host, path, secure) until the jar changes;
where all cookies have the path `/`, which is usual, the path does not matter.

Beyond the RFC, as browsers and the reference do: cookies with the prefixes `__Secure-` and `__Host-` must
keep their promises; a domain that is a public suffix (`co.uk`) is refused unless the option
`rejectPublicSuffixes` is false; the option `looseMode` takes cookies without a name. SameSite is ignored:
every request of a user is its own site's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from grapeshot_worker.traffic.set_cookie import Cookie, default_path, parse_set_cookie

Clock = Callable[[], float]  # epoch seconds

REMEMBERED_HEADERS = 256  # of one jar

_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|.*:.*")
_LOCAL_NAMES = frozenset(("localhost", "invalid"))  # no public suffixes, though they have no dot


class CookieJar:
    """The cookies of one user. Options are the script's `cookieJarOptions`; `clock` gives epoch seconds."""

    __slots__ = (
        "_asked",
        "_clock",
        "_cookies",
        "_headers",
        "_loose",
        "_next_expiry",
        "_only_root",
        "_reject_suffixes",
        "active",
    )

    def __init__(self, options: Mapping[str, Any], clock: Clock) -> None:
        self.active = False  # a server has set a cookie: from now on all requests carry the jar's
        self._clock = clock
        self._loose = bool(options.get("looseMode", False))
        self._reject_suffixes = options.get("rejectPublicSuffixes", True) is not False
        self._cookies: dict[tuple[str, str, str], Cookie] = {}  # in order of creation
        self._headers: dict[tuple[str, str, bool], str | None] = {}
        self._asked: dict[tuple[str, str, str], str] = {}  # what `put` last stored where
        self._next_expiry = math.inf
        self._only_root = True

    def store(
        self,
        set_cookie_values: Iterable[bytes | str],
        host: str,
        path: str,
        secure: bool,
    ) -> int:
        """Take the Set-Cookie headers of a response from this host and path; give how many could not be
        parsed.

        Cookies that the host may not set are dropped without a word, as the RFC says.
        """
        self.active = True
        unparsable = 0
        for raw in set_cookie_values:
            text = raw if isinstance(raw, str) else raw.decode("latin-1")  # sent back byte for byte
            if not self._take(text, host, path):
                unparsable += 1
        return unparsable

    def put(self, name: str, value: str, host: str, path: str) -> bool:
        """Store a cookie of the script's own for this host and path; False if it makes no cookie."""
        place = (name, host, default_path(path))
        if self._asked.get(place) == value:
            return True  # nothing changed since: the remembered headers stay good
        if not self._take(f"{name}={value}", host, path):
            return False
        if len(self._asked) < REMEMBERED_HEADERS:
            self._asked[place] = value
        return True

    def header(self, host: str, path: str, secure: bool) -> str | None:
        """Give the Cookie header for a request to this host and path, longest path first; None without
        cookies.
        """
        if self._next_expiry != math.inf and self._next_expiry <= self._clock():
            self._drop_expired()
        key = (host, "/" if self._only_root else path, secure)
        try:
            return self._headers[key]
        except KeyError:
            if len(self._headers) >= REMEMBERED_HEADERS:
                self._headers.clear()
            header = self._headers[key] = self._make_header(*key)
            return header

    def _take(self, text: str, host: str, path: str) -> bool:
        host = _canonical(host)
        parsed = parse_set_cookie(text, host=host, path=path, now=self._clock(), loose=self._loose)
        if parsed is None:
            return False
        cookie = self._admit(parsed, host)
        if cookie is not None:
            self._keep(cookie)
        return True

    def _make_header(self, host: str, path: str, secure: bool) -> str | None:
        host, path = _canonical(host), path.partition("?")[0]
        fitting = [
            cookie
            for cookie in self._cookies.values()
            if (secure or not cookie.secure)
            and (host == cookie.domain if cookie.host_only else domain_matches(host, cookie.domain))
            and path_matches(path, cookie.path)
        ]
        fitting.sort(key=lambda cookie: -len(cookie.path))  # stable: the older one first among equals
        return "; ".join(f"{c.name}={c.value}" if c.name else c.value for c in fitting) or None

    def _admit(self, cookie: Cookie, host: str) -> Cookie | None:
        """Give the cookie as this host may set it, or None."""
        if cookie.name.startswith("__Secure-") and not cookie.secure:
            return None
        if cookie.name.startswith("__Host-") and not (
            cookie.secure and cookie.host_only and cookie.path == "/"
        ):
            return None
        if cookie.host_only:
            return cookie
        if not domain_matches(host, cookie.domain):
            return None
        if self._reject_suffixes and is_public_suffix(cookie.domain):
            return cookie._replace(host_only=True) if host == cookie.domain else None
        return cookie

    def _keep(self, cookie: Cookie) -> None:
        self._headers.clear()
        self._asked.clear()
        key = (cookie.name, cookie.domain, cookie.path)
        if cookie.expires <= self._clock():
            self._cookies.pop(key, None)
        else:
            self._cookies[key] = cookie  # a cookie replaced keeps its place among the others
        self._look_over()

    def _drop_expired(self) -> None:
        now = self._clock()
        self._cookies = {key: cookie for key, cookie in self._cookies.items() if cookie.expires > now}
        self._headers.clear()
        self._asked.clear()
        self._look_over()

    def _look_over(self) -> None:
        self._next_expiry = min((cookie.expires for cookie in self._cookies.values()), default=math.inf)
        self._only_root = all(cookie.path == "/" for cookie in self._cookies.values())


# ---- who may see what ----


def _canonical(host: str) -> str:
    return host.lower().strip("[]")


def path_matches(path: str, cookie_path: str) -> bool:
    """Tell whether a cookie of one path goes with a request of another (RFC 6265, 5.1.4)."""
    if path == cookie_path or cookie_path == "/":
        return True
    return path.startswith(cookie_path) and (cookie_path.endswith("/") or path[len(cookie_path)] == "/")


def domain_matches(host: str, domain: str) -> bool:
    """Tell whether a host belongs to a domain (RFC 6265, 5.1.3): it, or one below it; addresses have no
    domains.
    """
    return host == domain or (host.endswith(f".{domain}") and not _ADDRESS.fullmatch(host))


@lru_cache(maxsize=1024)
def is_public_suffix(domain: str) -> bool:
    """Tell whether strangers share this domain: `com`, `co.uk`, `github.io`."""
    if domain in _LOCAL_NAMES or _ADDRESS.fullmatch(domain):
        return False
    return "." not in domain or bool(_suffixes().is_public(domain))


@lru_cache(maxsize=1)
def _suffixes() -> Any:
    from publicsuffixlist import (
        PublicSuffixList,  # a list of 10 000 rules: loaded when a cookie names a domain
    )

    return PublicSuffixList()
