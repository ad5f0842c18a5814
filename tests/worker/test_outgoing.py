"""What a request is rendered to, and what of it is made once for all users."""

from __future__ import annotations

import random
from typing import Any

import pytest

from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.script.request import parse_request
from grapeshot_worker.traffic.outgoing import BodyMaker, compile_body


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
