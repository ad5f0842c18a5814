"""The worker image in a container with the limits of Lambda, without a launcher.

Leaves to others: the limits (the emulator's container), the events it gets (runtime_stub).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import docker
from docker.models.containers import Container

from grapeshot_launcher.platforms.emulator.container import create

MEMORY = 1769  # MB: what gets one vCPU
SETTINGS = {
    "AWS_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_NAME": "artilleryio-test",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY),
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "LAMBDA_TASK_ROOT": "/var/task",
}


@contextlib.contextmanager
def sandbox(
    client: docker.DockerClient, image: str, runtime_api: str, *, environ: Mapping[str, str] | None = None
) -> Iterator[Container]:
    """Start the image as Lambda does, and take it away afterwards."""
    settings = {**SETTINGS, "AWS_LAMBDA_RUNTIME_API": runtime_api, **(environ or {})}
    created = create(client.api, image, label="test", memory=MEMORY, environment=settings)
    container = client.containers.get(created)
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True)


def run_inside(client: docker.DockerClient, image: str, command: Sequence[str]) -> str:
    """Run another command in the image, under the same limits, and give what it prints."""
    created = create(
        client.api, image, label="test", memory=MEMORY, entrypoint=[command[0]], command=command[1:]
    )
    container = client.containers.get(created)
    try:
        container.start()
        code, output = container.wait(timeout=60)["StatusCode"], container.logs().decode()
        assert code == 0, output
        return output
    finally:
        container.remove(force=True)
