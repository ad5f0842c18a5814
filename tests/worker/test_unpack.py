"""A bundle's archive on its way into a sandbox: believed only when it is right, and never beyond its folder."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.plan import source_to_json
from grapeshot_worker.script.model import ScriptSource
from grapeshot_worker.unpack import placed, unpack, unpacked

SOURCE = ScriptSource(document={"config": {}}, path="tests/blitz.yml", directory="tests", test_id="")


def archive(contents: Mapping[str, bytes] | None = None, *members: tarfile.TarInfo) -> tuple[bytes, str]:
    """An archive of the script and more, with its digest; `members` have no content."""
    everything = {
        "source.json": json.dumps(source_to_json(SOURCE)).encode(),
        "environment.json": b'{"TOKEN": "a b"}',
        "files/tests/blitz.yml": b"config: {}",
        **(contents or {}),
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in everything.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    body = out.getvalue()
    return body, hashlib.sha256(body).hexdigest()


def member(name: str, **attributes: Any) -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(one, attribute, value)
    return one


def test_a_bundle_is_unpacked_below_home(tmp_path: Path) -> None:
    """Script, variables, files and packages are where the engine processes will look."""
    body, digest = archive({"wheels/author/__init__.py": b"", "files/data/users.csv": b"a,b"})
    bundle = unpack(body, digest, tmp_path / "home")
    files = tmp_path / "home" / digest / "files"

    assert bundle.source.path == str(files / "tests/blitz.yml")
    assert bundle.source.directory == str(files / "tests")
    assert bundle.environ == {"TOKEN": "a b"}
    assert bundle.directory == files
    assert bundle.wheels == files.parent / "wheels"
    assert (files / "data/users.csv").read_bytes() == b"a,b"


def test_a_bundle_without_packages_has_none(tmp_path: Path) -> None:
    """There is no folder to import from."""
    assert unpack(*archive(), tmp_path / "home").wheels is None


@pytest.mark.parametrize(
    ("path", "directory", "config"), [("blitz.yml", ".", None), ("a/blitz.yml", "a", "shared/config.yml")]
)
def test_all_paths_of_the_script_are_moved(path: str, directory: str, config: str | None) -> None:
    """Script, folder and config file."""
    source = ScriptSource(document={}, path=path, directory=directory, config_path=config)
    moved = placed(source, Path("/x/files"))

    assert moved.path == f"/x/files/{path}"
    assert Path(moved.directory) == Path("/x/files") / directory
    assert moved.config_path == (config and f"/x/files/{config}")


def test_a_warm_sandbox_uses_what_it_has(tmp_path: Path) -> None:
    """The same content is found again, as it was unpacked."""
    body, digest = archive()
    first = unpack(body, digest, tmp_path / "home")

    assert unpacked(digest, tmp_path / "home") == first


def test_an_unknown_bundle_is_not_found(tmp_path: Path) -> None:
    """Neither in an empty sandbox nor in one that has another."""
    body, digest = archive()
    unpack(body, digest, tmp_path / "home")

    assert unpacked("0" * 64, tmp_path / "home") is None
    assert unpacked(digest, tmp_path / "elsewhere") is None


def test_a_new_bundle_takes_the_place_of_old_ones(tmp_path: Path) -> None:
    """The room in /tmp is small."""
    old, old_digest = archive()
    new, new_digest = archive({"files/more": b"1"})
    unpack(old, old_digest, tmp_path / "home")
    unpack(new, new_digest, tmp_path / "home")

    assert [folder.name for folder in (tmp_path / "home").iterdir()] == [new_digest]


def refused(body: bytes, digest: str, home: Path, **limits: int) -> str:
    """The reason why a bundle is refused; nothing of it can be found afterwards."""
    with pytest.raises(GrapeshotError) as caught:
        unpack(body, digest, home, **limits)
    assert unpacked("0" * 64 if len(digest) != 64 else digest, home) is None
    return caught.value.message


def test_other_content_is_refused(tmp_path: Path) -> None:
    """The digest decides, before anything is opened."""
    body, digest = archive()

    assert "sha256 differs" in refused(body + b"x", digest, tmp_path / "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("digest", ["../../etc", "", "A" * 64])
def test_a_digest_is_no_path(tmp_path: Path, digest: str) -> None:
    """What is looked for lies below home."""
    with pytest.raises(GrapeshotError, match="is no sha256"):
        unpacked(digest, tmp_path)


@pytest.mark.parametrize(
    ("evil", "reason"),
    [
        (lambda: member("/tmp/absolute"), "outside of its folder"),
        (lambda: member("files/../../escaped"), "outside of its folder"),
        (lambda: member("files/link", type=tarfile.SYMTYPE, linkname="/etc"), "neither a file nor a folder"),
        (
            lambda: member("files/link", type=tarfile.LNKTYPE, linkname="source.json"),
            "neither a file nor a folder",
        ),
        (lambda: member("files/device", type=tarfile.CHRTYPE), "neither a file nor a folder"),
        (lambda: member("files/pipe", type=tarfile.FIFOTYPE), "neither a file nor a folder"),
    ],
)
def test_only_plain_files_inside_the_folder(
    tmp_path: Path, evil: Callable[[], tarfile.TarInfo], reason: str
) -> None:
    """Whatever else an archive can hold is refused."""
    assert reason in refused(*archive({}, evil()), tmp_path / "home")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_too_much_is_refused_before_it_is_written(tmp_path: Path) -> None:
    """A small archive can hold a lot."""
    body, digest = archive({"files/zeros": bytes(2_000_000)})

    assert len(body) < 10_000
    assert "MB" in refused(body, digest, tmp_path / "home", limit=1_000_000)
    assert not (tmp_path / "home" / f"{digest}.new" / "files" / "zeros").exists()


def test_no_room_is_told(tmp_path: Path) -> None:
    """As is a home that can't be written to."""
    (tmp_path / "file").write_text("")
    body, digest = archive()

    assert "can't be unpacked" in refused(body, digest, tmp_path / "file" / "home")


@pytest.mark.parametrize("body", [b"", b"no archive", archive()[0][:-200]], ids=["empty", "text", "cut"])
def test_what_is_no_archive_is_refused(tmp_path: Path, body: bytes) -> None:
    """Although its digest is right."""
    assert "can't be used" in refused(body, hashlib.sha256(body).hexdigest(), tmp_path / "home")


@pytest.mark.parametrize("content", [b"{}", b"no JSON", b"[]"])
def test_a_bundle_without_a_script_is_refused(tmp_path: Path, content: bytes) -> None:
    """The launcher and the worker's image are of two versions."""
    with pytest.raises(GrapeshotError, match="holds no script"):
        unpack(*archive({"source.json": content}), tmp_path / "home")
