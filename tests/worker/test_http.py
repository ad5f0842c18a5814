"""Requests, as a user of a script makes them of a real server: what is sent, followed, kept, counted and refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from one_user import play
from target import Target, serve


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    """One recording server for all tests of the file."""
    with serve() as running:
        yield running


VALUES = (
    "variables: { n: 7, list: [[1, two]], object: { a: 1 }, nothing: null, path: /items, site: '{target}' }"
)
ENDPOINT = "plugins.metrics-by-endpoint."


# ---- bodies ----


@pytest.mark.parametrize(
    ("written", "body", "content_type"),
    [
        ("json: { a: '{{ n }}', b: 'x{{ n }}', c: '{{ absent }}' }", '{"a":7,"b":"x7"}', "application/json"),
        ("json: '{{ list }}'", '[1,"two"]', "application/json"),
        ("json: {}", "{}", "application/json"),
        ("json: true", "true", "application/json"),
        ("json: false", "false", "application/json"),
        ("json: 0", "0", "application/json"),
        ("json: { a: 1 }\nbody: both", '{"a":1}', "application/json"),
        ("json: { a: 1 }\nheaders: { Content-Type: text/x }", '{"a":1}', "text/x"),
        ("body: 'n = {{ n }}'", "n = 7", None),
        ("body: '{{ absent }}'", "", None),
        (
            "form: { a: '{{ n }}', b: 'x y', c: '{{ list }}' }",
            "a=7&b=x+y&c=1%2Ctwo",
            FORM := "application/x-www-form-urlencoded",
        ),
        ("form: {}", "", FORM),
    ],
)
def test_a_body_is_filled_in_and_has_its_type(
    server: Target, tmp_path: Path, written: str, body: str, content_type: str | None
) -> None:
    """JSON is compact and beats a body; a header of the script's own beats the type."""
    flow = "- post:\n    url: /echo\n" + "\n".join(f"    {line}" for line in written.splitlines())
    (request,) = play(flow, server, tmp_path, config=VALUES).requests

    assert request.text == body
    assert request.headers.get("content-type") == content_type
    assert request.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    "request_line",
    [
        "get: { url: /x, json: { a: 1 } }",
        "head: { url: /x, form: { a: 1 } }",
        "post: { url: /x, body: '{{ n }}' }",
        "post: { url: /x, json: { a: 1 }, form: { b: 1 } }",
        "post: { url: /x, body: a, form: { b: 1 } }",
        "post: { url: /x, formData: { f: { fromFile: nowhere.txt } } }",
    ],
)
def test_a_body_that_can_t_be_sent_fails_the_user(server: Target, tmp_path: Path, request_line: str) -> None:
    """Nothing is sent; the error is counted for the endpoint too."""
    story = play(f"- {request_line}\n- get: {{ url: /health }}", server, tmp_path, config=VALUES)

    assert story.errors == {"ERR_GOT_REQUEST_ERROR": 1}
    assert story.counters[f"{ENDPOINT}/x.errors.ERR_GOT_REQUEST_ERROR"] == 1
    assert story.requests == []
    assert "http.requests" not in story.counters


def test_a_get_may_have_a_body_when_it_says_so(server: Target, tmp_path: Path) -> None:
    """`allowGetBody`."""
    (request,) = play("- get: { url: /echo, body: b, allowGetBody: true }", server, tmp_path).requests

    assert (request.method, request.text) == ("GET", "b")


@pytest.mark.parametrize(
    ("verb", "length"),
    [("post", "0"), ("patch", "0"), ("purge", "0"), ("get", None), ("delete", None), ("options", None)],
)
def test_who_says_that_there_is_no_body(
    server: Target, tmp_path: Path, verb: str, length: str | None
) -> None:
    """All verbs that usually have one, and those nobody knows."""
    (request,) = play(f"- {verb}: {{ url: /echo }}", server, tmp_path).requests

    assert request.method == verb.upper()
    assert request.headers.get("content-length") == length


def test_form_data_sends_values_and_files(server: Target, tmp_path: Path) -> None:
    """A list, an object or a truth is sent as its text; what is missing is left out."""
    flow = """
    - post:
        url: /upload
        formData:
          a: "{{ n }}"
          t: true
          none: "{{ absent }}"
          v: { value: "{{ n }}", contentType: text/x }
          f: { fromFile: "./f{{ n }}.txt" }
          j: { fromFile: f7.txt, contentType: a/b }
        setContentLengthHeader: true
        capture: { json: $, as: got }
    - log: "got {{ got }}"
    """
    story = play(flow, server, tmp_path, config=VALUES, files={"f7.txt": "hello"})
    request = story.requests[0]

    assert '"fields":{"a":"7","t":"true","v":"7"}' in story.lines[0]
    assert '{"name":"f","filename":"f7.txt","size":5,"type":"text/plain"}' in story.lines[0]
    assert '{"name":"j","filename":"f7.txt","size":5,"type":"a/b"}' in story.lines[0]
    assert request.headers["content-length"] == str(len(request.body))


# ---- urls and queries ----


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("url: '/a/{{ n }}/{{ object }}/{{ absent }}'", "/a/7/%7B%22a%22:1%7D/undefined"),
        ("url: '{{ path }}?q={{ n }}'", "/items?q=7"),
        ("url: '{{ path }}'", "/items"),
        ("url: '{target}/x y#part'", "/x%20y"),
        ("url: '{target}'", "/"),
        ("url: '/x?old=1', qs: { a: 'b c&d', e: [1, two], t: true }", "/x?a=b+c%26d&e=1&e=two&t=true"),
        ("url: '/x?old=1', qs: {}", "/x"),
        (
            "url: /x, qs: { u: '{{ absent }}', z: null, o: '{{ object }}', l: '{{ list }}' }",
            "/x?u=&z=&o=&l=1&l=two",
        ),
        ("url: /x, qs: { '{{ n }}': a, b: c }", "/x?b=c&7=a"),
    ],
)
def test_a_url_is_filled_in(server: Target, tmp_path: Path, written: str, target: str) -> None:
    """`qs` takes the place of a query in the url, its names are templates too; a path gets the target in front."""
    (request,) = play(f"- get: {{ {written} }}", server, tmp_path, config=VALUES).requests

    assert request.target == target


@pytest.mark.parametrize(("url", "name"), [("nowhere", "nowhere"), ("{{ n }}", "7"), ("?x=1", "?x=1")])
def test_what_is_no_url_fails_the_user(server: Target, tmp_path: Path, url: str, name: str) -> None:
    """Under the text that was filled in."""
    story = play(f"- get: {{ url: '{url}' }}", server, tmp_path, config=VALUES)

    assert story.errors == {f"Invalid URL - {name}": 1}


# ---- headers, credentials ----


def sent_headers(server: Target, folder: Path, written: str, config: str = "") -> dict[str, str]:
    story = play(f"- get: {{ url: /echo, {written} }}", server, folder, config=config or VALUES)
    return story.requests[0].headers


@pytest.mark.parametrize(
    ("headers", "name", "value"),
    [
        ("X-A: '{{ n }}'", "x-a", "7"),
        ("x-a: 'is {{ absent }}'", "x-a", "is undefined"),
        ("x-a: '{{ absent }}'", "x-a", None),
        ("x-a: null", "x-a", None),
        ("x-a: '{{ nothing }}'", "x-a", None),
        ("x-a: '{{ list }}'", "x-a", "1, two"),
        ("x-a: '{{ object }}'", "x-a", '{"a":1}'),
        ("x-a: true", "x-a", "true"),
        ("User-Agent: me", "user-agent", "me"),
        ("Host: other.example", "host", "other.example"),
        ("connection: close", "connection", "close"),
        ("accept-encoding: identity", "accept-encoding", "identity"),
    ],
)
def test_a_header_is_filled_in(
    server: Target, tmp_path: Path, headers: str, name: str, value: str | None
) -> None:
    """A list is a header repeated, nothing drops it; headers the client makes itself are replaced, not doubled."""
    assert sent_headers(server, tmp_path, f"headers: {{ {headers} }}").get(name) == value


def test_headers_of_a_request_beat_the_defaults_in_any_case(server: Target, tmp_path: Path) -> None:
    """Names are compared without case."""
    config = "http: { defaults: { headers: { X-One: default, x-two: default } } }"
    headers = sent_headers(server, tmp_path, "headers: { x-ONE: mine }", config)

    assert (headers["x-one"], headers["x-two"]) == ("mine", "default")


def test_without_gzip_no_encoding_is_asked_for(server: Target, tmp_path: Path) -> None:
    """`gzip: false`."""
    assert "accept-encoding" not in sent_headers(server, tmp_path, "gzip: false")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('x: "a\\nb"', "ERR_INVALID_CHAR"),
        ('x: "\\u2603"', "ERR_INVALID_CHAR"),
        ("x: '{{ line }}'", "ERR_INVALID_CHAR"),
        ("'x y': a", "ERR_INVALID_HTTP_TOKEN"),
        ("'x-{{ n }}': a", "ERR_INVALID_HTTP_TOKEN"),
    ],
)
def test_a_header_that_can_t_be_sent_fails_the_user(
    server: Target, tmp_path: Path, header: str, name: str
) -> None:
    """Not the run, and not before the user gets there."""
    flow = f"- get: {{ url: /health }}\n- get: {{ url: /x, headers: {{ {header} }} }}"
    story = play(flow, server, tmp_path, config='variables: { line: "a\\r\\nb" }')

    assert story.errors == {name: 1}
    assert story.counters[f"{ENDPOINT}/x.errors.{name}"] == 1
    assert story.sent == ["GET /health"]


def test_a_faulty_request_that_is_held_back_fails_nobody(server: Target, tmp_path: Path) -> None:
    """Its condition is asked first."""
    story = play("- get: { url: /x, headers: { 'x y': a }, ifTrue: absent }", server, tmp_path)

    assert story.errors == {}


@pytest.mark.parametrize(
    ("written", "credentials"),
    [
        ("url: /echo, auth: { user: 'u{{ n }}', pass: 'p:q' }", "u7:p:q"),
        ("url: /echo, auth: { user: u }", "u:"),
        ("url: /echo, auth: {}", None),
        ("url: /echo, auth: { user: u, pass: p }, headers: { authorization: x }", "u:p"),
        ("url: 'http://ann:s%40me@127.0.0.1:{port}/echo'", "ann:s@me"),
        ("url: 'http://ann@127.0.0.1:{port}/echo', headers: { authorization: x }", "ann:"),
        ("url: 'http://ann:x@127.0.0.1:{port}/echo', auth: { user: u, pass: p }", "u:p"),
    ],
)
def test_credentials_are_sent_as_basic(
    server: Target, tmp_path: Path, written: str, credentials: str | None
) -> None:
    """Those of `auth` beat those in the url, which beat a written header."""
    story = play(f"- get: {{ {written} }}", server, tmp_path, config=VALUES)
    expected = None if credentials is None else f"Basic {base64.b64encode(credentials.encode()).decode()}"

    assert story.requests[0].headers.get("authorization") == expected


def test_the_user_agent_is_ours_unless_the_script_has_one(server: Target, tmp_path: Path) -> None:
    """Also with default headers that lack one."""
    config = "http: { defaults: { headers: { x: y } } }"

    assert re.fullmatch(r"Grapeshot/[\d.]+", sent_headers(server, tmp_path, "gzip: true")["user-agent"])
    assert sent_headers(server, tmp_path, "gzip: true", config)["user-agent"].startswith("Grapeshot/")


def test_tracing_gives_every_request_an_id_of_its_own(server: Target, tmp_path: Path) -> None:
    """The prefix is made hexadecimal; a header of the script's own gives way."""
    flow = "- get: { url: /redirect/1 }\n- get: { url: /health, headers: { traceparent: own } }"
    config = "http: { distributedTracing: { enabled: true, sampled: false, traceIdPrefix: ABxyz12 } }"
    ids = [request.headers["traceparent"] for request in play(flow, server, tmp_path, config=config).requests]

    assert all(re.fullmatch(r"00-ab12[0-9a-f]{28}-[0-9a-f]{16}-00", trace) for trace in ids)
    assert ids[0] == ids[1] != ids[2]


# ---- cookies ----


def test_default_cookies_are_sent_by_everybody(server: Target, tmp_path: Path) -> None:
    """And with them the jar is in use from the start: what a request adds stays, a written header gives way."""
    flow = """
    - get: { url: /echo, cookie: { own: "{{ n }}" } }
    - get: { url: /echo, headers: { cookie: written=1 } }
    """
    config = f"{VALUES}\nhttp: {{ defaults: {{ cookie: {{ a: x }} }} }}"
    story = play(flow, server, tmp_path, config=config)

    assert [request.cookies for request in story.requests] == [{"a": "x", "own": "7"}] * 2


def test_a_request_s_own_cookie_is_for_it_alone_until_the_jar_is_in_use(
    server: Target, tmp_path: Path
) -> None:
    """A Set-Cookie puts it in use."""
    flow = """
    - get: { url: /cookies, cookie: { own: 1 } }
    - get: { url: /cookies }
    - get: { url: "/cookies/set?s=2" }
    - get: { url: /cookies }
    """
    story = play(flow, server, tmp_path)

    assert [request.cookies for request in story.requests] == [{"own": "1"}, {}, {}, {"own": "1", "s": "2"}]


def test_a_cookie_set_by_a_redirect_goes_with_the_next_hop(server: Target, tmp_path: Path) -> None:
    """As in a browser: a log-in that redirects leads to the page of who logged in."""
    with serve_cookies() as (url, seen):
        play(f"- get: {{ url: '{url}/login' }}", server, tmp_path)

    assert seen == [("/login", None), ("/home", "s=1")]


def serve_cookies() -> Any:
    """Serve a log-in that sets a cookie and redirects, on a server of its own."""
    import contextlib
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("cookie")))
            self.send_response(302 if self.path == "/login" else 200)
            if self.path == "/login":
                self.send_header("Set-Cookie", "s=1; Path=/")
                self.send_header("Location", "/home")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    @contextlib.contextmanager
    def serving() -> Iterator[Any]:
        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}", seen
            finally:
                server.shutdown()
                thread.join()

    return serving()


# ---- redirects ----


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (300, "POST", "b"),
        (301, "POST", "b"),
        (302, "POST", "b"),
        (303, "GET", ""),
        (304, "POST", "b"),
        (307, "POST", "b"),
        (308, "POST", "b"),
    ],
)
def test_a_redirect_keeps_method_and_body_but_for_303(
    server: Target, tmp_path: Path, status: int, method: str, body: str
) -> None:
    """Every hop is a request and a response; the last one alone is the endpoint's."""
    flow = f"- post: {{ url: '/redirect-to?status={status}&url=/echo', body: b, headers: {{ content-type: text/x }} }}"
    story = play(flow, server, tmp_path)
    last = story.requests[-1]

    assert (last.method, last.target, last.text) == (method, "/echo", body)
    assert ("content-type" in last.headers) is bool(body)
    assert story.counters["http.requests"] == story.counters["http.responses"] == 2
    assert story.counters[f"http.codes.{status}"] == 1
    assert story.counters[f"{ENDPOINT}/redirect-to.codes.200"] == 1


def test_form_data_is_sent_again_after_a_redirect(server: Target, tmp_path: Path) -> None:
    """The reference's stream is used up by then."""
    flow = "- post: { url: '/redirect-to?status=307&url=/upload', formData: { a: 1 } }"
    story = play(flow, server, tmp_path)

    assert story.requests[0].body == story.requests[1].body != b""


def test_credentials_and_host_stay_with_their_host(server: Target, tmp_path: Path) -> None:
    """A redirect to another host goes without."""
    headers = "{ authorization: a, cookie: b=c, host: mine, x-a: kept }"
    flow = f"- get: {{ url: '/redirect-to?url=http://localhost:{{port}}/echo', headers: {headers} }}"
    first, last = play(flow, server, tmp_path).requests

    assert first.headers["host"] == "mine"
    assert last.headers["host"] == f"localhost:{server.port}"
    assert last.headers["x-a"] == "kept"
    assert not last.headers.keys() & {"authorization", "cookie"}


@pytest.mark.parametrize(
    ("most", "hops", "requests"), [("", 10, 11), ("", 11, 11), (", maxRedirects: 0", 1, 1)]
)
def test_there_are_ten_hops_unless_said_otherwise(
    server: Target, tmp_path: Path, most: str, hops: int, requests: int
) -> None:
    """One more fails the user, and is counted for the endpoint."""
    story = play(f"- get: {{ url: /redirect/{hops}{most} }}", server, tmp_path)
    failed = {"ERR_TOO_MANY_REDIRECTS": 1} if requests <= hops else {}

    assert len(story.requests) == requests
    assert story.errors == failed
    assert story.counters.get(f"{ENDPOINT}/redirect/{hops}.errors.ERR_TOO_MANY_REDIRECTS", 0) == len(failed)


@pytest.mark.parametrize(
    ("location", "name"), [("ftp://h/x", "ERR_UNSUPPORTED_PROTOCOL"), ("http://[bad", "ERR_INVALID_URL")]
)
def test_a_location_nobody_can_follow_fails_the_user(
    server: Target, tmp_path: Path, location: str, name: str
) -> None:
    """The response that named it is counted all the same."""
    story = play(f"- get: {{ url: /redirect-to, qs: {{ url: '{location}' }} }}", server, tmp_path)

    assert story.errors == {name: 1}
    assert story.counters["http.codes.302"] == story.counters["http.responses"] == 1


@pytest.mark.parametrize("path", ["/status/302", "/status/304"])
def test_a_redirect_to_nowhere_is_an_answer(server: Target, tmp_path: Path, path: str) -> None:
    """Without a Location there is nothing to follow; the reference waits for ever."""
    story = play(f"- get: {{ url: {path} }}", server, tmp_path)

    assert story.counters["vusers.completed"] == story.counters["http.responses"] == 1


def test_redirects_are_left_alone_when_told_so(server: Target, tmp_path: Path) -> None:
    """`followRedirect: false`."""
    story = play("- get: { url: /redirect/1, followRedirect: false }", server, tmp_path)

    assert story.sent == ["GET /redirect/1"]


# ---- answers and failures ----


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "brotli", "zstd"])
def test_encoded_bodies_are_read(server: Target, tmp_path: Path, encoding: str) -> None:
    """And counted by their bytes on the wire."""
    flow = f"- get: {{ url: /{encoding}, capture: {{ json: $.encoding, as: e }} }}\n- log: '{{{{ e }}}}'"
    story = play(flow, server, tmp_path)

    assert story.lines == [encoding]
    assert 0 < story.counters["http.downloaded_bytes"] < 400


@pytest.mark.parametrize(
    ("url", "name", "responses"),
    [
        ("/close", "ECONNRESET", 0),
        ("/reset", "ECONNRESET", 0),
        ("/truncate", "ECONNRESET", 1),
        ("http://127.0.0.1:1/", "ECONNREFUSED", 0),
    ],
)
def test_a_failed_exchange_ends_the_user_under_its_code(
    server: Target, tmp_path: Path, url: str, name: str, responses: int
) -> None:
    """Counted as a request; as a response only when its head had come."""
    story = play(f"- get: {{ url: '{url}', name: it }}\n- log: no", server, tmp_path)
    place = ":1/" if url.startswith("http:") else url

    assert story.errors == {name: 1}
    assert story.counters["http.requests"] == 1
    assert story.counters.get("http.responses", 0) == responses
    assert story.counters[f"{ENDPOINT}{place} (it).errors.{name}"] == 1
    assert story.lines == []


@pytest.mark.parametrize("config", ["http: { timeout: 0.1 }", "timeout: 0.1\nhttp: { timeout: 9 }"])
def test_an_answer_that_is_late_fails_the_user(server: Target, tmp_path: Path, config: str) -> None:
    """`config.timeout` beats `config.http.timeout`."""
    story = play("- get: { url: /delay/600 }", server, tmp_path, config=config)

    assert story.errors == {"ETIMEDOUT": 1}


def test_a_timeout_that_is_no_number_fails_each_request(server: Target, tmp_path: Path) -> None:
    """And not the run."""
    story = play("- get: { url: /health }", server, tmp_path, config="http: { timeout: 1s }")

    assert story.errors == {"ERR_GOT_REQUEST_ERROR": 1}
    assert story.counters[f"{ENDPOINT}/health.errors.ERR_GOT_REQUEST_ERROR"] == 1


def test_an_error_status_is_no_error(server: Target, tmp_path: Path) -> None:
    """It is a response of its class."""
    story = play("- get: { url: /status/503 }\n- log: on", server, tmp_path)

    assert story.lines == ["on"]
    assert story.totals.sketches["http.response_time.5xx"].count == 1


def test_a_redirect_counts_once_for_apdex(server: Target, tmp_path: Path) -> None:
    """Each response that is an answer."""
    story = play(
        "- get: { url: /redirect/2 }\n- get: { url: /delay/60 }",
        server,
        tmp_path,
        config="plugins: { apdex: {} }\napdex: { threshold: 40 }",
    )
    counted = {name: n for name, n in story.counters.items() if name.startswith("apdex.")}

    assert counted == {"apdex.satisfied": 1, "apdex.tolerated": 1, "apdex.frustrated": 0}


def test_extended_metrics_tell_what_opening_a_connection_took(server: Target, tmp_path: Path) -> None:
    """Once for each connection; the whole exchange for each request."""
    story = play(
        "- get: { url: /health }\n- get: { url: /health }",
        server,
        tmp_path,
        config="http: { extendedMetrics: true }",
    )
    counts = {name: story.totals.sketches[f"http.{name}"].count for name in ("dns", "tcp", "tls", "total")}

    assert counts == {"dns": 1, "tcp": 1, "tls": 1, "total": 2}


def test_one_strict_failure_keeps_all_captures_back(server: Target, tmp_path: Path) -> None:
    """The functions after the response still run, then the user fails, once."""
    hooks = """
    def after(request, response, context, events):
        events.emit("counter", "ids", "id" in context.vars)
    """
    captures = "[ { json: $.id, as: id }, { json: $.a, as: a }, { json: $.b, as: b } ]"
    flow = f"- get: {{ url: /json, capture: {captures}, afterResponse: after }}"
    story = play(flow, server, tmp_path, hooks=hooks)

    assert story.errors == {"Failed capture or match": 1}
    assert story.counters["ids"] == 0


def test_a_capture_may_be_stored_at_a_path(server: Target, tmp_path: Path) -> None:
    """Objects and lists on the way are made."""
    flow = """
    - get: { url: /json, capture: [ { json: $.id, as: "a.b[1].c" }, { header: content-type, as: "h[type]" } ] }
    - log: "{{ a }} {{ h }}"
    """

    assert play(flow, server, tmp_path).lines == ['{"b":[null,{"c":42}]} {"type":"application/json"}']


# ---- expectations ----


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("", "{target}/json?7"),
        (", useOnlyRequestNames: true", "nm 7"),
    ],
)
def test_failed_expectations_can_end_the_user(
    server: Target, tmp_path: Path, options: str, error: str
) -> None:
    """Under the url, or the request's name; the response is counted."""
    flow = "- get: { url: '/json?{{ n }}', name: 'nm {{ n }}', expect: { statusCode: 201 } }\n- log: no"
    config = (
        f"{VALUES}\nplugins: {{ expect: {{ reportFailuresAsErrors: true, outputFormat: silent{options} }} }}"
    )
    story = play(flow, server, tmp_path, config=config)

    assert story.errors == {f"Failed expectations for request {error.replace('{target}', server.url)}": 1}
    assert story.counters["plugins.expect.failed.statusCode"] == 1
    assert story.counters["http.codes.200"] == 1
    assert story.lines == []


# ---- functions around a request ----

HOOKS = """
import asyncio
import json

def show(request, context, events):
    print_ = [request["method"], request["url"], request.get("json"), dict(request["headers"])]
    context.vars["shown"] = json.dumps(print_)

def another_url(request, context): request.url = request.url.replace("/echo", "/items") + "?u={{ n }}"
def set_json(request, context): request.json = {"n": "{{ n }}"}
def no_json(request, context): del request["json"]
def set_body(request, context): request.body = "body {{ n }}"
def set_form(request, context): request.form = {"a": "{{ n }}"}
def set_query(request, context): request.qs = {"q": "{{ n }}"}
def set_headers(request, context): request.headers["X-Hook"] = "h{{ n }}"
def new_headers(request, context): request.headers = {"X-New": "v", "x-ONE": "new"}
def drop_header(request, context): request.headers["x-one"] = None
def set_method(request, context): request.method = "PUT"
def set_cookie(request, context): request.cookie = {"c": "{{ n }}"}
def set_auth(request, context): request.auth = {"user": "u", "pass": "p"}
def set_timeout(request, context): request.timeout = 0.1
def set_capture(request, context): request.capture = {"json": "$.method", "as": "late"}
def set_name(request, context): request.name = "hooked"
async def later(request, context): request.headers["x-later"] = "1"
def refuse(request, context, events, done): done(ValueError("not today"))

def after(request, response, context, events):
    seen = {key: request.get(key) for key in ("url", "method", "json", "form", "body")}
    context.vars["seen"] = json.dumps([seen, request.headers.get("x-a"), response.statusCode])

def cookies(request, response, context, events):
    context.vars["seen"] = response.headers["set-cookie"]

def failed(error, request, context, events):
    events.emit("counter", f"told {error} {request.method} {request.url}", 1)

async def failed_at_last(error, request, context, events):
    await asyncio.sleep(0.001)
    failed(error, request, context, events)
"""


@pytest.mark.parametrize(
    ("written", "hook", "method", "target", "body", "headers"),
    [
        ("", "another_url", "POST", "/items?u=7", "", {}),
        ("", "set_json", "POST", "/echo", '{"n":7}', {"content-type": "application/json"}),
        ("json: { a: 1 }", "set_json", "POST", "/echo", '{"n":7}', {}),
        ("json: { a: 1 }, body: b", "no_json", "POST", "/echo", "b", {}),
        ("body: old", "set_body", "POST", "/echo", "body 7", {}),
        ("json: { a: 1 }", "set_body", "POST", "/echo", '{"a":1}', {}),
        ("", "set_form", "POST", "/echo", "a=7", {}),
        ("form: { b: 1 }", "set_form", "POST", "/echo", "a=7", {}),
        ("", "set_query", "POST", "/echo?q=7", "", {}),
        ("qs: { b: 1 }", "set_query", "POST", "/echo?q=7", "", {}),
        ("headers: { X-One: a }", "set_headers", "POST", "/echo", "", {"x-hook": "h7", "x-one": "a"}),
        (
            "headers: { X-One: a, b: c }",
            "new_headers",
            "POST",
            "/echo",
            "",
            {"x-new": "v", "x-one": "new", "b": "c"},
        ),
        ("", "set_method", "PUT", "/echo", "", {}),
        ("", "set_cookie", "POST", "/echo", "", {"cookie": "c=7"}),
        ("", "set_auth", "POST", "/echo", "", {"authorization": "Basic dTpw"}),
        ("", "later", "POST", "/echo", "", {"x-later": "1"}),
        ("", "[set_json, '{{ hook }}']", "POST", "/echo", '{"n":7}', {"x-hook": "h7"}),
        ("", "nobody", "POST", "/echo", "", {}),
    ],
)
def test_a_function_before_the_request_changes_what_is_sent(
    server: Target,
    tmp_path: Path,
    written: str,
    hook: str,
    method: str,
    target: str,
    body: str,
    headers: dict[str, str],
) -> None:
    """Its templates are filled in too; new headers come to those of the script. One endpoint stays one."""
    flow = f"- post: {{ url: /echo, beforeRequest: {hook}{', ' if written else ''}{written} }}"
    story = play(flow, server, tmp_path, config="variables: { n: 7, hook: set_headers }", hooks=HOOKS)
    (request,) = story.requests

    assert (request.method, request.target, request.text) == (method, target, body)
    assert headers.items() <= request.headers.items()
    assert all(
        n.startswith(f"{ENDPOINT}/echo.codes.") for n in story.counters if n.startswith(f"{ENDPOINT}/")
    )


def test_a_function_can_drop_a_header(server: Target, tmp_path: Path) -> None:
    """By setting it to None."""
    flow = "- get: { url: /echo, headers: { x-one: a }, beforeRequest: drop_header }"
    (request,) = play(flow, server, tmp_path, hooks=HOOKS).requests

    assert "x-one" not in request.headers


def test_a_function_before_sees_the_request_as_written(server: Target, tmp_path: Path) -> None:
    """Templates are not yet filled in, but the target stands before the url; there are always headers."""
    flow = (
        "- post: { url: '/echo?{{ n }}', json: { a: '{{ n }}' }, beforeRequest: show }\n- log: '{{ shown }}'"
    )
    story = play(flow, server, tmp_path, config="variables: { n: 7 }", hooks=HOOKS)

    assert story.lines == [f'["POST", "{server.url}/echo?{{{{ n }}}}", {{"a": "{{{{ n }}}}"}}, {{}}]']


def test_a_function_may_add_a_capture_a_name_and_a_timeout(server: Target, tmp_path: Path) -> None:
    """They work as if they were written."""
    flow = """
    - get: { url: /echo, beforeRequest: [set_capture, set_name] }
    - log: "{{ late }}"
    - get: { url: /delay/600, beforeRequest: set_timeout }
    """
    story = play(flow, server, tmp_path, hooks=HOOKS)

    assert story.lines == ["GET"]
    assert story.counters[f"{ENDPOINT}/echo (hooked).codes.200"] == 1
    assert story.errors == {"ETIMEDOUT": 1}


def test_a_function_before_that_fails_ends_the_user_without_a_request(server: Target, tmp_path: Path) -> None:
    """Under its message."""
    story = play("- get: { url: /echo, beforeRequest: refuse }", server, tmp_path, hooks=HOOKS)

    assert story.errors == {"not today": 1}
    assert "http.requests" not in story.counters


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("json: { a: '{{ n }}' }", '"json": {"a": 7}, "form": null, "body": null'),
        ("form: { a: '{{ n }}' }", '"json": null, "form": {"a": "7"}, "body": null'),
        ("body: 'b{{ n }}'", '"json": null, "form": null, "body": "b7"'),
    ],
)
def test_a_function_after_the_response_sees_the_request_as_sent(
    server: Target, tmp_path: Path, written: str, seen: str
) -> None:
    """Filled in: url, headers and body."""
    flow = f"""
    - post: {{ url: '/echo?q=~', headers: {{ X-A: 'a~' }}, {written}, afterResponse: after }}
    - log: "{{{{ seen }}}}"
    """.replace("~", "{{ n }}")
    story = play(flow, server, tmp_path, config="variables: { n: 7 }", hooks=HOOKS)

    assert story.lines == [f'[{{"url": "{server.url}/echo?q=7", "method": "POST", {seen}}}, "a7", 200]']


def test_a_function_after_the_response_sees_set_cookie_as_a_list(server: Target, tmp_path: Path) -> None:
    """Cookies can't be joined."""
    flow = "- get: { url: '/cookies/set?a=1&b=2', afterResponse: cookies }\n- log: 'all {{ seen }}'"
    story = play(flow, server, tmp_path, hooks=HOOKS)

    assert story.lines == ['all ["a=1; Path=/","b=2; Path=/"]']


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("url: 'http://127.0.0.1:1/x{{ n }}'", "told ECONNREFUSED GET http://127.0.0.1:1/x7"),
        ("url: /x, json: { a: 1 }", "told ERR_GOT_REQUEST_ERROR GET {target}/x"),
    ],
)
@pytest.mark.parametrize("hook", ["failed", "failed_at_last"])
def test_on_error_is_told_what_the_network_refused(
    server: Target, tmp_path: Path, written: str, told: str, hook: str
) -> None:
    """With the request as it was sent, and the user fails by that error; a failed capture is none of its business."""
    story = play(
        f"- get: {{ {written} }}",
        server,
        tmp_path,
        config=VALUES,
        hooks=HOOKS,
        scenario=f"onError: [{hook}, nobody]",
    )
    captured = play(
        "- get: { url: /json, capture: { json: $.a, as: a } }",
        server,
        tmp_path,
        hooks=HOOKS,
        scenario="onError: failed",
    )

    assert story.counters[told.replace("{target}", server.url)] == 1
    assert story.errors == {told.split()[1]: 1}
    assert not any(name.startswith("told") for name in captured.counters)
