"""The bundle: what is in it, that it depends on nothing else, and what is refused, all at once."""

from __future__ import annotations

import io
import json
import os
import random
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from grapeshot_launcher.bundle import Bundle, Contents, make_bundle
from grapeshot_launcher.bundle.archive import digest, pack
from grapeshot_launcher.bundle.wheels import PYTHON, Download, Machine, pip_download
from grapeshot_launcher.cloud.recipe import BASE_IMAGE
from grapeshot_worker.errors import ScriptError
from grapeshot_worker.plan import source_from_json
from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script

SCRIPT = """
config:
  target: http://127.0.0.1:9
  phases: [{duration: 1, arrivalRate: 1}]
scenarios:
  - flow:
      - get: {url: /}
"""


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def no_download(requirements: Path, machine: Machine, folder: Path) -> str | None:
    raise AssertionError("nothing is to be downloaded")


def bundle(
    folder: Path,
    files: Mapping[str, str | bytes],
    *,
    script: str = "script.yml",
    config: str | None = None,
    processor: str | None = None,
    environment: Mapping[str, str] | None = None,
    chosen: str | None = None,
    test_id: str = "t1",
    download: Download = no_download,
    limit: int = 10_000_000,
) -> Bundle:
    """Write the files into a folder and bundle the script among them."""
    write(folder, files)
    names = [str(folder / name) for name in (script, config) if name is not None]
    source = load_script(
        ScriptOptions(
            script=names[0], config=names[1] if config else None, test_id=test_id, environment=chosen
        ),
        environ={},
        read_text=lambda path: Path(path).read_text(encoding="utf-8"),
        functions=builtin_functions(random.Random(1)),
    )
    contents = Contents(
        source=source,
        read_from=tuple(names),
        processor=str(folder / processor) if processor else None,
        environment=environment or {},
    )
    return make_bundle(contents, Machine("arm64"), download=download, limit=limit)


def unpacked(made: Bundle) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(made.archive), mode="r:gz") as archive:
        return {member.name: _content(archive, member) for member in archive.getmembers()}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def source_of(made: Bundle) -> Any:
    return source_from_json(json.loads(unpacked(made)["source.json"]))


def problems_of(make: Callable[[], object]) -> list[str]:
    with pytest.raises(ScriptError) as caught:
        make()
    return [problem.message for problem in caught.value.problems if problem.severity == "error"]


# ---- determinism ----


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    """Neither the place, nor the times of files, nor the run's id are in the archive."""
    files = {"script.yml": SCRIPT, "a.csv": "1\n"}
    write(tmp_path / "elsewhere", files)
    for name in files:
        os.utime(tmp_path / "elsewhere" / name, (1, 1))

    one, other = bundle(tmp_path / "here", files), bundle(tmp_path / "elsewhere", files, test_id="t2")

    assert one.archive == other.archive
    assert one.digest == other.digest == digest(one.archive)


def test_every_change_gives_another_digest(tmp_path: Path) -> None:
    """A byte of a file, or a name, is enough."""
    assert len({digest(pack(c)) for c in ({"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a/b": b"1"}, {})}) == 5


def test_the_order_of_the_script_is_kept(tmp_path: Path) -> None:
    """Keys come back as they were written: their order has a meaning."""
    made = bundle(tmp_path, {"script.yml": SCRIPT + "  variables: {z: 1, a: 2}\n".replace("  ", "", 1)})

    assert list(source_of(made).document) == ["config", "scenarios", "variables"]


# ---- contents ----


def test_a_script_alone(tmp_path: Path) -> None:
    """The archive holds the resolved script, the environment and the file itself, as plain files of nobody."""
    made = bundle(tmp_path, {"script.yml": SCRIPT}, environment={"TOKEN": "x"})

    assert set(unpacked(made)) == {"source.json", "environment.json", "files/script.yml"}
    assert json.loads(unpacked(made)["environment.json"]) == {"TOKEN": "x"}
    with tarfile.open(fileobj=io.BytesIO(made.archive), mode="r:gz") as archive:
        assert {(m.isfile(), m.uid, m.gid, m.mtime, m.mode) for m in archive} == {(True, 0, 0, 0, 0o644)}


def test_paths_are_relative_to_the_common_folder(tmp_path: Path) -> None:
    """A CSV above the script's folder keeps its place relative to it."""
    files = {
        "tests/load/script.yml": SCRIPT.replace(
            "phases", "payload: {path: ../../data/u.csv, fields: [a]}\n  phases"
        ),
        "data/u.csv": "1\n",
        "base/config.yml": "config: {variables: {a: 1}}\n",
    }

    made = bundle(tmp_path, files, script="tests/load/script.yml", config="base/config.yml")
    source = source_of(made)

    assert made.files == ("base/config.yml", "data/u.csv", "tests/load/script.yml")
    assert (source.path, source.directory) == ("tests/load/script.yml", "tests/load")
    assert source.config_path == "base/config.yml"
    assert source.test_id == ""


@pytest.mark.parametrize(
    ("setting", "files", "expected"),
    [
        ("payload: [{path: a.csv}, {path: sub/b.csv}]", {"a.csv": "1", "sub/b.csv": "2"}, ["a.csv", "sub/b.csv"]),
        ("environments: {one: {payload: [{path: e.csv}]}}", {"e.csv": "1"}, ["e.csv"]),
        ("includeFiles: [one.bin]", {"one.bin": b"\x00"}, ["one.bin"]),
        ("includeFiles: [data]", {"data/x/1": "1", "data/2": "2"}, ["data/2", "data/x/1"]),
        ("includeFiles: [data]", {"data/1": "1", "data/__pycache__/x.pyc": ""}, ["data/1"]),
        ("tls: {ca: ca.pem, cert: [c.pem]}", {"ca.pem": "", "c.pem": ""}, ["c.pem", "ca.pem"]),
        ("tls: {ca: '-----BEGIN CERTIFICATE-----'}", {}, []),
    ],
)  # fmt: skip
def test_files_named_in_the_config(
    tmp_path: Path, setting: str, files: Mapping[str, str | bytes], expected: list[str]
) -> None:
    """CSVs of all environments, included files and folders, certificates."""
    made = bundle(tmp_path, {"script.yml": SCRIPT.replace("phases:", f"{setting}\n  phases:"), **files})

    assert [name for name in made.files if name != "script.yml"] == expected


def test_uploads_of_every_flow_come_along(tmp_path: Path) -> None:
    """`fromFile` is found in loops and in `before`, too, where the reference finds none."""
    script = SCRIPT + (
        "  - flow:\n      - loop:\n          - post: {url: /, formData: {f: {fromFile: a.png}, g: plain}}\n"
        "before: {flow: [{post: {url: /, formData: {f: {fromFile: up/b.png}}}}]}\n"
    )

    made = bundle(tmp_path, {"script.yml": script, "a.png": "a", "up/b.png": "b"})

    assert made.files == ("a.png", "script.yml", "up/b.png")


def test_an_upload_that_users_choose_is_warned_of(tmp_path: Path) -> None:
    """Unless the author names what may be meant."""
    upload = SCRIPT + "      - post: {url: /, formData: {f: {fromFile: '{{ name }}.png'}}}\n"

    warned = bundle(tmp_path / "1", {"script.yml": upload})
    named = bundle(
        tmp_path / "2",
        {"script.yml": upload.replace("phases:", "includeFiles: [a.png]\n  phases:"), "a.png": "a"},
    )

    assert "{{ name }}.png" in warned.warnings[0].message
    assert named.warnings == ()


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """What a link leads to is copied; a folder that contains itself ends."""
    write(tmp_path, {"data/1": "1", "shared/2": "2"})
    (tmp_path / "data" / "self").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "more").symlink_to(tmp_path / "shared")

    made = bundle(tmp_path, {"script.yml": SCRIPT.replace("phases:", "includeFiles: [data]\n  phases:")})

    assert made.files == ("data/1", "data/more/2", "script.yml")


# ---- hooks ----

HOOKS = {
    "hooks.py": "import json, helpers\nfrom pkg.sub import thing\nfrom pkg import other\ndef f():\n    import lazy\n",
    "helpers.py": "from tools import *\n",
    "tools.py": "import helpers\n",
    "lazy.py": "",
    "pkg/__init__.py": "",
    "pkg/sub.py": "from . import cousin\nfrom .deep import x\n",
    "pkg/cousin.py": "",
    "pkg/other.py": "",
    "pkg/deep/__init__.py": "from ..up import y\n",
    "pkg/deep/x.py": "",
    "pkg/up.py": "y = 1\n",
    "pkg/unused.py": "",
    "json.py": "raise SystemExit\n",
    "unused.py": "",
}  # fmt: skip


def test_hooks_bring_their_local_modules(tmp_path: Path) -> None:
    """Those they import, whatever way and wherever in the file; nothing else of the folder."""
    made = bundle(tmp_path, {"script.yml": SCRIPT, **HOOKS}, processor="hooks.py")

    assert set(made.files) == {"script.yml", *HOOKS} - {"json.py", "unused.py", "pkg/unused.py"}


@pytest.mark.parametrize(
    ("hooks", "missing"),
    [
        ("import pandas\n", ["pandas"]),
        ("from pandas.core import x\nimport numpy as np\n", ["pandas", "numpy"]),
        ("import yaml, orjson, asyncio\n", []),
        ("try:\n    import pandas\nexcept ImportError:\n    pandas = None\n", []),
        ("try:\n    import pandas\nexcept KeyError:\n    pass\n", ["pandas"]),
        ("def f():\n    import pandas\n", []),
        ("if False:\n    import pandas\n", []),
    ],
)
def test_modules_that_workers_lack_are_refused(tmp_path: Path, hooks: str, missing: list[str]) -> None:
    """What loading the hooks would fail on is known before AWS is touched."""
    files = {"script.yml": SCRIPT, "hooks.py": hooks}

    if not missing:
        assert bundle(tmp_path, files, processor="hooks.py").files == ("hooks.py", "script.yml")
        return
    found = problems_of(lambda: bundle(tmp_path, files, processor="hooks.py"))

    assert found == [f"workers would have no module {name}" for name in missing]


# ---- refusals ----


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    """Each with its line in the script."""
    script = SCRIPT.replace(
        "phases:", "includeFiles: [gone]\n  tls: {ca: no.pem}\n  payload: {path: /abs/u.csv}\n  phases:"
    )

    with pytest.raises(ScriptError) as caught:
        bundle(tmp_path, {"script.yml": script})

    found = sorted(
        (p.message.split(str(tmp_path))[0], p.place.line if p.place else 0) for p in caught.value.problems
    )
    assert found == [
        ("the CSV file /abs/u.csv has an absolute path, which exists on this machine only", 6),
        ("there is no TLS file ", 5),
        ("there is no included file ", 4),
    ]


def test_a_missing_file_of_another_environment_is_a_warning(tmp_path: Path) -> None:
    """This run does without it; of the chosen environment it is refused."""
    script = SCRIPT.replace("phases:", "environments: {one: {payload: [{path: e.csv}]}, two: {}}\n  phases:")

    made = bundle(tmp_path, {"script.yml": script}, chosen="two")

    assert [w.message.split(" /")[0] for w in made.warnings] == ["the CSV file"]
    assert problems_of(lambda: bundle(tmp_path, {"script.yml": script}, chosen="one"))


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """A folder where a file is expected, a pipe that would never end."""
    if kind == "folder":
        (tmp_path / "x").mkdir()
    else:
        os.mkfifo(tmp_path / "x")
    script = SCRIPT.replace("phases:", "payload: {path: x, fields: [a]}\n  phases:")

    found = problems_of(lambda: bundle(tmp_path, {"script.yml": script}))

    assert len(found) == 1
    assert found[0].endswith("is a folder" if kind == "folder" else "is no ordinary file")


def test_what_is_too_big_is_refused_with_the_largest_files(tmp_path: Path) -> None:
    """The limit is of everything together."""
    files = {"big.bin": b"x" * 3000, "small.bin": b"x" * 1500}
    script = SCRIPT.replace("phases:", "includeFiles: [big.bin, small.bin]\n  phases:")

    with pytest.raises(ScriptError) as caught:
        bundle(tmp_path, {"script.yml": script, **files}, limit=4000)

    (problem,) = caught.value.problems
    assert "too big" in problem.message
    assert problem.remedy.index("big.bin") < problem.remedy.index("small.bin")


# ---- wheels ----


def wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], *, tag: str = "py3-none-any"
) -> None:
    """Write a wheel that pip takes for one."""
    info = f"{name}-{version}.dist-info"
    meta = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/RECORD": "",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        for path, text in {**files, **meta}.items():
            archive.writestr(path, text)


def offering(*wheels: tuple[str, str, Mapping[str, str]]) -> Download:
    def download(requirements: Path, machine: Machine, folder: Path) -> str | None:
        for name, version, files in wheels:
            wheel(folder, name, version, files)
        return None

    return download


def test_pinned_packages_come_as_a_tree(tmp_path: Path) -> None:
    """A wheel's content lies below wheels/, its scripts do not; the hooks may import it."""
    files = {
        "script.yml": SCRIPT,
        "hooks.py": "import tinylib\n",
        "requirements.txt": "# ours\nTiny_Lib[x]==1.2 ; python_version > '3' \\\n  --hash=sha256:00\n\n",
    }
    inside = {"tinylib.py": "", "tiny_lib-1.2.data/purelib/more.py": "", "tiny_lib-1.2.data/scripts/run": ""}

    made = bundle(tmp_path, files, processor="hooks.py", download=offering(("tiny_lib", "1.2", inside)))

    names = {name for name in unpacked(made) if name.startswith("wheels/") and "dist-info" not in name}
    assert names == {"wheels/tinylib.py", "wheels/more.py"}
    assert made.packages == ("tiny_lib==1.2",)


@pytest.mark.parametrize(
    "line", ["tinylib", "tinylib>=1", "tinylib==1.*", "-r more.txt", "-e .", "x @ https://a/b.whl"]
)
def test_what_is_not_pinned_is_refused(tmp_path: Path, line: str) -> None:
    """With the line of the requirements file."""
    with pytest.raises(ScriptError) as caught:
        bundle(tmp_path, {"script.yml": SCRIPT, "requirements.txt": f"\n{line}\nok==1\n"})

    (problem,) = caught.value.problems
    assert (problem.message, problem.place and problem.place.line) == (
        f"{line!r} is not pinned to a version",
        2,
    )


def test_dependencies_must_be_pinned_too(tmp_path: Path) -> None:
    """Else the same script would be another one next week; what was found is named."""
    download = offering(("one", "1", {}), ("two_more", "2.5", {}))

    with pytest.raises(ScriptError, match=r"two-more==2\.5"):
        bundle(tmp_path, {"script.yml": SCRIPT, "requirements.txt": "one==1\n"}, download=download)


def test_a_wheel_that_climbs_out_is_refused(tmp_path: Path) -> None:
    """Nothing of it is packed."""
    download = offering(("one", "1", {"../evil.py": ""}))

    assert "not safe" in problems_of(
        lambda: bundle(tmp_path, {"script.yml": SCRIPT, "requirements.txt": "one==1\n"}, download=download)
    )[0]  # fmt: skip


def pip(found_in: Path) -> Download:
    """The real pip, without an index."""
    return pip_download(
        {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(found_in), "PIP_CONFIG_FILE": os.devnull}
    )


def test_pip_fetches_for_the_worker_s_platform(tmp_path: Path) -> None:
    """Not for this machine: a wheel for Linux on ARM is taken, whatever runs the launcher."""
    tag = "cp313-cp313-manylinux_2_17_aarch64"
    wheel(tmp_path / "links", "fast", "1.0", {"fast/__init__.py": ""}, tag=tag)

    made = bundle(
        tmp_path, {"script.yml": SCRIPT, "requirements.txt": "fast==1.0\n"}, download=pip(tmp_path / "links")
    )

    assert made.packages == ("fast==1.0",)


def test_a_package_without_a_wheel_is_refused(tmp_path: Path) -> None:
    """The message names the platform and what to do."""
    wheel(tmp_path / "links", "fast", "1.0", {}, tag="cp313-cp313-win_amd64")

    with pytest.raises(ScriptError) as caught:
        bundle(
            tmp_path,
            {"script.yml": SCRIPT, "requirements.txt": "fast==1.0\n"},
            download=pip(tmp_path / "links"),
        )

    assert f"no wheel for Python {PYTHON} on Linux arm64" in caught.value.problems[0].message
    assert "fast==1.0" in caught.value.problems[0].message


def test_wheels_are_for_the_python_of_the_image() -> None:
    """The image's base and the wheels agree on the version."""
    assert f"python:{PYTHON}-" in BASE_IMAGE
