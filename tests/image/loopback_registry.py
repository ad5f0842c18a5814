"""A real registry on 127.0.0.1 that asks for a login, and an ECR in front of it.

Leaves to others: where its program comes from (debian).
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
import requests

from grapeshot_launcher.cloud.repository import Repository, StoredImage
from image.debian import Programs

USER, PASSWORD = "AWS", "a-token-of-twelve-hours"
ACCOUNT = "arn:aws:ecr:eu-west-1:123456789012:repository/"
SINGLE = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"


@contextlib.contextmanager
def registry(programs: Programs, place: Path) -> Iterator[str]:
    """Serve a registry; gives its `127.0.0.1:port`."""
    secret = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$", 1)
    (place / "htpasswd").write_text(f"{USER}:{secret}\n")
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(place / "blobs")}},
        "http": {"addr": "127.0.0.1:0", "secret": "of no use to anybody"},
        "auth": {"htpasswd": {"realm": "test", "path": str(place / "htpasswd")}},
    }
    (place / "config.yml").write_text(json.dumps(settings))
    command = [programs.path("docker-registry"), "serve", str(place / "config.yml")]
    with subprocess.Popen(
        command, env=programs.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            address = next(
                found[1]
                for line in process.stderr
                if (found := re.search(r"listening on (127\.0\.0\.1:\d+)", line))
            )
            # Its log would fill the pipe: a reader of its own takes it away.
            with subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL):
                yield address
                process.terminate()
        finally:
            process.terminate()


@dataclass
class LoopbackEcr:
    """Speaks ECR for a plain registry; keeps the repositories' settings in memory."""

    address: str
    password: str = PASSWORD
    repositories: dict[str, Repository] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    lifecycles: dict[str, str] = field(default_factory=dict)

    def ecr_repository(self, name: str) -> Repository | None:
        return self.repositories.get(name)

    def ecr_create_repository(self, name: str) -> Repository | None:
        self.repositories[name] = Repository(name=name, arn=ACCOUNT + name, uri=f"{self.address}/{name}")
        return self.repositories[name]

    def ecr_put_lifecycle_policy(self, name: str, policy: str) -> None:
        self.lifecycles[name] = policy

    def ecr_repository_policy(self, name: str) -> str | None:
        return self.policies.get(name)

    def ecr_set_repository_policy(self, name: str, policy: str) -> None:
        self.policies[name] = policy

    def ecr_image(self, name: str, tag: str) -> StoredImage | None:
        answer = requests.get(
            f"http://{self.address}/v2/{name}/manifests/{tag}",
            headers={"Accept": f"{SINGLE}, {LIST}, {OCI}"},
            auth=(USER, PASSWORD),
            timeout=10,
        )
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return StoredImage(
            digest=answer.headers["Docker-Content-Digest"],
            media_type=answer.headers["Content-Type"],
            size=sum(layer["size"] for layer in answer.json().get("layers", [])),
        )

    def ecr_authorization_token(self) -> str:
        return base64.b64encode(f"{USER}:{self.password}".encode()).decode()


def put_list(
    address: str, name: str, tag: str, images: dict[str, StoredImage], sizes: dict[str, int]
) -> None:
    """Put a list of images, architecture → image, under one tag: what a public base image is."""
    manifests = [
        {
            "mediaType": image.media_type,
            "digest": image.digest,
            "size": sizes[architecture],
            "platform": {"os": "linux", "architecture": architecture},
        }
        for architecture, image in images.items()
    ]
    requests.put(
        f"http://{address}/v2/{name}/manifests/{tag}",
        data=json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": manifests}),
        headers={"Content-Type": LIST},
        auth=(USER, PASSWORD),
        timeout=10,
    ).raise_for_status()


def manifest_size(address: str, name: str, tag: str) -> int:
    """Give the bytes of a manifest."""
    answer = requests.get(
        f"http://{address}/v2/{name}/manifests/{tag}",
        headers={"Accept": SINGLE},
        auth=(USER, PASSWORD),
        timeout=10,
    )
    return len(answer.content)
