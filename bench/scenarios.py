"""What is measured: the scenarios, and the scripts that Grapeshot and Artillery run for them.

Leaves to others: the commands (peers), the measurement (measure).

The engines are open models: users arrive, whatever the server does. A closed loop of 50 clients, as wrk and hey
are, is 50 users who arrive in the first second and loop over their requests for ever. A new connection for each
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
ARRIVAL_SECONDS = 10  # of the parked users
LARGE = 1_000_000  # bytes of a large body, so that requests/s are MB/s


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
    upload: bool = False  # POST a large body
    requests: int = 1  # written out one after the other, where the number in the URL is no template
    named: bool = False  # a metric for each URL


@dataclass(frozen=True)
class Parking:
    """One row of the memory's table: users who make one request, think, and keep their connections."""

    key: str
    title: str
    users: int
    tls: bool = False


SCENARIOS = (
    Scenario("get", "GET, kept-alive connections, templated URL"),
    Scenario("capture", "GET with a JSON capture, kept-alive", "/json", capture=True),
    Scenario("connect", "one new connection per user", fresh=True),
    Scenario("tls", "GET over HTTPS, kept-alive", tls=True),
    # What the number of Lambda workers is estimated from, together with the first row: launcher's sizing.py.
    Scenario(
        "tls-check", "the same, with a JSON capture and checks", "/json", capture=True, expect=True, tls=True
    ),
    Scenario("tls-connect", "one new HTTPS connection per user", fresh=True, tls=True),
    Scenario("down", "GET of 1 MB, kept-alive", "/large"),
    Scenario("up", "POST of 1 MB, kept-alive", "/upload", upload=True),
    Scenario("long", "users with 500 different GETs, kept-alive", requests=500),
    Scenario("names", "200 GETs, each with its own metrics, kept-alive", requests=200, named=True),
)

PARKINGS = (
    Parking("parked", "plain", 10_000),
    Parking("parked-tls", "HTTPS", 2_000, tls=True),
)


def looping(scenario: Scenario, target: str, folder: Path) -> Path:
    """Write the script of 50 users who repeat the request, or requests, until they are stopped."""
    numbers = map(str, range(1, scenario.requests + 1)) if scenario.requests > 1 else ["{{ $loopCount }}"]
    step = {"loop": [_request(scenario, number) for number in numbers], "count": FOR_EVER}
    return _write(folder, target, {"duration": 1, "arrivalCount": CLIENTS}, [step], _plugins(scenario))


def arriving(scenario: Scenario, target: str, folder: Path, rate: int) -> Path:
    """Write the script of users who come at a rate and make one request each."""
    step = _request(scenario, "{{ $randomNumber(1, 100000) }}")
    return _write(folder, target, {"duration": 3600, "arrivalRate": rate}, [step], _plugins(scenario))


def parking(target: str, folder: Path, users: int) -> Path:
    """Write the script of users who come within ten seconds, make one request and then think."""
    steps: list[dict[str, Any]] = [{"get": {"url": "/items/1"}}, {"think": PARKED_SECONDS}]
    return _write(folder, target, {"duration": ARRIVAL_SECONDS, "arrivalCount": users}, steps, {})


def large_body(folder: Path) -> Path:
    """Write the body of an upload."""
    path = folder / "upload.txt"
    path.write_text(LARGE * "u", encoding="utf-8")
    return path


def _request(scenario: Scenario, number: str) -> dict[str, Any]:
    request: dict[str, Any] = {"url": f"{scenario.folder}/{number}"}
    if scenario.capture:
        request["capture"] = {"json": "$.token", "as": "token"}
    if scenario.expect:
        request["expect"] = [
            {"statusCode": 200},
            {"contentType": "application/json"},
            {"hasProperty": "token"},
        ]
    if scenario.upload:
        return {"post": {**request, "body": LARGE * "u"}}
    return {"get": request}


def _plugins(scenario: Scenario) -> dict[str, Any]:
    plugins: dict[str, Any] = {}
    if scenario.expect:
        plugins["expect"] = {}
    if scenario.named:
        plugins["metrics-by-endpoint"] = {}
    return plugins


def _write(
    folder: Path, target: str, phase: dict[str, int], flow: list[dict[str, Any]], plugins: dict[str, Any]
) -> Path:
    config: dict[str, Any] = {"target": target, "phases": [phase], "tls": {"rejectUnauthorized": False}}
    if plugins:
        config["plugins"] = plugins
    path = folder / "script.yml"
    path.write_text(json.dumps({"config": config, "scenarios": [{"flow": flow}]}), encoding="utf-8")
    return path
