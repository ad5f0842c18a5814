"""Which image the workers run: the one that was asked for, or this version's in the account's own repository.

Leaves to others: making and publishing it (image).

Asked for by its tag, an image is looked up with BatchGetImage, the one call to ECR that a run may make.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import Any, Protocol

from grapeshot_launcher.cloud.errors import Missing
from grapeshot_launcher.cloud.recipe import read_recipe
from grapeshot_launcher.cloud.resources import Architecture, Site
from grapeshot_launcher.errors import ImageFailed, ImageUnpublished

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY = re.compile(r"^(\d{12}\.dkr[.-]ecr(?:-fips)?\.)[a-z0-9-]+(\.[^/]+/)")
_NAMED = re.compile(r"(?P<registry>[^/]+)/(?P<repository>[^@:]+)(?::(?P<tag>[^@]+))?")
SINGLE = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
]


class Sdk(Protocol):
    """What the lookup needs of `aws.Aws`."""

    def client(self, service: str) -> Any:
        """Give the SDK's client of a service."""

    def calling(self, action: str, resource: str) -> AbstractContextManager[None]:
        """Make an AwsError of whatever the SDK raises."""
        ...


def find_image(
    aws: Sdk, site: Site, *, asked: str | None, repository: str, architecture: Architecture
) -> str:
    """Give the image's address by its digest.

    `asked` is an address, with digest or tag, or a digest alone; None means this version's image. Raises
    ImageUnpublished when there is none, and ImageFailed for what is no address.
    """
    registry = (
        f"{site.account}.dkr.ecr.{site.region}.amazonaws.com{'.cn' if site.partition == 'aws-cn' else ''}"
    )
    if asked is None:
        tag = read_recipe(architecture).tag
        return f"{registry}/{repository}@{_digest(aws, site, repository, tag)}"
    if _DIGEST.fullmatch(asked):
        return f"{registry}/{repository}@{asked}"
    if "@" in asked:
        return asked
    named = _NAMED.fullmatch(asked)
    if named is None:
        raise ImageFailed(
            f"--image {asked} is neither an address nor a digest.",
            remedy="Give what `grapeshot image publish` has printed: REGISTRY/REPOSITORY@sha256:… or sha256:….",
        )
    digest = _digest(aws, site, named["repository"], named["tag"] or "latest", named["registry"])
    return f"{named['registry']}/{named['repository']}@{digest}"


def in_region(asked: str, region: str) -> str:
    """Give an image's address in another region's registry of the same account, as ECR replicates images.

    >>> in_region("123456789012.dkr.ecr.eu-west-1.amazonaws.com/worker:1", "us-east-1")
    '123456789012.dkr.ecr.us-east-1.amazonaws.com/worker:1'
    >>> in_region("sha256:" + "0" * 64, "us-east-1")[:8]
    'sha256:0'
    """
    return _REGISTRY.sub(rf"\g<1>{region}\g<2>", asked)


def _digest(aws: Sdk, site: Site, repository: str, tag: str, registry: str = "") -> str:
    account = registry.split(".")[0] if re.match(r"\d{12}\.", registry) else site.account
    try:
        with aws.calling("ecr:BatchGetImage", f"repository {repository}"):
            answer = aws.client("ecr").batch_get_image(
                registryId=account,
                repositoryName=repository,
                imageIds=[{"imageTag": tag}],
                acceptedMediaTypes=SINGLE,
            )
    except Missing as error:
        raise _unpublished(site, f"There is no repository {repository} in {site.region}.") from error
    digests = {str(image["imageId"]["imageDigest"]) for image in answer.get("images", [])}
    if not digests:
        raise _unpublished(site, f"The repository {repository} has no image {tag} in {site.region}.")
    return digests.pop()


def _unpublished(site: Site, cause: str) -> ImageUnpublished:
    return ImageUnpublished(
        "The worker image is not in the region's registry.",
        cause=cause,
        remedy=f"Put it there, once: `grapeshot image publish --region {site.region}`; or add --publish to the run.",
    )
