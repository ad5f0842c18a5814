"""The rules a script must keep, told in the reference's words: `"scenarios[0].flow[1].get.url" is required`.

Leaves to others: unknown keys (keys), and the values whose meaning has rules of its own: phases, CSV files,
plugins.

Each rule takes a value and gives what is wrong with it, or nothing. The reference stops at the first fault;
here all are found. It also looks at the first level of a flow only: steps inside `loop` and `parallel` keep
the rules of types here as well, but may lack a url and may have several keys, as they may there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from grapeshot_worker.errors import Path, dotted
from grapeshot_worker.script.convert import as_mapping, as_number, as_truth
from grapeshot_worker.script.findings import Findings
from grapeshot_worker.script.keys import EXTRACTORS, SIBLINGS, kind_of

Rule = Callable[[Any], str | None]

ENGINES: Final = ("http", "ws", "socketio")  # those whose scenarios must have a flow
_URL_REQUIRED: Final = ("get", "post", "put", "patch", "delete")


def _text(value: Any) -> str | None:
    if value == "":
        return "is not allowed to be empty"
    return None if isinstance(value, str) else "must be a string"


def _number(value: Any) -> str | None:
    return None if as_number(value) is not None else "must be a number"


def _truth(value: Any) -> str | None:
    return None if as_truth(value) is not None else "must be a boolean"


def _mapping(value: Any) -> str | None:
    return None if isinstance(value, Mapping) else "must be of type object"


def _list(value: Any) -> str | None:
    return None if isinstance(value, list) else "must be an array"


def _scalar(value: Any) -> str | None:
    fits = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return None if fits else "must be one of [number, string]"


def _list_or_text(value: Any) -> str | None:
    return None if isinstance(value, (list, str)) else "must be one of [array, string]"


def _texts(value: Any) -> str | None:
    texts = isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))
    return None if texts else "must be one of [string, array of strings]"


def _mapping_or_list(value: Any) -> str | None:
    mappings = isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
    return None if mappings or isinstance(value, Mapping) else "must be one of [object, array of objects]"


_CONFIG: Final[dict[str, Rule]] = {
    "target": _text,
    "http": _mapping,
    "environments": _mapping,
    "engines": _mapping,
    "processor": _text,
    "phases": _list,
    "variables": _mapping,
    "plugins": _mapping,
    "tls": _mapping,
    "payload": _mapping_or_list,
}
_HTTP: Final[dict[str, Rule]] = {"extendedMetrics": _truth, "maxSockets": _number, "timeout": _scalar}
_SCENARIO: Final[dict[str, Rule]] = {
    "name": _text,
    "engine": _text,
    "weight": _scalar,
    **dict.fromkeys(("beforeScenario", "afterScenario", "beforeRequest", "afterResponse", "onError"), _texts),
}
_AUTH: Final[dict[str, Rule]] = {"user": _text, "pass": lambda value: _text(value) if value != "" else None}
_REQUEST: Final[dict[str, Rule]] = {
    "url": _text,
    **dict.fromkeys(("headers", "cookie", "qs", "form", "formData", "auth"), _mapping),
    **dict.fromkeys(("followRedirect", "gzip", "allowGetBody", "setContentLengthHeader"), _truth),
    **dict.fromkeys(("beforeRequest", "afterResponse"), _texts),
    **dict.fromkeys(("capture", "match", "expect"), _mapping_or_list),
    "maxRedirects": _number,
    "name": _text,
    "ifTrue": _text,
    "probability": _scalar,
}
_LOOP: Final[dict[str, Rule]] = {
    "count": _scalar,
    "over": _list_or_text,
    "whileTrue": _text,
    "loopValue": _text,
    "loopElement": _text,
}
_REMEDIES: Final = {
    "target": "Add 'target: https://…' to config, or give --target.",
    "url": "Add 'url: /path' to the request.",
    "flow": "Add 'flow:' with a list of steps.",
    "scenarios": "Add 'scenarios:' with a list of scenarios.",
    "as": "Add 'as: name' to say under which name the value is stored.",
}


def validate(document: Mapping[str, Any], findings: Findings) -> None:
    """Find every fault in the structure of a resolved document."""
    config = as_mapping(document.get("config"))
    _require(config, "target", ("config",), findings)
    _keep(_CONFIG, config, ("config",), findings)
    _keep(_HTTP, config.get("http"), ("config", "http"), findings)
    _scenarios(document, findings, default=str(config.get("engine") or "http"))
    for part in ("before", "after"):
        if part in document:
            _scenario(document[part], (part,), findings, default="http")


def _scenarios(document: Mapping[str, Any], findings: Findings, *, default: str) -> None:
    if not _require(document, "scenarios", (), findings):
        return
    scenarios = document["scenarios"]
    if _fault(_list, scenarios, ("scenarios",), findings):
        return
    if not scenarios:
        findings.error(
            '"scenarios" must contain at least 1 items', ("scenarios",), remedy=_REMEDIES["scenarios"]
        )
    for i, scenario in enumerate(scenarios):
        _scenario(scenario, ("scenarios", i), findings, default=default)


def _scenario(scenario: Any, path: Path, findings: Findings, *, default: str) -> None:
    if _fault(_mapping, scenario, path, findings):
        return
    _keep(_SCENARIO, scenario, path, findings)
    engine = scenario.get("engine", default)
    if engine in ENGINES and not _require(scenario, "flow", path, findings):
        return
    if "flow" not in scenario or _fault(_list, scenario["flow"], (*path, "flow"), findings):
        return
    if not scenario["flow"]:
        message = f'"{dotted((*path, "flow"))}" is empty: users do nothing'
        findings.warn(message, (*path, "flow"), remedy="Add a step, such as '- get: {url: /}'.")
    if engine == "http":
        _steps(scenario["flow"], (*path, "flow"), findings, nested=False)


def _steps(steps: list[Any], path: Path, findings: Findings, *, nested: bool) -> None:
    for i, step in enumerate(steps):
        if not _fault(_mapping, step, (*path, i), findings):
            _step(step, (*path, i), findings, nested=nested)


def _step(step: Mapping[str, Any], path: Path, findings: Findings, *, nested: bool) -> None:
    kind = kind_of(step)
    others = [key for key in step if key not in SIBLINGS.get(kind, (kind,))]
    if not step or (others and not nested and kind != "loop"):
        message = f'"{dotted(path)}" must have 1 key'
        remedy = "Start each step with its own '- '; check the indentation."
        if others and step[kind] is None:
            remedy = f"Indent what belongs to '{kind}' deeper than '{kind}' itself."
        findings.error(message, path, remedy=remedy)
        if not step or step[kind] is None:
            return
    if kind == "loop":
        _keep(_LOOP, step, path, findings)
    if kind in ("loop", "parallel"):
        if not _fault(_list, step[kind], (*path, kind), findings):
            _steps(step[kind], (*path, kind), findings, nested=True)
    elif kind == "think":
        _fault(_scalar, step["think"], (*path, "think"), findings)
    elif kind in ("log", "function"):
        if not nested:
            _fault(_text, step[kind], (*path, kind), findings)
    else:
        _request(step[kind], (*path, kind), findings, required=not nested and kind in _URL_REQUIRED)


def _request(params: Any, path: Path, findings: Findings, *, required: bool) -> None:
    if not isinstance(params, Mapping):
        if required:
            _fault(_mapping, params, path, findings)
        return
    if required:
        remedy = "Rename 'uri' to 'url'." if "uri" in params else _REMEDIES["url"]
        _require(params, "url", path, findings, remedy=remedy)
    _keep(_REQUEST, params, path, findings)
    _keep(_AUTH, params.get("auth"), (*path, "auth"), findings)
    for key in ("capture", "match"):
        written = params.get(key)
        for i, one in enumerate(written if isinstance(written, list) else [written]):
            if isinstance(one, Mapping):
                _extractor(one, (*path, key, i) if isinstance(written, list) else (*path, key), findings)


def _extractor(one: Mapping[str, Any], path: Path, findings: Findings) -> None:
    if "capture" in path[-2:] and _require(one, "as", path, findings):
        _fault(_text, one["as"], (*path, "as"), findings)
    if not one.keys() & set(EXTRACTORS):
        message = f'"{dotted(path)}" does not say where the value is'
        findings.error(message, path, remedy=f"Add one of {', '.join(EXTRACTORS)}.")


def _keep(rules: Mapping[str, Rule], mapping: Any, path: Path, findings: Findings) -> None:
    for key, rule in rules.items():
        if key in as_mapping(mapping):
            _fault(rule, mapping[key], (*path, key), findings)


def _fault(rule: Rule, value: Any, path: Path, findings: Findings) -> bool:
    """Tell what a rule says against a value, if anything."""
    wrong = rule(value)
    if wrong is not None:
        findings.error(f'"{dotted(path)}" {wrong}', path)
    return wrong is not None


def _require(
    mapping: Mapping[str, Any], key: str, path: Path, findings: Findings, *, remedy: str | None = None
) -> bool:
    if key not in mapping:
        text = _REMEDIES[key] if remedy is None else remedy
        findings.error(f'"{dotted((*path, key))}" is required', (*path, key), remedy=text)
    return key in mapping
