"""The worker image for real: built, pushed with a login, pulled back, and run within the limits of Lambda."""

from __future__ import annotations

import base64
import io
import json
import struct
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

import compile as compiling  # worker/compile.py
from grapeshot_launcher.cloud.engine import Engine
from grapeshot_launcher.cloud.image import PublishedImage, build, publish
from grapeshot_launcher.errors import ImageFailed
from image.lambda_container import run_inside, sandbox
from image.loopback_registry import PASSWORD, SINGLE, USER, LoopbackEcr, manifest_size, put_list
from image.runtime_stub import serve
from image.stand_in_base import load_empty

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.resources import Architecture

pytestmark = pytest.mark.timeout(600)

PYTHON = "/opt/grapeshot/bin/python3"
ELF_MACHINES = {62: "amd64", 183: "arm64"}  # e_machine of the ELF header


def test_one_manifest_is_in_the_registry(published: PublishedImage, ecr: LoopbackEcr) -> None:
    """What Lambda will see is a single image, under the tag of its content and the digest that was given."""
    stored = ecr.ecr_image("grapeshot-worker", published.tag)

    assert published.fresh
    assert stored == published.stored
    assert stored.media_type == SINGLE
    assert published.uri == f"{ecr.address}/grapeshot-worker@{stored.digest}"


def test_what_is_there_is_neither_built_nor_pushed(
    published: PublishedImage, ecr: LoopbackEcr, base_image: str
) -> None:
    """Publishing again gives the same digest, and needs no docker engine."""

    def no_engine() -> Engine:
        raise AssertionError("the engine was asked")

    again = publish(
        ecr, architecture=_architecture(published), say=print, base_image=base_image, connect=no_engine
    )

    assert not again.fresh
    assert again.uri == published.uri


def test_a_refused_login_is_told(
    published: PublishedImage, ecr: LoopbackEcr, engine: str, base_image: str
) -> None:
    """The engine reports it as an event of a successful request; we don't take that for success."""
    stranger = LoopbackEcr(ecr.address, password="wrong")
    with pytest.raises(ImageFailed) as failure:
        publish(
            stranger,
            repository="other",
            architecture=_architecture(published),
            say=print,
            base_image=base_image,
            network="host",
            connect=lambda: Engine.connect(engine),
        )

    assert failure.value.message == "The worker image could not be pushed."
    assert "grapeshot iam policy --publish" in failure.value.remedy


def test_a_bad_event_is_answered_with_what_is_wrong(
    published: PublishedImage, client: docker.DockerClient
) -> None:
    """Within the limits of Lambda: the handler is imported, says what it got, and takes the next event."""
    with serve() as api, sandbox(client, published.uri, api.address) as container:
        answers = [api.invoke({"hello": "world"}), api.invoke(["again"])]
        log = container.logs().decode()

    for answer in answers:
        assert answer.kind in {"response", "error"}, log
        assert "this is no invocation of Grapeshot" in json.dumps(answer.body)


def test_everything_a_worker_imports_is_there(published: PublishedImage, client: docker.DockerClient) -> None:
    """With no /dev/shm, 1,024 descriptors, nothing writable but /tmp, as another user."""
    code = """
import importlib, os, pkgutil, resource, grapeshot_worker
for module in pkgutil.walk_packages(grapeshot_worker.__path__, 'grapeshot_worker.'):
    if not module.name.endswith('__main__'):
        importlib.import_module(module.name)
descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
print(os.path.exists('/dev/shm'), descriptors, os.access('/var/task', os.W_OK), os.getuid())
"""

    assert run_inside(client, published.uri, [PYTHON, "-c", code]).split("\n")[-2] == "False 1024 False 993"


def test_the_request_path_is_compiled(published: PublishedImage, client: docker.DockerClient) -> None:
    """Python takes the compiled modules, all of those that the list names; one needed early tells a longer name."""
    names = [f"{compiling.PACKAGE}.{name.replace('/', '.')}" for name in compiling.MODULES]
    code = f"import importlib; print(*(importlib.import_module(name).__file__ for name in {names}))"
    files = run_inside(client, published.uri, [PYTHON, "-c", code]).split()

    assert [file.partition(".")[0] for file in files] == [
        f"/var/task/{compiling.PACKAGE}/{name}" for name in compiling.MODULES
    ]
    assert all(file.endswith(".so") for file in files)


def test_the_engine_process_starts_from_anywhere(
    published: PublishedImage, client: docker.DockerClient
) -> None:
    """`python -m grapeshot_worker` works in the folder of an unpacked bundle too; version and all."""
    code = "import importlib.metadata as m, grapeshot_worker.__main__; print(m.version('grapeshot-worker'))"
    elsewhere = ["/usr/bin/env", "-C", "/tmp"]
    version = run_inside(client, published.uri, [*elsewhere, PYTHON, "-c", code]).strip()

    assert version.count(".") == 2


def test_nothing_is_compiled_when_a_worker_starts(
    published: PublishedImage, client: docker.DockerClient
) -> None:
    """Python finds compiled files for all modules, and does not look whether their sources are newer."""
    code = """
import importlib.util, sys, grapeshot_worker.session, botocore.session, awslambdaric.bootstrap
for name, module in sorted(sys.modules.items()):
    cached = getattr(module.__spec__, 'cached', None) if getattr(module, '__spec__', None) else None
    if cached and (cached.startswith('/opt/') or cached.startswith('/var/')):
        flags = int.from_bytes(open(cached, 'rb').read(8)[4:], 'little')
        assert flags == 1, (name, flags)
print('all')
"""

    assert run_inside(client, published.uri, [PYTHON, "-c", code]).strip() == "all"


def test_the_layers_are_small(published: PublishedImage, client: docker.DockerClient) -> None:
    """What a change of the dependencies or of the worker adds to the base; `pytest -s` shows the layers."""
    layers = [(layer["CreatedBy"], layer["Size"]) for layer in client.images.get(published.uri).history()]
    for made_by, size in layers:
        print(f"{size / 1e6:8.1f} MB  {made_by[:80]}")  # noqa: T201
    python = "import os, sys; folder, = sys.argv[1:]; print(sum(os.lstat(os.path.join(top, name)).st_size for"
    python += " top, _, names in os.walk(folder) for name in names))"
    for folder, most in {"/opt/grapeshot": 55e6, "/var/task": 6e6}.items():
        size = int(run_inside(client, published.uri, [PYTHON, "-c", python, folder]).split()[-1])

        assert size < most, folder


def test_no_compiler_and_no_root(published: PublishedImage, client: docker.DockerClient) -> None:
    """No compiler is left inside, nor the launcher, and the image's own user is nobody."""
    look = (
        "for tool in cc gcc g++ clang ld make cargo; do command -v $tool; done; "
        "set -e; ls /var/task; ls /opt/grapeshot/lib/python3.*/site-packages"
    )
    output = run_inside(client, published.uri, ["/bin/sh", "-c", look]).split()
    user = client.images.get(published.uri).attrs["Config"]["User"]

    assert not [line for line in output if line.startswith("/") and "/bin/" in line]
    assert not [name for name in output if name.startswith("grapeshot_launcher") or name == "docker"]
    assert "grapeshot_worker" in output
    assert user == "65534:65534"


def test_the_other_architecture_is_built_without_emulation(
    ecr: LoopbackEcr,
    engine: str,
    base_image: str,
    published: PublishedImage,
    client: docker.DockerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a base for both, this machine makes an image whose compiled files are all for the other one."""
    here = "arm64" if published.tag.startswith("arm64") else "amd64"
    other, architecture = ("amd64", "x86_64") if here == "arm64" else ("arm64", "arm64")
    _log_in(ecr, tmp_path, monkeypatch)
    both = _base_for_both(ecr, client, base_image, {"here": here, "other": other})

    built = build(
        architecture,  # type: ignore[arg-type]  # one of the two
        say=print,
        base_image=both,
        network="host",
        connect=lambda: Engine.connect(engine),
    )
    machines = _machines(client, built.id, "/opt/grapeshot/lib")
    own = _machines(client, built.id, "/var/task")

    assert client.images.get(built.id).attrs["Architecture"] == other
    assert len(machines) > 10
    assert set(machines.values()) == {other}
    assert len(own) == len(compiling.MODULES) + 1
    assert set(own.values()) == {other}


def _architecture(image: PublishedImage) -> Architecture:
    return "arm64" if image.tag.startswith("arm64") else "x86_64"


def _log_in(ecr: LoopbackEcr, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {ecr.address: {"auth": secret}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


def _base_for_both(
    ecr: LoopbackEcr, client: docker.DockerClient, base_image: str, names: dict[str, str]
) -> str:
    """Put a base into the registry that is the real one here, and an empty one for the other architecture."""
    repository = f"{ecr.address}/base"
    client.images.get(base_image).tag(repository, names["here"])
    load_empty(client, f"{repository}:{names['other']}", architecture=names["other"])
    images, sizes = {}, {}
    for architecture in names.values():
        client.images.push(repository, architecture, auth_config={"username": USER, "password": PASSWORD})
        stored = ecr.ecr_image("base", architecture)
        assert stored is not None
        images[architecture], sizes[architecture] = stored, manifest_size(ecr.address, "base", architecture)
    put_list(ecr.address, "base", "both", images, sizes)
    return f"{repository}:both"


def _machines(client: docker.DockerClient, image: str, folder: str) -> dict[str, str]:
    """Tell for which machine each compiled file in a folder of the image is."""
    container = client.containers.create(image)
    try:
        chunks, _ = container.get_archive(folder)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            return {
                member.name: ELF_MACHINES[struct.unpack_from("<H", file.read(20), 18)[0]]
                for member in tar
                if ".so" in member.name and member.isfile() and (file := tar.extractfile(member))
            }
    finally:
        container.remove(force=True)
