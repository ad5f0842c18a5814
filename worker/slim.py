"""Takes from a folder of installed packages what a worker never reads: `python slim.py FOLDER`, when an image is built.

Compiled modules lose what only debuggers and linkers look at. A loader needs what the program headers name (ELF
specification, "Program Loading"); symbols, debugging tables and the section headers lie behind that and are cut off.
So no `strip` for the machine that the module is made for has to be there.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

SERVICES = ("s3", "sqs")  # of AWS that a worker speaks to; botocore describes four hundred
SOURCES = (".c", ".h", ".pxd", ".pxi", ".pyx")  # of modules that are compiled
UNUSED = ("zstandard/_cffi.*.so",)  # the second of two backends

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")  # of a 64-bit file, numbers low byte first
_SEGMENT = struct.Struct("<IIQQQQQQ")


def loaded(module: bytes) -> bytes:
    """Give what of a compiled module is loaded; one that is not ELF for 64 bits is given as it is."""
    if module[:6] != b"\x7fELF\x02\x01":
        return module
    ident, kind, machine, version, entry, segments, _, flags, size, each, count, *_ = _HEADER.unpack_from(
        module
    )
    end = segments + each * count
    for number in range(count):
        _, _, offset, _, _, length, _, _ = _SEGMENT.unpack_from(module, segments + each * number)
        end = max(end, offset + length)
    no_sections = (0, 0, 0)
    head = _HEADER.pack(
        ident, kind, machine, version, entry, segments, 0, flags, size, each, count, *no_sections
    )
    return head + module[len(head) : end]


def superfluous(site: Path) -> Iterator[Path]:
    """Give the files that no worker reads."""
    yield from (path for path in site.rglob("*") if path.suffix in SOURCES)
    for pattern in UNUSED:
        yield from site.glob(pattern)
    for service in (site / "botocore" / "data").glob("*/"):
        if service.is_dir() and service.name not in SERVICES:
            yield service
            yield from service.rglob("*")


def slim(site: Path) -> None:
    """Make the folder smaller."""
    for path in sorted(superfluous(site), reverse=True):  # what a folder holds before the folder
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    for module in site.rglob("*.so*"):
        module.write_bytes(loaded(module.read_bytes()))


if __name__ == "__main__":
    slim(Path(sys.argv[1]))
