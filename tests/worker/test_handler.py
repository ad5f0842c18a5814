"""One invocation as AWS Lambda makes it: real engine processes, real load, AWS in memory."""

from __future__ import annotations

import json
import os
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_unpack import archive

from fakes import MemoryCloud
from grapeshot_worker.handler import carry_out, engine_environ
from grapeshot_worker.invocation import ControlRecord, Invocation, bundle_key, control_key, final_key
from grapeshot_worker.messages import Facts, Failed, Finished, Message, Progress, Ready
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.plan import source_to_json
from grapeshot_worker.script.model import ScriptSource
from grapeshot_worker.unpack import Bundle
from grapeshot_worker.wire import unpack
from target import Target

HOOKS = """
import os, author_package

def greet(context, events):
    print("greetings", os.environ["TOKEN"], author_package.NAME, open("data/name.txt").read())
"""


def bundle(target: Target, *, hooks: str = HOOKS) -> tuple[bytes, str]:
    """A script with a CSV, hooks, a package and a file beside it that is called like a module of Python."""
    config: dict[str, Any] = {
        "target": target.url,
        "phases": [{"duration": 1, "arrivalRate": 20}],
        "processor": "hooks.py",
        "payload": {"path": "data/users.csv", "fields": ["name"]},
        "http": {"timeout": 10},
    }
    flow = [{"function": "greet"}, {"get": {"url": "/json?user={{ name }}"}}]
    source = ScriptSource(
        document={"config": config, "scenarios": [{"flow": flow}]}, path="blitz.yml", directory="."
    )
    return archive(
        {
            "source.json": json.dumps(source_to_json(source)).encode(),
            "environment.json": b'{"TOKEN": "secret"}',
            "files/hooks.py": hooks.encode(),
            "files/random.py": b"raise SystemExit('not the module you wanted')",
            "files/data/users.csv": b"ann\nbob\n",
            "files/data/name.txt": b"file",
            "wheels/author_package.py": b"NAME = 'package'",
        }
    )


def invocation(digest: str, **changes: Any) -> Invocation:
    whole = Invocation(
        run_id="t1",
        index=0,
        count=2,
        region="eu-west-1",
        bucket="bucket",
        queue_url="queue",
        bundle_digest=digest,
        processes=2,
        flush_interval=0.5,
    )
    return replace(whole, **changes)


def invoke(cloud: MemoryCloud, event: Invocation, home: Path, lines: list[str]) -> dict[str, Any]:
    return carry_out(
        json.loads(event.to_json()),
        remaining=60,
        open_mailbox=lambda _: cloud,
        environ=os.environ,
        home=home,
        print_line=lines.append,
    )


def cloud_with(body: bytes, digest: str) -> MemoryCloud:
    """AWS as a launcher prepares it; Go follows Ready."""
    cloud = MemoryCloud(
        {bundle_key(digest): body, control_key("t1"): ControlRecord(renewed_at=1.0).to_json()}
    )

    def launcher(message: Message) -> None:
        if isinstance(message, Ready):
            cloud.objects[control_key("t1")] = ControlRecord(state="go", start_at=time.time()).to_json()

    cloud.on_message = launcher
    return cloud


def test_an_invocation_makes_its_share_of_the_load(target: Target, tmp_path: Path) -> None:
    """From bundle to books: every request is made once and told once."""
    body, digest = bundle(target)
    cloud, lines = cloud_with(body, digest), list[str]()
    before = target.stats().get("/json 200", 0)
    result = invoke(cloud, invocation(digest), tmp_path / "home", lines)
    last = cloud.messages[-1]
    told = Totals.of(p for m in cloud.messages if isinstance(m, Progress | Finished) for p in m.periods)
    final = unpack(cloud.objects[final_key(invocation(digest))].decode())

    assert result == {"state": "finished", "reason": ""}, lines
    assert isinstance(last, Finished)
    assert (last.tally.planned, last.tally.started, last.tally.completed) == (10, 10, 10)
    assert told.counters["http.codes.200"] == 10
    assert target.stats().get("/json 200", 0) - before == 10
    assert isinstance(final, Finished)
    assert Totals.of(final.periods) == told
    assert last.facts != Facts()
    assert lines == ["greetings secret package file"] * 10


def test_hooks_that_can_t_be_loaded_are_told(target: Target, tmp_path: Path) -> None:
    """With file and line, at once."""
    body, digest = bundle(target, hooks="import no_such_module")
    cloud, lines = cloud_with(body, digest), list[str]()
    result = invoke(cloud, invocation(digest), tmp_path / "home", lines)
    (only,) = cloud.messages

    assert result["state"] == "failed"
    assert isinstance(only, Failed)
    assert "hooks.py" in only.message


def test_a_process_that_dies_is_told(target: Target, tmp_path: Path) -> None:
    """By the name it has in the worker, with its last words."""
    hooks = "import os\ndef greet(context, events):\n    os.write(2, b'farewell\\n')\n    os._exit(3)\n"
    body, digest = bundle(target, hooks=hooks)
    cloud, lines = cloud_with(body, digest), list[str]()
    invoke(cloud, invocation(digest), tmp_path / "home", lines)
    last = cloud.messages[-1]

    assert isinstance(last, Failed)
    assert last.message.startswith("Engine process ")
    assert "in worker 1 ended with exit code 3" in last.message
    assert "farewell" in last.cause


def test_an_event_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """The function may be called by hand: it says what it wants, and raises nothing."""
    lines: list[str] = []
    result = carry_out(
        {"hello": "world"},
        remaining=60,
        open_mailbox=lambda _: MemoryCloud(),
        environ={},
        home=tmp_path,
        print_line=lines.append,
    )

    assert result["state"] == "failed"
    assert "no invocation of Grapeshot" in result["reason"]
    assert len(lines) == 1


def test_a_mailbox_that_can_t_be_opened_is_told(tmp_path: Path) -> None:
    """An exception would make AWS deliver the event again."""

    def open_mailbox(_: Invocation) -> MemoryCloud:
        raise ValueError("no such region")

    result = carry_out(
        json.loads(invocation("0" * 64).to_json()),
        remaining=60,
        open_mailbox=open_mailbox,
        environ={},
        home=tmp_path,
        print_line=lambda line: None,
    )

    assert result == {"state": "failed", "reason": "ValueError: no such region"}


def some_bundle(**changes: Any) -> Bundle:
    source = ScriptSource(document={}, path="/x/blitz.yml", directory="/x")
    return replace(Bundle(source=source, environ={"TOKEN": "a"}, directory=Path("/x")), **changes)


@pytest.mark.parametrize(
    ("wheels", "own", "expected"),
    [
        (None, {}, ""),
        (Path("/x/wheels"), {}, "/x/wheels"),
        (Path("/x/wheels"), {"PYTHONPATH": "/var/task"}, "/x/wheels:/var/task"),
    ],
)
def test_the_author_s_packages_can_be_imported(
    wheels: Path | None, own: dict[str, str], expected: str
) -> None:
    """And whatever could be before."""
    assert engine_environ(own, some_bundle(wheels=wheels))["PYTHONPATH"] == expected


def test_the_author_s_variables_come_before_those_of_lambda() -> None:
    """They are the more particular ones."""
    environ = engine_environ({"TOKEN": "b", "LANG": "C"}, some_bundle())

    assert (environ["TOKEN"], environ["LANG"]) == ("a", "C")


def test_a_worker_needs_few_descriptors(target: Target, tmp_path: Path) -> None:
    """AWS Lambda has 1,024 for a process; none stay open afterwards."""
    body, digest = bundle(target)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        result = invoke(cloud_with(body, digest), invocation(digest), tmp_path / "home", [])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert result["state"] == "finished"
    assert len(os.listdir("/proc/self/fd")) == before
