"""The author's functions: how they are found, called, finished and blamed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from grapeshot_worker.errors import GrapeshotError, StepError
from grapeshot_worker.metrics.recorder import Recorder
from grapeshot_worker.traffic.hooks import HOOK_LIMIT, Attributes, Context, Hooks, load_module
from grapeshot_worker.traffic.notices import Notices
from virtual_time import run_virtually

SOURCE = """
import asyncio
seen = []

def plain(context, events):
    context.vars["plain"] = 1

def short(context):
    context["vars"]["short"] = 1

async def coroutine(context, events):
    await asyncio.sleep(0)
    context.vars["coroutine"] = 1

def with_done(context, events, done):
    context.vars["with_done"] = 1
    done()

def with_optional_done(context, events, done=None):
    if done:
        done()

def with_option(context, events, retries=3):
    context.vars["retries"] = retries

def everything(*arguments):
    seen.append(len(arguments))

def later(context, events, done):
    asyncio.get_running_loop().call_soon(done)

def refuses(context, events, done):
    done("no more")

def refuses_with_code(context, events, done):
    error = ValueError("something long")
    error.code = "E_SHORT"
    done(error)

def grows(context, events):
    raise MemoryError

async def grows_async(context, events):
    raise MemoryError

async def hangs(context, events):
    await asyncio.Event().wait()

async def is_late(context, events):
    raise TimeoutError("of its own")

def raises(context, events):
    raise KeyError("token")

async def raises_async(context, events):
    raise ValueError("bad value")

def again(context, done):
    done(context.vars.get("left", 0) > 0)

def metrics(context, events):
    events.emit("counter", "c", 2)
    events.emit("histogram", "h", 3.5)
    events.emit("rate", "r")
    events.emit("error", "mine")

not_callable = 5
"""


def hooks_of(tmp_path: Path, source: str = SOURCE) -> tuple[Hooks, Recorder, list[str]]:
    path = tmp_path / "hooks.py"
    path.write_text(source)
    recorder = Recorder(time.perf_counter, epoch=0)
    told: list[str] = []
    return Hooks(load_module(str(path)), recorder, Notices(told.append)), recorder, told


def call(hooks: Hooks, name: str) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    asyncio.run(_call(hooks, name, Context(variables, {}, {}, "u")))
    return variables


async def _call(hooks: Hooks, name: str, context: Context) -> None:
    await hooks.call(name, context, hooks.events)


@pytest.mark.parametrize("name", ["plain", "short", "coroutine", "with_done"])
def test_a_function_is_called_the_way_it_is_written(tmp_path: Path, name: str) -> None:
    """Sync or async, with fewer arguments, with `done`: all change the user's variables."""
    hooks, _, _ = hooks_of(tmp_path)

    assert call(hooks, name) == {name: 1}


@pytest.mark.parametrize("name", ["with_optional_done", "later", "everything"])
def test_the_less_usual_signatures_finish_too(tmp_path: Path, name: str) -> None:
    """An optional `done`, a `done` that comes later, `*arguments` without `done`."""
    hooks, _, _ = hooks_of(tmp_path)

    assert call(hooks, name) == {}


def test_a_parameter_with_a_default_is_not_taken_for_done(tmp_path: Path) -> None:
    """Only a required one, or one called `done`, asks for it."""
    hooks, _, _ = hooks_of(tmp_path)

    assert call(hooks, "with_option") == {"retries": 3}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("refuses", "no more"),
        ("refuses_with_code", "E_SHORT"),
        ("raises", "'token'"),
        ("raises_async", "bad value"),
        ("is_late", "of its own"),
        ("unknown", 'Undefined function "unknown"'),
        ("not_callable", 'Undefined function "not_callable"'),
    ],
)
def test_a_failing_function_ends_the_user_under_its_name(tmp_path: Path, name: str, error: str) -> None:
    """The error's code, else its message, is what is counted; no hook can end the worker."""
    hooks, _, _ = hooks_of(tmp_path)

    with pytest.raises(StepError) as caught:
        call(hooks, name)

    assert caught.value.name == error


@pytest.mark.parametrize("name", ["grows", "grows_async"])
def test_memory_that_has_run_out_is_no_user_s_failure(tmp_path: Path, name: str) -> None:
    """It goes on as it is: the process can't measure any more."""
    hooks, _, _ = hooks_of(tmp_path)

    with pytest.raises(MemoryError):
        call(hooks, name)


def test_a_coroutine_has_a_limit(tmp_path: Path) -> None:
    """One that waits for ever would hang its user, and with it the run."""
    hooks, _, _ = hooks_of(tmp_path)

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(StepError, match="function hangs did not return within 600 s"):
            await hooks.call("hangs", Context({}, {}, {}, "u"), hooks.events)
        return asyncio.get_running_loop().time() - began

    assert run_virtually(main()) == pytest.approx(HOOK_LIMIT)


def test_a_failing_function_is_told_once_with_its_line(tmp_path: Path) -> None:
    """Ten thousand users that fail alike print one line."""
    hooks, _, told = hooks_of(tmp_path)
    for _ in range(3):
        with pytest.raises(StepError):
            call(hooks, "raises")

    assert told == ["Hook raises failed (hooks.py:53, KeyError: 'token')"]


def test_while_true_gets_its_answer_from_done(tmp_path: Path) -> None:
    """`done(True)` means once more."""
    hooks, _, _ = hooks_of(tmp_path)

    async def answer(left: int) -> Any:
        return await hooks.call("again", Context({"left": left}, {}, {}, "u"))

    assert asyncio.run(answer(1)) is True
    assert asyncio.run(answer(0)) is False


def test_events_become_metrics(tmp_path: Path) -> None:
    """emit knows counters, histograms, rates and errors."""
    hooks, recorder, _ = hooks_of(tmp_path)
    call(hooks, "metrics")

    (period,) = recorder.flush()

    assert period.counters == {"c": 2, "errors.mine": 1}
    assert period.sketches["h"].max == 3.5
    assert period.rates["r"].count == 1


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("import nothing_of_this_name\n", 1, "ModuleNotFoundError"),
        ("x = 1\ndef broken(:\n", 2, "SyntaxError"),
        ("\n\nraise SystemExit(3)\n", 3, "SystemExit"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(
    tmp_path: Path, source: str, line: int, words: str
) -> None:
    """One message, exit code 11, no traceback."""
    with pytest.raises(GrapeshotError) as caught:
        hooks_of(tmp_path, source)

    assert f"hooks.py:{line} could not be loaded" in caught.value.message
    assert words in caught.value.cause
    assert caught.value.exit_code == 11


def test_modules_beside_the_file_can_be_imported(tmp_path: Path) -> None:
    """The processor's folder is searched last: it can't shadow an installed module."""
    (tmp_path / "neighbour_of_hooks.py").write_text("VALUE = 7")
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')")
    source = (
        "import json, neighbour_of_hooks\ndef f(context):\n    context.vars['v'] = neighbour_of_hooks.VALUE"
    )
    hooks, _, _ = hooks_of(tmp_path, source)

    assert call(hooks, "f") == {"v": 7}


def test_a_request_can_be_read_and_changed_by_key_or_attribute() -> None:
    """`request.url` and `request["url"]` are the same thing."""
    request = Attributes(url="/a")
    request.url = "/b"
    request["name"] = "n"

    assert (request["url"], request.name) == ("/b", "n")
    with pytest.raises(AttributeError):
        _ = request.body
