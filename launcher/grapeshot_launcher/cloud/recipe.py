"""What the worker image is made of, and the tag that follows from it.

Leaves to others: making the image (engine) and the story of it (image).

The tag is a hash over everything that shapes the image: the Dockerfile, every file of the worker, the pinned
dependencies, the base's name, the architecture. Equal content has an equal tag on every machine, whether it came
from a checkout or from installed packages; so "is it published?" is one question to the registry, and no image ever
changes under a function. A base that is named by a tag may change under that name: name it by digest
(`…@sha256:…`) where that matters.

The files come from the checkout this package stands in; else the worker's from the installed `grapeshot_worker`, and
the files beside it (BESIDE_THE_WORKER) from this package, into whose wheel they are copied when it is built.
There is one Dockerfile, at the root of the repository.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grapeshot_launcher.cloud.resources import Architecture
from grapeshot_launcher.errors import ImageFailed

BASE_IMAGE = (
    "public.ecr.aws/docker/library/python:3.13-slim-bookworm"  # the Dockerfile's default, in step by a test
)
PACKAGED = "image_files"  # the folder of this package that a wheel brings; a checkout has none
DOCKER_NAMES: Mapping[Architecture, str] = {"arm64": "arm64", "x86_64": "amd64"}
COMPILED = {".pyc", ".so"}  # what is made of the files
TAG_LENGTH = 16  # hex digits: two of a million recipes share a tag once in 10^7 worlds

BESIDE_THE_WORKER = {
    "Dockerfile": "Dockerfile",
    "worker/pyproject.toml": "worker-pyproject.toml",
    "worker/requirements.txt": "worker-requirements.txt",
    "worker/requirements-compile.txt": "worker-requirements-compile.txt",
    "worker/slim.py": "worker-slim.py",
    "worker/compile.py": "worker-compile.py",
}  # path in the build context → name in the packaged folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that shapes an image; `files` are path in the build context → content."""

    files: Mapping[str, bytes]
    base_image: str
    architecture: Architecture

    @property
    def tag(self) -> str:
        """Give the tag that the content earns, such as `arm64-5f2e8c0a9b1d7e34`."""
        digest = hashlib.sha256()
        for word in (self.base_image, self.architecture):
            digest.update(_framed(word.encode()))
        for path in sorted(self.files):
            digest.update(_framed(path.encode()) + _framed(self.files[path]))
        return f"{self.architecture}-{digest.hexdigest()[:TAG_LENGTH]}"

    @property
    def platform(self) -> str:
        """Give the platform as engines name it, such as `linux/amd64`."""
        return f"linux/{DOCKER_NAMES[self.architecture]}"

    def context(self) -> bytes:
        """Pack the files as the tar archive that an engine builds from; the same bytes for the same files."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path in sorted(self.files):
                member = tarfile.TarInfo(path)
                member.size, member.mode = len(self.files[path]), 0o644
                tar.addfile(member, io.BytesIO(self.files[path]))
        return archive.getvalue()


def read_recipe(
    architecture: Architecture,
    *,
    base_image: str = BASE_IMAGE,
    launcher: Path | None = None,
    worker: Path | None = None,
) -> Recipe:
    """Read the recipe of this version's image.

    `launcher` and `worker` are the folders of the two packages, by default those in use. Raises ImageFailed when a
    file is missing.
    """
    import grapeshot_worker

    here = launcher or Path(__file__).parent.parent
    beside, package = _places(here, worker or Path(str(grapeshot_worker.__file__)).parent)
    try:
        files = {path: place.read_bytes() for path, place in beside.items()}
        files |= {f"worker/grapeshot_worker/{name}": place.read_bytes() for name, place in _modules(package)}
    except OSError as error:
        raise ImageFailed(
            "The files the worker image is made of can't be read.",
            cause=f"{error.filename}: {error.strerror}",
            remedy="Install grapeshot-launcher from a wheel, or run it from a whole checkout.",
        ) from error
    return Recipe(files=files, base_image=base_image, architecture=architecture)


def _places(launcher: Path, worker: Path) -> tuple[dict[str, Path], Path]:
    """Say where each file beside the worker lies, and where the worker's package does."""
    packaged = launcher / "cloud" / PACKAGED
    if packaged.is_dir():
        return {path: packaged / name for path, name in BESIDE_THE_WORKER.items()}, worker
    root = launcher.parent.parent
    return {path: root / path for path in BESIDE_THE_WORKER}, root / "worker" / "grapeshot_worker"


def _modules(package: Path) -> Iterator[tuple[str, Path]]:
    if not package.is_dir():
        raise FileNotFoundError(2, "No such directory", str(package))
    for place in sorted(package.rglob("*")):
        name = place.relative_to(package)
        if place.is_file() and "__pycache__" not in name.parts and place.suffix not in COMPILED:
            yield str(PurePosixPath(name)), place


def _framed(content: bytes) -> bytes:
    """Write content so that no two sequences of contents look alike once joined."""
    return len(content).to_bytes(8, "big") + content
