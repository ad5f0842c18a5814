"""The templates of `config`, filled in once, before the test is parsed (pure).

Leaves to others: templates of the flow, which are filled in for every user (traffic).

Only what is known before any user exists has a value here: where the script lies, the process environment,
the chosen environment's name, and the variables given on the command line. As in the reference, every other
name becomes undefined – the key disappears, or the text "undefined" stands in a longer text – and the
author is told.
"""

from __future__ import annotations

from typing import Any

from grapeshot_worker.errors import Path
from grapeshot_worker.script.findings import Findings
from grapeshot_worker.script.template import MISSING, Functions, Variables, compile_template

_KNOWN = (
    "$env, $processEnvironment, $environment, $testId, $scenarioFile, $dirname and the keys of --variables"
)


def expand(value: Any, variables: Variables, *, functions: Functions, findings: Findings) -> Any:
    """Fill in all templates of the document's `config`; tells of each one that has no value."""

    def text(source: str, path: Path) -> Any:
        if "{{" not in source:
            return source
        filled = compile_template(source, functions).render(variables)
        lost = filled is MISSING or (
            isinstance(filled, str) and filled.count("undefined") > source.count("undefined")
        )
        if lost and path[1:2] != (
            "environments",
        ):  # of all environments but the chosen one, nobody needs a value
            findings.warn(
                f"{source} has no value in config", path, remedy=f"Known there: {_KNOWN}. Check the spelling."
            )
        return filled

    def walk(part: Any, path: Path) -> Any:
        if isinstance(part, str):
            return text(part, path)
        if isinstance(part, list):
            filled = [walk(item, (*path, i)) for i, item in enumerate(part)]
            return [None if item is MISSING else item for item in filled]
        if isinstance(part, dict):
            entries = ((text(key, (*path, key)), walk(item, (*path, key))) for key, item in part.items())
            return {str(key): item for key, item in entries if item is not MISSING}
        return part

    return walk(value, ("config",))
