"""The worker image in a container with the limits of Lambda.

Leaves to others: the events it gets (runtime_stub).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import docker
from docker.models.containers import Container

MEMORY = 1769 << 20  # bytes: what gets one vCPU
LIMITS: dict[str, Any] = {
    "network_mode": "host",  # the target and the Runtime API are on this machine's loopback
    "read_only": True,
    "tmpfs": {"/tmp": "rw,size=512m,mode=1777"},
    "ipc_mode": "none",  # no /dev/shm
    "ulimits": [docker.types.Ulimit(name="nofile", soft=1024, hard=1024)],
    "mem_limit": MEMORY,
    "memswap_limit": MEMORY,
    "pids_limit": 1024,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "user": "993:990",  # Lambda's own user, whatever the image says
}
SETTINGS = {
    "AWS_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_NAME": "artilleryio-test",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "LAMBDA_TASK_ROOT": "/var/task",
}


@contextlib.contextmanager
def sandbox(
    client: docker.DockerClient, image: str, runtime_api: str, *, environ: Mapping[str, str] | None = None
) -> Iterator[Container]:
    """Start the image as Lambda does, and take it away afterwards."""
    settings = {**SETTINGS, "AWS_LAMBDA_RUNTIME_API": runtime_api, **(environ or {})}
    container = client.containers.run(image, detach=True, environment=settings, **LIMITS)
    try:
        yield container
    finally:
        container.remove(force=True)


def run_inside(client: docker.DockerClient, image: str, command: Sequence[str], **limits: Any) -> str:
    """Run another command in the image, under the same limits, and give what it prints."""
    output: bytes = client.containers.run(
        image, list(command[1:]), entrypoint=[command[0]], remove=True, stderr=True, **{**LIMITS, **limits}
    )
    return output.decode()
