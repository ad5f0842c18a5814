"""Takes from a folder of installed packages what a worker never reads: `python slim.py FOLDER`, when an image is built.

It says what it took.

Compiled modules lose what only debuggers and linkers look at. A loader needs what the program headers name (ELF
specification, "Program Loading"); symbols, debugging tables and the section headers lie behind that and are cut off.
So no `strip` for the machine that the module is made for has to be there.
"""

from __future__ import annotations

import struct
import sys
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


def superfluous(site: Path) -> dict[str, list[Path]]:
    """Give the files that no worker reads, and their folders, by what they are."""
    services = [
        service
        for service in (site / "botocore" / "data").glob("*/")
        if service.is_dir() and service.name not in SERVICES
    ]
    return {
        "descriptions of other AWS services": [
            path for service in services for path in (service, *service.rglob("*"))
        ],
        "sources of compiled modules": [path for path in site.rglob("*") if path.suffix in SOURCES],
        "second backends": [path for pattern in UNUSED for path in site.glob(pattern)],
    }


def slim(site: Path) -> dict[str, int]:
    """Make the folder smaller, and give the bytes of what was taken."""
    taken = {}
    for what, paths in superfluous(site).items():
        taken[what] = sum(path.stat().st_size for path in paths if path.is_file())
        for path in sorted(paths, reverse=True):  # what a folder holds before the folder
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
    taken["symbols and debugging tables of compiled modules"] = 0
    for module in site.rglob("*.so*"):
        before = module.read_bytes()
        after = loaded(before)
        module.write_bytes(after)
        taken["symbols and debugging tables of compiled modules"] += len(before) - len(after)
    return taken


if __name__ == "__main__":
    for what, size in slim(Path(sys.argv[1])).items():
        sys.stdout.write(f"{size / 1e6:6.1f} MB  {what}\n")
