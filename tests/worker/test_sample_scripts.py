"""Whole scripts as people write them for the reference: they load without a word of warning."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script
from grapeshot_worker.script.model import Loop, Parallel, Request, TestScript
from grapeshot_worker.script.parse import parse_script

SHOP = """\
config:
  target: https://shop.example
  phases:
    - name: Warm up
      duration: 1 min
      arrivalRate: 1
      rampTo: 20
    - name: Steady
      duration: 5 min
      arrivalRate: 20
      maxVusers: 500
    - pause: 30s
    - name: Spike
      duration: 10
      arrivalCount: 300
  environments:
    local:
      target: http://127.0.0.1:3000
      phases:
        - duration: 5
          arrivalRate: 1
          rampTo: 1
  payload:
    path: ./customers.csv
    fields:
      - email
      - password
    order: sequence
    skipHeader: true
  variables:
    category: [books, toys, games]
  http:
    timeout: 15
    pool: 50
    defaults:
      headers:
        X-Test: "{{ $env.RUN_NAME }}"
  plugins:
    expect: {}
    ensure:
      thresholds:
        - http.response_time.p95: 250
      conditions:
        - expression: vusers.failed == 0
    metrics-by-endpoint:
      useOnlyRequestNames: true
before:
  flow:
    - post:
        url: /admin/token
        json: {key: secret}
        capture: {json: $.token, as: adminToken}
scenarios:
  - name: Browse
    weight: 8
    flow:
      - get:
          url: "/c/{{ category }}"
          name: category
          expect:
            - statusCode: 200
            - contentType: json
          capture:
            - json: $.items[*].id
              as: item
      - think: 2
      - loop:
          - get: {url: "/item/{{ $loopElement }}", name: item}
          - think: 500ms
        over: items
  - name: Buy
    weight: 2
    flow:
      - post:
          url: /login
          json:
            email: "{{ email }}"
            password: "{{ password }}"
          capture:
            - header: x-session
              as: session
              strict: false
          expect: {statusCode: [200, 201]}
      - parallel:
          - get: {url: /cart}
          - get: {url: /offers}
      - post:
          url: /cart
          headers:
            authorization: "Bearer {{ session }}"
          form: {item: "{{ item }}", amount: "{{ $randomNumber(1,5) }}"}
          ifTrue: "session != 0"
"""

API = json.dumps(
    {
        "config": {
            "target": "http://api.example:8080",
            "phases": [{"duration": "120", "arrivalRate": "10"}],
            "processor": "./functions.py",
            "tls": {"rejectUnauthorized": False},
            "plugins": {"apdex": {"threshold": 100}, "fake-data": {}},
        },
        "scenarios": [
            {
                "beforeRequest": "sign",
                "flow": [
                    {"function": "prepare"},
                    {"put": {"url": "/user/{{ id }}", "json": {"name": "{{ $personFullName() }}"}}},
                    {"delete": {"url": "/user/{{ id }}", "afterResponse": ["check"]}},
                    {"loop": [{"head": {"url": "/"}}], "whileTrue": "again"},
                    {"log": "done {{ id }}"},
                ],
            }
        ],
    },
    indent=2,
)

UPLOAD = """\
config:
  target: "{{ $env.TARGET }}"
  phases: []
scenarios:
  - flow:
      - post:
          url: /files?x=1
          formData:
            title: a title
            photo: {fromFile: ./photo.png, contentType: image/png}
          setContentLengthHeader: true
          qs: {x: [1, 2]}
          cookie: {seen: "yes"}
          auth: {user: me, pass: "{{ $env.PASSWORD }}"}
          followRedirect: false
"""


HOOKS = "def sign(): ...\ndef prepare(): ...\nasync def check(): ...\nagain = prepare\n"


def load(name: str, text: str, **flags: Any) -> TestScript:
    files = {
        name: text,
        "customers.csv": "email,password\na@b.c,x\nd@e.f,y\n",
    }

    def read(path: str) -> str:
        return HOOKS if path.endswith(".py") else files[path]

    env = {"RUN_NAME": "night", "TARGET": "http://h", "PASSWORD": "p"}
    options = ScriptOptions(script=name, **flags)
    source = load_script(options, environ=env, read_text=read, functions=builtin_functions(random.Random(0)))
    return parse_script(source, rng=random.Random(0), read_text=read, environ=env)


@pytest.mark.parametrize(
    ("name", "text", "flags"),
    [
        ("shop.yml", SHOP, {}),
        ("shop.yml", SHOP, {"environment": "local", "insecure": True}),
        ("api.json", API, {"solo": True}),
        ("upload.yaml", UPLOAD, {"target": "http://other"}),
    ],
)
def test_a_sample_loads_without_a_warning(name: str, text: str, flags: dict[str, Any]) -> None:
    """Nothing in these scripts is refused, ignored or guessed at."""
    assert load(name, text, **flags).warnings == ()


def test_the_shop_means_what_it_says() -> None:
    """Phases, payload, settings and steps come out as written."""
    shop = load("shop.yml", SHOP)
    browse, buy = shop.scenarios

    assert [phase.kind for phase in shop.phases] == ["ramp", "rate", "pause", "count"]
    assert [phase.duration for phase in shop.phases] == [60, 300, 30, 10]
    assert shop.payloads[0].rows == (("a@b.c", "x"), ("d@e.f", "y"))
    assert shop.variables == {"category": ["books", "toys", "games"]}
    assert dict(shop.http.default_headers)["x-test"].source == "night"
    assert isinstance(browse.steps[2], Loop)
    assert isinstance(buy.steps[1], Parallel)
    assert [check.label for check in shop.plugins.ensure or ()] == [
        "http.response_time.p95 < 250",
        "vusers.failed == 0",
    ]


def test_a_script_survives_the_way_to_a_worker() -> None:
    """What a worker gets is JSON without places: it parses to the same test."""
    shop = load("shop.yml", SHOP, environment="local")
    travelled = type(shop.source)(
        document=json.loads(json.dumps(shop.source.document)), path="shop.yml", directory="."
    )

    def read(path: str) -> str:
        return "email,password\na@b.c,x\nd@e.f,y\n"

    again = parse_script(travelled, rng=random.Random(0), read_text=read, environ={})

    assert again.phases == shop.phases
    assert again.payloads == shop.payloads
    assert again.plugins == shop.plugins
    assert [scenario.document for scenario in again.scenarios] == [s.document for s in shop.scenarios]


def test_the_upload_is_filled_in_from_the_environment() -> None:
    """Target at loading, passwords in flows for each user."""
    upload = load("upload.yaml", UPLOAD)
    (request,) = upload.scenarios[0].steps

    assert upload.target == "http://h"
    assert upload.phases == ()
    assert isinstance(request, Request)
    assert request.set_content_length
    assert request.cookies[0][1].source == "yes"
