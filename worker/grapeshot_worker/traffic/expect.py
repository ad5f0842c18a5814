"""Knows the `expect` checks: compiled once for a request, run on its response, written as lines of text.

Leaves to others: counting the results and what a failure does (http). Every check is a function of the wanted
value and the response, in one table; the wanted value may be templated, so a check compiles what is costly
(paths, patterns) behind a bounded cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from grapeshot_worker.script.model import Expectation, ExpectSettings
from grapeshot_worker.script.template import MISSING, Variables, compile_path, to_text
from grapeshot_worker.traffic.extract.javascript import (
    ExpressionError,
    compile_regexp,
    js_string,
    number_text,
    to_number,
    truthy,
)
from grapeshot_worker.traffic.response import Response

OutputFormat = Literal["pretty", "json", "prettyError", "silent"]

_JSON_TYPES = ("application/json", "application/problem+json", "application/ld+json")
_CACHE_HEADERS = (  # where CDNs and proxies say whether their cache answered
    "x-cache",
    "cf-cache-status",
    "x-vercel-cache",
    "x-cache-status",
    "x-cache-remote",
    "x-proxy-cache",
    "x-cdn-cache",
    "cdn-cache",
    "cache-status",
)
_HIT = re.compile(r"(?<![a-z])(?:refresh)?hit(?![a-z])", re.IGNORECASE)


class ExpectResult(NamedTuple):
    """What became of one check. `kind` names its metrics: the check's name, or `header <name> values equals`."""

    ok: bool
    kind: str
    expected: Any
    got: Any


Check = Callable[[Any, Response], ExpectResult]
Checks = Callable[[Response, Variables], list[ExpectResult]]


def compile_expectations(
    expectations: Sequence[Expectation],
    settings: ExpectSettings,
    *,
    notice: Callable[[str], None] | None = None,
) -> Checks:
    """Compile a request's checks; without any, `expectDefault200` makes one. Unknown ones are told to
    `notice`, once each.
    """
    known: list[tuple[Check, Callable[[Variables], Any]]] = []
    unknown: dict[str, None] = {}
    for expectation in expectations:
        check = _CHECKS.get(expectation.kind)
        if check is not None:
            known.append((check, expectation.value.render))
        else:
            unknown[expectation.kind] = None
    if not expectations and settings.default_200:
        known.append((_status_code, lambda _: 200))
    if notice is not None:
        for kind in unknown:
            notice(f"expect: there is no check {kind}; it is ignored. Checks are {', '.join(_CHECKS)}.")
    return lambda response, variables: [check(render(variables), response) for check, render in known]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else to_text(value)


# ---- the checks ----


def _status_code(expected: Any, response: Response) -> ExpectResult:
    return ExpectResult(_is_status(expected, response), "statusCode", expected, response.status)


def _not_status_code(expected: Any, response: Response) -> ExpectResult:
    return ExpectResult(not _is_status(expected, response), "notStatusCode", expected, response.status)


def _is_status(expected: Any, response: Response) -> bool:
    if expected.__class__ is int:
        return bool(expected == response.status)
    return any(
        to_number(one) == response.status for one in (expected if isinstance(expected, list) else [expected])
    )


def _content_type(expected: Any, response: Response) -> ExpectResult:
    kind = response.headers.get("content-type", "")
    got = kind or "content-type header not set"
    if expected != "json":
        return ExpectResult(kind.lower() == to_text(expected).lower() != "", "contentType", expected, got)
    if not _is_json_type(kind):
        return ExpectResult(False, "contentType", expected, f"content-type is {kind}" if kind else got)
    if not isinstance(response.json, (dict, list)):
        return ExpectResult(False, "contentType", expected, "could not parse response body as JSON")
    return ExpectResult(True, "contentType", expected, "json")


@lru_cache(maxsize=256)
def _is_json_type(kind: str) -> bool:
    return any(name in kind.lower() for name in _JSON_TYPES)


def _has_property(expected: Any, response: Response) -> ExpectResult:
    ok, got = _property(expected, response)
    return ExpectResult(ok is True, "hasProperty", expected, got)


def _not_has_property(expected: Any, response: Response) -> ExpectResult:
    ok, got = _property(expected, response)
    return ExpectResult(ok is False, "notHasProperty", expected, got)


def _property(path: Any, response: Response) -> tuple[bool | None, str]:
    """Tell whether the body has a property (None: it can have none), and what to show for it."""
    if not isinstance(response.json, (dict, list)):
        return None, "response body is not an object"
    name = to_text(path)
    if _path(name)(response.json) is MISSING:
        return False, f"response body has no {name} property"
    return True, name


_path = lru_cache(256)(compile_path)


def _equals(expected: Any, response: Response) -> ExpectResult:
    values = (
        [_comparable(value) for value in expected] if isinstance(expected, list) else [_comparable(expected)]
    )
    return ExpectResult(len(set(values)) == 1, "equals", "all values to be equal", ", ".join(values))


def _comparable(value: Any) -> str:
    # JavaScript's String() calls every object "[object Object]", so that any two would be equal.
    return to_text(value) if isinstance(value, dict) or value is MISSING else js_string(value)


def _has_header(expected: Any, response: Response) -> ExpectResult:
    name = to_text(expected)
    ok = name in response.headers
    return ExpectResult(ok, "hasHeader", expected, name if ok else f"response has no {name} header")


def _header_equals(expected: Any, response: Response) -> ExpectResult:
    name, value = expected if isinstance(expected, list) and len(expected) == 2 else (expected, MISSING)
    name = to_text(name)
    kind = f"header {name} values equals"
    got = response.headers.get(name)
    if got is None:
        return ExpectResult(False, kind, f"response to have {name} header", f"response has no {name} header")
    return ExpectResult(got == to_text(value), kind, value, got)


def _matches_regexp(expected: Any, response: Response) -> ExpectResult:
    try:
        ok = _regexp(to_text(expected))(response.text) is not None
    except ExpressionError as error:
        return ExpectResult(False, "matchesRegexp", expected, str(error))
    return ExpectResult(ok, "matchesRegexp", expected, expected if ok else "response body does not match")


_regexp = lru_cache(256)(compile_regexp)


def _cdn_hit(expected: Any, response: Response) -> ExpectResult:
    wanted = expected is True or expected == "true"
    told = [f"{name}: {response.headers[name]}" for name in _CACHE_HEADERS if name in response.headers]
    hit = any(_HIT.search(line.partition(":")[2]) for line in told)
    return ExpectResult(hit == wanted, "cdnHit", expected, ", ".join(told) or "no header of a cache")


def _jmespath(kind: str) -> Check:
    def check(expected: Any, response: Response) -> ExpectResult:
        if not isinstance(response.json, (dict, list)):
            return ExpectResult(False, kind, expected, "response body is not an object")
        try:
            value = compile_jmespath(to_text(expected))(response.json)
        except ExpressionError as error:
            return ExpectResult(False, kind, expected, str(error))
        return ExpectResult(truthy(value), kind, expected, value)

    return check


@lru_cache(maxsize=256)
def compile_jmespath(expression: str) -> Callable[[Any], Any]:
    """Compile a JMESPath to a search of documents; ExpressionError says why it can't be used."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        compiled = jmespath.compile(expression)
    except JMESPathError as error:
        reason = str(error).split("\n", 1)[0].rstrip(":")  # what follows points into a text of its own
        raise ExpressionError(f"the JMESPath {expression} can't be used: {reason}") from error

    def search(document: Any) -> Any:
        try:
            return compiled.search(document)
        except JMESPathError as error:
            raise ExpressionError(f"the JMESPath {expression} can't be used: {error}") from error

    return search


_CHECKS: dict[str, Check] = {
    "statusCode": _status_code,
    "notStatusCode": _not_status_code,
    "contentType": _content_type,
    "hasProperty": _has_property,
    "notHasProperty": _not_has_property,
    "equals": _equals,
    "hasHeader": _has_header,
    "headerEquals": _header_equals,
    "matchesRegexp": _matches_regexp,
    "cdnHit": _cdn_hit,
    "jmespath": _jmespath("jmespath"),
    "jpath": _jmespath("jpath"),
}


# ---- how results are shown ----


def is_printed(results: Sequence[ExpectResult], output_format: OutputFormat) -> bool:
    """Tell whether the results of one response are printed: with `prettyError` only those with a failure are."""
    if output_format == "silent" or not results:
        return False
    return output_format != "prettyError" or not all(result.ok for result in results)


def format_results(
    method: str,
    url: str,
    results: Sequence[ExpectResult],
    output_format: OutputFormat,
    name: str | None = None,
) -> str:
    """Write the results of one response as lines of text.

    `json` is one line of JSON for each response, with the reference's keys. The request is shown by its path and
    its `name`. What the reference shows of a failed response beside its checks (headers, body, the user's
    variables) is left out: there are secrets in it.
    """
    if output_format == "json":
        return _json_line(_path_of(url), name, results)
    lines = [f"* {method} {_path_of(url)}" + (f" - {name}" if name else "")]
    for result in results:
        lines.append(f"  {'ok' if result.ok else 'not ok'} {result.kind} {_shown(result.got)}")
        if not result.ok:
            lines.append(f"    expected: {_shown(result.expected)}")
            lines.append(f"         got: {_shown(result.got)}")
    return "\n".join(lines)


def _path_of(url: str) -> str:
    """Give the path and query of a URL."""
    split = urlsplit(url)
    return (split.path or "/") + (f"?{split.query}" if split.query else "")


def _json_line(path: str, name: str | None, results: Sequence[ExpectResult]) -> str:
    rows = [
        {"ok": r.ok, "type": r.kind, "expected": _json_value(r.expected), "got": _json_value(r.got)}
        for r in results
    ]
    named = {"name": name} if name else {}
    return json.dumps({**named, "url": path, "results": rows}, ensure_ascii=False, separators=(",", ":"))


def _json_value(value: Any) -> Any:
    if value is MISSING:
        return None
    return number_text(value) if isinstance(value, float) and value != value else value
