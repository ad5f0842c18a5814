"""Knows under which name a request's metrics are grouped (`metrics-by-endpoint`), and how to read a
Server-Timing header.

Leaves to others: recording (exchange). The name is the URL as written, templates and all, so that `/item/{{
id }}` is one endpoint; nearly always it can be computed once, when the script is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

from grapeshot_worker.script.model import EndpointSettings, Request
from grapeshot_worker.script.template import MISSING, Template, Variables, to_text

Endpoint = Callable[[Variables, str], str]

NAMES_REMEMBERED = 1024  # of dynamic URLs, where they are not grouped
NO_TOTAL = -1.0  # what the reference records for a Server-Timing header without a total

_URL = re.compile(
    r"https?://(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]*)(?::(?P<port>\d+))?(?P<rest>.*)", re.I | re.S
)
_TOTAL = re.compile(r"\btotal;dur=([0-9.]+)", re.IGNORECASE)


def compile_endpoint(request: Request, target: str, settings: EndpointSettings) -> Endpoint | str | None:
    """Give a request's endpoint: a constant where possible, else a function of the variables and the final
    URL; None: not counted.

    `target` is the test's base URL; host and port are part of the name only where they differ from its.
    """
    name = request.name
    if settings.group_dynamic_urls:
        written = request.written_url
        path = endpoint_path(
            target + written if written.startswith("/") else written, target, settings.strip_query
        )
        return _label(path, to_text(name.source) if name is not None else "", settings)
    if name is not None and settings.only_request_names and name.constant:
        return _label("", _name_text(name, {}), settings)
    if name is None and settings.ignore_unnamed:
        return None
    if request.url.constant and (name is None or name.constant):
        path = endpoint_path(to_text(request.url.render({})), target, settings.strip_query)
        return _label(path, _name_text(name, {}), settings)
    paths = lru_cache(NAMES_REMEMBERED)(lambda url: endpoint_path(url, target, settings.strip_query))

    def endpoint(variables: Variables, url: str) -> str:
        return _label(paths(url), _name_text(name, variables), settings) or ""

    return endpoint


def endpoint_path(url: str, target: str, strip_query: bool) -> str:
    """Give the part of a URL that names its endpoint, URL-decoded: host and port only where they are not the
    target's.

    >>> endpoint_path("http://a:8080/x%20y?q=1", "http://a", strip_query=True)
    ':8080/x y'
    """
    mine, own = _URL.match(url), _URL.match(target)
    if mine is None:
        prefix, rest = "", url
    else:
        prefix, rest = "", mine["rest"]
        if own is not None and mine["host"].lower() != own["host"].lower():
            prefix += mine["host"].lower()
        if own is not None and mine["port"] and mine["port"] != own["port"]:
            prefix += f":{mine['port']}"
    rest = rest.partition("#")[0]
    path, sign, query = rest.partition("?")
    path = path.replace("\\", "/")
    path = path if mine is None or path.startswith("/") else f"/{path}"
    return unquote(prefix + path if strip_query else prefix + path + sign + query)


def _name_text(name: Template | None, variables: Variables) -> str:
    value = name.render(variables) if name is not None else MISSING
    return "" if value is MISSING else to_text(value)


def _label(path: str, name: str, settings: EndpointSettings) -> str | None:
    if not name:
        return None if settings.ignore_unnamed else path
    return name if settings.only_request_names else f"{path} ({name})"


def server_timing_total(header: str) -> float:
    """Read the `total;dur=` of a Server-Timing header in ms; -1 when it has none.

    >>> server_timing_total("db;dur=12, total;dur=34.5"), server_timing_total("cache;desc=hit")
    (34.5, -1.0)
    """
    found = _TOTAL.search(header)
    try:
        return float(found[1]) if found else NO_TOTAL
    except ValueError:
        return NO_TOTAL
