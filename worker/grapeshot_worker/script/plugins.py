"""The plugins a script lists, resolved to settings; all of them are built in.

Leaves to others: the checks of `ensure` (checks), making fake data (fake), doing what the settings say
(traffic).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast, get_args

from grapeshot_worker.errors import Path
from grapeshot_worker.script.checks import parse_checks
from grapeshot_worker.script.convert import as_mapping, as_number, as_truth
from grapeshot_worker.script.findings import Findings, nearest
from grapeshot_worker.script.model import Check, EndpointSettings, ExpectSettings, Plugins

_Format = Literal["pretty", "json", "prettyError", "silent"]

_BUILT_IN: Final = ("expect", "ensure", "apdex", "metrics-by-endpoint", "fake-data")
_NEEDLESS: Final = ("http-file-uploads",)  # what it adds is part of every request here
_UNSUPPORTED: Final = {
    "publish-metrics": "Metrics are not sent to it; use the report of --output.",
    "slack": "No message is sent; notify from the workflow.",
}
_ENDPOINTS: Final = "metrics-by-endpoint"
_NO_ENSURE: Final = "ARTILLERY_DISABLE_ENSURE"  # the reference's variable, kept for scripts' sake
_APDEX_MS: Final = 500.0


def parse_plugins(config: Mapping[str, Any], findings: Findings, *, environ: Mapping[str, str]) -> Plugins:
    """Read `config.plugins`; faults go to `findings`."""
    listed = as_mapping(config.get("plugins"))
    _warn(config, listed, findings)
    checks: tuple[Check, ...] | None = None
    if "ensure" in listed:
        options, path = _options(config, "ensure")
        checks = parse_checks(options, path, findings)
        checks = None if environ.get(_NO_ENSURE) else checks
    suppressed = [
        name for name, options in listed.items() if as_truth(as_mapping(options).get("suppressOutput"))
    ]
    if _ENDPOINTS not in listed:
        suppressed.append(_ENDPOINTS)
    return Plugins(
        expect=_expect(listed, findings) if "expect" in listed else None,
        ensure=checks,
        apdex=_apdex(config, findings) if "apdex" in listed else None,
        endpoints=_endpoints(listed),
        fake_data=_options(config, "fake-data")[0] if "fake-data" in listed else None,
        suppressed=tuple(f"plugins.{name}" for name in suppressed),
    )


def _warn(config: Mapping[str, Any], listed: Mapping[str, Any], findings: Findings) -> None:
    """Tell of plugins that do nothing here, and of settings whose plugin is not listed."""
    for name in listed:
        path: Path = ("config", "plugins", name)
        if name in _UNSUPPORTED:
            findings.warn(f"the plugin {name} is not supported", path, remedy=_UNSUPPORTED[name])
        elif name not in _BUILT_IN + _NEEDLESS:
            remedy = nearest(name, _BUILT_IN) or f"Known plugins: {', '.join(_BUILT_IN)}."
            findings.warn(f"unknown plugin {name} has no effect", path, remedy=remedy)
    for name in ("ensure", "apdex", "fake-data"):
        if name in config and name not in listed:
            remedy = f"List it as well: plugins: {{{name}: {{}}}}."
            findings.warn(f'"{name}" has no effect without its plugin', ("config", name), remedy=remedy)


def _options(config: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], Path]:
    """Give a plugin's options and their path: `config.NAME` if it is written, else `config.plugins.NAME`."""
    if config.get(name):
        return as_mapping(config[name]), ("config", name)
    return as_mapping(as_mapping(config.get("plugins")).get(name)), ("config", "plugins", name)


def _expect(listed: Mapping[str, Any], findings: Findings) -> ExpectSettings:
    options = as_mapping(listed["expect"])
    written = options.get("outputFormat", options.get("formatter", "pretty"))
    if written not in get_args(_Format):
        remedy = f"Known formats: {', '.join(get_args(_Format))}."
        key = "outputFormat" if "outputFormat" in options else "formatter"
        findings.warn(f"unknown format {written}", ("config", "plugins", "expect", key), remedy=remedy)
        written = "pretty"
    return ExpectSettings(
        output_format=cast(_Format, written),
        failures_as_errors=bool(as_truth(options.get("reportFailuresAsErrors"))),
        default_200=bool(as_truth(options.get("expectDefault200"))),
        only_request_names=bool(as_truth(options.get("useOnlyRequestNames"))),
    )


def _apdex(config: Mapping[str, Any], findings: Findings) -> float:
    options, path = _options(config, "apdex")
    written = options.get("threshold", _APDEX_MS)
    threshold = as_number(written)
    if threshold is None or threshold <= 0:
        remedy = "Write milliseconds: 'threshold: 500'."
        findings.error(f"the Apdex threshold {written} is not a time", (*path, "threshold"), remedy=remedy)
        return _APDEX_MS
    return float(threshold)


def _endpoints(listed: Mapping[str, Any]) -> EndpointSettings:
    """Read the options of metrics-by-endpoint: on even when not listed, then quiet and without query strings."""
    if _ENDPOINTS not in listed:
        return EndpointSettings()
    options = as_mapping(listed[_ENDPOINTS])
    return EndpointSettings(
        only_request_names=bool(as_truth(options.get("useOnlyRequestNames"))),
        strip_query=bool(as_truth(options.get("stripQueryString"))),
        ignore_unnamed=bool(as_truth(options.get("ignoreUnnamedRequests"))),
        namespace=str(options.get("metricsNamespace") or f"plugins.{_ENDPOINTS}"),
        group_dynamic_urls=as_truth(options.get("groupDynamicURLs")) is not False,
        suppress_output=bool(as_truth(options.get("suppressOutput"))),
    )
