"""Requests, compiled from the script and again after a function changed them."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_worker.errors import Place, StepError
from grapeshot_worker.script.model import Expectation, HttpSettings, Request, Upload
from grapeshot_worker.script.request import parse_request
from grapeshot_worker.script.template import Template, compile_template

SETTINGS = HttpSettings(
    default_headers=(
        ("user-agent", compile_template("ours", {})),
        ("x-default", compile_template("{{ d }}", {})),
    )
)


def make(
    params: dict[str, Any], *, method: str = "get", http: HttpSettings = SETTINGS, **more: Any
) -> Request:
    return parse_request(method, params, target="http://h/base", http=http, functions={}, **more)


def sources(
    pairs: Sequence[tuple[str | Template, Template]] | Sequence[tuple[str, Template]] | None,
) -> dict[Any, Any]:
    return {name: template.source for name, template in pairs or ()}


@pytest.mark.parametrize(
    ("written", "url", "grouped"),
    [
        ("/x/{{ id }}", "http://h/base/x/{{ id }}", "/x/{{ id }}"),
        ("http://other/x", "http://other/x", "http://other/x"),
        ("{{ url }}", "{{ url }}", "{{ url }}"),
        ("http://h/base/x", "http://h/base/x", "/x"),
    ],
)
def test_a_relative_url_has_the_target_in_front(written: str, url: str, grouped: str) -> None:
    """Plain concatenation; anything but a leading slash is left alone."""
    request = make({"url": written})

    assert request.url.source == url
    assert request.params["url"] == url
    assert request.written_url == grouped


@pytest.mark.parametrize("params", [{}, {"url": ""}, {"url": None}, {"url": 5}, {"url": {}}])
def test_a_request_without_a_url_ends_the_user(params: dict[str, Any]) -> None:
    """With the reference's words."""
    with pytest.raises(StepError) as caught:
        make(params)

    assert caught.value.name == "an URL must be specified"


def test_uri_is_another_name_of_url() -> None:
    """Where it gets past validation, it works."""
    assert make({"uri": "/x"}).url.source == "http://h/base/x"


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"headers": "x"}, "ERR_GOT_REQUEST_ERROR"),
        ({"qs": [1]}, "ERR_GOT_REQUEST_ERROR"),
        ({"formData": 1}, "ERR_GOT_REQUEST_ERROR"),
        ({"auth": "me"}, "ERR_GOT_REQUEST_ERROR"),
        ({"capture": "x"}, "Failed capture or match"),
        ({"capture": {"as": "x"}}, "Failed capture or match"),
    ],
)
def test_a_malformed_attribute_ends_the_user(params: dict[str, Any], name: str) -> None:
    """A function may leave anything behind."""
    with pytest.raises(StepError) as caught:
        make({"url": "/", **params})

    assert caught.value.name == name


def test_headers_join_the_defaults_without_regard_to_case() -> None:
    """Names are sent in lower case, the request's own win."""
    request = make({"url": "/", "headers": {"X-DEFAULT": "own", "Accept": "a/b", "N": 5}})

    assert sources(request.headers) == {"user-agent": "ours", "x-default": "own", "accept": "a/b", "n": 5}
    assert sources(make({"url": "/"}).headers) == {"user-agent": "ours", "x-default": "{{ d }}"}


def test_every_attribute_is_compiled() -> None:
    """One request with everything."""
    request = make(
        {
            "url": "/",
            "name": "n {{ a }}",
            "json": {"a": "{{ a }}"},
            "body": "b",
            "form": {"f": [1, 2]},
            "qs": {"q": "{{ a }}"},
            "cookie": {"c": 1},
            "auth": {"user": "{{ a }}", "pass": "p"},
            "gzip": "false",
            "followRedirect": False,
            "maxRedirects": "3",
            "allowGetBody": True,
            "setContentLengthHeader": True,
            "beforeRequest": "one",
            "afterResponse": ["two", "three"],
            "ifTrue": "a > 1",
            "probability": "{{ a }}",
        },
        method="post",
    )
    a = {"a": 7}

    assert request.method == "POST"
    assert request.name is not None
    assert request.name.render(a) == "n 7"
    assert request.json is not None
    assert request.json.render(a) == {"a": 7}
    assert request.body is not None
    assert request.body.render(a) == "b"
    assert sources(request.form) == {"f": [1, 2]}
    assert sources(request.qs) == {"q": "{{ a }}"}
    assert sources(request.cookies) == {"c": 1}
    assert request.auth is not None
    assert [part.render(a) for part in request.auth] == [7, "p"]
    assert (request.gzip, request.follow_redirect, request.max_redirects) == (False, False, 3)
    assert (request.allow_get_body, request.set_content_length) == (True, True)
    assert [t.source for t in request.before_request + request.after_response] == ["one", "two", "three"]
    assert request.if_true == "a > 1"
    assert request.probability is not None
    assert request.probability.render(a) == 7


def test_username_and_password_are_another_way_to_authenticate() -> None:
    """The reference's client takes them as they are."""
    request = make({"url": "/", "username": "u", "password": "{{ p }}"})

    assert request.auth is not None
    assert [part.render({"p": "x"}) for part in request.auth] == ["u", "x"]


@pytest.mark.parametrize("value", [False, {}, True, None, 0])
def test_json_that_is_written_is_kept_whatever_it_is(value: Any) -> None:
    """Whether it is sent is decided when it is."""
    request = make({"url": "/", "json": value})

    assert request.json is not None
    assert request.json.render({}) == value
    assert make({"url": "/"}).json is None


def test_uploads_are_values_or_files() -> None:
    """A value, a value with a type, a file."""
    uploads = make(
        {
            "url": "/",
            "formData": {
                "plain": "{{ a }}",
                "typed": {"value": "v", "contentType": "text/csv"},
                "file": {"fromFile": "./{{ a }}.png"},
                "odd": {"x": 1},
            },
        }
    ).form_data

    assert uploads is not None
    plain, typed, file, odd = uploads
    assert plain.value is not None
    assert plain.value.source == "{{ a }}"
    assert typed.content_type is not None
    assert typed.content_type.source == "text/csv"
    assert file.value is None
    assert file.file is not None
    assert file.file.render({"a": "x"}) == "./x.png"
    assert isinstance(odd, Upload)
    assert odd.value is not None
    assert odd.value.source == {"x": 1}


def test_captures_and_matches_are_compiled() -> None:
    """Extractors with their options; a match has what it expects instead of a name."""
    request = make(
        {
            "url": "/",
            "capture": [
                {"json": "$.{{ key }}", "as": "a.b", "multiple": False},
                {"regexp": "(?<n>x)", "flags": "i", "group": "n", "as": "r", "strict": False},
                {"selector": "a", "attr": "href", "index": "last", "as": "s"},
                {"header": "location", "as": "h"},
                {"xpath": "//a", "as": "x"},
            ],
            "match": {"json": "$.id", "value": "{{ id }}"},
        }
    )
    json, regexp, selector, header, xpath = request.captures
    (match,) = request.matches

    assert (json.kind, json.store, json.multiple, json.strict) == ("json", "a.b", False, True)
    assert json.expression.render({"key": "k"}) == "$.k"
    assert (regexp.flags, regexp.group, regexp.strict) == ("i", "n", False)
    assert (selector.attr, selector.index) == ("href", "last")
    assert (header.kind, xpath.kind) == ("header", "xpath")
    assert match.store is None
    assert match.expected is not None
    assert match.expected.render({"id": 4}) == 4


@pytest.mark.parametrize(
    ("default", "written", "strict"),
    [(True, {}, True), (False, {}, False), (False, {"strict": True}, True), (True, {"strict": False}, False)],
)
def test_a_capture_is_strict_by_default_of_the_script(
    default: bool, written: dict[str, Any], strict: bool
) -> None:
    """What the capture says itself wins."""
    params = {"url": "/", "capture": {"json": "$.a", "as": "a", **written}}

    assert make(params, http=HttpSettings(strict_capture=default)).captures[0].strict is strict


@pytest.mark.parametrize(
    "written", [{"statusCode": 200, "hasHeader": "x"}, [{"statusCode": 200}, {"hasHeader": "x"}]]
)
def test_expectations_are_a_mapping_or_a_list(written: Any) -> None:
    """Both give the same checks in order."""
    first, second = make({"url": "/", "expect": written}).expectations

    assert (first.kind, first.value.render({})) == ("statusCode", 200)
    assert isinstance(second, Expectation)
    assert (second.kind, second.value.render({})) == ("hasHeader", "x")


# ---- what a function changed ----


def test_a_changed_request_is_compiled_anew() -> None:
    """What was changed, added or removed counts; what was left alone is taken over; the place stays."""
    written = {"url": "/a", "headers": {"x": "1"}, "json": {"n": 1}, "qs": {"q": 1}, "name": "n"}
    base = make(written, method="post", place=Place(file="s.yml", line=3))
    params = copy.deepcopy(dict(base.params))
    params["headers"]["Signature"] = "{{ sig }}"
    params["json"] = {"n": 2}
    params["timeout"] = 2
    del params["qs"]

    changed = make(params, method="post", base=base)

    assert sources(changed.headers)["signature"] == "{{ sig }}"
    assert changed.json is not None
    assert changed.json.render({}) == {"n": 2}
    assert changed.qs is None
    assert changed.timeout == 2.0
    assert changed.name is base.name
    assert changed.url is base.url
    assert changed.written_url == "/a"
    assert changed.place == base.place


def test_one_and_true_are_different_bodies() -> None:
    """They are equal in Python, not in JSON."""
    base = make({"url": "/", "json": {"n": 1}})

    changed = make({"url": "/", "json": {"n": True}}, base=base)

    assert changed.json is not None
    assert changed.json.render({})["n"] is True


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.floats(0, 2) | st.sampled_from(["", "a", "{{ x }}"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
_PARAMS = st.fixed_dictionaries(
    {"url": st.sampled_from(["/a", "/b", "http://x/"])},
    optional={
        "json": _JSON,
        "body": st.text(max_size=3),
        "headers": st.dictionaries(st.sampled_from(["A", "a", "x-default"]), _JSON, max_size=2),
        "qs": st.dictionaries(st.sampled_from("ab"), _JSON, max_size=2),
        "gzip": st.booleans(),
    },
)


@given(before=_PARAMS, after=_PARAMS)
def test_taking_over_parts_changes_nothing(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Compiling with and without the request before gives the same request."""
    fresh = make(after)

    reused = make(after, base=make(before))

    for field in ("method", "params", "gzip"):
        assert repr(getattr(fresh, field)) == repr(getattr(reused, field))
    for field in ("url", "json", "body"):
        one, other = getattr(fresh, field), getattr(reused, field)
        assert repr(one and one.source) == repr(other and other.source)
    assert repr(sources(fresh.headers)) == repr(sources(reused.headers))
    assert repr(sources(fresh.qs)) == repr(sources(reused.qs))


def test_a_changed_url_is_counted_under_the_written_one() -> None:
    """A function may make a different url for each user; there is still one endpoint."""
    changed = make({"url": "/b?stamp=17"}, base=make({"url": "/a"}))

    assert changed.url.source.endswith("/b?stamp=17")
    assert changed.written_url == "/a"


def test_compiling_a_changed_request_is_quick() -> None:
    """It happens for each request with a `beforeRequest` function: tens of microseconds, with much room here."""
    base = make(
        {"url": "/a/{{ b }}", "headers": {"x": "1"}, "json": {"n": ["{{ a }}"] * 5}, "expect": {"a": 1}}
    )
    params = copy.deepcopy(dict(base.params))
    params["headers"]["y"] = "2"
    start = time.perf_counter()

    for _ in range(200):
        make(params, base=base)

    assert (time.perf_counter() - start) / 200 < 0.001
