"""A base image with Python from Debian's packages, for machines that reach no public registry.

Leaves to others: unpacking the packages (debian).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import ssl
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import docker

from image.debian import system

NAME, TAG = "grapeshot-test-base", "latest"
# With the headers of Python, as the images of docker have it.
PACKAGES = ("python3", "python3-pip", "libpython3-dev", "coreutils", "dash", "libc-bin", "libstdc++6")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
PIP_SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_PROXY")  # of this machine


def make_base(client: docker.DockerClient, place: Path) -> str:
    """Make the image from nothing and give its name."""
    root = system(PACKAGES, place)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    shutil.copy(ssl.get_default_verify_paths().cafile or AUTHORITIES, root / AUTHORITIES[1:])
    environ = {name: os.environ[name] for name in PIP_SETTINGS if name in os.environ} | {
        "PIP_CERT": AUTHORITIES
    }
    changes = [f"ENV {name}={value}" for name, value in environ.items()]
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
        answer = client.api.import_image_from_stream(tar.stdout, repository=NAME, tag=TAG, changes=changes)
    assert "error" not in answer, answer
    return f"{NAME}:{TAG}"


def load_empty(client: docker.DockerClient, name: str, *, architecture: str) -> None:
    """Make an image of one empty layer that says it is for an architecture."""
    layer = _archive({})
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    client.images.load(_archive(files))


def _archive(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()
