"""The settings of requests: `config.http`, `config.tls`, `config.timeout`, and the legacy `config.defaults`.

Leaves to others: what a request says itself (request), and acting on any of it (traffic).

A default is looked for in `http.defaults` first; if it is there, that of `config.defaults` is ignored as a
whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from grapeshot_worker import __version__
from grapeshot_worker.script.convert import as_mapping, as_number, as_truth
from grapeshot_worker.script.findings import Findings
from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.script.template import Functions, Template, compile_template

_EXTENDED: Final = "ARTILLERY_EXTENDED_HTTP_METRICS"  # the reference's variable, kept for scripts' sake
_TRACE_PREFIX: Final = "a9"


def parse_http(
    config: Mapping[str, Any], *, functions: Functions, findings: Findings, environ: Mapping[str, str]
) -> HttpSettings:
    """Read the settings of requests; faults go to `findings`."""
    http = as_mapping(config.get("http"))
    return HttpSettings(
        timeout=_timeout(config, findings),
        pool=_pool(http, findings),
        extended_metrics=bool(as_truth(http.get("extendedMetrics"))) or bool(environ.get(_EXTENDED)),
        default_headers=_headers(config, functions),
        default_cookies=_templates(_default(config, "cookie"), functions),
        strict_capture=_default(config, "strictCapture") is not False,
        think_jitter=as_mapping(_default(config, "think")).get("jitter"),
        cookie_options=as_mapping(http.get("cookieJarOptions")),
        trace_prefix=_trace_prefix(http.get("distributedTracing")),
        trace_sampled=as_truth(as_mapping(http.get("distributedTracing")).get("sampled")) is not False,
        tls=as_mapping(config.get("tls")),
    )


def _default(config: Mapping[str, Any], key: str) -> Any:
    own = as_mapping(as_mapping(config.get("http")).get("defaults"))
    return own[key] if key in own else as_mapping(config.get("defaults")).get(key)


def _headers(config: Mapping[str, Any], functions: Functions) -> tuple[tuple[str, Template], ...]:
    """Compile the default headers; the tool's own name stands for a script that gives none."""
    written = {name.lower(): value for name, value in _templates(_default(config, "headers"), functions)}
    own = compile_template(f"Grapeshot/{__version__}", functions)
    return tuple({"user-agent": own, **written}.items())


def _templates(written: Any, functions: Functions) -> tuple[tuple[str, Template], ...]:
    return tuple((name, compile_template(value, functions)) for name, value in as_mapping(written).items())


def _timeout(config: Mapping[str, Any], findings: Findings) -> float | None:
    for path in (("config", "timeout"), ("config", "http", "timeout")):
        written = config.get("timeout") if len(path) == 2 else as_mapping(config.get("http")).get("timeout")
        if written is None:
            continue
        seconds = as_number(written)
        if seconds is None:
            findings.warn(
                f"the timeout {written} is not a number", path, remedy="Every request fails: write seconds."
            )
            return math.nan
        if seconds <= 0:
            findings.error(f"the timeout {written} is not positive", path, remedy="Write seconds: 10.")
        return float(seconds)
    return None


def _pool(http: Mapping[str, Any], findings: Findings) -> int | None:
    written = http.get("pool")
    if written is None:
        return None
    size = as_number(written)
    if not isinstance(size, int) or size < 1:
        remedy = "Write how many connections all users of a worker share: 'pool: 10'."
        findings.error(
            '"config.http.pool" must be a positive integer', ("config", "http", "pool"), remedy=remedy
        )
        return None
    return int(size)


def _trace_prefix(written: Any) -> str | None:
    """Give the first letters of the trace ids, or None when tracing is off."""
    if not as_truth(written if isinstance(written, (bool, str)) else as_mapping(written).get("enabled")):
        return None
    prefix = str(as_mapping(written).get("traceIdPrefix", _TRACE_PREFIX)).lower()
    return re.sub("[^0-9a-f]", "", prefix)[:8] or _TRACE_PREFIX
