"""What a request is rendered to, and what of it is made once for all users."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.script.request import parse_request
from grapeshot_worker.script.template import compile_template
from grapeshot_worker.traffic.outgoing import BodyMaker, Renderer, compile_body
from grapeshot_worker.traffic.wire.url import split_url

TARGET = "http://127.0.0.1:81"


def renderer(url: str) -> Renderer:
    """Compile a plain GET."""
    rng = random.Random(1)
    request = parse_request(
        "GET", {"url": url}, target=TARGET, http=HttpSettings(), functions=builtin_functions(rng)
    )
    return Renderer(request, HttpSettings(), ".", rng, target=TARGET)


def body_of(**params: Any) -> BodyMaker:
    """Compile the body of a POST."""
    rng = random.Random(1)
    request = parse_request(
        "POST",
        {"url": "/", **params},
        target="http://127.0.0.1",
        http=HttpSettings(),
        functions=builtin_functions(rng),
    )
    make = compile_body(request, ".", rng)
    assert make is not None
    return make


@pytest.mark.parametrize("params", [{"body": "grapes"}, {"json": {"kind": "grapes"}}], ids=["body", "json"])
def test_a_body_without_templates_is_encoded_once(params: dict[str, Any]) -> None:
    """Every user sends the same bytes object: a megabyte is not written anew for each request."""
    make = body_of(**params)

    assert make({"n": 1})[0] is make({"n": 2})[0]


def test_a_body_with_a_template_is_encoded_for_each_user() -> None:
    """It differs."""
    make = body_of(body="grape {{ n }}")

    assert [make({"n": 1})[0], make({"n": 2})[0]] == [b"grape 1", b"grape 2"]


def test_a_text_that_has_no_bytes_fails_the_user_who_sends_it() -> None:
    """Half a surrogate pair can be written in YAML; the script's other requests are none the worse."""
    make = body_of(body="\ud800")

    with pytest.raises(UnicodeEncodeError):
        make({})


@pytest.mark.parametrize(
    "url",
    [
        "/{{ v }}",
        "/a/{{ v }}/b",
        "/a/.{{ v }}",
        "/a?b={{ v }}&c=.",
        "/%2e{{ v }}",
        "/a b/{{ v }}",
        "/{{ v }}#c",
        "/c",
    ],
)
@given(
    value=st.one_of(
        st.integers(), st.text(alphabet="ab/.?#%2e{}\\@: é", max_size=6), st.text(), st.none(), st.floats()
    )
)
def test_where_a_url_leads_is_known_beforehand_or_found_as_ever(url: str, value: Any) -> None:
    """What is put together from the name's value is what rendering and splitting give."""
    plain = compile_template(TARGET + url, {})
    outgoing = renderer(url).render({"v": value})

    assert outgoing.url == plain.render({"v": value})
    assert outgoing.place in (None, split_url(outgoing.url))


def test_only_what_cannot_be_misread_is_put_together() -> None:
    """Numbers and plain words; dots, and what has to be encoded, go the long way."""
    ready = renderer("/a/{{ v }}/b")

    assert [
        ready.render({"v": value}).place is not None for value in (7, "x-1", "", "..", "a b", "{{ v }}", None)
    ] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_url_without_templates_is_rendered_once() -> None:
    """All users send the same request, whose place is known."""
    ready = renderer("/a?b=c")

    assert ready.render({"n": 1}) is ready.render({"n": 2})
    assert ready.render({}).place == split_url(f"{TARGET}/a?b=c")
