"""The CSV files a script lists, read.

Leaves to others: the CSV format (payload), drawing rows for users (traffic).
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Mapping
from typing import Any

from grapeshot_worker.errors import Path, Place, Problem, dotted
from grapeshot_worker.script.convert import as_mapping, as_truth
from grapeshot_worker.script.findings import Findings, nearest
from grapeshot_worker.script.model import Payload
from grapeshot_worker.script.payload import OPTIONS, PayloadError, Rows, option_name, read_payload


def parse_payloads(
    config: Mapping[str, Any], *, directory: str, read_text: Callable[[str], str], findings: Findings
) -> tuple[Payload, ...]:
    """Read `config.payload`: each CSV file, found from the script's directory; faults go to `findings`."""
    written = config.get("payload", [])
    payloads: list[Payload] = []
    for i, item in enumerate(written if isinstance(written, list) else [written]):
        path: Path = ("config", "payload", i)
        if isinstance(item, Mapping) and _is_sound(item, path, findings):
            payload = _payload(item, path, directory=directory, read_text=read_text, findings=findings)
            payloads.extend([payload] if payload is not None else [])
    return tuple(payloads)


def _is_sound(item: Mapping[str, Any], path: Path, findings: Findings) -> bool:
    """Tell of a missing path and of settings that do nothing."""
    file, fields = item.get("path"), item.get("fields")
    if not isinstance(file, str) or not file:
        what = "must be a string" if file else "is required"
        remedy = "Add 'path: users.csv', relative to the script."
        findings.error(f'"{dotted((*path, "path"))}" {what}', (*path, "path"), remedy=remedy)
    if fields is not None and not isinstance(fields, list):
        findings.error(f'"{dotted((*path, "fields"))}" must be an array', (*path, "fields"))
        return False
    if as_truth(item.get("loadAll")):
        if not item.get("name"):
            remedy = "Add 'name: rows' to say which variable holds the rows."
            findings.warn("this payload gives no variables: loadAll needs a name", path, remedy=remedy)
    elif not fields:
        remedy = "Add 'fields: [first, second]' to name its columns."
        findings.warn("this payload gives no variables: it has no fields", path, remedy=remedy)
    if item.get("order", "random") not in ("random", "sequence"):
        findings.warn(f"unknown order {item['order']}", (*path, "order"), remedy="Known: random, sequence.")
    for option in as_mapping(item.get("options")):
        if option_name(option) not in OPTIONS:
            remedy = nearest(option_name(option), OPTIONS) or f"Known options: {', '.join(OPTIONS)}."
            findings.warn(
                f'unknown option "{option}" has no effect', (*path, "options", option), remedy=remedy
            )
    return isinstance(file, str) and bool(file)


def _payload(
    item: Mapping[str, Any],
    path: Path,
    *,
    directory: str,
    read_text: Callable[[str], str],
    findings: Findings,
) -> Payload | None:
    file = os.path.normpath(os.path.join(directory, item["path"]))
    rows = _rows(item, file, path, read_text=read_text, findings=findings)
    if rows is None:
        return None
    if not rows:
        remedy = "Its variables are undefined. Add rows, or check 'skipHeader'."
        findings.warn(f"the CSV file {file} has no rows", (*path, "path"), remedy=remedy)
    name = item.get("name")
    return Payload(
        path=item["path"],
        rows=rows,
        fields=tuple(str(field) for field in item["fields"]) if item.get("fields") else None,
        sequence=item.get("order") == "sequence",
        load_all=bool(as_truth(item.get("loadAll"))),
        name=None if name is None else str(name),
        ordered="order" in item,
        every_worker=bool(as_truth(item.get("everyWorker"))),
    )


def _rows(
    item: Mapping[str, Any], file: str, path: Path, *, read_text: Callable[[str], str], findings: Findings
) -> Rows | None:
    try:
        return read_payload(
            read_text(file),
            delimiter=str(item.get("delimiter") or ","),
            skip_header=bool(as_truth(item.get("skipHeader"))),
            skip_empty_lines=as_truth(item.get("skipEmptyLines")) is not False,
            cast=as_truth(item.get("cast")) is not False,
            options=as_mapping(item.get("options")),
        )
    except OSError as error:
        remedy = "CSV paths are relative to the script's directory."
        findings.error(
            f"can't read the CSV file {file}: {error.strerror or error}", (*path, "path"), remedy=remedy
        )
    except UnicodeDecodeError as error:
        findings.error(
            f"can't read the CSV file {file}: {error}", (*path, "path"), remedy="Save it as UTF-8."
        )
    except PayloadError as error:
        remedy = "Give every row as many cells as the first; quote a cell that contains the delimiter."
        place = Place(file=file, line=error.line)
        findings.problems.append(Problem(message=error.message, place=place, remedy=remedy))
    return None
