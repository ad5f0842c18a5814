"""The author's Python functions: loading them, and calling them the way they are written.

Leaves to others: when they are called (steps, http, runner).

The contract is the reference's, in Python's terms. A hook takes the documented arguments from the left and may
leave out the last ones;
it may be a coroutine function; a plain function may take `done` as one argument more and is then finished when
it calls it. An error
(raised, or given to `done`) ends the virtual user and is counted as `errors.<message>`. Only a MemoryError goes on as
it is: it is not the user who fails, but the process.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from grapeshot_worker.errors import Exit, GrapeshotError, StepError
from grapeshot_worker.metrics.recorder import Recorder
from grapeshot_worker.script.template import Functions
from grapeshot_worker.traffic.notices import Notices

# Seconds that a hook gets to call `done`, and a coroutine to return: one that never does would hang the run.
DONE_LIMIT, HOOK_LIMIT = 120.0, 600.0


class Attributes(dict[str, Any]):
    """A dict whose keys can be read and set as attributes too: `request.url`, `request["url"]`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        self.pop(name, None)


class Context:
    """What a hook knows of its user: `vars` (the user's own, to be changed), `scenario`, `funcs`, `_uid`."""

    __slots__ = ("_uid", "funcs", "scenario", "vars")

    def __init__(
        self, variables: dict[str, Any], scenario: Mapping[str, Any], functions: Functions, user_id: str
    ) -> None:
        self.vars = variables
        self.scenario = scenario
        self.funcs = functions
        self._uid = user_id

    def __getitem__(self, name: str) -> Any:
        if name not in self.__slots__:
            raise KeyError(name)
        return getattr(self, name)


class Events:
    """`events.emit(kind, name, value)`: custom metrics of the author."""

    __slots__ = ("_recorder",)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def emit(self, kind: str, name: Any, value: Any = None) -> None:
        """Record a `counter` (name, n), `histogram` or `summary` (name, value), `rate` (name), `error` (name) or
        `customStat`.
        """
        if kind == "counter":
            self._recorder.count(str(name), 1 if value is None else int(value))
        elif kind in ("histogram", "summary"):
            self._recorder.observe(str(name), _finite(value))
        elif kind == "rate":
            self._recorder.rate(str(name))
        elif kind == "error":
            self._recorder.count(f"errors.{name}")
        elif kind == "customStat":
            self._recorder.observe(str(name["stat"]), _finite(name["value"]))
        else:
            raise ValueError(
                f"events.emit: unknown kind {kind!r}; known are counter, histogram, summary, rate, error, customStat"
            )


@dataclass(frozen=True, slots=True)
class _Hook:
    """A function and how it wants to be called."""

    function: Callable[..., Any]
    name: str
    positional: int | None  # how many positional arguments it takes at the most; None: any number
    required: int  # how many of them have no default
    names_done: bool  # one of them is called `done`

    def takes_done(self, documented: int) -> bool:
        """Say whether the function wants `done`, beyond `documented` arguments; a parameter with a default only by
        that name.
        """
        if self.positional is None or self.positional <= documented:
            return False
        return self.required > documented or self.names_done


class Hooks:
    """The functions of one processor file, by name."""

    def __init__(self, module: ModuleType | None, recorder: Recorder, notices: Notices) -> None:
        self._module = module
        self._known: dict[str, _Hook | None] = {}
        self._notices = notices
        self.events = Events(recorder)

    def has(self, name: str) -> bool:
        """Say whether the file defines a function of this name."""
        return self._find(name) is not None

    async def call(self, name: str, *arguments: Any) -> Any:
        """Call a hook with the documented arguments (without `done`); StepError when it fails."""
        hook = self._find(name)
        if hook is None:
            raise StepError(f'Undefined function "{name}"')
        try:
            if hook.takes_done(len(arguments)):
                return await _with_done(hook, arguments)
            result = hook.function(*arguments[: hook.positional])
            return await _awaited(hook, result) if inspect.isawaitable(result) else result
        except (StepError, MemoryError):
            raise
        except Exception as error:
            self._explain(hook, error)
            raise StepError(error_name(error)) from error

    def call_now(self, name: str, *arguments: Any) -> Any:
        """Call a plain function and give its value (`ifTrue`)."""
        hook = self._find(name)
        if hook is None:
            raise StepError(f'Undefined function "{name}"')
        try:
            return hook.function(*arguments[: hook.positional])
        except MemoryError:
            raise
        except Exception as error:
            self._explain(hook, error)
            raise StepError(error_name(error)) from error

    def warn_missing(self, name: str) -> None:
        """Tell once that a hook is named that the file does not define."""
        self._notices.tell(f"WARNING: custom function {name} could not be found")

    def _find(self, name: str) -> _Hook | None:
        if name not in self._known:
            function = getattr(self._module, name, None) if self._module is not None else None
            self._known[name] = _hook(function, name) if callable(function) else None
        return self._known[name]

    def _explain(self, hook: _Hook, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        last = frames[-1] if frames else None
        where = f"{os.path.basename(last.filename)}:{last.lineno}, " if last else ""
        self._notices.tell(f"Hook {hook.name} failed ({where}{type(error).__name__}: {error})")


def _finite(value: Any) -> float:
    number = float(value)
    if not abs(number) < 1e300:  # nan too: no sketch has a place for them
        raise ValueError(f"events.emit: {value!r} is no finite number")
    return number


def load_module(path: str) -> ModuleType:
    """Import the processor file by path, under a private name; its folder comes last on sys.path, so it can
    shadow nothing.

    Raises GrapeshotError, with file and line, when the file can't be imported.
    """
    name = "_grapeshot_hooks_" + hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:16]
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise _not_loaded(path, "it is no Python file", None)
    module = importlib.util.module_from_spec(specification)
    folder = os.path.dirname(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _not_loaded(path, f"{type(error).__name__}: {error}", _line_of(error, path)) from error
    return module


def error_name(error: BaseException | str) -> str:
    """Give the name an error is counted under: its `code` if it has one, else its message, else its type."""
    if isinstance(error, str):
        return error
    code = getattr(error, "code", None)
    return str(code) if isinstance(code, str) and code else str(error) or type(error).__name__


async def _awaited(hook: _Hook, result: Awaitable[Any]) -> Any:
    timeout = asyncio.timeout(HOOK_LIMIT)
    try:
        async with timeout:
            return await result
    except TimeoutError:
        if not timeout.expired():  # the hook's own
            raise
        raise StepError(f"function {hook.name} did not return within {HOOK_LIMIT:g} s") from None


async def _with_done(hook: _Hook, arguments: tuple[Any, ...]) -> Any:
    finished: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(error: Any = None, value: Any = None) -> None:
        # whileTrue's `done` gives the answer itself, as its only argument.
        if finished.done():
            return
        if isinstance(error, bool) or error is None:
            finished.set_result(value if error is None else error)
        else:
            finished.set_exception(
                StepError(error_name(error) if isinstance(error, Exception) else str(error))
            )

    result = hook.function(*arguments, done)
    if inspect.isawaitable(
        result
    ):  # a coroutine is finished when it returns; `done` can only give it an error
        value = await _awaited(hook, result)
        return finished.result() if finished.done() else value
    try:
        async with asyncio.timeout(DONE_LIMIT):
            return await finished
    except TimeoutError:
        raise StepError(f"function {hook.name} did not call done() within {DONE_LIMIT:g} s") from None


def _hook(function: Callable[..., Any], name: str) -> _Hook:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return _Hook(function, name, None, 0, False)
    # `def hook(*args)` can't say that it wants `done`: it gets the documented arguments, all of them.
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return _Hook(function, name, None, 0, False)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in parameters if p.kind in kinds]
    required = sum(p.default is p.empty for p in positional)
    return _Hook(function, name, len(positional), required, any(p.name == "done" for p in positional))


def _line_of(error: BaseException, path: str) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else None


def _not_loaded(path: str, why: str, line: int | None) -> GrapeshotError:
    place = f"{path}:{line}" if line else path
    return GrapeshotError(
        f"The processor {place} could not be loaded.",
        cause=why,
        remedy="Run it by itself (python "
        + os.path.basename(path)
        + ") to see the fault; packages it imports must be installed"
        " in Grapeshot's environment.",
        exit_code=Exit.WORKER,
    )
