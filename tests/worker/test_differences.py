"""Differences from the reference that no other test holds; docs/compatibility.md names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from one_user import play
from target import Target, serve


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    with serve() as running:
        yield running


def test_a_function_after_the_response_sees_the_whole_url(server: Target, tmp_path: Path) -> None:
    """The part of `qs` included."""
    story = play(
        """
        - get: { url: /json, qs: { q: 1 }, afterResponse: tell }
        - log: "{{ seen }}"
        """,
        server,
        tmp_path,
        hooks="""
        def tell(request, response, context):
            context.vars["seen"] = request.url
        """,
    )

    assert story.lines == [f"{server.url}/json?q=1"]


def test_a_failed_expectation_as_an_error_still_counts_for_its_endpoint(
    server: Target, tmp_path: Path
) -> None:
    """The response came, whatever was expected of it."""
    story = play(
        "- get: { url: /json, expect: { statusCode: 201 } }",
        server,
        tmp_path,
        config="plugins: { expect: { reportFailuresAsErrors: true, outputFormat: silent } }",
    )

    assert story.counters["plugins.metrics-by-endpoint./json.codes.200"] == 1
    assert len(story.errors) == 1


def test_the_name_of_a_function_step_is_a_template(server: Target, tmp_path: Path) -> None:
    """`function: "{{ name }}"` calls the function that the variable names."""
    story = play(
        """
        - function: "{{ which }}"
        - log: "{{ done }}"
        """,
        server,
        tmp_path,
        config="variables: { which: chosen }",
        hooks="""
        def chosen(context):
            context.vars["done"] = "yes"
        """,
    )

    assert story.lines == ["yes"]


def test_a_template_in_a_json_key_makes_one_key(server: Target, tmp_path: Path) -> None:
    """`k.{{ n }}` is the key `k.7`, not a value inside k."""
    story = play(
        "- post: { url: /echo, json: { 'k.{{ n }}': 1 } }", server, tmp_path, config="variables: { n: 7 }"
    )

    assert story.requests[0].body == b'{"k.7":1}'


def test_downloaded_bytes_are_what_came_over_the_wire(server: Target, tmp_path: Path) -> None:
    """A compressed body counts as received; a HEAD has none."""
    story = play(
        """
        - get: { url: /gzip, capture: { regexp: ".", as: first } }
        - head: { url: /json }
        - get: { url: /bytes/100 }
        """,
        server,
        tmp_path,
    )
    plain = play("- get: { url: /gzip, gzip: false }", server, tmp_path)

    assert story.counters["http.downloaded_bytes"] > 100
    assert story.counters["http.downloaded_bytes"] == 100 + plain.counters["http.downloaded_bytes"]
