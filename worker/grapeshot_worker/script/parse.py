"""From a resolved document to a TestScript: all faults at once, each with its file and line.

Leaves to others: resolving the document (load), and the parts: validate, keys, phases, settings, plugins,
scenarios.
"""

from __future__ import annotations

import os.path
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from grapeshot_worker.errors import Exit, Path
from grapeshot_worker.script.convert import as_mapping
from grapeshot_worker.script.fake import fake_functions, option_problems
from grapeshot_worker.script.fake import nearest as nearest_fake
from grapeshot_worker.script.findings import Findings, nearest
from grapeshot_worker.script.foresight import Fault, check_requests, nothing_wrong
from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.keys import warn_unknown
from grapeshot_worker.script.model import Plugins, ScriptSource, TestScript
from grapeshot_worker.script.payloads import parse_payloads
from grapeshot_worker.script.phases import parse_phases
from grapeshot_worker.script.plugins import parse_plugins
from grapeshot_worker.script.processor import syntax_problem, warn_missing_functions
from grapeshot_worker.script.scenarios import check_weights, compile_scenario, refuse_engine, select
from grapeshot_worker.script.settings import parse_http
from grapeshot_worker.script.steps import Flow
from grapeshot_worker.script.target import check_target
from grapeshot_worker.script.template import Functions, called, suspicious
from grapeshot_worker.script.validate import validate

_JAVASCRIPT: Final = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts")


def parse_script(
    source: ScriptSource,
    *,
    rng: random.Random,
    read_text: Callable[[str], str],
    environ: Mapping[str, str],
    fault: Fault = nothing_wrong,
) -> TestScript:
    """Make the TestScript of a document.

    `read_text` gives the text of a CSV file or processor, or raises OSError; `rng` feeds the functions of
    templates; `fault` knows the languages of captures and expectations. Raises
    ScriptError with every problem of the script, warnings included, if one of them is an error.
    """
    document = source.document
    config = as_mapping(document.get("config"))
    findings = Findings(source.path, source.marks, list(source.warnings))
    warn_unknown(document, findings)
    validate(document, findings)
    phases = parse_phases(config, findings)
    plugins = parse_plugins(config, findings, environ=environ)
    functions = _functions(plugins, rng, findings)
    http = parse_http(config, functions=functions, findings=findings, environ=environ)
    payloads = parse_payloads(config, directory=source.directory, read_text=read_text, findings=findings)
    processor = _processor(source, config, read_text=read_text, findings=findings)
    chosen = _chosen(source, config, findings)
    _warn_templates(document, functions, findings)
    check_requests(document, fault=fault, functions=functions, findings=findings)
    _check_connection(document, config, fault, findings)
    findings.raise_errors()  # what follows can rely on the structure
    target = str(config.get("target"))
    flow = Flow(target=target, http=http, functions=functions, findings=findings)
    parts = {
        part: compile_scenario(document[part], (part,), flow, index=-1, name=part)
        for part in ("before", "after")
        if part in document
    }
    scenarios = tuple(
        compile_scenario(
            one, ("scenarios", i), flow, index=i, name=one.get("name"), only=source.scenario_name is not None
        )
        for i, one in chosen
    )
    findings.raise_errors()
    return TestScript(
        source=source,
        target=target,
        phases=phases,
        scenarios=scenarios,
        variables=as_mapping(config.get("variables")),
        payloads=payloads,
        http=http,
        plugins=plugins,
        before=parts.get("before"),
        after=parts.get("after"),
        processor=processor,
        functions=functions,
        warnings=findings.warnings,
    )


def _check_connection(
    document: Mapping[str, Any], config: Mapping[str, Any], fault: Fault, findings: Findings
) -> None:
    if isinstance(target := config.get("target"), str):
        check_target(document, target, findings)
    if isinstance(tls := config.get("tls"), Mapping) and (wrong := fault("tls", tls, config)) is not None:
        findings.error(wrong, ("config", "tls"))


def _functions(plugins: Plugins, rng: random.Random, findings: Findings) -> Functions:
    """Give the functions of templates: the built-in ones, and those of fake-data where it is listed."""
    functions: Functions = builtin_functions(rng)
    if plugins.fake_data is None:
        return functions
    for problem in option_problems(plugins.fake_data):
        findings.warn(problem, ("config", "plugins", "fake-data"))
    return {**functions, **fake_functions(plugins.fake_data, rng.getrandbits(64))}


def _chosen(
    source: ScriptSource, config: Mapping[str, Any], findings: Findings
) -> list[tuple[int, Mapping[str, Any]]]:
    """Give the scenarios to run with their positions, each with an engine that is here."""
    written = source.document.get("scenarios")
    scenarios = [as_mapping(one) for one in written] if isinstance(written, list) else []
    chosen = select(scenarios, source.scenario_name, findings) if scenarios else []
    default = str(config.get("engine") or "http")
    for i, scenario in chosen:
        refuse_engine(scenario, ("scenarios", i), findings, default=default)
    if source.scenario_name is None:
        check_weights([one for _, one in chosen], findings)
    for part in ("before", "after"):
        refuse_engine(as_mapping(source.document.get(part)), (part,), findings, default="http")
    return chosen


def _processor(
    source: ScriptSource, config: Mapping[str, Any], *, read_text: Callable[[str], str], findings: Findings
) -> str | None:
    """Find the file of the author's functions: beside the config file if it is there, or beside the script."""
    written = config.get("processor")
    path: Path = ("config", "processor")
    if not isinstance(written, str) or not written:
        warn_missing_functions(source.document, None, findings)
        return None
    extension = os.path.splitext(written)[1].lower()
    if extension != ".py":
        kind = "JavaScript or TypeScript" if extension in _JAVASCRIPT else "no Python"
        message = f"the processor {written} is {kind}, which can't be run here"
        remedy = "Write the functions in Python and name that file: 'processor: hooks.py'."
        findings.error(message, path, remedy=remedy, exit_code=Exit.WORKER)
        return None
    beside_config = [] if source.config_path is None else [os.path.dirname(source.config_path)]
    for folder in [*beside_config, source.directory]:
        file = os.path.abspath(os.path.join(folder, written))
        try:
            text = read_text(file)
        except OSError:
            continue
        except UnicodeDecodeError:
            return file  # it is there; loading it will say what is wrong with it
        if (problem := syntax_problem(text, file)) is not None:
            findings.problems.append(problem)
        else:
            warn_missing_functions(source.document, text, findings)
        return file
    remedy = "Give its path relative to the script, or to the file of --config."
    findings.error(f"there is no processor {written}", path, remedy=remedy, exit_code=Exit.WORKER)
    return None


def _warn_templates(document: Mapping[str, Any], functions: Functions, findings: Findings) -> None:
    """Warn of what looks like a template and is none, and of calls of unknown functions."""
    flows = {key: document[key] for key in ("scenarios", "before", "after") if key in document}
    for path, text in suspicious(flows):
        remedy = "A template holds a variable's path or one function call: no operators, no filters."
        findings.warn(f"{text} is no template and is sent as it stands", path, remedy=remedy)
    for path, name in called(flows):
        if name not in functions:
            findings.warn(
                f"unknown function {name}: the whole text is undefined", path, remedy=_meant(name, functions)
            )


def _meant(name: str, functions: Functions) -> str:
    known = tuple(functions)
    fake = nearest_fake(name)
    if hint := nearest(name, known):
        return hint
    if fake is not None and fake not in functions:
        return f"{fake} is made by the plugin fake-data: list it under config.plugins."
    return f"Known functions: {', '.join(known[:2])}."
