"""The benchmarks' clients: whom their commands make load against, and what their scripts ask for."""

from __future__ import annotations

import doctest
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import peers
import pytest
import scenarios
import table
from installs import Install, install
from peers import Peer
from scenarios import SCENARIOS, Scenario

from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script
from grapeshot_worker.script.model import Loop, Request, TestScript
from grapeshot_worker.script.parse import parse_script

TARGET = "http://127.0.0.1:8123"
CLIENTS = [replace(peer, program="client") for peer in peers.all_peers()]
ROWS = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.key)


def commands(peer: Peer, scenario: Scenario, folder: Path) -> Iterator[list[str]]:
    """Give the commands that there are, one at a time: the next one may write the same files."""
    yield peer.loop(scenario, TARGET, folder) or []
    yield peer.arrive(scenario, TARGET, folder, 10) or []
    yield peer.park(TARGET, folder, 10) or []


@ROWS
@pytest.mark.parametrize("peer", CLIENTS, ids=lambda peer: peer.name)
def test_a_client_makes_load_against_the_server_and_nobody_else(
    peer: Peer, scenario: Scenario, tmp_path: Path
) -> None:
    """Each address in a command, and in the files it names, is the server's, letter by letter; no pattern of it."""
    for command in commands(peer, scenario, tmp_path):
        files = [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()]
        addresses = re.findall(r"https?:[^\s\"',]*", "\n".join([*command, *files]))

        assert bool(addresses) == bool(command)
        assert [
            address for address in addresses if not re.fullmatch(re.escape(TARGET) + r"(/\w+)*", address)
        ] == []
        for path in tmp_path.iterdir():
            path.unlink()


@ROWS
def test_a_scenario_is_a_script(scenario: Scenario, tmp_path: Path) -> None:
    """Grapeshot reads what it and Artillery are given: as many requests, checks and bodies as the row says."""
    (written,) = script_in(scenarios.looping(scenario, TARGET, tmp_path)).scenarios
    (loop,) = written.steps
    assert isinstance(loop, Loop)
    requests = [step for step in loop.steps if isinstance(step, Request)]

    assert len(requests) == scenario.requests
    assert {request.method for request in requests} == {"POST" if scenario.upload else "GET"}
    assert all(bool(request.captures) == scenario.capture for request in requests)
    assert all(bool(request.expectations) == scenario.expect for request in requests)


def script_in(path: Path) -> TestScript:
    """Read a script's file."""

    def read_text(name: str) -> str:
        return Path(name).read_text(encoding="utf-8")

    rng = random.Random(1)
    source = load_script(
        ScriptOptions(script=str(path), test_id="t"),
        environ={},
        read_text=read_text,
        functions=builtin_functions(rng),
    )
    return parse_script(source, rng=rng, read_text=read_text, environ={})


def test_the_tables_are_as_their_examples_show() -> None:
    """Medians and ratios, spread, memory."""
    done = doctest.testmod(table)

    assert (done.failed, done.attempted) == (0, 4)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (["no-such-program", "install"], "no-such-program is not installed"),
        (["sh", "-c", "echo one >&2; echo two >&2; exit 3"], "sh ended with exit code 3 (two)"),
        (["sh", "-c", "exit 0"], None),
    ],
)
def test_what_cannot_be_installed_is_told_in_a_line(command: list[str], fault: str | None) -> None:
    """And nothing is raised: the others are compared without it."""
    assert install(Install("bin/client", [command])) == fault
