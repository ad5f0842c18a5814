"""What is measured: the scenarios, and the scripts that Grapeshot and Artillery run for them.

Leaves to others: the commands (peers), the measurement (measure).

The engines are open models: users arrive, whatever the server does. A closed loop of 50 clients, as wrk and hey
are, is 50 users who arrive in the first second and loop over one request for ever. A new connection for each
user is the open model itself: users with one request each, at a rate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENTS = 50  # connections of the closed loops
FOR_EVER = 100_000_000  # turns of a loop, ended by the measurement
PARKED_SECONDS = 600


@dataclass(frozen=True)
class Scenario:
    """One row of the table."""

    key: str
    title: str
    folder: str = "/items"  # requests go to FOLDER/NUMBER
    capture: bool = False  # read $.token out of the JSON body
    expect: bool = False  # check status, content type and a property of the body
    fresh: bool = False  # a new connection for every request
    tls: bool = False


SCENARIOS = (
    Scenario("get", "GET, kept-alive connections, templated URL"),
    Scenario("capture", "GET with a JSON capture, kept-alive", folder="/json", capture=True),
    Scenario("connect", "one new connection per user", fresh=True),
    Scenario("tls", "GET over HTTPS, kept-alive", tls=True),
    # What the number of Lambda workers is estimated from, together with the first row: launcher's sizing.py.
    Scenario(
        "tls-check", "the same, with a JSON capture and checks", "/json", capture=True, expect=True, tls=True
    ),
    Scenario("tls-connect", "one new HTTPS connection per user", fresh=True, tls=True),
)


def looping(scenario: Scenario, target: str, folder: Path) -> Path:
    """Write the script of 50 users who repeat the request until they are stopped."""
    step = {"loop": [_get(scenario, "{{ $loopCount }}")], "count": FOR_EVER}
    return _write(folder, target, {"duration": 1, "arrivalCount": CLIENTS}, [step])


def arriving(scenario: Scenario, target: str, folder: Path, rate: int) -> Path:
    """Write the script of users who come at a rate and make one request each."""
    step = _get(scenario, "{{ $randomNumber(1, 100000) }}")
    return _write(folder, target, {"duration": 3600, "arrivalRate": rate}, [step])


def parking(target: str, folder: Path, users: int) -> Path:
    """Write the script of users who come within ten seconds, make one request and then think."""
    steps = [_get(SCENARIOS[0], "1"), {"think": PARKED_SECONDS}]
    return _write(folder, target, {"duration": 10, "arrivalCount": users}, steps)


def _get(scenario: Scenario, number: str) -> dict[str, Any]:
    request: dict[str, Any] = {"url": f"{scenario.folder}/{number}"}
    if scenario.capture:
        request["capture"] = {"json": "$.token", "as": "token"}
    if scenario.expect:
        request["expect"] = [
            {"statusCode": 200},
            {"contentType": "application/json"},
            {"hasProperty": "token"},
        ]
    return {"get": request}


def _write(folder: Path, target: str, phase: dict[str, int], flow: list[dict[str, Any]]) -> Path:
    config: dict[str, Any] = {"target": target, "phases": [phase], "tls": {"rejectUnauthorized": False}}
    if any("expect" in str(step) for step in flow):
        config["plugins"] = {"expect": {}}
    path = folder / "script.yml"
    path.write_text(json.dumps({"config": config, "scenarios": [{"flow": flow}]}), encoding="utf-8")
    return path
