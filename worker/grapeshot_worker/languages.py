"""What is wrong with an expression of a script: JSONPath, XPath, CSS, regular expressions, JMESPath; or with TLS.

Leaves to others: where expressions stand in a script (script.foresight), compiling them (traffic).

A door, so that the launcher can have a script checked in full before it starts any worker, without knowing how
traffic is made. Each expression is compiled as it will be at run time: what passes here works there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.script.foresight import Fault
from grapeshot_worker.traffic.expect import compile_jmespath
from grapeshot_worker.traffic.extract.javascript import ExpressionError, compile_regexp
from grapeshot_worker.traffic.extract.json_lookup import compile_json_path
from grapeshot_worker.traffic.extract.markup import compile_selector, compile_xpath
from grapeshot_worker.traffic.wire.tls import client_context

_COMPILERS: Mapping[str, Callable[[str, Mapping[str, Any]], object]] = {
    "json": lambda text, beside: compile_json_path(text),
    "xpath": lambda text, beside: compile_xpath(text),
    "selector": lambda text, beside: compile_selector(text, None, 0, rng=random.Random(0)),
    "regexp": lambda text, beside: compile_regexp(text, str(beside.get("flags") or "")),
    "jmespath": lambda text, beside: compile_jmespath(text),
}


def fault_finder(*, directory: str, environ: Mapping[str, str]) -> Fault:
    """Give what finds the fault of an expression; `directory` is where the files of `config.tls` are."""

    def fault(kind: str, written: Any, beside: Mapping[str, Any]) -> str | None:
        try:
            if kind == "tls":
                client_context(written, directory=directory, environ=environ)
            else:
                _COMPILERS[kind](written, beside)
        except ExpressionError as error:
            return str(error)
        except GrapeshotError as error:
            return f"{error.message} {error.remedy}".rstrip()
        return None

    return fault
