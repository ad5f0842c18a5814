"""The `expect` checks, one table each, and how their results are written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grapeshot_worker.script.model import Expectation, ExpectSettings
from grapeshot_worker.script.template import MISSING, Template, Variables
from grapeshot_worker.traffic.expect import ExpectResult, compile_expectations, format_results, is_printed
from grapeshot_worker.traffic.response import Head, Response

BODY = {"id": 7, "name": "anvil", "list": [1, 2], "none": None, "deep": {"a": [{"b": False}]}, "empty": []}
JSON_TYPE = {"content-type": "application/json; charset=utf-8"}


def constant(value: Any) -> Template:
    return Template(value, render=lambda _: value, constant=True)


def response(body: Any = BODY, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Response(Head(status, fields), raw)


def check(kind: str, value: Any, answer: Response) -> ExpectResult:
    run = compile_expectations([Expectation(kind=kind, value=constant(value))], ExpectSettings())
    (result,) = run(answer, {})
    return result


@pytest.mark.parametrize(
    ("kind", "value", "ok"),
    [
        ("statusCode", 200, True),
        ("statusCode", "200", True),
        ("statusCode", 201, False),
        ("statusCode", [201, "200"], True),
        ("statusCode", [], False),
        ("statusCode", "2xx", False),
        ("statusCode", MISSING, False),
        ("notStatusCode", 500, True),
        ("notStatusCode", 200, False),
        ("notStatusCode", [500, 200], False),
        ("hasProperty", "id", True),
        ("hasProperty", "none", True),
        ("hasProperty", "deep.a[0].b", True),
        ("hasProperty", "deep.a[1].b", False),
        ("hasProperty", "list.length", True),
        ("hasProperty", "nope", False),
        ("notHasProperty", "nope", True),
        ("notHasProperty", "none", False),
        ("jmespath", "deep.a[0]", True),
        ("jmespath", "deep.a[0].b", False),
        ("jmespath", "list[?@ > `1`] | [0] == `2`", True),
        ("jmespath", "empty", True),
        ("jmespath", "nope", False),
        ("jmespath", "list[", False),
        ("jmespath", "sum(name)", False),
        ("jpath", "length(list) == `2`", True),
        ("matchesRegexp", '"id": \\d', True),
        ("matchesRegexp", "^anvil", False),
        ("matchesRegexp", "(", False),
        ("equals", ["a", "a"], True),
        ("equals", [1, "1", 1.0], True),
        ("equals", [True, "true"], True),
        ("equals", ["a", "b"], False),
        ("equals", [], False),
        ("equals", [{"a": 1}, {"a": 2}], False),
        ("equals", [[1, 2], "1,2"], True),
        ("noSuchCheck", 1, None),
    ],
)
def test_check_of_a_json_answer(kind: str, value: Any, ok: bool | None) -> None:
    """Each check tells whether the answer is as expected; an unknown one is ignored."""
    run = compile_expectations([Expectation(kind=kind, value=constant(value))], ExpectSettings())
    results = run(response(headers=JSON_TYPE), {})

    assert [result.ok for result in results] == ([] if ok is None else [ok])
    assert all(result.kind == kind for result in results)


@pytest.mark.parametrize(
    ("value", "content_type", "body", "ok"),
    [
        ("json", "application/json", BODY, True),
        ("json", "application/json; charset=utf-8", [], True),
        ("json", "application/problem+json", BODY, True),
        ("json", "application/ld+json", BODY, True),
        ("json", "text/html", BODY, False),
        ("json", "application/json", "no json", False),
        ("json", "application/json", "42", False),
        ("json", None, BODY, False),
        ("text/html", "Text/HTML", "x", True),
        ("text/html", "text/html; charset=utf-8", "x", False),
        ("text/html", None, "x", False),
    ],
)
def test_content_type(value: str, content_type: str | None, body: Any, ok: bool) -> None:
    """`json` asks for type and parsable body, anything else for the whole header whatever its case."""
    headers = {"Content-Type": content_type} if content_type else {}

    assert check("contentType", value, response(body, headers=headers)).ok is ok


@pytest.mark.parametrize("kind", ["hasProperty", "notHasProperty", "jmespath"])
def test_checks_of_properties_fail_without_an_object(kind: str) -> None:
    """A body that is no JSON object or list has no properties to ask for."""
    result = check(kind, "a", response("plain"))

    assert not result.ok
    assert result.got == "response body is not an object"


@pytest.mark.parametrize(
    ("kind", "value", "ok", "name"),
    [
        ("hasHeader", "x-a", True, "hasHeader"),
        ("hasHeader", "X-A", False, "hasHeader"),
        ("hasHeader", "x-b", False, "hasHeader"),
        ("headerEquals", ["x-a", "5"], True, "header x-a values equals"),
        ("headerEquals", ["x-a", 5], True, "header x-a values equals"),
        ("headerEquals", ["x-a", "6"], False, "header x-a values equals"),
        ("headerEquals", ["x-b", "6"], False, "header x-b values equals"),
        ("headerEquals", "x-a", False, "header x-a values equals"),
    ],
)
def test_headers(kind: str, value: Any, ok: bool, name: str) -> None:
    """Headers are asked for by their lower-case names; headerEquals names the header in its metric."""
    result = check(kind, value, response(headers={"X-A": "5"}))

    assert (result.ok, result.kind) == (ok, name)


@pytest.mark.parametrize(
    ("headers", "hit"),
    [
        ({"X-Cache": "Hit from cloudfront"}, True),
        ({"X-Cache": "RefreshHit from cloudfront"}, True),
        ({"X-Cache": "Miss from cloudfront"}, False),
        ({"X-Cache": "MISS, HIT"}, True),
        ({"X-Cache": "TCP_HIT"}, True),
        ({"CF-Cache-Status": "HIT"}, True),
        ({"CF-Cache-Status": "DYNAMIC"}, False),
        ({"X-Vercel-Cache": "HIT"}, True),
        ({"Cache-Status": "ExampleCache; hit; ttl=5"}, True),
        ({"X-Cache": "white"}, False),
        ({}, False),
    ],
)
def test_cdn_hit(headers: dict[str, str], hit: bool) -> None:
    """cdnHit reads what caches say of themselves; `false` asks for the contrary."""
    assert check("cdnHit", True, response(headers=headers)).ok is hit
    assert check("cdnHit", False, response(headers=headers)).ok is not hit


def test_values_are_rendered_for_each_user() -> None:
    """A check's value may be templated."""
    value = Template("{{ status }}", render=lambda variables: variables["status"], constant=False)
    run = compile_expectations([Expectation(kind="statusCode", value=value)], ExpectSettings())
    users: list[Variables] = [{"status": 200}, {"status": "404"}]

    assert [run(response(), user)[0].ok for user in users] == [True, False]


@pytest.mark.parametrize(("status", "ok"), [(200, True), (500, False)])
def test_expect_default_200(status: int, ok: bool) -> None:
    """A request without checks gets `statusCode: 200` when the script wants it."""
    run = compile_expectations([], ExpectSettings(default_200=True))

    assert [(result.kind, result.ok) for result in run(response(status=status), {})] == [("statusCode", ok)]


def test_without_checks_nothing_is_expected() -> None:
    """A request without checks has no results."""
    assert compile_expectations([], ExpectSettings())(response(), {}) == []


def test_unknown_check_is_told_once() -> None:
    """An unknown check is told in one line that says what there is."""
    told: list[str] = []
    wrong = Expectation(kind="statuscode", value=constant(200))
    compile_expectations([wrong, wrong], ExpectSettings(), notice=told.append)

    assert len(told) == 1
    assert "statuscode" in told[0]
    assert "statusCode" in told[0]


RESULTS = [
    ExpectResult(True, "statusCode", 200, 200),
    ExpectResult(False, "hasProperty", "x", "response body has no x property"),
]


def test_pretty_lines() -> None:
    """`pretty` shows every check, and for a failed one what was expected."""
    assert format_results("GET", "http://h:1/a?b=1", RESULTS, "pretty", name="the a") == (
        "* GET /a?b=1 - the a\n"
        "  ok statusCode 200\n"
        "  not ok hasProperty response body has no x property\n"
        "    expected: x\n"
        "         got: response body has no x property"
    )


@pytest.mark.parametrize(
    ("results", "output_format", "silent"),
    [
        (RESULTS, "silent", True),
        (RESULTS, "prettyError", False),
        (RESULTS[:1], "prettyError", True),
        (RESULTS[:1], "pretty", False),
        ([], "pretty", True),
    ],
)
def test_when_nothing_is_printed(results: list[ExpectResult], output_format: Any, silent: bool) -> None:
    """`silent` prints nothing, `prettyError` only failures."""
    assert is_printed(results, output_format) is not silent


def test_json_line() -> None:
    """`json` prints one line for each response: the request's path, its name if it has one, the results."""
    results = [*RESULTS, ExpectResult(False, "equals", MISSING, float("nan"))]
    line = format_results("GET", "http://h:1", results, "json")
    named = format_results("GET", "http://h/a", results, "json", name="n")
    assert list(json.loads(named)) == ["name", "url", "results"]

    assert "\n" not in line
    assert json.loads(line) == {
        "url": "/",
        "results": [
            {"ok": True, "type": "statusCode", "expected": 200, "got": 200},
            {"ok": False, "type": "hasProperty", "expected": "x", "got": "response body has no x property"},
            {"ok": False, "type": "equals", "expected": None, "got": "NaN"},
        ],
    }
