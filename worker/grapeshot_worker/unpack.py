"""A bundle's archive → its script and files in a folder of this sandbox, once for each content.

Leaves to others: fetching the archive (shift), making it (the launcher).

    source.json          the resolved script; its paths are relative to files/
    environment.json     the variables of --dotenv
    files/…              what the script refers to
    wheels/…             the author's packages, as a site-packages tree

An archive is believed when its digest is the one that the invocation names, and even then it can only make plain
files inside its own folder. A folder appears under its digest when it is complete, so what is there is whole; a warm
sandbox uses it again. Weak spot: what an author's functions have written into it is still there.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from grapeshot_worker.errors import Exit, GrapeshotError
from grapeshot_worker.plan import source_from_json
from grapeshot_worker.script.model import ScriptSource

SIZE_LIMIT = 400_000_000  # bytes unpacked: fits beside what else needs the 512 MB that /tmp has by default
COUNT_LIMIT = 50_000  # members

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """An unpacked bundle: the script with its real paths, what its author set, its folder, its packages if any."""

    source: ScriptSource
    environ: Mapping[str, str]
    directory: Path
    wheels: Path | None = None


def unpacked(digest: str, home: Path) -> Bundle | None:
    """Give a bundle that this sandbox has unpacked before."""
    folder = _folder(digest, home)
    return _read(folder) if folder.is_dir() else None


def unpack(archive: bytes, digest: str, home: Path, *, limit: int = SIZE_LIMIT) -> Bundle:
    """Unpack an archive below `home`, in place of any other that is there.

    Raises GrapeshotError for content of another digest, for members that are no plain files inside the folder, for
    more than `limit` bytes, and when there is no room.
    """
    if hashlib.sha256(archive).hexdigest() != digest:
        raise _refused("its content is not what the launcher has sent: the sha256 differs")
    folder = _folder(digest, home)
    fresh = home / f"{digest}.new"
    shutil.rmtree(home, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            _extract(members, fresh, limit)
        fresh.rename(folder)
    except OSError as error:
        raise _refused(f"it can't be unpacked to {home}: {error}", room=True) from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise _refused(f"it is no archive: {error}") from error
    return _read(folder)


def _folder(digest: str, home: Path) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise _refused(f"{digest!r} is no sha256")
    return home / digest


def _extract(members: tarfile.TarFile, folder: Path, limit: int) -> None:
    """Extract member by member: what is wrong with one is found before its first byte is written."""
    size = 0
    for number, member in enumerate(members, 1):
        size += member.size
        if number > COUNT_LIMIT or size > limit:
            reason = f"it has more than {COUNT_LIMIT:,} files or {limit / 1e6:,.0f} MB"
            raise _refused(reason, room=True)
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise _refused(f"{member.name!r} would lie outside of its folder")
        if member.type not in (*_PLAIN, tarfile.DIRTYPE):
            raise _refused(f"{member.name!r} is neither a file nor a folder")
        _place(members, member, folder / path)


def _place(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Make one member by hand: `extract` has no filter before Python 3.11.4, and Debian 12 has 3.11.2."""
    content = members.extractfile(member)
    if content is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)


def _read(folder: Path) -> Bundle:
    try:
        source = source_from_json(json.loads((folder / "source.json").read_bytes()))
        written = json.loads((folder / "environment.json").read_bytes())
        environ = {str(name): str(value) for name, value in written.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it holds no script that can be read: {type(error).__name__}: {error}"
        raise _refused(reason) from error
    files, wheels = folder / "files", folder / "wheels"
    return Bundle(
        source=placed(source, files),
        environ=environ,
        directory=files,
        wheels=wheels if wheels.is_dir() else None,
    )


def placed(source: ScriptSource, files: Path) -> ScriptSource:
    """Give a script whose paths, so far relative, lie below `files`."""
    return replace(
        source,
        path=str(files / source.path),
        directory=str(files / source.directory),
        config_path=None if source.config_path is None else str(files / source.config_path),
    )


def _refused(reason: str, *, room: bool = False) -> GrapeshotError:
    return GrapeshotError(
        f"The bundle can't be used: {reason}.",
        cause=""
        if room
        else "The worker's image and the launcher are of different versions, or it was changed.",
        remedy="Leave out what the load does not need (config.includeFiles, requirements.txt)."
        if room
        else "Publish the image again with the launcher's version, then start the test again.",
        exit_code=Exit.WORKER,
    )
