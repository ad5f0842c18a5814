"""The worker image on this machine, for sandboxes that are containers: found or built, and tried.

Leaves to others: making it (cloud's image), running workers in it (container).

Before anything depends on it, one container is run within Lambda's limits. It says which Python the image has, for
packages with compiled parts must be for that one; and whether 127.0.0.1 is the launcher's own there, which it is not
where the engine runs on another machine or in a virtual one.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

from grapeshot_launcher.cloud.build_events import Say
from grapeshot_launcher.cloud.engine import Engine, failures
from grapeshot_launcher.cloud.image import ensure_built
from grapeshot_launcher.cloud.recipe import BASE_IMAGE, DOCKER_NAMES, read_recipe
from grapeshot_launcher.cloud.resources import Architecture
from grapeshot_launcher.errors import ImageFailed
from grapeshot_launcher.platforms.emulator.container import create

PYTHON = "/opt/grapeshot/bin/python3"  # the worker image's
TRIAL_MEMORY = 256  # MB
TRIAL_LIMIT = 60  # s
UNREACHED = 3  # the trial's exit code when it reaches nobody

_TRIAL = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
except OSError as error:
    print(error)
    sys.exit(3)
print("python", "%d.%d" % sys.version_info[:2])
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalImage:
    """An image that the engine of this machine runs: its id, the processor it is for, and its Python, as `3.13`."""

    id: str
    architecture: Architecture
    python: str


def local_image(
    engine: Engine,
    *,
    label: str,
    asked: str | None,
    say: Say,
    base_image: str = BASE_IMAGE,
    network: str | None = None,
) -> LocalImage:
    """Give the image that was `asked` for by its name on this machine; else this version's, built if it is not there.

    `label` is for the container that is run. Raises ImageFailed for an image that is not there or is no worker image,
    and when it can't be built or run.
    """
    architecture = _architecture(engine.platform)
    if asked is None:
        image = ensure_built(
            engine, read_recipe(architecture, base_image=base_image), say=say, network=network
        )
    else:
        found = engine.find(asked)
        if found is None:
            raise ImageFailed(
                f"The docker engine has no image {asked}.",
                cause="With --emulate=docker, --image names an image on this machine, and none is fetched.",
                remedy=f"Fetch it (`docker pull {asked}`), or leave --image out: then the image is built here.",
            )
        image = found
    return LocalImage(id=image, architecture=architecture, python=_tried(engine, image, label))


def _architecture(platform: str) -> Architecture:
    for architecture, name in DOCKER_NAMES.items():
        if platform == f"linux/{name}":
            return architecture
    raise ImageFailed(
        f"The docker engine runs containers for {platform}, which the worker image is not made for.",
        remedy="Use an engine for linux/amd64 or linux/arm64, or --emulate, which needs none.",
    )


def _tried(engine: Engine, image: str, label: str) -> str:
    """Run the image once and give the version of its Python."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        code, said = _run(engine, image, label, str(listening.getsockname()[1]))
    if code == UNREACHED:
        raise ImageFailed(
            f"Containers can't reach 127.0.0.1 of this machine: {said}.",
            cause="The docker engine runs on another machine or in a virtual one, as Docker Desktop does.",
            remedy="Use an engine on this very Linux, or --emulate, which needs none. (Docker Desktop can be"
            " allowed host networking, in its settings under Resources.)",
        )
    word, _, version = said.partition(" ")
    if code or word != "python":
        raise ImageFailed(
            "The image does not run within the limits of Lambda.",
            cause=said or f"It ended with exit code {code} and said nothing.",
            remedy="Name an image that `grapeshot image build` has made for this machine's processor, or leave"
            " --image out.",
        )
    return version


def _run(engine: Engine, image: str, label: str, port: str) -> tuple[int, str]:
    """Give the trial's exit code and what it printed."""
    from docker.errors import APIError

    with failures():
        trial = create(
            engine.api,
            image,
            label=label,
            memory=TRIAL_MEMORY,
            entrypoint=[PYTHON, "-c", _TRIAL],
            command=[port],
        )
        try:
            try:
                engine.api.start(trial)
            except APIError as error:  # no such program in it, or one for another processor
                return 1, str(error.explanation or error)
            code = int(engine.api.wait(trial, timeout=TRIAL_LIMIT)["StatusCode"])
            return code, engine.api.logs(trial).decode("utf-8", "replace").strip()
        finally:
            with contextlib.suppress(APIError):
                engine.api.remove_container(trial, force=True)
