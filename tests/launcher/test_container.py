"""Sandboxes as containers, without an engine: what it is asked for, and what becomes of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from docker.errors import APIError, NotFound

from grapeshot_launcher.cloud.engine import Engine
from grapeshot_launcher.emulation import Emulation
from grapeshot_launcher.errors import ImageFailed
from grapeshot_launcher.options import LambdaOptions, RunOptions
from grapeshot_launcher.platforms.emulator.body import Birth
from grapeshot_launcher.platforms.emulator.container import Containers, SandboxContainer
from grapeshot_launcher.platforms.emulator.container_keeper import LABEL, remove_labelled
from grapeshot_launcher.platforms.emulator.local_image import local_image
from grapeshot_launcher.prepare_lambda import settle_run
from grapeshot_worker.errors import ScriptError

BIRTH = Birth(name="f/1-a", handler="m.f", memory=1769, environ={"A": "1", "LAMBDA_TASK_ROOT": "/elsewhere"})
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@dataclass
class PaperApi:
    """The SDK's side of an engine; a container prints `lines` and ends with `code`, unless it is `gone`."""

    lines: tuple[bytes, ...] = ()
    code: int = 0
    gone: bool = False
    broken: bool = False
    created: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def create_host_config(self, **limits: Any) -> dict[str, Any]:
        return limits

    def create_container(self, image: str, command: list[str], **settings: Any) -> dict[str, str]:
        self.created = {"image": image, "command": command, **settings}
        return {"Id": "c1"}

    def start(self, container: str) -> None:
        self.asked.append(("start", container))
        if self.broken:
            raise APIError("no such program")

    def logs(self, container: str, **_: Any) -> Iterator[bytes]:
        yield from self.lines
        if self.gone:
            raise NotFound("no such container")

    def wait(self, container: str, *, timeout: float) -> dict[str, int]:
        assert timeout > 0
        return {"StatusCode": self.code}

    def pause(self, container: str) -> None:
        self.asked.append(("pause", container))

    def unpause(self, container: str) -> None:
        self.asked.append(("unpause", container))

    def containers(self, **asked: Any) -> list[dict[str, str]]:
        assert asked == {"all": True, "filters": {"label": f"{LABEL}=l"}}
        return [{"Id": "c1"}, {"Id": "c2"}]

    def remove_container(self, container: str, *, force: bool) -> None:
        self.asked.append(("remove", container))
        if self.gone:
            raise NotFound("no such container")


async def started(api: PaperApi) -> SandboxContainer:
    return await Containers(cast("Any", api), "sha256:i", label="l").start(BIRTH)


async def lived(api: PaperApi) -> tuple[int, bytes]:
    """Give how one ended, and what it had printed."""
    body = await started(api)
    return await body.wait(), await body.output.read()


def test_a_container_gets_the_limits_of_its_function() -> None:
    """The function's memory and no swap, this machine's network, no proxy; where the worker lies the image knows."""
    api = PaperApi()
    asyncio.run(lived(api))
    limits = api.created["host_config"]

    assert (api.created["image"], api.created["command"]) == ("sha256:i", ["m.f"])
    assert api.created["environment"] == {"A": "1", "LAMBDA_TASK_ROOT": "/var/task"}
    assert (api.created["labels"], api.created["name"]) == ({LABEL: "l"}, "f-1-a")
    assert api.created["use_config_proxy"] is False
    assert limits["mem_limit"] == limits["memswap_limit"] == 1769 << 20
    assert (limits["read_only"], limits["network_mode"], limits["ipc_mode"]) == (True, "host", "none")
    assert "exec" in limits["tmpfs"]["/tmp"].split(",")


@pytest.mark.parametrize(("code", "told"), [(0, 0), (1, 1), (128, 128), (137, -9), (143, -15)])
def test_the_code_of_a_signal_is_negative(code: int, told: int) -> None:
    """As of a process; the container is taken away before anybody hears of it."""
    api = PaperApi(lines=(b"a\nb", b"c\n"), code=code)

    assert asyncio.run(lived(api)) == (told, b"a\nbc\n")
    assert api.asked == [("start", "c1"), ("remove", "c1")]


def test_a_container_that_vanishes_has_been_killed() -> None:
    """Somebody removed it, or the engine is gone: nobody waits for it for ever."""
    assert asyncio.run(lived(PaperApi(lines=(b"a\n",), gone=True))) == (-9, b"a\n")


def test_what_can_t_be_started_is_not_left_behind() -> None:
    """It was created; it goes away again, and the reason is told."""
    api = PaperApi(broken=True)
    with pytest.raises(ImageFailed) as caught:
        asyncio.run(started(api))

    assert "no such program" in caught.value.cause
    assert api.asked == [("start", "c1"), ("remove", "c1")]


def test_only_what_is_frozen_is_thawed() -> None:
    """The first event finds a container that was never paused."""
    api = PaperApi()

    async def main() -> None:
        body = await started(api)
        await body.wait()
        await body.thaw()
        await body.freeze()
        await body.thaw()
        await body.thaw()

    asyncio.run(main())

    assert api.asked == [("start", "c1"), ("remove", "c1"), ("pause", "c1"), ("unpause", "c1")]


def test_everything_with_the_label_is_removed() -> None:
    """One that another has removed just now does not keep the others."""
    api = PaperApi(gone=True)
    remove_labelled(cast("Any", api), "l")

    assert api.asked == [("remove", "c1"), ("remove", "c2")]


@pytest.mark.parametrize("platform", ["windows/amd64", "linux/riscv64"])
def test_engines_for_other_machines_are_refused(platform: str) -> None:
    """There is no worker image for them."""
    with pytest.raises(ImageFailed, match=platform):
        local_image(Engine(cast("Any", PaperApi()), platform), label="l", asked=None, say=print)


# ---- the run ----


def settled(tmp_path: Path, *, rate: str) -> None:
    path = tmp_path / "s.yml"
    path.write_text(
        f"config: {{target: 'http://127.0.0.1:9', phases: [{{duration: 1, arrivalRate: {rate}}}]}}\n"
        "scenarios: [{flow: [{get: {url: /}}]}]"
    )
    options = LambdaOptions(run=RunOptions(script=str(path)), emulate="docker")
    with Emulation(options, say=print) as emulation:
        settle_run(options, environ={}, now=NOON, machine=emulation.machine)


def test_without_an_engine_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as when an image is built."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(ImageFailed) as caught:
        settled(tmp_path, rate="1")

    assert "systemctl start docker" in caught.value.remedy


def test_a_wrong_script_is_told_before_an_engine_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for an image to hear of a mistyped number."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(ScriptError):
        settled(tmp_path, rate="many")
