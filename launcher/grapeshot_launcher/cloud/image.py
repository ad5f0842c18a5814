"""The story of the worker image: built on this machine, published to ECR once for each content.

Leaves to others: what it is made of (recipe), the engine that makes it (engine), where it is kept (repository).

Publishing asks the registry first: an image whose tag is there already is neither built nor pushed, and no docker
engine is needed. After a push everything is read back from the registry, because its answer is what Lambda will see:
the digest, and that it is one image and no index of several.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from grapeshot_launcher.cloud.build_events import Say
from grapeshot_launcher.cloud.engine import LOCAL_NAME, Engine
from grapeshot_launcher.cloud.recipe import BASE_IMAGE, Recipe, read_recipe
from grapeshot_launcher.cloud.repository import Ecr, Repository, StoredImage, ensure_repository
from grapeshot_launcher.cloud.resources import PREFIX, REPOSITORY, Architecture
from grapeshot_launcher.errors import ImageFailed

SINGLE_IMAGES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
    }
)  # what Lambda takes; an index or a manifest list it refuses


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltImage:
    """An image on this machine; `size` in bytes, unpacked."""

    id: str
    recipe: Recipe
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedImage:
    """An image in ECR; `fresh` says that it was pushed just now."""

    repository: Repository
    tag: str
    stored: StoredImage
    fresh: bool

    @property
    def uri(self) -> str:
        """Give the name that never means another image: repository and digest."""
        return f"{self.repository.uri}@{self.stored.digest}"


Connect = Callable[[], Engine]


def build(
    architecture: Architecture,
    *,
    say: Say,
    base_image: str = BASE_IMAGE,
    network: str | None = None,
    connect: Connect = Engine.connect,
) -> BuiltImage:
    """Build the image of this version for one architecture, on this machine's docker engine.

    `say` gets lines of progress. Raises ImageFailed.
    """
    recipe = read_recipe(architecture, base_image=base_image)
    with connect() as engine:
        return _build(engine, recipe, say=say, network=network)


def ensure_built(engine: Engine, recipe: Recipe, *, say: Say, network: str | None = None) -> str:
    """Give the id of a recipe's image on this machine, built unless the engine has it; its tag tells."""
    return engine.find(f"{LOCAL_NAME}:{recipe.tag}") or _build(engine, recipe, say=say, network=network).id


def publish(
    ecr: Ecr,
    *,
    architecture: Architecture,
    say: Say,
    repository: str = REPOSITORY,
    prefix: str = PREFIX,
    base_image: str = BASE_IMAGE,
    network: str | None = None,
    connect: Connect = Engine.connect,
) -> PublishedImage:
    """Put the image of this version into the region of `ecr`, unless it is there.

    Functions whose names begin with `prefix` may use it. Raises ImageFailed, and what `ecr` raises.
    """
    recipe = read_recipe(architecture, base_image=base_image)
    home = ensure_repository(ecr, repository, prefix=prefix, say=say)
    stored = ecr.ecr_image(repository, recipe.tag)
    if stored is not None:
        say(f"Nothing to push: {home.uri}:{recipe.tag} is there.")
        return PublishedImage(repository=home, tag=recipe.tag, stored=_single(stored), fresh=False)
    with connect() as engine:
        built = _build(engine, recipe, say=say, network=network)
        say(f"Pushing to {home.uri}:{recipe.tag}")
        pushed = _push(engine, built, ecr, home, say=say)
    stored = ecr.ecr_image(repository, recipe.tag)
    if stored is None or (pushed is not None and stored.digest != pushed):
        raise ImageFailed(
            "The registry does not have the image that was pushed.",
            cause=f"Pushed was {pushed}; under the tag {recipe.tag} is {stored.digest if stored else 'nothing'}.",
            remedy="Repeat; if it stays, delete the tag in ECR.",
        )
    return PublishedImage(repository=home, tag=recipe.tag, stored=_single(stored), fresh=pushed is not None)


def _build(engine: Engine, recipe: Recipe, *, say: Say, network: str | None) -> BuiltImage:
    say(f"Building the worker image for {recipe.architecture}, from {recipe.base_image}")
    image = engine.build(recipe, say=say, network=network)
    built = BuiltImage(id=image, recipe=recipe, size=engine.size(image))
    say(f"Built {image}, {built.size / 1e6:.0f} MB unpacked")
    return built


def _push(engine: Engine, built: BuiltImage, ecr: Ecr, home: Repository, *, say: Say) -> str | None:
    """Push, and give the digest; None when another was faster, whose image then stands under the immutable tag."""
    login = credentials(ecr.ecr_authorization_token())
    try:
        return engine.push(built.id, uri=home.uri, tag=built.recipe.tag, login=login, say=say)
    except ImageFailed:
        if ecr.ecr_image(home.name, built.recipe.tag) is None:
            raise
        say("Another publisher was faster; its image has the same content.")
        return None


def credentials(token: str) -> tuple[str, str]:
    """Read user and password from a token of GetAuthorizationToken.

    >>> credentials("QVdTOnNlY3JldA==")
    ('AWS', 'secret')
    """
    try:
        login = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        login = ""
    user, separator, password = login.partition(":")
    if not separator:
        raise ImageFailed(
            "The registry's login can't be read.", cause="ECR gave no `user:password`.", remedy="Repeat."
        )
    return user, password


def _single(stored: StoredImage) -> StoredImage:
    """Refuse what Lambda would refuse, before a function is made of it."""
    if stored.media_type not in SINGLE_IMAGES:
        raise ImageFailed(
            "Lambda can't use the image in the registry: it is an index, not a single image.",
            cause=f"Its media type is {stored.media_type}; build attestations and multi-platform builds make such.",
            remedy="Delete this tag in ECR and publish with `grapeshot image publish`, which makes single images.",
        )
    return stored
