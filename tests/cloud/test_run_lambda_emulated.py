"""`grapeshot run-lambda --emulate` against the real target: real workers, real messages, the command's own words."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import trustme

from target import Target, serve_process

pytest.importorskip("moto")

GRAPESHOT = str(Path(sys.executable).with_name("grapeshot"))
SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: {seconds}, arrivalRate: 10}}]
  processor: hooks.py
  payload: {{path: ../data/users.csv, fields: [user]}}
  plugins: {{expect: {{}}, ensure: {{conditions: [{{expression: vusers.created == {users}}}]}}}}
before:
  flow:
    - get: {{url: /json}}
    - function: login
scenarios:
  - flow:
      - function: greet
      - post:
          url: /echo
          beforeRequest: sign
          formData: {{file: {{fromFile: a.txt}}, user: "{{{{ user }}}}", token: "{{{{ token }}}}"}}
          expect: [{{statusCode: 200}}]
after:
  flow:
    - get: {{url: /json}}
"""
HOOKS = """
import os
import greetings

def login(context, events):
    context.vars["token"] = os.environ["TOKEN"]

def greet(context, events):
    events.emit("counter", "greeted." + greetings.word(), 1)
    events.emit("counter", "user." + context.vars["user"], 1)

def sign(request, context):
    assert os.path.exists(os.path.join(os.path.dirname(__file__), "a.txt"))
"""


def project(tmp_path: Path, target: Target, *, seconds: int, users: int) -> Path:
    """Write a script with everything it can refer to."""
    (tmp_path / "load").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "users.csv").write_text("ada\ngrace\n", encoding="utf-8")
    (tmp_path / "load" / "a.txt").write_text("content", encoding="utf-8")
    (tmp_path / "load" / "hooks.py").write_text(HOOKS, encoding="utf-8")
    greetings = "import tinylib\ndef word(): return tinylib.WORD\n"
    (tmp_path / "load" / "greetings.py").write_text(greetings, encoding="utf-8")
    (tmp_path / "load" / "requirements.txt").write_text("tinylib==1.0\n", encoding="utf-8")
    (tmp_path / "vars.env").write_text("TOKEN=t0k3n\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "tinylib-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinylib.py", "WORD = 'hello'\n")
        wheel.writestr(
            "tinylib-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinylib\nVersion: 1.0\n"
        )
        wheel.writestr("tinylib-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tinylib-1.0.dist-info/RECORD", "")
    script = tmp_path / "load" / "script.yml"
    script.write_text(SCRIPT.format(target=target.url, seconds=seconds, users=users), encoding="utf-8")
    return script


def started(script: Path, *flags: str) -> subprocess.Popen[str]:
    folder = script.parent.parent
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PATH": "/usr/bin:/bin"}
    command = [
        GRAPESHOT,
        "run-lambda",
        "--emulate",
        "--dotenv",
        str(folder / "vars.env"),
        *flags,
        str(script),
    ]
    return subprocess.Popen(
        [*command, "-o", str(folder / "report.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=wheels,
        cwd="/",
    )


def report_of(script: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((script.parent.parent / "report.json").read_text(encoding="utf-8"))
    return report


def test_the_whole_way_of_a_script(target: Target, tmp_path: Path) -> None:
    """Bundle, wheels, dotenv, `before`, hooks, CSV, uploads, checks and books: as on this machine."""
    script = project(tmp_path, target, seconds=2, users=40)

    once = target.stats().get("/json 200", 0)
    out, err = started(script, "--count", "2", "--memory-size", "1769").communicate(timeout=50)

    report = report_of(script)
    assert target.stats()["/json 200"] - once == 2  # `before` and `after`, once each for both workers
    counters = report["aggregate"]["counters"]
    assert report["grapeshot"]["verdict"] == "pass", out + err
    assert counters["greeted.hello"] == counters["http.codes.200"] == 40
    assert counters["user.ada"] + counters["user.grace"] == 40
    assert "ok: vusers.created == 40" in out
    assert " - Bucket: artilleryio-test-data-" in out
    assert "2 workers ready" in out
    assert "tinylib==1.0" in out
    assert "Warning" not in err, err
    settings = report["grapeshot"]["settings"]
    assert 0 < settings["costUsd"] < settings["estimatedCostUsd"] < 0.02
    assert settings["costByRegion"] == {"us-east-1": settings["costUsd"]}
    assert "Estimated AWS Lambda cost for this test: $0.00" in out
    assert "on AWS it would cost this much" in out
    assert "did not tell" not in out


def test_a_stop_reports_what_was_measured(target: Target, tmp_path: Path) -> None:
    """Ctrl-C during the load: workers stop within seconds, the books say what was not started."""
    script = project(tmp_path, target, seconds=30, users=300)
    process = started(script, "--workers", "2", "--memory-size", "1769")
    deadline, pause = time.monotonic() + 40, threading.Event()
    before, once = target.stats().get("/echo 200", 0), target.stats().get("/json 200", 0)
    while target.stats().get("/echo 200", 0) < before + 10:
        assert time.monotonic() < deadline
        pause.wait(0.1)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=40)

    books = report_of(script)["grapeshot"]["books"]
    assert process.returncode == 130, out + err
    assert books["planned"] == 300 == books["started"] + books["dropped"]["stopped"]
    assert books["lost"] == 0
    assert "Verdict: stopped" in out
    assert target.stats()["/json 200"] - once >= 1, err  # `after` ran, and ended by itself
    assert "`after`" not in err


def test_another_target_with_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    """`--target` and `--insecure` reach the workers."""
    (tmp_path / "load").mkdir()
    (tmp_path / "vars.env").write_text("A=1\n", encoding="utf-8")
    script = tmp_path / "load" / "script.yml"
    script.write_text(
        'config: {target: "https://nowhere.invalid", phases: [{duration: 1, arrivalCount: 6}]}\n'
        "scenarios: [{flow: [{get: {url: /json}}]}]\n",
        encoding="utf-8",
    )
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    with serve_process(tls=(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))) as target:
        out, err = started(
            script, "--target", target.url, "--insecure", "--workers", "2", "--memory-size", "1769"
        ).communicate(timeout=50)

    counters = report_of(script)["aggregate"]["counters"]
    assert counters["http.codes.200"] == counters["vusers.completed"] == 6, out + err
