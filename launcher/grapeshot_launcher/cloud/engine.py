"""The docker engine of this machine: builds, pushes, and says why when it can't.

Leaves to others: what its events mean (build_events), what is built (recipe), where it goes (image).
This and the emulator's containers are the only modules that import the docker SDK.

The classic builder is used, not BuildKit: it makes one manifest for one platform. BuildKit's attestations make an
index of it, which Lambda refuses.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from grapeshot_launcher.cloud.build_events import Say, base_failed, image_id, pulled, pushed_digest
from grapeshot_launcher.cloud.recipe import DOCKER_NAMES, Recipe
from grapeshot_launcher.errors import ImageFailed

if TYPE_CHECKING:
    from docker import APIClient

SILENCE_LIMIT = 600  # seconds without a word after which the engine is given up
LOCAL_NAME = "grapeshot-worker"

REMEDY = (
    "Start Docker (on Linux `sudo systemctl start docker`; on a Mac or Windows start Docker Desktop). An engine "
    "elsewhere is named by DOCKER_HOST. Without one, publish from a machine that has Docker, such as a GitHub runner."
)
REMEDY_DENIED = (
    "Join the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or use rootless Docker."
)


class Engine:
    """A docker engine that answers. Make it with `connect`; use it as a context, so that its connection is closed."""

    def __init__(self, api: APIClient, platform: str) -> None:
        self.api, self.platform = api, platform

    @classmethod
    def connect(cls, host: str | None = None, *, connections: int = 10) -> Engine:
        """Connect to `host`, or the engine the `docker` command would use; ImageFailed when none answers.

        `connections` are kept open at most, for calls at the same time.
        """
        # Imported late: of all commands, only those for images need it.
        from docker import APIClient
        from docker.context import ContextAPI
        from docker.utils import kwargs_from_env

        with failures():
            if host is None and not os.environ.get("DOCKER_HOST"):
                host = ContextAPI.get_current_context().Host
            where: dict[str, Any] = {"base_url": host} if host else dict(kwargs_from_env())
            api = APIClient(**where, version="auto", timeout=SILENCE_LIMIT, max_pool_size=connections)
            about = api.version()
        return cls(api, f"{about['Os']}/{about['Arch']}")

    def __enter__(self) -> Engine:
        """Keep the connection."""
        return self

    def __exit__(self, *reason: object) -> None:
        """Close the connection."""
        self.api.close()

    def build(self, recipe: Recipe, *, say: Say, network: str | None = None) -> str:
        """Build an image and give its id; `network` is the one its first stage uses (`host`, for example)."""
        base = self._base(recipe.base_image, recipe.platform, say)
        first = self._base(recipe.base_image, self.platform, say)
        with failures():
            # No platform=: it would hold for both stages, and the first one runs on this machine's own.
            events = self.api.build(
                fileobj=io.BytesIO(recipe.context()),
                custom_context=True,
                tag=f"{LOCAL_NAME}:{recipe.tag}",
                buildargs={
                    "BASE_IMAGE": base,
                    "BUILD_IMAGE": first,
                    "BUILDPLATFORM": self.platform,
                    "TARGETPLATFORM": recipe.platform,
                    "TARGETARCH": DOCKER_NAMES[recipe.architecture],
                },
                network_mode=network,
                rm=True,
                forcerm=True,
                decode=True,
            )
            with _to_the_end(events):
                built = image_id(events, say)
            self._check(built, recipe)
        return built

    def find(self, image: str) -> str | None:
        """Give the id of an image by its name on this machine, None if it has none."""
        from docker.errors import ImageNotFound

        with failures():
            try:
                return str(self._inspect(image)["Id"])
            except ImageNotFound:
                return None

    def size(self, image: str) -> int:
        """Give the bytes an image takes on this machine."""
        with failures():
            return int(self._inspect(image)["Size"])

    def push(self, image: str, *, uri: str, tag: str, login: tuple[str, str], say: Say) -> str:
        """Push an image and give the digest the registry knows it by; `login` is user and password."""
        user, password = login
        with failures():
            self.api.tag(image, uri, tag, force=True)
            events = self.api.push(
                uri, tag, stream=True, decode=True, auth_config={"username": user, "password": password}
            )
            with _to_the_end(events):
                return pushed_digest(events, say)

    def _base(self, name: str, platform: str, say: Say) -> str:
        """Give the id of a base image for one platform, pulled where it is not here.

        One name stands for one platform at a time, so a build that needs two of them has to go by their ids. (An
        engine that keeps all platforms of an image gives the same id twice, and tells them apart by itself.)
        """
        from docker.errors import APIError, ImageNotFound
        from docker.utils import parse_repository_tag

        with failures():
            try:
                found = self._inspect(name)
                if f"{found['Os']}/{found['Architecture']}" == platform:
                    return str(found["Id"])
            except ImageNotFound:
                pass
            say(f"Pulling {name} for {platform}")
            repository, tag = parse_repository_tag(name)
            try:
                events = self.api.pull(
                    repository, tag or "latest", stream=True, decode=True, platform=platform
                )
                with _to_the_end(events):
                    pulled(events, say)
                return str(self._inspect(name)["Id"])
            except APIError as error:
                raise base_failed(str(error.explanation or error)) from error

    def _inspect(self, image: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.inspect_image(image)  # type: ignore[no-untyped-call]  # a gap of the stubs
        return found

    def _check(self, image: str, recipe: Recipe) -> None:
        made_for = self._inspect(image)["Architecture"]
        if made_for != DOCKER_NAMES[recipe.architecture]:
            raise ImageFailed(
                f"The image was made for {made_for}, not for {recipe.architecture}.",
                cause=f"The base image {recipe.base_image} is not there for {recipe.platform}.",
                remedy="Name a base image that is, with --base-image.",
            )


@contextmanager
def _to_the_end(events: Iterator[Any]) -> Iterator[None]:
    """Read what comes after a failure too: a stream that is left half read keeps its connection."""
    try:
        yield
    except ImageFailed:
        for _ in events:
            pass
        raise


@contextmanager
def failures() -> Iterator[None]:
    """Tell what goes wrong between us and the engine in words for a person: what the SDK raises, as ImageFailed."""
    import requests
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        raise ImageFailed(
            "The docker engine refused.", cause=str(error.explanation or error), remedy=REMEDY
        ) from error
    except requests.ReadTimeout as error:
        raise ImageFailed(
            "The docker engine stopped answering.",
            cause=f"It said nothing for {SILENCE_LIMIT} s.",
            remedy="Restart Docker and repeat; what was built is kept.",
        ) from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> ImageFailed:
    said = str(error)
    for sign, cause, remedy in UNREACHABLE:
        if sign in said:
            return ImageFailed("There is no docker engine to build with.", cause=cause, remedy=remedy)
    return ImageFailed("There is no docker engine to build with.", cause=said, remedy=REMEDY)


UNREACHABLE = (
    (
        "No such file or directory",
        "Docker is not installed here, or it is not running: its socket does not exist.",
        REMEDY,
    ),
    ("Connection refused", "Docker is not running: nobody listens at its address.", REMEDY),
    ("Permission denied", "This user may not use the docker engine.", REMEDY_DENIED),
)  # what the error says · the cause · what to do
