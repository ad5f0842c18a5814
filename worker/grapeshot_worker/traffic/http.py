"""One `get`, `post`, … of a scenario: what happens around a request, in the reference's order.

probability → ifTrue → beforeRequest hooks → rendering → sending → captures and matches → afterResponse hooks →
expect.

Leaves to others: rendering (outgoing), sending and measuring (exchange), extracting (capture), checking
(expect), hooks (hooks).
What a request needs of all this is decided once, when the scenario is compiled; a plain request runs none of
the rest.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import orjson

from grapeshot_worker.errors import StepError
from grapeshot_worker.script.expression import ExpressionError, compile_expression
from grapeshot_worker.script.model import ExpectSettings, Request, Scenario
from grapeshot_worker.script.request import parse_request
from grapeshot_worker.script.template import MISSING, Template, Variables, to_text
from grapeshot_worker.traffic.endpoints import Endpoint, compile_endpoint
from grapeshot_worker.traffic.exchange import Exchanger
from grapeshot_worker.traffic.expect import ExpectResult, compile_expectations, format_results, is_printed
from grapeshot_worker.traffic.extract.capture import PASSED, Outcome, compile_captures
from grapeshot_worker.traffic.hooks import Attributes
from grapeshot_worker.traffic.outgoing import Outgoing, Renderer
from grapeshot_worker.traffic.response import Response
from grapeshot_worker.traffic.user import Engine, StepFunction, User
from grapeshot_worker.traffic.wire.connection import NetworkError

FAILED_CAPTURE = "Failed capture or match"
_UNSENT = Outgoing("", "", None)  # what could not be rendered

Condition = Callable[[User], bool]


def compile_request(request: Request, scenario: Scenario, engine: Engine) -> StepFunction:
    """Compile one request of a scenario into a step; what can't be a request fails the user who gets there."""
    try:
        compiled = HttpStep(request, scenario, engine)
    except StepError as error:
        perform = _failing(error, request, engine)
    else:
        before = (*scenario.before_request, *request.before_request)
        perform = compiled.perform if not before else compiled.perform_changed
    conditions = _conditions(request, engine)
    if not conditions:
        return perform

    async def step(user: User) -> None:
        for condition in conditions:
            if not condition(user):
                return
        await perform(user)

    return step


def _failing(error: StepError, request: Request, engine: Engine) -> StepFunction:
    async def fail(user: User) -> None:
        _count_error(error, _compile_endpoint(request, engine), request, user)
        raise type(error)(error.name)

    return fail


class HttpStep:
    """One compiled request and all that surrounds it."""

    def __init__(self, request: Request, scenario: Scenario, engine: Engine) -> None:
        script = engine.script
        self._request = request
        self._scenario = scenario
        self._engine = engine
        self._renderer = Renderer(
            request, script.http, script.source.directory, engine.rng, target=script.target
        )
        self._exchanger = Exchanger(request, engine)
        self._endpoint = _compile_endpoint(request, engine)
        self._capture = compile_captures(request.captures, request.matches, engine.rng)
        self._expect = _compile_expect(request, script.plugins.expect, engine.notices.tell)
        self._after = (*scenario.after_response, *request.after_response)
        self._before = (*scenario.before_request, *request.before_request)

    async def perform(self, user: User) -> None:
        """Do the request for one user; StepError ends the user."""
        endpoint, outgoing = self._endpoint, _UNSENT
        try:
            outgoing = self._renderer.render(user.variables)
            if callable(endpoint):
                endpoint = endpoint(user.variables, outgoing.url) or None
            response = await self._exchanger.send(user, outgoing, endpoint)
        except NetworkError as error:
            _count_error(error, endpoint, self._request, user)
            if not self._scenario.on_error:
                raise
            refused = error.with_traceback(None)  # which holds this frame, which holds the error
        else:
            captured = self._capture(response, user.variables) if self._capture is not None else PASSED
            if self._after:
                await self._call_after(user, outgoing, response)
            if self._expect is not None:
                self._check(user, outgoing, response)
            if captured is not PASSED:
                self._explain(outgoing, captured)
                raise StepError(FAILED_CAPTURE)
            return
        await self._tell_error(user, refused, outgoing)
        raise NetworkError(refused.name)

    async def perform_changed(self, user: User) -> None:
        """Let the beforeRequest hooks change the request as written, compile what they made of it, and do it."""
        request = self._request
        params = Attributes(copy.deepcopy(dict(request.params)))
        params.update(url=request.url.source, method=request.method, uuid=user.variables.get("$uuid"))
        headers = params["headers"] = Attributes(params.get("headers") or {})
        await self._call(user, self._before, params, user.context, self._engine.hooks.events)
        changed_headers = params.get("headers")
        if changed_headers is not headers and isinstance(changed_headers, Mapping):
            # As in the reference: new headers come to those of the script, they do not take their place.
            params["headers"] = {**headers, **changed_headers}
        method = str(params.pop("method", request.method))
        params.pop("uuid", None)
        script = self._engine.script
        changed = parse_request(
            method, params, target=script.target, http=script.http, functions=script.functions, base=request
        )
        await HttpStep(changed, self._scenario, self._engine).perform(user)

    # ---- what surrounds it ----

    def _explain(self, outgoing: Outgoing, outcome: Outcome) -> None:
        # The counter does not say which capture failed, nor why.
        first = outcome.failures[0]
        what = f"{first.capture.kind} {to_text(first.capture.expression.source)}"
        place = f" ({self._request.place})" if self._request.place is not None else ""
        self._engine.notices.tell(
            f"{FAILED_CAPTURE}: {self._request.method} {outgoing.url}{place}: {what}: {first.reason}"
        )

    async def _call(self, user: User, names: Sequence[Template], *arguments: Any) -> None:
        hooks = self._engine.hooks
        for template in names:
            name = to_text(template.render(user.variables))
            if hooks.has(name):
                await user.call(name, *arguments)
            else:
                hooks.warn_missing(name)

    async def _call_after(self, user: User, outgoing: Outgoing, response: Response) -> None:
        request, seen = seen_request(self._request, outgoing), seen_response(response)
        await self._call(user, self._after, request, seen, user.context, self._engine.hooks.events)

    async def _tell_error(self, user: User, error: NetworkError, outgoing: Outgoing) -> None:
        if outgoing is _UNSENT:
            outgoing = _UNSENT._replace(url=to_text(self._request.url.render(user.variables)))
        seen = seen_request(self._request, outgoing)
        await self._call(
            user, self._scenario.on_error, error.name, seen, user.context, self._engine.hooks.events
        )

    def _check(self, user: User, outgoing: Outgoing, response: Response) -> None:
        assert self._expect is not None
        results = self._expect(response, user.variables)
        settings, recorder = self._engine.script.plugins.expect, self._engine.recorder
        assert settings is not None
        recorder.checked([(result.ok, result.kind) for result in results])
        name = to_text(self._request.name.render(user.variables)) if self._request.name is not None else None
        if is_printed(results, settings.output_format):
            method, url = self._request.method, outgoing.url
            self._engine.results.show(
                partial(format_results, method, url, results, settings.output_format, name)
            )
        if settings.failures_as_errors and not all(result.ok for result in results):
            label = name if name and settings.only_request_names else outgoing.url
            raise StepError(f"Failed expectations for request {label}")


def _compile_endpoint(request: Request, engine: Engine) -> Endpoint | str | None:
    settings = engine.script.plugins.endpoints
    return compile_endpoint(request, engine.script.target, settings) if settings is not None else None


def _count_error(error: StepError, endpoint: Endpoint | str | None, request: Request, user: User) -> None:
    """Count for its endpoint what the network, or the rules of HTTP, refused."""
    settings = user.engine.script.plugins.endpoints
    if callable(endpoint):
        endpoint = endpoint(user.variables, to_text(request.url.render(user.variables))) or None
    if endpoint is not None and settings is not None and isinstance(error, NetworkError):
        user.engine.recorder.count(f"{settings.namespace}.{endpoint}.errors.{error.name}")


def seen_request(request: Request, outgoing: Outgoing) -> Attributes:
    """Give a request as hooks see it once it was sent: as written, but for what was filled in.

    That is url, method, headers (lower-case), and json, body or form as they went out.
    """
    seen = Attributes(copy.deepcopy(dict(request.params)))
    lines = (line.partition(": ") for line in outgoing.fields.split("\r\n") if line)
    seen.update(
        url=outgoing.url, method=request.method, headers=Attributes((name, text) for name, _, text in lines)
    )
    if outgoing.body is not None:
        if seen.get("json") is not None:
            seen["json"] = orjson.loads(outgoing.body)
        elif request.form is not None:
            seen["form"] = dict(parse_qsl(outgoing.body.decode(), keep_blank_values=True))
        elif request.body is not None:
            seen["body"] = outgoing.body.decode("utf-8", "replace")
    return seen


def seen_response(response: Response) -> Attributes:
    """Give a response as hooks see it: statusCode, headers (lower-case), body (text), timings.phases in ms.

    `set-cookie` is a list: cookies can't be joined by commas.
    """
    cookies = response.set_cookies
    return Attributes(
        statusCode=response.status,
        headers={**response.headers, **({"set-cookie": cookies} if cookies else {})},
        body=response.text,
        url=response.url,
        timings=Attributes(phases=Attributes(response.timings)),
    )


def _compile_expect(
    request: Request, settings: ExpectSettings | None, notice: Callable[[str], None]
) -> Callable[[Response, Variables], list[ExpectResult]] | None:
    if settings is None or not (request.expectations or settings.default_200):
        return None
    return compile_expectations(request.expectations, settings, notice=notice)


# ---- conditions ----


def _conditions(request: Request, engine: Engine) -> list[Condition]:
    conditions: list[Condition] = []
    if request.probability is not None:
        conditions.append(_by_chance(request.probability, engine.rng))
    if request.if_true is not None:
        conditions.append(_by_expression(request.if_true, engine))
    return conditions


def _by_chance(probability: Template, rng: random.Random) -> Condition:
    def chance(user: User) -> bool:
        try:
            percent = float(to_text(probability.render(user.variables)))
        except ValueError:
            return False  # as the reference: a chance that is no number is none
        return rng.random() * 100 < percent

    return chance


def _by_expression(text: str, engine: Engine) -> Condition:
    hooks = engine.hooks
    if hooks.has(text):
        return lambda user: _is_truthy(hooks.call_now(text, user.variables))
    try:
        evaluate = compile_expression(text, rng=engine.rng)
    except ExpressionError:
        return lambda user: True  # as the reference: what can't be compiled does not hold a request back

    def condition(user: User) -> bool:
        variables: Mapping[str, Any] = user.variables
        try:
            return _is_truthy(evaluate(variables))
        except ExpressionError:
            return True

    return condition


def _is_truthy(value: Any) -> bool:
    """JavaScript's truth: empty lists and objects are true, NaN is not."""
    return value is not MISSING and (isinstance(value, dict | list) or (bool(value) and value == value))
