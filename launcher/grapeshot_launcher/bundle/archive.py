"""Named contents as one .tar.gz that depends on nothing else: the same content gives the same bytes.

Leaves to others: what goes in (the rest of the bundle), taking it apart (the worker).

Whatever a file system adds stays out: times, owners, permissions, the order of a directory, and gzip's own time and
file name. So the digest is a name: a bundle that lies in the bucket already need not be sent again.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping

LEVEL = 6  # of gzip: scripts and CSVs are small, wheels are packed by their authors' wish for speed


def pack(contents: Mapping[str, bytes]) -> bytes:
    """Give the archive of some contents by name; names are relative, with `/`.

    >>> pack({"a": b"1", "b/c": b"2"}) == pack({"b/c": b"2", "a": b"1"})
    True
    """
    out = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=LEVEL, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(contents):
            member = tarfile.TarInfo(name)  # a plain file: owner 0, time 0
            member.size, member.mode = len(contents[name]), 0o644
            archive.addfile(member, io.BytesIO(contents[name]))
    return out.getvalue()


def digest(archive: bytes) -> str:
    """Give the archive's name: its sha256, in hex."""
    return hashlib.sha256(archive).hexdigest()
