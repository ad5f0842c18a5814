"""Which files a script refers to, and where each is named.

Leaves to others: whether they exist and fit (tree), the modules of the hooks (imports), packages (wheels).

More is found than in the reference, which misses the files of `formData.fromFile`. What only a template knows can't
be found: such files are named in `config.includeFiles`.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grapeshot_worker.errors import Path
from grapeshot_worker.script.convert import as_mapping
from grapeshot_worker.script.foresight import requests
from grapeshot_worker.script.model import ScriptSource

_TEMPLATE = "{{"


@dataclass(frozen=True, slots=True)
class Reference:
    """A file as it is `written` at a path of the document; `what` it is, in words.

    One that is not `needed` may be missing. `folder`: it may be a folder as well.
    """

    written: str
    path: Path
    what: str
    needed: bool = True
    folder: bool = False

    @property
    def dynamic(self) -> bool:
        """Whether only a template knows which file it is."""
        return _TEMPLATE in self.written

    def within(self, directory: str) -> str:
        """Give the file's absolute path, seen from the script's directory."""
        return os.path.normpath(os.path.join(os.path.abspath(directory), self.written))


def references(source: ScriptSource) -> list[Reference]:
    """Give every file that the document names, in the order of the document; not its processor."""
    config = as_mapping(source.document.get("config"))
    return [
        *_payloads(config, ("config",), needed=True),
        *_other_environments(config, source.environment),
        *_included(config),
        *_tls(config),
        *_uploads(source.document),
    ]


def _payloads(config: Mapping[str, Any], path: Path, *, needed: bool) -> Iterator[Reference]:
    written = config.get("payload", [])
    for i, item in enumerate(written if isinstance(written, list) else [written]):
        file = as_mapping(item).get("path")
        if isinstance(file, str) and file:
            yield Reference(file, (*path, "payload", i, "path"), "CSV file", needed)


def _other_environments(config: Mapping[str, Any], chosen: str | None) -> Iterator[Reference]:
    """Give the CSVs of environments that were not chosen: they come along, as in the reference, if they exist."""
    for name, environment in as_mapping(config.get("environments")).items():
        if name != chosen:
            yield from _payloads(as_mapping(environment), ("config", "environments", name), needed=False)


def _included(config: Mapping[str, Any]) -> Iterator[Reference]:
    written = config.get("includeFiles", [])
    for i, file in enumerate(written if isinstance(written, list) else [written]):
        if isinstance(file, str) and file:
            yield Reference(file, ("config", "includeFiles", i), "included file", folder=True)


def _tls(config: Mapping[str, Any]) -> Iterator[Reference]:
    tls = as_mapping(config.get("tls"))
    for option in ("ca", "cert", "key"):
        written = tls.get(option)
        for one in written if isinstance(written, list) else [written]:
            if isinstance(one, str) and one and "-----BEGIN" not in one:
                yield Reference(one, ("config", "tls", option), "TLS file")


def _uploads(document: Mapping[str, Any]) -> Iterator[Reference]:
    for path, params in requests(document):
        for name, written in as_mapping(params.get("formData")).items():
            file = as_mapping(written).get("fromFile")
            if isinstance(file, str) and file:
                yield Reference(file, (*path, "formData", name, "fromFile"), "file to upload")
