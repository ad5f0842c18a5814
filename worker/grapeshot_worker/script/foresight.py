"""What a well-formed request says that can never work, found before any request is sent.

Leaves to others: the structure of requests (validate), the languages of captures and expectations (an argument),
and whatever only an answer can show (traffic).

What a step can never do is a warning, because a function may still change the request: the user fails there, as
in the reference. An expression that can't be read is an error: nothing mends it at run time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from grapeshot_worker.errors import Path
from grapeshot_worker.script.convert import as_mapping, as_number
from grapeshot_worker.script.findings import Findings, nearest
from grapeshot_worker.script.keys import SIBLINGS, VERBS, kind_of
from grapeshot_worker.script.template import Functions, compile_template

# Kind of expression, its text, the mapping it stands in → what is wrong with it.
Fault = Callable[[str, Any, Mapping[str, Any]], str | None]

_OTHER_VERBS: Final = ("trace", "connect", "copy", "move", "lock", "unlock", "mkcol", "propfind", "proppatch",
                       "purge", "link", "unlink", "report", "search", "query")  # fmt: skip
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
_SOURCES: Final = ("json", "xpath", "regexp", "selector")
_EXPRESSIONS: Final = {"matchesRegexp": "regexp", "jmespath": "jmespath", "jpath": "jmespath"}
_FAILS: Final = "Users will fail here."


def nothing_wrong(kind: str, written: Any, beside: Mapping[str, Any]) -> str | None:
    """Find no fault: for a script that was checked before."""
    return None


def check_requests(
    document: Mapping[str, Any], *, fault: Fault, functions: Functions, findings: Findings
) -> None:
    """Look through every request of a valid document."""
    listed = "expect" in as_mapping(as_mapping(document.get("config")).get("plugins"))
    for path, params in requests(document):
        constant = _constants(params, functions)
        _check_message(path, constant, findings)
        for key in ("capture", "match"):
            for at, one in _each(params.get(key), (*path, key)):
                _check_extractor(one, at, fault, functions, findings)
        for at, one in _each(params.get("expect"), (*path, "expect")):
            _check_expectation(one, at, fault, functions, findings)
        if params.get("expect") and not listed:
            remedy = "List it: plugins: {expect: {}}."
            findings.warn('"expect" has no effect without its plugin', (*path, "expect"), remedy=remedy)


def requests(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Give every request of a document, those in loops too, with the path of what was written below its verb."""
    scenarios = document.get("scenarios")
    flows: list[tuple[Path, Any]] = [
        (("scenarios", i, "flow"), as_mapping(one).get("flow"))
        for i, one in enumerate(scenarios if isinstance(scenarios, list) else [])
    ]
    flows += [((part, "flow"), as_mapping(document.get(part)).get("flow")) for part in ("before", "after")]
    for path, flow in flows:
        yield from _in_flow(flow, path)


def _in_flow(steps: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for i, step in enumerate(steps if isinstance(steps, list) else []):
        if not isinstance(step, Mapping) or not step:
            continue
        kind = kind_of(step)
        if kind in ("loop", "parallel"):
            yield from _in_flow(step[kind], (*path, i, kind))
        elif kind not in SIBLINGS and isinstance(step[kind], Mapping):
            yield (*path, i, kind), step[kind]


def _constants(params: Mapping[str, Any], functions: Functions) -> dict[str, Any]:
    """Give the parts that are the same for every user."""
    return {key: value for key, value in params.items() if compile_template(value, functions).constant}


def _check_message(path: Path, constant: Mapping[str, Any], findings: Findings) -> None:
    verb = str(path[-1]).lower()
    url = constant.get("url")
    if isinstance(url, str):
        if verb not in VERBS + _OTHER_VERBS:
            hint = nearest(verb, VERBS)
            findings.warn(f'the request is sent with the method "{verb.upper()}"', path, remedy=hint)
        if url and not url.startswith(("/", "http")):
            remedy = f"{_FAILS} Write a path, '/…', or a whole address, 'http://…'."
            findings.warn(f"Invalid URL - {url}", (*path, "url"), remedy=remedy)
    body = next((key for key in ("json", "body", "form") if constant.get(key)), None)
    if body and verb in ("get", "head") and not constant.get("allowGetBody"):
        remedy = f"{_FAILS} Set 'allowGetBody: true', or use another method."
        findings.warn(
            f'a {verb.upper()} request has no body: "{body}" is refused', (*path, body), remedy=remedy
        )
    for name, value in as_mapping(constant.get("headers")).items():
        if not _NAME.fullmatch(name) or (isinstance(value, str) and _UNSENDABLE.search(value)):
            remedy = f"{_FAILS} A name is of letters, digits and '-'; a value is one line."
            findings.warn(f"the header {name!r} can't be sent", (*path, "headers", name), remedy=remedy)
    chance = constant.get("probability")
    if chance is not None and not 0 <= (as_number(chance) or 0) <= 100:
        remedy = "Write percent, from 0 to 100."
        findings.warn(f"the probability {chance} is not from 0 to 100", (*path, "probability"), remedy=remedy)


def _check_extractor(
    one: Mapping[str, Any], path: Path, fault: Fault, functions: Functions, findings: Findings
) -> None:
    for kind in _SOURCES:
        if kind in one:
            _check_expression(kind, one[kind], one, (*path, kind), (fault, functions, findings))
    index = one.get("index")
    if index is not None and index not in ("last", "random") and as_number(index) is None:
        remedy = "Write a position counted from 0, 'last' or 'random'."
        findings.error(f"the index {index} is no position", (*path, "index"), remedy=remedy)


def _check_expectation(
    one: Mapping[str, Any], path: Path, fault: Fault, functions: Functions, findings: Findings
) -> None:
    for check, value in one.items():
        at = (*path, check)
        if check in _EXPRESSIONS:
            _check_expression(_EXPRESSIONS[check], value, one, at, (fault, functions, findings))
        elif check == "headerEquals" and not (isinstance(value, list) and len(value) == 2):
            findings.error(f'"{check}" needs a name and a value', at, remedy="Write [name, value].")
        elif check == "equals" and not isinstance(value, list):
            findings.error(f'"{check}" needs values to compare', at, remedy="Write a list of them.")
        elif check == "statusCode" and not _codes(value, functions):
            findings.error(f"{value} is no status code", at, remedy="Write one, 200, or a list, [200, 201].")


def _codes(value: Any, functions: Functions) -> bool:
    listed = value if isinstance(value, list) else [value]
    return all(as_number(one) is not None or not compile_template(one, functions).constant for one in listed)


def _check_expression(
    kind: str, written: Any, beside: Mapping[str, Any], path: Path, tools: tuple[Fault, Functions, Findings]
) -> None:
    fault, functions, findings = tools
    if not isinstance(written, str):
        findings.error(f"{written} is not a text", path, remedy="Quote it.")
    elif compile_template(written, functions).constant:
        wrong = fault(kind, written, beside)
        if wrong is not None:
            findings.error(wrong, path, remedy="Correct it: it could never be used.")


def _each(written: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Give the mappings of a list, or the one in place of a list, with their paths."""
    listed = isinstance(written, list)
    for i, one in enumerate(written if isinstance(written, list) else [written]):
        if isinstance(one, Mapping):
            yield (*path, i) if listed else path, one
