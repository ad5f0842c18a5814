"""Sandboxes as containers, on a real engine: found or built, started, frozen, thawed, ended, and taken away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import docker
import pytest

from grapeshot_launcher.cloud.engine import Engine
from grapeshot_launcher.cloud.recipe import read_recipe
from grapeshot_launcher.errors import ImageFailed
from grapeshot_launcher.platforms.emulator.body import RUNTIME_API, Birth
from grapeshot_launcher.platforms.emulator.container import Containers, SandboxContainer, labelled
from grapeshot_launcher.platforms.emulator.container_keeper import LABEL
from grapeshot_launcher.platforms.emulator.local_image import local_image
from image.lambda_container import run_inside
from image.runtime_stub import RuntimeApi, serve

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.image import PublishedImage
    from grapeshot_launcher.cloud.resources import Architecture

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def connected(engine: str) -> Iterator[Engine]:
    with Engine.connect(engine) as made:
        yield made


@pytest.fixture
def label(connected: Engine) -> Iterator[str]:
    with labelled(connected) as made:
        yield made


def born(api: RuntimeApi, name: str) -> Birth:
    environ = {RUNTIME_API: api.address, "AWS_LAMBDA_FUNCTION_NAME": "f"}
    return Birth(name=name, handler="grapeshot_worker.handler.handler", memory=512, environ=environ)


def states(client: docker.DockerClient, label: str) -> list[str]:
    found = client.containers.list(all=True, filters={"label": f"{LABEL}={label}"})
    return [each.status for each in found]


def test_the_image_is_built_once(
    connected: Engine, label: str, client: docker.DockerClient, base_image: str, published: PublishedImage
) -> None:
    """It is built when the engine lacks its tag, and found the next time; both have the Python of their base."""
    architecture: Architecture = "arm64" if published.tag.startswith("arm64") else "x86_64"
    recipe = read_recipe(architecture, base_image=base_image)
    client.images.remove(f"grapeshot-worker:{recipe.tag}")
    said: list[str] = []

    def make() -> tuple[list[str], object]:
        said.clear()
        found = local_image(
            connected, label=label, asked=None, say=said.append, base_image=base_image, network="host"
        )
        return list(said), found

    (first, built), (second, found) = make(), make()
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    python = run_inside(client, published.uri, ["/opt/grapeshot/bin/python3", "-c", code]).strip()

    assert first[0].startswith("Building the worker image")
    assert second == []
    assert found == built
    assert (found.architecture, found.python) == (architecture, python)  # type: ignore[attr-defined]
    assert states(client, label) == []


def test_an_image_of_another_kind_is_refused(connected: Engine, label: str, base_image: str) -> None:
    """It has no worker in it, which is told before anything depends on it."""
    with pytest.raises(ImageFailed) as caught:
        local_image(connected, label=label, asked=base_image, say=print)

    assert caught.value.message == "The image does not run within the limits of Lambda."
    assert "/opt/grapeshot/bin/python3" in caught.value.cause


def test_an_image_that_is_not_here_is_not_fetched(connected: Engine, label: str) -> None:
    """The remedy is the command that fetches it."""
    with pytest.raises(ImageFailed) as caught:
        local_image(connected, label=label, asked="example/worker:1", say=print)

    assert "docker pull example/worker:1" in caught.value.remedy


def test_a_frozen_container_stands_still_and_goes_on(
    connected: Engine, label: str, client: docker.DockerClient, published: PublishedImage
) -> None:
    """Nothing is answered while it is frozen; thawed, it answers, and what it prints comes line by line."""

    async def main(api: RuntimeApi) -> None:
        body = await Containers(connected.api, published.uri, label=label).start(born(api, "f/1"))
        await asyncio.to_thread(api.invoke, {"n": 1})
        await body.freeze()
        assert states(client, label) == ["paused"]
        api.events.put(b'{"n": 2}')
        assert api.answers.empty()
        await body.thaw()
        await asyncio.to_thread(api.answers.get, timeout=30)
        await _ended(body)
        printed = await body.output.read()
        assert printed.decode().count("Nothing was done: this is no invocation of Grapeshot") == 2

    with serve() as api:
        asyncio.run(main(api))

    assert states(client, label) == []


@pytest.mark.parametrize("frozen", [False, True])
def test_a_container_ends_frozen_or_not(
    connected: Engine, label: str, client: docker.DockerClient, published: PublishedImage, frozen: bool
) -> None:
    """Within seconds, with the code of the signal; nothing of it is left."""

    async def main(api: RuntimeApi) -> int:
        body = await Containers(connected.api, published.uri, label=label).start(born(api, "f/2"))
        await asyncio.to_thread(api.invoke, {})
        if frozen:
            await body.freeze()
        return await _ended(body)

    began = time.monotonic()
    with serve() as api:
        code = asyncio.run(main(api))

    assert code == -9
    assert time.monotonic() - began < 30
    assert states(client, label) == []


def test_a_program_that_ends_by_itself_gives_its_code(
    connected: Engine, label: str, published: PublishedImage
) -> None:
    """A handler that does not exist: the runtime says so, and leaves."""

    async def main(api: RuntimeApi) -> tuple[int, str]:
        birth = Birth(name="f/3", handler="no.handler", memory=512, environ={RUNTIME_API: api.address})
        body = await Containers(connected.api, published.uri, label=label).start(birth)
        code = await asyncio.wait_for(body.wait(), 60)
        return code, (await body.output.read()).decode()

    with serve() as api:
        code, printed = asyncio.run(main(api))

    assert code == 1, printed
    assert "no" in printed


async def _ended(body: SandboxContainer) -> int:
    body.kill()
    body.kill()
    return await asyncio.wait_for(body.wait(), 30)
