"""Steps of a script, compiled once into coroutine functions of a user.

Leaves to others: HTTP requests (http), the author's functions (hooks), arrivals and the user's life (runner).
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, assert_never

import orjson

from grapeshot_worker.errors import StepError
from grapeshot_worker.script.duration import DurationError, parse_think
from grapeshot_worker.script.model import Call, Faulty, Log, Loop, Parallel, Request, Scenario, Step, Think
from grapeshot_worker.script.template import (
    MISSING,
    Functions,
    Template,
    compile_path,
    compile_template,
    to_text,
)
from grapeshot_worker.traffic.http import compile_request
from grapeshot_worker.traffic.parallel import in_parallel
from grapeshot_worker.traffic.user import Engine, StepFunction, User

YIELD_EVERY = 64  # iterations of a loop after which other users get a turn, should its body never wait

Elements = Callable[[dict[str, Any]], Sequence[Any]]  # variables → what a loop goes over

_RANGE = re.compile(r"(\d+)-(\d+)")


def compile_scenario(scenario: Scenario, engine: Engine) -> StepFunction:
    """Compile a whole scenario: its `beforeScenario` functions, its flow, its `afterScenario` functions."""
    before = [Call(name=name) for name in scenario.before_scenario]
    after = [Call(name=name) for name in scenario.after_scenario]
    return _sequence([_compile(step, scenario, engine) for step in (*before, *scenario.steps, *after)])


def _compile(step: Step, scenario: Scenario, engine: Engine) -> StepFunction:
    match step:
        case Request():
            try:
                return compile_request(step, scenario, engine)
            except StepError as error:
                # Such as a header that can't be sent: the user fails when it comes to it.
                return _compile_faulty(error.name)
        case Think():
            return _compile_think(step, engine)
        case Log():
            return _compile_log(step)
        case Call():
            return _compile_call(step)
        case Loop():
            body = _sequence([_compile(inner, scenario, engine) for inner in step.steps])
            return _compile_loop(step, body, engine.script.functions)
        case Parallel():
            return _compile_parallel([_compile(inner, scenario, engine) for inner in step.steps], step.limit)
        case Faulty():
            return _compile_faulty(step.error)
        case _:
            assert_never(step)


def _sequence(steps: Sequence[StepFunction]) -> StepFunction:
    if len(steps) == 1:
        return steps[0]

    async def run(user: User) -> None:
        for step in steps:
            await step(user)

    return run


# ---- think, log, function ----


def think_seconds(written: Any, jitter: str | float | None, rng: random.Random) -> float:
    """Give the seconds of one pause: uniform in [t - j, t + j], never negative; j is `N` ms or "P%" of t."""
    try:
        seconds = parse_think(written)
    except DurationError:
        raise StepError(f"Invalid think time: {to_text(written)}") from None
    spread = _jitter_seconds(jitter, seconds)
    return max(0.0, seconds - spread + rng.random() * 2 * spread) if spread else seconds


def _jitter_seconds(jitter: str | float | None, seconds: float) -> float:
    if jitter is None:
        return 0.0
    text = str(jitter).strip()
    try:
        return seconds * float(text[:-1]) / 100 if text.endswith("%") else float(text) / 1000
    except ValueError:
        return 0.0  # as the reference: a jitter that is no number does nothing (the parser has warned)


def _compile_think(step: Think, engine: Engine) -> StepFunction:
    render, rng = step.duration.render, engine.rng
    jitter = step.jitter if step.jitter is not None else engine.script.http.think_jitter

    async def think(user: User) -> None:
        seconds = think_seconds(render(user.variables), jitter, rng)
        await asyncio.sleep(seconds)
        user.due += seconds

    return think


def _compile_log(step: Log) -> StepFunction:
    async def log(user: User) -> None:
        text = step.text.render(user.variables)
        user.engine.print_line(text if isinstance(text, str) else debug_form(text))

    return log


def debug_form(value: Any) -> str:
    """Write a value that is no string for a `log` line: indented JSON for containers."""
    if isinstance(value, dict | list):
        return orjson.dumps(
            value, default=to_text, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2
        ).decode()
    return to_text(value)


def _compile_call(step: Call) -> StepFunction:
    async def call(user: User) -> None:
        name = to_text(step.name.render(user.variables))
        hooks = user.engine.hooks
        if not hooks.has(name):
            # The reference counts it and lets the user go on.
            user.engine.recorder.count(f'errors.Undefined function "{name}"')
            hooks.warn_missing(name)
            return
        await user.call(name, user.context, hooks.events)

    return call


def _compile_faulty(error: str) -> StepFunction:
    async def fail(user: User) -> None:
        raise StepError(error)

    return fail


# ---- loop ----


def count_range(written: Any) -> tuple[int, int | None]:
    """Give (first index, end index or None for ever) of a written `count`.

    `N` → 0..N-1; `"A-B"` → A..B-1; a fraction rounds up; "0" and garbage → none; the number 0, negative or
    absent → for ever.

    >>> count_range(3), count_range("2-5"), count_range(2.5), count_range("0"), count_range(0)
    ((0, 3), (2, 5), (0, 3), (0, 0), (0, None))
    """
    if written is MISSING or written is None:
        return 0, None
    if isinstance(written, str):
        if found := _RANGE.fullmatch(written):
            return int(found[1]), int(found[2])
        try:
            number = float(written)
        except ValueError:
            return 0, 0
        if number == 0:
            return 0, 0
    elif isinstance(written, int | float) and not isinstance(written, bool):
        number = float(written)
    else:
        return 0, 0
    if number <= 0:
        return 0, None
    return (0, 0) if number != number else (0, None if number == float("inf") else -int(-number // 1))


def _compile_loop(step: Loop, body: StepFunction, functions: Functions) -> StepFunction:
    elements_of = _compile_elements(step.over, functions)
    if step.while_true is not None:
        return _compile_while(step, step.while_true, body, elements_of)
    if step.over is not None:
        return _compile_over(step, body, elements_of)
    return _compile_counted(step, body)


def _compile_counted(step: Loop, body: StepFunction) -> StepFunction:
    render = _count_of(step.count)
    index_name, element_name = step.index_variable, step.element_variable

    async def loop(user: User) -> None:
        variables = user.variables
        index, end = count_range(render(variables))
        variables[index_name] = variables[element_name] = index
        while end is None or index < end:
            await body(user)
            index += 1
            variables[index_name] = index
            if not index % YIELD_EVERY:
                await asyncio.sleep(0)

    return loop


def _compile_over(step: Loop, body: StepFunction, elements_of: Elements) -> StepFunction:
    render = _count_of(step.count)
    index_name, element_name = step.index_variable, step.element_variable

    async def loop(user: User) -> None:
        variables = user.variables
        elements = elements_of(variables)
        first = count_range(render(variables))[0]
        for index, element in enumerate(elements[first:], first):
            variables[index_name] = index
            variables[element_name] = element.render(variables) if isinstance(element, Template) else element
            await body(user)
            if not index % YIELD_EVERY:
                await asyncio.sleep(0)
        # As in the reference, the variables end one past the last element, where there is none.
        variables[index_name], variables[element_name] = max(first, len(elements)), MISSING

    return loop


def _compile_elements(over: Template | str | None, functions: Functions) -> Elements:
    """Give what finds the elements of `over`: none of them where it is no list, or not there.

    Those of a list in the script are templates, each rendered when its turn has come.
    """
    if over is None:
        return lambda variables: []
    if isinstance(over, Template):
        written = [compile_template(element, functions) for element in over.source]
        return lambda variables: written
    find = compile_path(over)

    def elements(variables: dict[str, Any]) -> list[Any]:
        found = find(variables)
        return found if isinstance(found, list) else []

    return elements


def _compile_while(step: Loop, name: str, body: StepFunction, elements_of: Elements) -> StepFunction:
    """The function alone decides when it ends; elements of `over` are walked as far as they go."""
    index_name, element_name = step.index_variable, step.element_variable
    render = _count_of(step.count)
    otherwise = _compile_counted(step, body) if step.over is None else _compile_over(step, body, elements_of)

    async def loop(user: User) -> None:
        hooks = user.engine.hooks
        if not hooks.has(name):  # as the reference: an unknown function is ignored, the rest decides
            hooks.warn_missing(name)
            await otherwise(user)
            return
        variables = user.variables
        index = count_range(render(variables))[0]
        elements = elements_of(variables)
        variables[index_name] = variables[element_name] = index
        while True:
            if step.over is not None:
                element = elements[index] if index < len(elements) else MISSING
                variables[element_name] = (
                    element.render(variables) if isinstance(element, Template) else element
                )
            await body(user)
            index += 1
            variables[index_name] = index
            if not await user.call(name, user.context):
                return
            await asyncio.sleep(0)

    return loop


def _count_of(count: Template | None) -> Callable[[dict[str, Any]], Any]:
    return count.render if count is not None else lambda variables: MISSING


# ---- parallel ----


def _compile_parallel(steps: Sequence[StepFunction], limit: int) -> StepFunction:
    async def parallel(user: User) -> None:
        await in_parallel(user, iter(steps), min(limit, len(steps)))

    return parallel
