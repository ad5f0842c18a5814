"""Which image the workers run: what was asked for, or this version's, always by its digest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from grapeshot_launcher.cloud.errors import Missing
from grapeshot_launcher.cloud.find_image import find_image
from grapeshot_launcher.cloud.recipe import read_recipe
from grapeshot_launcher.cloud.resources import Site
from grapeshot_launcher.errors import ImageFailed

SITE = Site(account="123456789012", region="eu-west-1")
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = "sha256:" + "a" * 64


@dataclass
class Registry:
    """An SDK whose ECR holds some images by account, repository and tag."""

    images: dict[tuple[str, str, str], str] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self

    @contextmanager
    def calling(self, action: str, resource: str) -> Iterator[None]:
        self.actions.append(action)
        yield

    def batch_get_image(self, **asked: Any) -> dict[str, Any]:
        repository = (asked["registryId"], asked["repositoryName"])
        if not any(repository == key[:2] for key in self.images):
            raise Missing("no repository")
        digest = self.images.get((*repository, asked["imageIds"][0]["imageTag"]))
        return {"images": [{"imageId": {"imageDigest": digest}}] if digest else [], "failures": []}


def find(registry: Registry, asked: str | None, *, site: Site = SITE) -> str:
    return find_image(registry, site, asked=asked, repository="grapeshot-worker", architecture="arm64")


def test_this_version_s_image_is_looked_up_by_its_tag() -> None:
    """With the one call to ECR that the documented policy allows."""
    registry = Registry({("123456789012", "grapeshot-worker", read_recipe("arm64").tag): DIGEST})

    assert find(registry, None) == f"{REGISTRY}/grapeshot-worker@{DIGEST}"
    assert registry.actions == ["ecr:BatchGetImage"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (DIGEST, f"{REGISTRY}/grapeshot-worker@{DIGEST}"),
        (f"{REGISTRY}/other@{DIGEST}", f"{REGISTRY}/other@{DIGEST}"),
    ],
)
def test_a_digest_needs_no_call(asked: str, expected: str) -> None:
    """It can mean one image only."""
    registry = Registry()

    assert find(registry, asked) == expected
    assert registry.actions == []


def test_an_address_with_a_tag_is_pinned_to_its_digest() -> None:
    """Also in the registry of another account."""
    registry = Registry({("210987654321", "team/worker", "v1"): DIGEST})
    address = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/worker"

    assert find(registry, f"{address}:v1") == f"{address}@{DIGEST}"


@pytest.mark.parametrize("images", [{}, {("123456789012", "grapeshot-worker", "old"): DIGEST}])
def test_an_image_that_was_not_published_says_how_to(images: dict[tuple[str, str, str], str]) -> None:
    """For the run's region."""
    with pytest.raises(ImageFailed) as caught:
        find(Registry(images), None)

    assert "grapeshot image publish --region eu-west-1" in caught.value.remedy


def test_what_is_no_image_is_refused() -> None:
    """A bare name could be anything."""
    with pytest.raises(ImageFailed, match="neither an address nor a digest"):
        find(Registry(), "worker")


def test_china_has_its_own_addresses() -> None:
    """The registry's name ends in .cn there."""
    site = Site(account="1" * 12, region="cn-north-1")

    assert find(Registry(), DIGEST, site=site).startswith(f"{'1' * 12}.dkr.ecr.cn-north-1.amazonaws.com.cn/")
