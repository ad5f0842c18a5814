"""Every wait has a deadline: the page of limits says what the code says, and no wait in the code is without one."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from test_docs import rows

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/limits.md"
PACKAGES = {"launcher": "grapeshot_launcher", "worker": "grapeshot_worker"}
NAMED = re.compile(r"`((?:launcher|worker)\.[\w.]+)`")

# What a constant is called that limits a wait, or a size.
LIMITING = re.compile(
    r"(LIMIT|TIMEOUT|DEADLINE|DEADLINE_IN_VPC|GRACE|SETTLING|WITHIN|FAREWELL|SILENCE|READY|READY_IN_VPC|STOP"
    r"|AFTER_STOP|STOP_HEARD|LONG_POLL|ATTEMPTS|MARGIN)"
)
# Constants of such names that the page leaves out.
NO_LIMITS_OF_A_RUN = {
    "launcher.cloud.diagnosis.SKEW_LIMIT": "a clock, compared",
    "launcher.platforms.emulator.body.LINE_LIMIT": "longer lines of a sandbox are named, not shown",
    "launcher.platforms.emulator.plane.EVENT_LIMIT": "AWS's, emulated",
    "launcher.platforms.emulator.plane.SYNC_LIMIT": "AWS's, emulated",
    "launcher.platforms.emulator.plane.PLACE_DELAY_LIMIT": "a pause, as on Lambda",
    "launcher.prepare_lambda.MARGIN": "a part of a worker's time, in a sum",
    "launcher.results.cost.FAREWELL": "an assumption of the estimate",
    "launcher.results.verdict.CLOCK_LIMIT": "two clocks, compared",
    "launcher.results.verdict.CPU_LIMIT": "a share of a core",
    "worker.__main__.LINE_LIMIT": "above what a script can have",
    "worker.invocation.FLUSH_MARGIN": "a pause before a message, in a sum",
    "worker.processes.LINE_LIMIT": "above what a second of measurements takes",
    "worker.wire.OPENED_LIMIT": "a guard against what no worker sends",
}

EMULATOR = "launcher/grapeshot_launcher/platforms/emulator"
# Waits without a limit of their own, by file and function, and what ends them.
ENDED_OTHERWISE = {
    # The launcher.
    "launcher/grapeshot_launcher/cloud/calls.py Threads.__call__": "CONNECT_TIMEOUT, READ_TIMEOUT and ATTEMPTS",
    "launcher/grapeshot_launcher/cloud/provision.py _Provisioning._function.role_ready": "SETTLING of the role",
    "launcher/grapeshot_launcher/crew.py Crew.__aenter__": "INVOKE_WITHIN; here the start of a process",
    "launcher/grapeshot_launcher/platforms/lambda_.py Lambda.__aexit__": "they have been cancelled; GRACE for a call",
    "launcher/grapeshot_launcher/settle.py _read": "each is one call",
    "launcher/grapeshot_launcher/signals.py heeding_elsewhere": "it has been cancelled; GRACE for a call",
    "launcher/grapeshot_launcher/cloud/calls.py together": "each of the tasks has its limits",
    "launcher/grapeshot_launcher/cloud/control.py ControlObject.say": "the lock is held for one call",
    "launcher/grapeshot_launcher/cloud/control.py ControlObject.renew": "the lock is held for one call",
    "launcher/grapeshot_launcher/crew.py Crew._read": "EXIT_LIMIT of the process; on Lambda its end",
    "launcher/grapeshot_launcher/crew.py Crew._dismiss": "awaited with FAREWELL",
    "launcher/grapeshot_launcher/platforms/lambda_.py Lambda.start": "each place is held for INVOKE_WITHIN",
    "launcher/grapeshot_launcher/platforms/lambda_.py Lambda._open": "another's call to S3, which always sets it",
    "launcher/grapeshot_launcher/platforms/lambda_worker.py LambdaWorker.messages": "READY, SILENCE, DEADLINE_GRACE",
    "launcher/grapeshot_launcher/platforms/lambda_worker.py LambdaWorker.output": "READY, SILENCE, DEADLINE_GRACE",
    "launcher/grapeshot_launcher/platforms/lambda_worker.py LambdaWorker.wait": "awaited with FAREWELL, after kill",
    "launcher/grapeshot_launcher/places.py placed": "each has the limits of its undoing",
    "launcher/grapeshot_launcher/reports.py _read": "whoever writes the pipe closes it; a terminal is refused",
    "launcher/grapeshot_launcher/run_lambda.py play.asked_elsewhere": "each is one call",
    "launcher/grapeshot_launcher/run_lambda.py heeding": "the work's own limits, or a signal",
    # The emulator: its functions have --timeout, as on Lambda, and the launcher's waits are above it.
    f"{EMULATOR}/container_keeper.py ": "the end of the launcher closes the pipe",
    f"{EMULATOR}/keeper.py ": "the end of the launcher closes the pipe",
    f"{EMULATOR}/container.py ContainerKeeper.__init__": "starts a process, whose end has END_LIMIT",
    f"{EMULATOR}/process.py Keeper.__init__": "starts a process, whose end has END_LIMIT",
    f"{EMULATOR}/process.py _spawn": "starts a process, whose start has START_LIMIT",
    f"{EMULATOR}/process.py SandboxProcess._wait": "a daemon thread; START_LIMIT and the function's timeout kill",
    f"{EMULATOR}/container.py SandboxContainer.wait": "START_LIMIT and the function's timeout kill",
    f"{EMULATOR}/process.py SandboxProcess.wait": "START_LIMIT and the function's timeout kill",
    f"{EMULATOR}/plane.py Plane.close": "awaited with END_LIMIT",
    f"{EMULATOR}/runtime_api.py RuntimeServer.close": "they have been cancelled",
    f"{EMULATOR}/front.py Front._faulty": "a kill, which does not wait",
    f"{EMULATOR}/front.py Front._invoke": "an event is taken at once; a call has the function's timeout",
    f"{EMULATOR}/runtime_api.py RuntimeServer._converse": "the end of the sandbox closes the connection",
    f"{EMULATOR}/runtime_api.py _read": "the end of the sandbox closes the connection",
    f"{EMULATOR}/sandbox.py Sandbox.run": "START_LIMIT, then the function's timeout",
    f"{EMULATOR}/sandbox.py Sandbox.next": "a warm sandbox waits for work until it is ended",
    f"{EMULATOR}/sandbox.py Sandbox.close": "awaited with END_LIMIT",
    f"{EMULATOR}/sandbox.py Sandbox._watch": "START_LIMIT and the function's timeout kill",
    f"{EMULATOR}/sandbox.py Sandbox._read": "the end of the sandbox closes the pipe",
    # The worker in Lambda.
    "worker/grapeshot_worker/courier.py Courier.close": "it has been cancelled",
    "worker/grapeshot_worker/courier.py Courier._send_all": "a sender waits for work until it is cancelled",
    "worker/grapeshot_worker/shift.py Shift._hear": "READY_LIMIT, SILENCE_LIMIT and STOP_LIMIT kill the process",
    "worker/grapeshot_worker/shift.py Shift._dismiss": "awaited with FAREWELL",
    # Engine processes: whoever started one watches over it.
    "worker/grapeshot_worker/processes.py EngineProcess.start": "the start of a process; ready has a limit",
    "worker/grapeshot_worker/processes.py EngineProcess.messages": "`ready`, `silence` and `stop` kill the process",
    "worker/grapeshot_worker/processes.py EngineProcess.output": "EXIT_LIMIT after the last message",
    "worker/grapeshot_worker/processes.py EngineProcess.wait": "awaited with FAREWELL, or with EXIT_LIMIT",
    "worker/grapeshot_worker/processes.py EngineProcess._exit_code": "awaited with EXIT_LIMIT",
    "worker/grapeshot_worker/traffic/hooks.py _with_done": "it is done already",
    "worker/grapeshot_worker/processes.py EngineProcess._pump": "EXIT_LIMIT after the last message",
    "worker/grapeshot_worker/__main__.py serve": "the end of the parent closes the pipe",
    "worker/grapeshot_worker/__main__.py _listen": "the end of the parent closes the pipe",
    "worker/grapeshot_worker/session.py Session._load": "users take as long as they take; a stop cuts them",
    "worker/grapeshot_worker/session.py Session._start_moment": "the end of the parent is a None",
    "worker/grapeshot_worker/session.py Session._watch": "the end of the parent is a None",
    "worker/grapeshot_worker/session.py Session._until_stopped": "SECTION_LIMIT of the launcher, which stops it",
    "worker/grapeshot_worker/traffic/runner.py Runner.run": "users take as long as they take; a stop cuts them",
    "worker/grapeshot_worker/traffic/lanes.py Lane.enter": "as long as those before take, who have their limits",
    "worker/grapeshot_worker/traffic/wire/pool.py SharedPool._wait": "as long as those before take",
    "worker/grapeshot_worker/traffic/wire/resolver.py Resolver.resolve": "awaited with SILENCE_TIMEOUT",
    "worker/grapeshot_worker/traffic/parallel.py in_parallel": "steps that run in parallel have their limits",
    "worker/grapeshot_worker/traffic/wire/connection.py Connector._reach": "awaited with SILENCE_TIMEOUT",
    "worker/grapeshot_worker/traffic/wire/resolver.py ask_system": "awaited with SILENCE_TIMEOUT",
}

# Calls that may wait, by the last part of their name. In the second group only those without any argument do: with
# one, `get` is a dictionary's and `join` a text's, or the argument is the limit.
WAITING = {
    "communicate", "urlopen", "create_connection", "getaddrinfo", "readline", "readexactly", "readuntil", "recv",
    "accept", "check_call", "check_output", "Popen", "create_subprocess_exec",
}  # fmt: skip
WAITING_WITHOUT_ARGUMENTS = {"wait", "get", "join", "acquire", "result", "drain", "wait_closed"}
WAITING_BY_FULL_NAME = re.compile(
    r"requests\.\w+|subprocess\.(run|call)|asyncio\.(wait|gather|shield)|select\.select"
    r"|.*\bapi\.wait|.*stdin\.(buffer\.)?read"
)


def limits() -> list[tuple[list[str], str]]:
    """The constants that a row of the page names, and its limit."""
    return [(NAMED.findall(row[2]), row[1]) for row in rows(PAGE) if len(row) > 3]


def value(name: str) -> list[float]:
    """A constant by its dotted name, as numbers: durations in seconds."""
    package, *parts = name.split(".")
    found: Any = importlib.import_module(PACKAGES[package])
    for place, part in enumerate(parts):
        if is_dataclass(found):
            found = {each.name: each.default for each in fields(found)}[part]
        elif hasattr(found, part):
            found = getattr(found, part)
        else:
            found = importlib.import_module(".".join([PACKAGES[package], *parts[: place + 1]]))
    several = found if isinstance(found, tuple) else (found,)
    return [one.total_seconds() if isinstance(one, timedelta) else float(one) for one in several]


@pytest.mark.parametrize(("names", "limit"), limits(), ids=lambda each: str(each)[:60])
def test_the_page_gives_the_numbers_of_the_code(names: list[str], limit: str) -> None:
    """In their order, and no others; a row without a number has no constant."""
    written = [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", limit)]

    assert written == [number for name in names for number in value(name)]
    assert bool(written) == bool(names)


def test_every_limit_of_the_code_is_on_the_page() -> None:
    """By the names of constants; what is no limit of a run is listed, with the reason."""
    named = {name for names, _ in limits() for name in names}
    found = {name for path in source() for name in constants(path)}

    assert sorted(found - named - set(NO_LIMITS_OF_A_RUN)) == []
    assert sorted(set(NO_LIMITS_OF_A_RUN) - found) == []


def test_no_wait_is_without_a_deadline() -> None:
    """It has one of its own, or it is listed with what ends it."""
    found = {f"{path.relative_to(ROOT)} {where}": line for path in source() for where, line in waits(path)}
    new = {place: line for place, line in found.items() if place not in ENDED_OTHERWISE}

    assert new == {}, "give each a timeout, or say in ENDED_OTHERWISE what ends it"
    assert sorted(set(ENDED_OTHERWISE) - set(found)) == []


@pytest.mark.parametrize(
    "text",
    [
        "async def f(): await queue.get()",
        "async def f(): await future",
        "async def f():\n async with lock: pass",
        "async def f():\n async with asyncio.timeout(1):\n  pass\n await event.wait()",
        "def f(): process.wait()",
        "def f(): thread.join()",
        "def f(): requests.get(url)",
        "def f(): urlopen(url)",
        "def f(): subprocess.run(command, check=True)",
    ],
)
def test_a_wait_without_a_deadline_is_seen(text: str) -> None:
    """In whatever form it comes."""
    assert len(list(Waits.of(ast.parse(text)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "async def f():\n async with asyncio.timeout(1):\n  await queue.get()",
        "async def f():\n async with asyncio.timeout_at(1):\n  await future",
        "def f(): process.wait(timeout=1)",
        "def f(): thread.join(1)",
        "def f(): ', '.join(parts)",
        "def f(): given.get(name)",
        "def f(): requests.get(url, timeout=TIMEOUT)",
    ],
)
def test_a_wait_with_a_deadline_is_none(text: str) -> None:
    """As an argument, or around it."""
    assert list(Waits.of(ast.parse(text))) == []


@cache
def source() -> tuple[Path, ...]:
    return tuple(
        path
        for folder, package in PACKAGES.items()
        for path in sorted((ROOT / folder / package).rglob("*.py"))
    )


def constants(path: Path) -> Iterator[str]:
    """The constants of a module whose names say that they limit something."""
    folder = next(folder for folder in PACKAGES if path.is_relative_to(ROOT / folder))
    parts = path.relative_to(ROOT / folder / PACKAGES[folder]).with_suffix("").parts
    module = ".".join([folder, *(part for part in parts if part != "__init__")])
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        for target in targets:
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(each, ast.Name) and re.fullmatch(rf"(?!_)(\w+_)?{LIMITING.pattern}", each.id):
                    yield f"{module}.{each.id}"


def waits(path: Path) -> Iterator[tuple[str, int]]:
    return Waits.of(ast.parse(path.read_text(encoding="utf-8"), str(path)))


class Waits(ast.NodeVisitor):
    """Finds what waits without a limit: in which function, on which line."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int]] = []
        self._within: list[str] = []
        self._limited = 0

    @classmethod
    def of(cls, tree: ast.AST) -> Iterator[tuple[str, int]]:
        visitor = cls()
        visitor.visit(tree)
        yield from visitor.found

    def _visit_scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        around, self._limited = self._limited, 0
        self._within.append(node.name)
        self.generic_visit(node)
        self._within.pop()
        self._limited = around

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_scope

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        limits = any("timeout" in ast.unparse(item.context_expr) for item in node.items)
        for item in node.items:
            if not isinstance(item.context_expr, ast.Call) and not limits:
                self._note(node)  # a lock or a semaphore
            self.visit(item.context_expr)
        self._limited += limits
        for statement in node.body:
            self.visit(statement)
        self._limited -= limits

    def visit_Await(self, node: ast.Await) -> None:
        if not isinstance(node.value, ast.Call):
            self._note(node)  # a task or a future
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        bare = not node.args and not node.keywords
        waits = last in WAITING or (bare and last in WAITING_WITHOUT_ARGUMENTS)
        waits = waits or WAITING_BY_FULL_NAME.fullmatch(name) is not None
        if waits and not any("timeout" in str(keyword.arg) for keyword in node.keywords):
            self._note(node)
        self.generic_visit(node)

    def _note(self, node: ast.AST) -> None:
        if not self._limited:
            self.found.append((".".join(self._within), getattr(node, "lineno", 0)))
