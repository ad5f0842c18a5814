"""What the tests of the worker image share: an engine, a registry, a base, and the image itself, each made once.

These tests need docker, or root on a Debian, and some minutes: `make test-image` runs them, `make test` does not.
Where they can't be run they are skipped, with the reason; GRAPESHOT_TEST_IMAGE_REQUIRED makes failures of that.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from required import skipped_fails

if TYPE_CHECKING:
    import docker

    from grapeshot_launcher.cloud.image import PublishedImage
    from image.debian import Programs
    from image.loopback_registry import LoopbackEcr

ASKED = bool(os.environ.get("GRAPESHOT_TEST_IMAGE"))
BASE = os.environ.get("GRAPESHOT_TEST_BASE_IMAGE")  # use this one; else the usual one where it can be had

REQUIRED = bool(os.environ.get("GRAPESHOT_TEST_IMAGE_REQUIRED"))

collect_ignore_glob = [] if ASKED else ["*.py"]


pytest_runtest_makereport = skipped_fails(REQUIRED)


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A short-named folder: the path of a socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="gs-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def programs(place: Path) -> Programs:
    """The registry, and the engine where none runs."""
    from image.debian import Unavailable
    from image.debian import programs as unpack
    from image.docker_engine import running_engine

    packages = ["docker-registry"] if running_engine() else ["docker-registry", "docker.io"]
    try:
        return unpack(packages, place)
    except Unavailable as reason:
        pytest.skip(f"NOT TESTED: the worker image. {reason}")


@pytest.fixture(scope="session")
def engine(place: Path, programs: Programs) -> Iterator[str]:
    """The address of a docker engine."""
    from image.debian import Unavailable
    from image.docker_engine import mounts_below, own_engine, running_engine

    running = running_engine()
    if running:
        yield running
        return
    folder = place / "e"
    folder.mkdir()
    with ExitStack() as stack:
        try:
            host = stack.enter_context(own_engine(programs, folder))
        except Unavailable as reason:
            pytest.skip(f"NOT TESTED: the worker image. {reason}")
        yield host
    assert mounts_below(folder) == []


@pytest.fixture(scope="session")
def client(engine: str) -> Iterator[docker.DockerClient]:
    """The docker SDK, connected."""
    import docker

    connected = docker.DockerClient(base_url=engine, timeout=300)
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def base_image(client: docker.DockerClient, place: Path) -> str:
    """The base to build on: the one that users get, else one from Debian's packages."""
    import docker

    from grapeshot_launcher.cloud.recipe import BASE_IMAGE
    from image.stand_in_base import make_base

    if BASE:
        return BASE
    try:
        client.images.pull(BASE_IMAGE)
    except docker.errors.APIError:
        return make_base(client, place / "base")
    return BASE_IMAGE


@pytest.fixture(scope="session")
def ecr(place: Path, programs: Programs) -> Iterator[LoopbackEcr]:
    """An ECR whose images are in a real registry on this machine."""
    from image.loopback_registry import LoopbackEcr, registry

    folder = place / "r"
    folder.mkdir()
    with registry(programs, folder) as address:
        yield LoopbackEcr(address)


@pytest.fixture(scope="session")
def published(ecr: LoopbackEcr, engine: str, base_image: str, client: docker.DockerClient) -> PublishedImage:
    """The image of this machine's architecture, built, pushed, and pulled back."""
    from grapeshot_launcher.cloud.engine import Engine
    from grapeshot_launcher.cloud.image import publish
    from image.loopback_registry import PASSWORD, USER

    native = "arm64" if client.version()["Arch"] == "arm64" else "x86_64"
    image = publish(
        ecr,
        architecture=native,  # type: ignore[arg-type]  # one of the two
        say=print,
        base_image=base_image,
        network="host",
        connect=lambda: Engine.connect(engine),
    )
    client.images.remove(f"{image.repository.uri}:{image.tag}", force=True)
    client.images.pull(image.uri, auth_config={"username": USER, "password": PASSWORD})
    return image
