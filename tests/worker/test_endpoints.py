"""Names of endpoints, and Server-Timing."""

from __future__ import annotations

from typing import Any

import pytest

from grapeshot_worker.script.model import EndpointSettings, Request
from grapeshot_worker.script.template import Template, Variables
from grapeshot_worker.traffic.endpoints import compile_endpoint, server_timing_total

TARGET = "http://target.test:8080"


def constant(value: Any) -> Template:
    return Template(value, render=lambda _: value, constant=True)


def varying(source: str, variable: str) -> Template:
    return Template(source, render=lambda variables: variables[variable], constant=False)


def request(written: str, *, name: Template | None = None, target: str = TARGET) -> Request:
    full = target + written if written.startswith("/") else written
    url = varying(full, "url") if "{{" in written else constant(full)
    return Request(method="GET", params={}, url=url, written_url=written, name=name)


@pytest.mark.parametrize(
    ("written", "target", "endpoint"),
    [
        ("/dino", TARGET, "/dino"),
        ("/dino?a=1#f", TARGET, "/dino"),
        ("/item/{{ id }}", TARGET, "/item/{{ id }}"),
        ("/a%20b/%C3%A9", TARGET, "/a b/é"),
        ("/x", "http://target.test/base", "/base/x"),
        ("http://target.test:8080/ok", TARGET, "/ok"),
        ("http://TARGET.test:8080/ok", TARGET, "/ok"),
        ("http://localhost:8080/ok/{{ n }}", TARGET, "localhost/ok/{{ n }}"),
        ("http://target.test:1", TARGET, ":1/"),
        ("http://other.test:1/x", TARGET, "other.test:1/x"),
        ("https://target.test/x", TARGET, "/x"),
        ("http://other.test?q", TARGET, "other.test/"),
        ("http://u:p@other.test/x", TARGET, "other.test/x"),
        ("{{ base }}/x", TARGET, "{{ base }}/x"),
    ],
)
def test_endpoint_is_the_url_as_written(written: str, target: str, endpoint: str) -> None:
    """The endpoint is a constant: path as written, host and port where they are not the target's."""
    assert compile_endpoint(request(written, target=target), target, EndpointSettings()) == endpoint


NAME = constant("GET dino")
VARYING_NAME = varying("N {{ n }}", "n")


@pytest.mark.parametrize(
    ("name", "settings", "endpoint"),
    [
        (None, {}, "/dino"),
        (None, {"strip_query": False}, "/dino?q=1"),
        (NAME, {}, "/dino (GET dino)"),
        (NAME, {"strip_query": False}, "/dino?q=1 (GET dino)"),
        (NAME, {"only_request_names": True}, "GET dino"),
        (None, {"only_request_names": True}, "/dino"),
        (None, {"ignore_unnamed": True}, None),
        (NAME, {"ignore_unnamed": True}, "/dino (GET dino)"),
        (VARYING_NAME, {"only_request_names": True}, "N {{ n }}"),
    ],
)
def test_names_of_requests(name: Template | None, settings: dict[str, Any], endpoint: str | None) -> None:
    """A request's name follows the path or replaces it; requests without one may be left out."""
    assert compile_endpoint(request("/dino?q=1", name=name), TARGET, EndpointSettings(**settings)) == endpoint


@pytest.mark.parametrize(
    ("written", "name", "settings", "variables", "url", "endpoint"),
    [
        ("/i/{{ id }}", None, {}, {}, "http://target.test:8080/i/5?q=%20", "/i/5"),
        ("/i/{{ id }}", None, {"strip_query": False}, {}, "http://target.test:8080/i/5?q=%20", "/i/5?q= "),
        ("/i", VARYING_NAME, {}, {"n": "N 3"}, "http://target.test:8080/i", "/i (N 3)"),
        ("/i", VARYING_NAME, {"only_request_names": True}, {"n": "N 3"}, "http://target.test:8080/i", "N 3"),
        ("/i/{{ id }}", NAME, {}, {}, "http://other.test/i/5", "other.test/i/5 (GET dino)"),
    ],
)
def test_without_grouping_the_final_url_counts(
    written: str,
    name: Template | None,
    settings: dict[str, Any],
    variables: Variables,
    url: str,
    endpoint: str,
) -> None:
    """With groupDynamicURLs false every URL, and every rendered name, is an endpoint of its own."""
    got = compile_endpoint(
        request(written, name=name), TARGET, EndpointSettings(group_dynamic_urls=False, **settings)
    )

    assert callable(got)
    assert got(variables, url) == endpoint


@pytest.mark.parametrize(
    ("written", "name", "settings", "endpoint"),
    [
        ("/i", None, {}, "/i"),
        ("/i", NAME, {}, "/i (GET dino)"),
        ("/i/{{ id }}", NAME, {"only_request_names": True}, "GET dino"),
        ("/i/{{ id }}", None, {"ignore_unnamed": True}, None),
    ],
)
def test_constants_without_grouping(
    written: str, name: Template | None, settings: dict[str, Any], endpoint: str | None
) -> None:
    """What can't vary is computed once, also without grouping."""
    settings = {"group_dynamic_urls": False, **settings}

    assert compile_endpoint(request(written, name=name), TARGET, EndpointSettings(**settings)) == endpoint


@pytest.mark.parametrize(
    ("header", "total"),
    [
        ("total;dur=12.5", 12.5),
        ('db;dur=1, Total;dur=7;desc="x"', 7.0),
        ("total;dur=1, total;dur=2", 1.0),
        ("db;dur=1", -1.0),
        ("total", -1.0),
        ("total;dur=1.2.3", -1.0),
        ("", -1.0),
    ],
)
def test_server_timing(header: str, total: float) -> None:
    """The first total counts; -1 says that there is none."""
    assert server_timing_total(header) == total
