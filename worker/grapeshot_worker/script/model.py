"""What the author wrote, as frozen values: a TestScript that exists is valid and its templates are compiled.

Leaves to others: reading files (load), finding faults (parse), running anything (traffic).
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from grapeshot_worker.errors import Path, Place, Problem
from grapeshot_worker.script.template import Functions, Template

# ---- what came out of the loading pipeline (steps 1-8 of it): plain data, goes to every worker as JSON ----


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptSource:
    """One resolved document: merged, overridden, its `config` templated. JSON-able but for `marks`."""

    document: Mapping[str, Any]
    path: str  # the script's file as given on the command line
    directory: str  # of the script file; CSV and upload paths are relative to it
    config_path: str | None = None
    environment: str | None = None  # -e
    scenario_name: str | None = None
    test_id: str = ""
    marks: Mapping[Path, Place] = field(default_factory=dict)  # path in the document → file and line
    warnings: tuple[Problem, ...] = ()


def directory_of(script: str, config: str | None) -> str:
    """Give what `$dirname` says: the folder of --config in full, else that of the script as it was typed."""
    return os.path.dirname(os.path.abspath(config)) if config else os.path.dirname(script) or "."


# ---- phases ----


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One phase of arrivals. `duration` in seconds; `rate`, `ramp_to` in arrivals a second."""

    index: int
    kind: Literal["pause", "rate", "count", "ramp"]
    duration: float
    written_duration: str | int | float  # as in the script, for the console's phase lines
    name: str | None = None
    rate: float = 0.0
    ramp_to: float = 0.0
    count: int = 0
    poisson: bool = False
    max_vusers: int | None = None


# ---- steps ----


@dataclass(frozen=True, kw_only=True, slots=True)
class Capture:
    """One extractor. `store` is the path to store under; None for a `match`, which has `expected` instead."""

    kind: Literal["json", "xpath", "regexp", "header", "selector"]
    expression: Template
    store: str | None = None
    expected: Template | None = None  # of a match: the value it must equal, type included
    strict: bool = True
    multiple: bool = True  # json only: False → the single match as is, or the whole list
    flags: str = ""  # regexp: JavaScript's letters
    group: str | int | None = None  # regexp
    attr: str | None = None  # selector; None → the element's text
    index: int | Literal["last", "random"] = 0  # selector


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """One `expect` check: its name as written (`statusCode`, …) and its templated value."""

    kind: str
    value: Template


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """One field of `formData`: a value, or the file at `file` (relative to the script's directory)."""

    name: str
    value: Template | None = None
    file: Template | None = None
    content_type: Template | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request, compiled. `params` is what was written, for beforeRequest hooks to change."""

    method: str  # upper case
    params: Mapping[str, Any]
    url: Template  # relative urls already carry the target in front
    written_url: str  # before templating, without the target: groups dynamic URLs by endpoint
    name: Template | None = None
    headers: tuple[tuple[str, Template], ...] = ()  # lower-case names; defaults merged in
    json: Template | None = None
    body: Template | None = None
    form: tuple[tuple[str, Template], ...] | None = None
    form_data: tuple[Upload, ...] | None = None
    set_content_length: bool = False
    qs: tuple[tuple[str | Template, Template], ...] | None = None  # a name may be a template
    cookies: tuple[tuple[str, Template], ...] = ()  # of the request itself; defaults are in HttpSettings
    auth: tuple[Template, Template] | None = None  # user, password
    gzip: bool = True
    follow_redirect: bool = True
    max_redirects: int = 10
    allow_get_body: bool = False
    captures: tuple[Capture, ...] = ()
    matches: tuple[Capture, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    before_request: tuple[Template, ...] = ()  # hook names
    after_response: tuple[Template, ...] = ()
    if_true: str | None = None
    probability: Template | None = None
    timeout: float | None = None  # seconds; only a hook can set it
    place: Place | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Think:
    """A pause; the jitter is `N` ms or "P%"."""

    duration: Template
    jitter: str | int | float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """A line on stdout."""

    text: Template


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call of one of the author's functions (`function: name`)."""

    name: Template


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """Steps that repeat: `over` beats `while_true`, which beats `count`; see spec of `loop`."""

    steps: tuple[Step, ...]
    count: Template | None = None
    over: Template | str | None = None  # a literal list (templated when used), or the path of a variable
    while_true: str | None = None
    index_variable: str = "$loopCount"
    element_variable: str = "$loopElement"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parallel:
    """Steps that start together, at most `limit` under way."""

    steps: tuple[Step, ...]
    limit: int = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Faulty:
    """A step whose fault the reference only reports when a user gets there: fails the user with `error`."""

    error: str


Step = Request | Think | Log | Call | Loop | Parallel | Faulty


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One scenario; `metric_name` is its name, or its 0-based index in the script as text."""

    index: int
    name: str | None
    metric_name: str
    steps: tuple[Step, ...]
    weight: Template
    before_scenario: tuple[Template, ...] = ()  # function names, run as first steps
    after_scenario: tuple[Template, ...] = ()
    before_request: tuple[Template, ...] = ()
    after_response: tuple[Template, ...] = ()
    on_error: tuple[Template, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)  # as written: `context.scenario` of the hooks


# ---- settings ----


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSettings:
    """`config.http`, `config.tls`, `config.timeout` and their legacy spellings, resolved. Seconds are floats."""

    timeout: float | None = (
        None  # None: not configured (10 s to the headers, 8 s of silence); nan: not a number
    )
    pool: int | None = None  # connections shared by all users of a process; None: one per user and origin
    extended_metrics: bool = False
    default_headers: tuple[tuple[str, Template], ...] = ()  # lower-case names
    default_cookies: tuple[tuple[str, Template], ...] = ()
    strict_capture: bool = True
    think_jitter: str | int | float | None = None
    cookie_options: Mapping[str, Any] = field(default_factory=dict)
    trace_prefix: str | None = None  # distributedTracing: None = off
    trace_sampled: bool = True
    tls: Mapping[str, Any] = field(
        default_factory=dict
    )  # as written: Node's names (ca, cert, rejectUnauthorized …)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectSettings:
    """`plugins.expect`."""

    output_format: Literal["pretty", "json", "prettyError", "silent"] = "pretty"
    failures_as_errors: bool = False
    default_200: bool = False
    only_request_names: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointSettings:
    """`plugins.metrics-by-endpoint`."""

    only_request_names: bool = False
    strip_query: bool = True
    ignore_unnamed: bool = False
    namespace: str = "plugins.metrics-by-endpoint"
    group_dynamic_urls: bool = True
    suppress_output: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One `ensure` check, in definition order: thresholds, conditions, legacy, maxErrorRate."""

    label: str  # as printed: `p99 < 200`, `maxErrorRate < 1`, or the expression
    expression: str  # over metric names
    strict: bool = True
    max_error_rate: float | None = None  # the one check that is not an expression
    abort_after: float | None = None  # s after the load's start from when on a failure ends it; None = never


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugins:
    """Plugins the script lists, resolved; None = not listed."""

    expect: ExpectSettings | None = None
    ensure: tuple[Check, ...] | None = None
    apdex: float | None = None  # threshold T in ms
    endpoints: EndpointSettings | None = field(default_factory=EndpointSettings)
    fake_data: Mapping[str, Any] | None = None
    suppressed: tuple[str, ...] = ()  # metric name prefixes hidden from the console


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """One CSV of the script, read: `rows` are cells after casting, in file order."""

    path: str
    rows: Sequence[Sequence[Any]]
    fields: tuple[str, ...] | None = None
    sequence: bool = False  # order: sequence
    load_all: bool = False
    name: str | None = None
    ordered: bool = False  # `order` was written: with load_all, `name` holds one row per user
    every_worker: bool = False  # each worker has all rows, where otherwise a load's workers divide them


@dataclass(frozen=True, kw_only=True, slots=True)
class TestScript:
    """A valid script. Its source document stays reachable as `source`."""

    __test__ = False  # not a test class of pytest

    source: ScriptSource
    target: str
    phases: tuple[Phase, ...]
    scenarios: tuple[Scenario, ...]
    variables: Mapping[str, Any]  # config.variables: a list value means one element per user
    payloads: tuple[Payload, ...] = ()
    http: HttpSettings = field(default_factory=HttpSettings)
    plugins: Plugins = field(default_factory=Plugins)
    before: Scenario | None = None
    after: Scenario | None = None
    processor: str | None = None  # absolute path of the Python file with the hooks
    functions: Functions = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
