"""The keys a script may have, and a warning for every other one: nothing is ignored in silence (pure).

Leaves to others: the types of their values (validate) and their meaning (parse).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from grapeshot_worker.errors import Path
from grapeshot_worker.script.convert import as_mapping
from grapeshot_worker.script.findings import Findings, nearest


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TOP: Final = _words("config scenarios before after")
CONFIG: Final = _words("""
    target phases environments variables payload processor engine mode timeout http defaults tls plugins
    pluginsScope ensure apdex fake-data engines ws socketio includeFiles bundling statsInterval
""")
HTTP: Final = _words("timeout pool maxSockets extendedMetrics defaults cookieJarOptions distributedTracing")
DEFAULTS: Final = _words("headers cookie strictCapture think")
TRACING: Final = _words("enabled sampled traceIdPrefix")
PHASE: Final = _words("name duration pause arrivalRate arrivalCount rampTo maxVusers mode")
PAYLOAD: Final = _words(
    "path fields order skipHeader delimiter cast skipEmptyLines loadAll name options everyWorker"
)
SCENARIO: Final = _words("""
    name engine weight flow beforeScenario afterScenario beforeRequest afterResponse onError socketio
""")
REQUEST: Final = _words("""
    url uri name headers json body form formData setContentLengthHeader qs cookie auth gzip followRedirect
    maxRedirects allowGetBody capture match expect beforeRequest afterResponse ifTrue probability encoding
    http2 username password timeout retry
""")
CAPTURE: Final = _words("as json xpath regexp flags group header selector attr index multiple strict")
MATCH: Final = (*CAPTURE, "value")
EXPECT: Final = _words("""
    statusCode notStatusCode contentType hasProperty notHasProperty equals hasHeader headerEquals
    matchesRegexp cdnHit jmespath jpath
""")
LOOP: Final = _words("loop count over whileTrue loopValue loopElement")
# What may stand beside the key that names a step; a request has nothing beside its verb.
SIBLINGS: Final[dict[str, tuple[str, ...]]] = {
    "loop": LOOP,
    "parallel": ("parallel", "limit"),
    "think": ("think", "jitter"),
    "log": ("log",),
    "function": ("function",),
}
EXTRACTORS: Final = _words("json xpath regexp header selector")
VERBS: Final = _words("get post put patch delete head options")
STEPS: Final = (*SIBLINGS, *VERBS)
_PLUGIN: Final = ("scope", "suppressOutput")
PLUGINS: Final[dict[str, tuple[str, ...]]] = {
    "expect": _words("outputFormat formatter reportFailuresAsErrors expectDefault200 useOnlyRequestNames"),
    "ensure": _words("thresholds conditions min max median p95 p99 maxErrorRate"),
    "apdex": ("threshold",),
    "metrics-by-endpoint": _words("""
        useOnlyRequestNames stripQueryString ignoreUnnamedRequests metricsNamespace groupDynamicURLs
    """),
}

CONDITION: Final = _words("expression strict abortOnFail delayAbortEval")

# Keys the reference accepts without any effect, or which have none here: what to do instead.
_REQUEST_NO_EFFECT: Final = {
    "timeout": "Set config.http.timeout; a beforeRequest function may set the timeout of one request.",
    "retry": "A request is never repeated: remove it.",
    "http2": "Requests are sent as HTTP/1.1: remove it.",
    "encoding": "A body's text is read in the encoding its content-type names: remove it.",
}
_NO_EFFECT: Final[dict[Path, str]] = {
    ("config", "statsInterval"): "Periods are always 10 seconds: remove it.",
    ("config", "http", "maxSockets"): "Set config.http.pool to share connections between users.",
}


def warn_unknown(document: Mapping[str, Any], findings: Findings) -> None:
    """Warn of every key outside the flows that has no meaning, and of those without effect."""
    own = {key: value for key, value in document.items() if key[:1] not in "._" and not key.startswith("x-")}
    check_keys(own, TOP, (), findings)  # the others hold anchors
    config = as_mapping(document.get("config"))
    _config(config, ("config",), findings)
    for name, chosen in as_mapping(config.get("environments")).items():
        _config(as_mapping(chosen), ("config", "environments", name), findings)
    scenarios = document.get("scenarios")
    for i, scenario in enumerate(scenarios if isinstance(scenarios, list) else []):
        _scenario(scenario, ("scenarios", i), findings)
    for part in ("before", "after"):
        _scenario(document.get(part), (part,), findings)
    for path, remedy in _NO_EFFECT.items():
        if path[-1] in as_mapping(_at(document, path[:-1])):
            findings.warn(f'"{path[-1]}" has no effect', path, remedy=remedy)


def kind_of(step: Mapping[str, Any]) -> str:
    """Name the key that says what a step is; of an unknown one, the first key."""
    return next((kind for kind in SIBLINGS if kind in step), next(iter(step), ""))


def check_keys(mapping: Any, known: tuple[str, ...], path: Path, findings: Findings) -> None:
    """Warn of every key of a mapping that is not known, with the one that was probably meant."""
    for key in as_mapping(mapping):
        if key not in known:
            hint = nearest(key, known) or f"Known here: {', '.join(sorted(known))}."
            findings.warn(f'unknown key "{key}" has no effect', (*path, key), remedy=hint)


def _config(config: Mapping[str, Any], path: Path, findings: Findings) -> None:
    check_keys(config, CONFIG, path, findings)
    http = as_mapping(config.get("http"))
    check_keys(http, HTTP, (*path, "http"), findings)
    check_keys(http.get("defaults"), DEFAULTS, (*path, "http", "defaults"), findings)
    check_keys(http.get("distributedTracing"), TRACING, (*path, "http", "distributedTracing"), findings)
    check_keys(config.get("defaults"), DEFAULTS, (*path, "defaults"), findings)
    for at, phase in _items(config.get("phases"), (*path, "phases")):
        check_keys(phase, PHASE, at, findings)
    for at, payload in _items(config.get("payload"), (*path, "payload")):
        check_keys(payload, PAYLOAD, at, findings)
    for name, options in as_mapping(config.get("plugins")).items():
        if name in PLUGINS:
            check_keys(options, (*PLUGINS[name], *_PLUGIN), (*path, "plugins", name), findings)
    for name in ("ensure", "apdex"):
        check_keys(config.get(name), PLUGINS[name], (*path, name), findings)
    for at in (("plugins", "ensure"), ("ensure",)):
        conditions = as_mapping(_at(config, at)).get("conditions")
        for each, condition in _items(conditions, (*path, *at, "conditions")):
            check_keys(condition, CONDITION, each, findings)


def _scenario(scenario: Any, path: Path, findings: Findings) -> None:
    check_keys(scenario, SCENARIO, path, findings)
    engine = as_mapping(scenario).get("engine", "http")
    if engine not in ("ws", "socketio"):
        _flow(as_mapping(scenario).get("flow"), (*path, "flow"), findings)


def _flow(steps: Any, path: Path, findings: Findings) -> None:
    for i, step in enumerate(steps if isinstance(steps, list) else []):
        if not isinstance(step, Mapping) or not step:
            continue
        kind = kind_of(step)
        check_keys(step, SIBLINGS.get(kind, (kind,)), (*path, i), findings)
        if kind in ("loop", "parallel"):
            _flow(step[kind], (*path, i, kind), findings)
        elif kind not in SIBLINGS and (kind in VERBS or "url" in as_mapping(step[kind])):
            _request(as_mapping(step[kind]), (*path, i, kind), findings)


def _request(params: Mapping[str, Any], path: Path, findings: Findings) -> None:
    check_keys(params, REQUEST, path, findings)
    for key, remedy in _REQUEST_NO_EFFECT.items():
        if key in params:
            findings.warn(f'"{key}" of a request has no effect', (*path, key), remedy=remedy)
    for key, known in (("expect", EXPECT), ("capture", CAPTURE), ("match", MATCH)):
        for at, one in _items(params.get(key), (*path, key)):
            check_keys(one, known, at, findings)


def _items(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Give the items of a list with their paths; a single mapping stands for a list of one."""
    if isinstance(value, list):
        yield from (((*path, i), item) for i, item in enumerate(value))
    else:
        yield path, value


def _at(document: Any, path: Path) -> Any:
    for key in path:
        document = as_mapping(document).get(str(key))
    return document
