"""What the worker image leaves out of its dependencies, and that they work without it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import slim

ZSTANDARD = importlib.util.find_spec("zstandard")
BOTOCORE = importlib.util.find_spec("botocore")


def test_a_compiled_module_works_without_its_symbols(tmp_path: Path) -> None:
    """A module of ten megabytes, nearly all of it for debuggers, is loaded as before."""
    assert ZSTANDARD is not None
    assert ZSTANDARD.origin is not None
    package = tmp_path / "zstandard"
    shutil.copytree(Path(ZSTANDARD.origin).parent, package)
    before = sum(path.stat().st_size for path in package.glob("*.so"))

    slim.slim(tmp_path)
    program = (
        "import zstandard; print(zstandard.__file__, zstandard.decompress(zstandard.compress(b'as before')))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )

    assert shown.stdout.split(maxsplit=1) == [str(package / "__init__.py"), "b'as before'\n"]
    assert sum(path.stat().st_size for path in package.glob("*.so")) < before / 2


def test_clients_of_the_two_services_are_made_without_the_others(tmp_path: Path) -> None:
    """Of what botocore knows of services, S3's and SQS's is left, and it is enough."""
    assert BOTOCORE is not None
    assert BOTOCORE.origin is not None
    shutil.copytree(Path(BOTOCORE.origin).parent, tmp_path / "botocore")

    slim.slim(tmp_path)
    program = (
        "from grapeshot_worker.aws import AwsMailbox; import botocore; print(botocore.__file__)\n"
        "AwsMailbox.open(region='eu-west-1', bucket='b', queue_url='q')"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{tmp_path}:{Path(slim.__file__).parent}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    services = {path.name for path in (tmp_path / "botocore" / "data").iterdir() if path.is_dir()}

    assert shown.stdout == f"{tmp_path / 'botocore' / '__init__.py'}\n"
    assert services == {"s3", "sqs"}


def test_what_is_no_module_of_this_kind_stays_as_it_is() -> None:
    """A text, a cut one and one for 32 bits are not touched."""
    for content in (b"", b"not a module", b"\x7fELF\x01\x01" + bytes(60)):
        assert slim.loaded(content) == content


def test_sources_of_compiled_modules_go_and_python_stays(tmp_path: Path) -> None:
    """A worker reads Python and compiled modules, not what they were made of; what went is counted."""
    for name in ("a/one.py", "a/one.pyx", "a/one.h", "a/one.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(100))

    taken = slim.slim(tmp_path)

    assert {what: size for what, size in taken.items() if size} == {"sources of compiled modules": 200}
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["one.json", "one.py"]
