"""From the command line's files and flags to one document: merged, overridden, its `config` filled in.

Leaves to others: what the document means and whether it is valid (parse), reading files (an argument).

The order is the reference's and matters: files, environment, target, payload, overrides, variables,
templates.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grapeshot_worker.errors import Place, Problem, ScriptError
from grapeshot_worker.script.convert import as_mapping
from grapeshot_worker.script.dotenv import parse_dotenv
from grapeshot_worker.script.expand import expand
from grapeshot_worker.script.findings import Findings, nearest
from grapeshot_worker.script.merge import merge, moved
from grapeshot_worker.script.model import ScriptSource, directory_of
from grapeshot_worker.script.source import Document, document_of, read_document
from grapeshot_worker.script.template import Functions

_DATA_FILES = (".yml", ".yaml", ".json")
_MODULES = (".js", ".ts", ".cjs", ".mjs", ".mts", ".cts")
_SOLO = {"duration": 1, "arrivalCount": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptOptions:
    """The flags that say which script is run and how it is changed; paths are as seen from where it is run."""

    script: str
    inputs: tuple[str, ...] = ()  # -i
    config: str | None = None
    environment: str | None = None
    target: str | None = None
    insecure: bool = False
    payload: str | None = None
    variables: str | None = None  # JSON text
    overrides: str | None = None  # JSON text
    dotenv: str | None = None
    solo: bool = False
    scenario_name: str | None = None
    test_id: str = ""


def load_script(
    options: ScriptOptions,
    *,
    environ: Mapping[str, str],
    read_text: Callable[[str], str],
    functions: Functions,
) -> ScriptSource:
    """Resolve a script to one document.

    `read_text` gives a file's text or raises OSError; `functions` are those of templates. Raises
    ScriptError with all problems of the stage that failed: unreadable input, then what is missing in it.
    """
    environ, missing = with_dotenv(options.dotenv, environ, read_text=read_text)
    document, variables, overrides = _inputs(options, read_text)
    findings = Findings(options.script, document.marks, [missing] if missing else [])
    document = _with_environment(_checked(document, options, findings), options, findings)
    document = _with_flags(document, options, findings)
    if overrides is not None:
        document = merge(document, overrides, arrays="whole")
    config = _config(document)
    if variables:
        config = {**config, "variables": {**as_mapping(config.get("variables")), **variables}}
    if options.solo or "phases" not in config:
        config = {**config, "phases": [_SOLO]}
    findings.marks = document.marks
    known = {
        "$scenarioFile": os.path.abspath(options.script),
        "$dirname": directory_of(options.script, options.config),
        "$testId": options.test_id,
        "$processEnvironment": dict(environ),
        "$env": dict(environ),
        **({"$environment": options.environment} if options.environment is not None else {}),
        **variables,
    }
    config = expand(config, known, functions=functions, findings=findings)
    return ScriptSource(
        document={**document.value, "config": config},
        path=options.script,
        directory=os.path.dirname(options.script) or ".",
        config_path=options.config,
        environment=options.environment,
        scenario_name=options.scenario_name,
        test_id=options.test_id,
        marks=document.marks,
        warnings=findings.warnings,
    )


def with_dotenv(
    file: str | None, environ: Mapping[str, str], *, read_text: Callable[[str], str]
) -> tuple[Mapping[str, str], Problem | None]:
    """Add the variables of an environment file below those that exist; a missing file is only a warning."""
    if file is None:
        return environ, None
    try:
        return {**parse_dotenv(read_text(file)), **environ}, None
    except (OSError, UnicodeDecodeError) as error:
        message = f"can't read the environment file {file}: {_reason(error)}"
        remedy = "Its variables are not set. Check the path given with --dotenv."
        return environ, Problem(message=message, remedy=remedy, severity="warning")


def _inputs(
    options: ScriptOptions, read_text: Callable[[str], str]
) -> tuple[Document, dict[str, Any], Document | None]:
    """Read all files, joined in order, and the JSON flags; all that can't be read is told at once."""
    problems: list[Problem] = []
    document = Document(value={})
    for file in (options.script, *options.inputs, *([options.config] if options.config else [])):
        try:
            document = merge(document, _read(file, read_text))
        except ScriptError as error:
            problems.extend(error.problems)
    variables = _json_flag(options.variables, "--variables", problems)
    overrides = _json_flag(options.overrides, "--overrides", problems)
    if problems:
        raise ScriptError(problems)
    place = Place(file="--overrides")
    return document, variables or {}, None if overrides is None else document_of(overrides, place)


def _read(file: str, read_text: Callable[[str], str]) -> Document:
    extension = os.path.splitext(file)[1].lower()
    if extension in _MODULES:
        message = f"{file} is a JavaScript or TypeScript module, which can't be run here"
        raise _refused(
            message, file, "Write the script as YAML or JSON, and its functions in a Python processor."
        )
    if extension not in _DATA_FILES:
        raise _refused("Unknown file type", file, f"A script ends in {', '.join(_DATA_FILES)}.")
    try:
        document = read_document(read_text(file), file)
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Check the path." if isinstance(error, OSError) else "Save the file as UTF-8."
        raise _refused(f"the file can't be read: {_reason(error)}", file, remedy) from error
    if not isinstance(document.value, dict):
        message = "the file is empty" if document.value is None else "the file is not a mapping"
        raise _refused(message, file, "A script is a mapping with the keys config and scenarios.")
    return document


def _refused(message: str, file: str, remedy: str) -> ScriptError:
    return ScriptError([Problem(message=message, place=Place(file=file), remedy=remedy)])


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _json_flag(text: str | None, flag: str, problems: list[Problem]) -> dict[str, Any] | None:
    if text is None:
        return None
    remedy = """Give a JSON object, in single quotes for the shell: '{"name": "value"}'."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.append(Problem(message=f"{flag} is not valid JSON: {error}", remedy=remedy))
        return None
    if not isinstance(value, dict):
        problems.append(Problem(message=f"{flag} is not a JSON object", remedy=remedy))
        return None
    return value


def _config(document: Document) -> dict[str, Any]:
    config = document.value.get("config")
    return config if isinstance(config, dict) else {}


def _checked(document: Document, options: ScriptOptions, findings: Findings) -> Document:
    """Refuse a document without `config` or without any target."""
    if not isinstance(document.value.get("config"), dict):
        what = "must be of type object" if "config" in document.value else "is required"
        findings.error(
            f'"config" {what}', ("config",), remedy="Add 'config:' with the keys target and phases."
        )
    else:
        config = _config(document)
        chosen = as_mapping(as_mapping(config.get("environments")).get(options.environment or ""))
        if not (config.get("target") or chosen.get("target") or options.target):
            remedy = "Add 'target: https://…' to config or to the chosen environment, or give --target."
            message = "No target specified and no environment chosen"
            findings.error(message, ("config", "target"), remedy=remedy)
    findings.raise_errors()
    return document


def _with_environment(document: Document, options: ScriptOptions, findings: Findings) -> Document:
    """Lay `config.environments.NAME` over `config`."""
    if options.environment is None:
        return document
    environments = as_mapping(_config(document).get("environments"))
    if options.environment not in environments:
        names = ", ".join(environments) or "none"
        hint = nearest(options.environment, tuple(environments))
        remedy = f"Known environments: {names}. {hint}".rstrip()
        message = f"the script has no environment {options.environment}"
        findings.warn(message, ("config", "environments"), remedy=remedy)
        return document
    start = ("config", "environments", options.environment)
    chosen = Document(
        value={"config": as_mapping(environments[options.environment])},
        marks=moved(document.marks, start, to=("config",)),
    )
    return merge(document, chosen)


def _with_flags(document: Document, options: ScriptOptions, findings: Findings) -> Document:
    """Lay --target, --insecure and --payload over the document."""
    flags: dict[str, Any] = {}
    payload = _config(document).get("payload")
    if options.target:
        flags["target"] = options.target
    if options.insecure:
        flags["tls"] = {"rejectUnauthorized": False}
    if isinstance(payload, dict):
        path = {"path": _from_script(options, options.payload)} if options.payload else {}
        flags["payload"] = [{**payload, **path}]
    elif options.payload:
        remedy = (
            "It replaces the path of a single 'payload:' mapping; write the paths of a list in the script."
        )
        findings.warn("--payload has no effect on this script", ("config", "payload"), remedy=remedy)
    merged = merge(document, document_of({"config": flags}, Place(file="command line")))
    if "payload" in flags:
        merged.marks.update(moved(document.marks, ("config", "payload"), to=("config", "payload", 0)))
    return merged


def _from_script(options: ScriptOptions, file: str) -> str:
    """Give a path of the working directory as seen from the script's."""
    directory = os.path.dirname(os.path.abspath(options.script))
    return os.path.relpath(os.path.abspath(file), directory)
