"""A script with everything it refers to, as one archive that is known by its content.

Leaves to others: resolving the script (prepare), sending the archive (platforms), unpacking it (the worker).

    source.json          the resolved script; its paths are relative to files/
    environment.json     the variables of --dotenv
    files/…              script, config, CSVs, hooks and their modules, uploads, certificates, included files
    wheels/…             the packages of requirements.txt, as a site-packages tree

Nothing in it depends on the run or on the machine, so a script that did not change has the archive it had. That is
why the run's id is not in it: the worker puts it back (`test_id`).
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from grapeshot_launcher.bundle.archive import digest, pack
from grapeshot_launcher.bundle.imports import Missing, trace
from grapeshot_launcher.bundle.references import Reference, references
from grapeshot_launcher.bundle.tree import LIMIT, Wanted, check_size, gather, root_of
from grapeshot_launcher.bundle.wheels import Download, Machine, site_packages, top_level
from grapeshot_worker.errors import Place, Problem, ScriptError
from grapeshot_worker.plan import source_to_json
from grapeshot_worker.script.findings import Findings
from grapeshot_worker.script.model import ScriptSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """An archive, its sha256 in hex, the names of its files and packages, and what the author should know."""

    archive: bytes
    digest: str
    files: tuple[str, ...]
    packages: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a bundle is made of: the resolved script, all files it was read from, its hooks, its dotenv variables."""

    source: ScriptSource
    read_from: tuple[str, ...]  # script, -i files, --config
    processor: str | None = None  # absolute
    environment: Mapping[str, str] = field(default_factory=dict)


def make_bundle(contents: Contents, machine: Machine, *, download: Download, limit: int = LIMIT) -> Bundle:
    """Collect and pack everything a worker on this kind of machine needs.

    `download` fetches the wheels. Raises ScriptError with all problems at once: files that are missing, absolute,
    unreadable or too big, modules that workers would lack, packages that are not pinned or have no wheel.
    """
    source = contents.source
    findings = Findings(source.path, source.marks)
    requirements = Path(source.directory) / "requirements.txt"
    packages: dict[str, bytes] = {}
    if requirements.is_file():
        packages = _tried(lambda: site_packages(requirements, machine, download=download), findings)
    modules: list[Path] = []
    if contents.processor is not None:
        modules, missing = trace(Path(contents.processor), provided=top_level(packages))
        findings.problems += [_lacking(one, requirements) for one in missing]
    wanted = [*_own(contents, modules), *_referred(source, findings)]
    files = _tried(lambda: _gathered(wanted, limit, findings), findings)
    sizes = {name: len(content) for name, content in [*files.items(), *packages.items()]}
    check_size(sizes, limit=limit, problems=findings.problems)
    findings.raise_errors()
    root = root_of([one.path for one in wanted])
    named = {os.path.relpath(path, root).replace(os.sep, "/"): content for path, content in files.items()}
    archive = pack(
        {
            "source.json": _json(source_to_json(_moved(source, root))),
            "environment.json": _json(dict(contents.environment)),
            **{f"files/{name}": content for name, content in named.items()},
            **{f"wheels/{name}": content for name, content in packages.items()},
        }
    )
    return Bundle(
        archive=archive,
        digest=digest(archive),
        files=tuple(sorted(named)),
        packages=_distributions(packages),
        warnings=findings.warnings,
    )


def _tried(make: Callable[[], dict[str, bytes]], findings: Findings) -> dict[str, bytes]:
    """Note what goes wrong and go on: all problems are told at once."""
    try:
        return make()
    except ScriptError as error:
        findings.problems += error.problems
        return {}


def _gathered(wanted: list[Wanted], limit: int, findings: Findings) -> dict[str, bytes]:
    contents, warnings = gather(wanted, limit=limit)
    findings.problems += warnings
    return contents


def _own(contents: Contents, modules: list[Path]) -> list[Wanted]:
    """Give the files of the script itself."""
    files = [Wanted(path=os.path.abspath(path), what="script file") for path in contents.read_from]
    return files + [Wanted(path=os.path.abspath(path), what="Python file") for path in modules]


def _referred(source: ScriptSource, findings: Findings) -> list[Wanted]:
    """Give the files that the document names; what can't be taken along is noted."""
    found: list[Wanted] = []
    everything = references(source)
    included = any(one.folder for one in everything)
    for one in everything:
        if one.dynamic:
            if not included:
                remedy = "Name the files it can be in config.includeFiles; it may be a folder."
                findings.warn(f"which {one.what} {one.written} is, only users know", one.path, remedy=remedy)
        elif os.path.isabs(one.written):
            _refuse_absolute(one, findings)
        else:
            path = one.within(source.directory)
            place = findings.place(one.path)
            found.append(Wanted(path=path, what=one.what, place=place, needed=one.needed, folder=one.folder))
    return found


def _refuse_absolute(one: Reference, findings: Findings) -> None:
    message = f"the {one.what} {one.written} has an absolute path, which exists on this machine only"
    remedy = "Write it relative to the script's folder: workers get a copy of the files around the script."
    if one.needed:
        findings.error(message, one.path, remedy=remedy)
    else:
        findings.warn(message, one.path, remedy=remedy)


def _lacking(one: Missing, requirements: Path) -> Problem:
    place = Place(file=str(one.file), line=one.line)
    remedy = (
        f"Put its package into {requirements}, pinned ('name==version'), or the module beside the hooks."
        " If the file can do without it, catch ImportError."
    )
    return Problem(message=f"workers would have no module {one.name}", place=place, remedy=remedy)


def _moved(source: ScriptSource, root: str) -> ScriptSource:
    """Give the script as the worker sees it: paths relative to `root`, nothing of this run or this machine."""

    def moved(path: str) -> str:
        return os.path.relpath(os.path.abspath(path), root).replace(os.sep, "/")

    return replace(
        source,
        path=moved(source.path),
        directory=moved(source.directory),
        config_path=None if source.config_path is None else moved(source.config_path),
        test_id="",
        marks={},
        warnings=(),
    )


def _json(value: object) -> bytes:
    return json.dumps(value).encode("ascii")  # in the order written: it has a meaning


def _distributions(packages: Mapping[str, bytes]) -> tuple[str, ...]:
    folders = {name.split("/")[0] for name in packages}
    return tuple(
        sorted(
            f.removesuffix(".dist-info").replace("-", "==", 1) for f in folders if f.endswith(".dist-info")
        )
    )
