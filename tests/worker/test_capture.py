"""Captures and matches: what each extractor gives, what fails, and what is stored."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any, Literal

import jsonpath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_worker.script.model import Capture
from grapeshot_worker.script.template import MISSING, Template, Variables
from grapeshot_worker.traffic.extract.capture import Outcome, compile_captures
from grapeshot_worker.traffic.extract.javascript import (
    compile_regexp,
    js_string,
    loosely_equal,
    strictly_equal,
    to_number,
    truthy,
)
from grapeshot_worker.traffic.extract.json_lookup import compile_json_path
from grapeshot_worker.traffic.response import Head, Response

Kind = Literal["json", "xpath", "regexp", "header", "selector"]

STORE = {
    "items": [
        {"id": 1, "name": "anvil", "price": 8.95, "tags": ["iron", "heavy"], "ok": True},
        {"id": 2, "name": "Boot", "price": 12.99, "tags": [], "ok": False, "isbn": "0-1"},
        {"id": 3, "name": "cup", "price": 8.99, "tags": ["x"], "size": {"length": 7}},
    ],
    "owner": {"first-name": "Ann", "a.b": "dotted", "0": "zero", "nothing": None, "length": 99},
    "count": 0,
    "empty": "",
    "none": [],
    "word": "hello",
}


def constant(value: Any) -> Template:
    return Template(value, render=lambda _: value, constant=True)


def from_variable(name: str) -> Template:
    return Template(
        f"{{{{ {name} }}}}", render=lambda variables: variables.get(name, MISSING), constant=False
    )


def capture(kind: Kind, expression: str, **options: Any) -> Capture:
    return Capture(kind=kind, expression=constant(expression), **{"store": "x", **options})


def response(body: Any, **headers: str) -> Response:
    raw = (
        body
        if isinstance(body, bytes)
        else body.encode()
        if isinstance(body, str)
        else json.dumps(body).encode()
    )
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Response(Head(200, fields), raw)


def evaluate(
    captures: list[Capture], body: Any, *, matches: list[Capture] | None = None, **headers: str
) -> tuple[Outcome, Variables]:
    variables: Variables = {}
    run = compile_captures(captures, matches or [], random.Random(7))
    assert run is not None
    return run(response(body, **headers), variables), variables


def captured(kind: Kind, expression: str, body: Any, **options: Any) -> Any:
    """Give what a capture that must succeed stores."""
    outcome, variables = evaluate([capture(kind, expression, **options)], body)
    assert outcome.ok, outcome.failures
    return variables["x"]


def failure(kind: Kind, expression: str, body: Any, **options: Any) -> str:
    """Give the reason of a capture that must fail."""
    outcome, variables = evaluate([capture(kind, expression, **options)], body)
    assert not outcome.ok
    assert variables == {}
    return outcome.failures[0].reason


# ---- JSONPath ----


@pytest.mark.parametrize(
    ("path", "matches"),
    [
        ("$.count", [0]),
        ("count", [0]),
        ("$.owner.nothing", [None]),
        ("$.none", [[]]),
        ("$.items[0].id", [1]),
        ("items[1].name", ["Boot"]),
        ("$.items.2.name", ["cup"]),
        ("$['items'][0]['id']", [1]),
        ('$["items"][0].id', [1]),
        ("$.owner['first-name']", ["Ann"]),
        ("$.owner.first-name", ["Ann"]),
        ("$.owner['a.b']", ["dotted"]),
        ("$.owner.0", ["zero"]),
        ("$.owner[0]", ["zero"]),
        ("$.items[*].id", [1, 2, 3]),
        ("$.items.*.id", [1, 2, 3]),
        ("$.items[*].isbn", ["0-1"]),
        ("$.*[0].id", [1]),
        ("$.items.length", [3]),
        ("$.word.length", [5]),
        ("$.owner.length", [99]),
        ("$.items[*].tags.length", [2, 0, 1]),
        ("$.items[?(@.id>1)].tags.length", [0, 1]),
        ("$.word[1]", ["e"]),
        ("$.items[-1].id", [3]),
        ("$.items[-9].id", []),
        ("$.items[(@.length-1)].id", [3]),
        ("$.items[( @.length - 2 )].id", [2]),
        ("$.items[9].id", []),
        ("$.items.id", []),
        ("$.nowhere.at.all", []),
        ("$.count.deeper", []),
        ("$", [STORE]),
        ("$..id", [1, 2, 3]),
        ("..id", [1, 2, 3]),
        ("$.items..length", [3, 2, 0, 1, 7]),
        ("$..tags[0]", ["iron", "x"]),
        ("$..[?(@.price>12)].id", [2]),
        ("$.items[0:2].id", [1, 2]),
        ("$.items[1:].id", [2, 3]),
        ("$.items[:1].id", [1]),
        ("$.items[-1:].id", [3]),
        ("$.items[-2:-1].id", [2]),
        ("$.items[::2].id", [1, 3]),
        ("$.items[0,2].id", [1, 3]),
        ("$.items[0]['id','name']", [1, "anvil"]),
        ("$.items[0][id,name]", [1, "anvil"]),
        ("$.items[0].id,name", [1, "anvil"]),
        ("$.items[?(@.id>1)].id", [2, 3]),
        ("$.items[?(@.id > 1 && @.price < 10)].id", [3]),
        ("$.items[?(@.id===1 || @.name==='cup')].id", [1, 3]),
        ("$.items[?(@.id !== 2)].id", [1, 3]),
        ("$.items[?(@.id == '2')].id", [2]),
        ("$.items[?(@.id === '2')].id", []),
        ("$.items[?(@.isbn)].id", [2]),
        ("$.items[?(!@.isbn)].id", [1, 3]),
        ("$.items[?(@.ok)].id", [1]),
        ("$.items[?(@.ok === false)].id", [2]),
        ("$.items[?(@.ok == null)].id", [3]),
        ("$.items[?(@.ok === undefined)].id", [3]),
        ("$.items[?(@.tags.length)].id", [1, 3]),
        ("$.items[?(@.tags.length > 1)].id", [1]),
        ("$.items[?(@.size.length == 7)].id", [3]),
        ("$.items[?(@['name'] == \"cup\")].id", [3]),
        ("$.items[?(@.name.length == 4)].id", [2]),
        ("$.items[?(@.tags.includes('iron'))].id", [1]),
        ("$.items[?(@.tags.indexOf('x') !== -1)].id", [3]),
        ("$.items[?(@.name.includes('u'))].id", [3]),
        ("$.items[?(@.name.match(/^b/i))].id", [2]),
        ("$.items[?(/^[ac]/.test(@.name))].id", [1, 3]),
        ("$.items[?(@.name.toLowerCase() == 'boot')].id", [2]),
        ("$.items[?(@.price * 2 > 17.95 && @.price - 1 < 10)].id", [3]),
        ("$.items[?(@.id % 2 == 1)].id", [1, 3]),
        ("$.items[?((@.id == 1 ? 'a' : 'b') == 'a')].id", [1]),
        ("$.items[?(typeof @.isbn === 'string')].id", [2]),
        ("$.items[?(@.nothing.at.all)].id", []),
        ("$.items[?(@property > 0)].id", [2, 3]),
        ("$.items[?(@property !== 0)].id", [2, 3]),
        ("$.items.*[?(@parentProperty === 1)]", [2, "Boot", 12.99, [], False, "0-1"]),
        ("$.items[?(@.id == @parent.length)].id", [3]),
        ("$.items[?(@root.count == 0 && @.id == 1)].id", [1]),
        ("$.owner[?(@property === 'a.b')]", ["dotted"]),
        ("$.items[*].name[?(@ > 1)]", []),
        ("$.items[?(@.tags[0] == 'x')].id", [3]),
        ("$.items[?(@.name == ']')].id", []),
        ("$.items[?(@.isbn)]^.length", [3]),
        ("$..[?(@.price>12)]^^.count", [0]),
        ("$..price^.id", [1, 2, 3]),
        ("$^", []),
        ("$~", []),
        ("$.items[?(@.isbn)]~", [1]),
        ("$.owner[?(@ == 'Ann')]~", ["first-name"]),
        ("$.items[0].tags[?(@ == 'iron')]^", [["iron", "heavy"]]),
    ],
)
def test_json_path_selects(path: str, matches: list[Any]) -> None:
    """A JSONPath gives its matches in document order."""
    assert compile_json_path(path).every(STORE) == matches


@pytest.mark.parametrize(
    "path",
    [
        "$.items[",
        "$.items[]",
        "$.a..",
        "$.",
        "",
        "$.items[(@.length*2)]",
        "$..@number()",
        "$.items[?(@.id >)]",
        "$.items[?(@.id > 1]",
        "$.items[?(eval('1'))]",
        "$.items[?(@.name.constructor('x'))]",
        "$.items[?(@.id # 1)]",
        "$.items[?(@.name.match(/(/))]",
    ],
)
def test_faulty_json_path_is_refused_in_words(path: str) -> None:
    """What is no JSONPath, or can't be had, fails the capture with a sentence that names it."""
    reason = failure("json", path, STORE)

    assert "can't be used" in reason
    assert path in reason or path.partition("(")[2][:5] in reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=15,
)


STEPS = st.sampled_from(
    [".a", ".b", "['c']", "[0]", "[-1]", "[1:]", "[::2]", "[-2:-1]", "[0,1]", "['a','b']"]
)
DEEPER = st.sampled_from([".*", "[*]", "..a", "..*", "..[0]", "..['a','b']", "[?@.a]", "..[?@.b]"])


def common_ground(value: Any) -> Any:
    """Take from a document what RFC 9535 and JavaScript see differently: texts, and values that are false."""
    if isinstance(value, dict):
        return {name: common_ground(inner) for name, inner in value.items()}
    return [common_ground(inner) for inner in value] if isinstance(value, list) else 1


@given(document=JSON, path=st.lists(STEPS | DEEPER, min_size=1, max_size=4).map("".join))
def test_paths_select_what_the_library_selects(document: Any, path: str) -> None:
    """Where the dialects agree, a path gives what python-jsonpath gives, in the same order."""
    document = common_ground({"a": document, "b": [document]})

    assert compile_json_path(f"${path}").every(document) == jsonpath.findall(f"${path}", document)


def test_one_of_several_matches_is_chosen_at_random() -> None:
    """Of several matches one is captured, and every one has its turn."""
    run = compile_captures([capture("json", "$.items[*].id")], [], random.Random(1))
    assert run is not None
    seen = set()
    for _ in range(50):
        variables: Variables = {}
        run(response(STORE), variables)
        seen.add(variables["x"])

    assert seen == {1, 2, 3}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.items[*].id", [1, 2, 3]),
        ("$.items[:1].id", [1]),
        ("$.items[0,9].id", [1]),
        ("$.items[?(@.id==2)].name", ["Boot"]),
        ("$..isbn", ["0-1"]),
        ("$.items[0].id", 1),
        ("$.items[(@.length-1)].id", 3),
        ("$.count", 0),
    ],
)
def test_multiple_false_gives_a_list_where_the_path_may_have_several_matches(path: str, value: Any) -> None:
    """With `multiple: false` it is the path that decides, not how many there happen to be: a loop goes over it."""
    assert captured("json", path, STORE, multiple=False) == value


@pytest.mark.parametrize("path", ["$.none", "$.count", "$.owner.nothing", "$.items[1].ok"])
def test_null_zero_false_and_empty_list_are_values(path: str) -> None:
    """null, 0, false and [] are captured."""
    outcome, variables = evaluate([capture("json", path)], STORE)

    assert outcome.ok
    assert "x" in variables


@pytest.mark.parametrize("path", ["$.empty", "$.nowhere", "$.items[?(@.id>5)]"])
def test_nothing_and_the_empty_string_fail(path: str) -> None:
    """A capture that finds nothing, or an empty text, fails."""
    assert failure("json", path, STORE) == "nothing was found"


@pytest.mark.parametrize("body", [b"42", b'"text"', b"null", b"true"])
def test_body_that_is_no_container_gives_an_empty_text(body: bytes) -> None:
    """A JSON body that is neither object nor list captures ""."""
    outcome, variables = evaluate([capture("json", "$", strict=False)], body)

    assert outcome.ok
    assert variables == {"x": ""}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b'{"a": NaN}', b"[" * 5000])
def test_body_that_is_not_json_fails(body: bytes) -> None:
    """A body that can't be parsed fails the capture, and says so."""
    assert failure("json", "$.a", body) == "the body is not JSON"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":"\\ud83d"}', "\ud83d"),
        (b'{"a":"\xff"}', "\ufffd"),
        (b'\xef\xbb\xbf{"a":1}', 1),
        (b' {"a":2}\n', 2),
    ],
)
def test_json_is_read_as_leniently_as_javascript_does(body: bytes, value: Any) -> None:
    """Lone surrogates, undecodable bytes and a byte order mark don't spoil a body."""
    assert captured("json", "$.a", body) == value


def test_content_type_does_not_matter() -> None:
    """The body is parsed as JSON whatever its content-type says."""
    outcome, variables = evaluate([capture("json", "$.count")], STORE, content_type="text/plain")

    assert outcome.ok
    assert variables == {"x": 0}


def test_body_is_parsed_once_for_all_captures() -> None:
    """Several JSON captures share one parsed document."""
    captures = [capture("json", "$.owner", store="a"), capture("json", "$.owner", store="b")]
    _, variables = evaluate(captures, STORE)

    assert variables["a"] is variables["b"]


# ---- XPath and selectors ----

XML = """<?xml version="1.0" encoding="UTF-8"?>
<r xmlns:n="urn:n"><b id="1">one <i>and</i></b><b id="2">two</b><n:c>ü</n:c><e/></r>"""
HTML = """<!doctype html><html><head><title>T</title></head><body>
<a href="/1" class="l">first</a><a href="/2" class="l m">second</a><br><p id=x>un<b>closed</b>
<input name="token" value="abc&amp;d"></body></html>"""


@pytest.mark.parametrize(
    ("expression", "body", "value"),
    [
        ("//b", XML, "one and"),
        ("//b[2]", XML, "two"),
        ("//b[2]/text()", XML, "two"),
        ("//b/@id", XML, "1"),
        ("//b[@id='2']/@id", XML, "2"),
        ("count(//b)", XML, 2),
        ("count(//b) div 4", XML, 0.5),
        ("count(//b) > 1", XML, True),
        ("count(//b) > 5", XML, False),
        ("string(//b[2])", XML, "two"),
        ("name(/*)", XML, "r"),
        ("//n:c", XML, "ü"),
        ("//b/following-sibling::b", XML, "two"),
        ("//title", HTML, "T"),
        ("//a[2]/@href", HTML, "/2"),
        ("//input/@value", HTML, "abc&d"),
        ("//title", '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>X</title></head></html>', "X"),
    ],
)
def test_xpath_selects(expression: str, body: str, value: Any) -> None:
    """An XPath on XML, or HTML, gives the first node's text, or its number, boolean or string."""
    got = captured("xpath", expression, body)

    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("expression", "body", "reason"),
    [
        ("//zzz", XML, "nothing was found"),
        ("//e", XML, "nothing was found"),
        ("//b/@none", XML, "nothing was found"),
        ("//b[", XML, "can't be used"),
        ("//q:b", XML, "can't be used"),
        ("nofunction(//b)", XML, "can't be used"),
        ("//b", "", "neither XML nor HTML"),
    ],
)
def test_xpath_that_finds_nothing_fails(expression: str, body: str, reason: str) -> None:
    """An XPath without a node, or that is none, fails the capture."""
    assert reason in failure("xpath", expression, body)


@pytest.mark.parametrize(
    ("selector", "options", "value"),
    [
        ("a", {}, "first"),
        ("a", {"attr": "href"}, "/1"),
        ("a", {"attr": "href", "index": 1}, "/2"),
        ("a", {"attr": "href", "index": "last"}, "/2"),
        ("a.l.m", {}, "second"),
        ("#x", {}, "unclosed\n"),
        ("p > b", {}, "closed"),
        ("input[name=token]", {"attr": "value"}, "abc&d"),
        ("A", {}, "first"),
    ],
)
def test_selector_selects(selector: str, options: dict[str, Any], value: str) -> None:
    """A CSS selector gives an attribute, or the text, of the element at the index."""
    assert captured("selector", selector, HTML, **options) == value


def test_selector_with_random_index_takes_every_element() -> None:
    """`index: random` takes any of the elements."""
    run = compile_captures([capture("selector", "a", attr="href", index="random")], [], random.Random(1))
    assert run is not None
    seen = set()
    for _ in range(30):
        variables: Variables = {}
        run(response(HTML), variables)
        seen.add(variables["x"])

    assert seen == {"/1", "/2"}


@pytest.mark.parametrize(
    ("selector", "options", "body"),
    [
        ("a", {"index": 2}, HTML),
        ("a", {"attr": "title"}, HTML),
        ("table", {}, HTML),
        ("a[", {}, HTML),
        ("a", {}, ""),
    ],
)
def test_selector_that_finds_nothing_fails(selector: str, options: dict[str, Any], body: str) -> None:
    """A selector without an element or attribute, or that is none, fails the capture."""
    assert failure("selector", selector, body, **options)


def test_non_ascii_text_of_html_is_utf_8() -> None:
    """HTML without a declared encoding is UTF-8."""
    assert captured("selector", "p", "<p>žluťoučký 🐎</p>") == "žluťoučký 🐎"


def test_markup_in_another_encoding_is_read() -> None:
    """The charset of the response decides how its markup is read."""
    answer = response("<p>é</p>".encode("latin-1"))
    answer.encoding = "latin-1"
    run = compile_captures(
        [capture("selector", "p", store="css"), capture("xpath", "//p", store="path")], [], random.Random(1)
    )
    assert run is not None
    variables: Variables = {}
    run(answer, variables)

    assert variables == {"css": "é", "path": "é"}


def test_entities_of_a_body_are_not_expanded(tmp_path: Any) -> None:
    """A body can make the worker neither read a file nor blow up its memory."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    body = (
        f'<!DOCTYPE r [<!ENTITY f SYSTEM "file://{secret}"><!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        "<r><x>[&f;&b;]</x></r>"
    )

    assert captured("xpath", "//x", body).strip("[]") in ("", "&f;&b;", "&b;")


# ---- regular expressions ----


@pytest.mark.parametrize(
    ("pattern", "flags", "group", "body", "value"),
    [
        (r"id=(\d+)", "", None, "a id=42 b", "id=42"),
        (r"id=(\d+)", "", 1, "a id=42 b", "42"),
        (r"id=(\d+)", "", "1", "a id=42 b", "42"),
        (r"id=(?<n>\d+)", "", "n", "id=42", "42"),
        (r"(?<$n>\d+)", "", "$n", "id=42", "42"),
        (r"(?<q>['\"])(?<t>.*?)\k<q>", "", "t", "say 'it' now", "it"),
        (r"(?<=id=)\d+", "", None, "id=42", "42"),
        (r"(?<!x)b", "", None, "xb ab", "b"),
        (r"TOKEN", "i", None, "token", "token"),
        (r"token", "g", None, "token token", "token"),
        (r"^b.*$", "m", None, "a\r\nbcd\r\ne", "bcd"),
        (r"a.b", "s", None, "a\nb", "a\nb"),
        (r"\/path\/(\w+)", "", 1, "/path/x_1/", "x_1"),
        (r"[^]+", "", None, "a\nb", "a\nb"),
        (r"[\s\S]*", "", None, "a\nb", "a\nb"),
        (r"\d+", "", None, "٣ 4", "4"),
        (r"[\d]+", "u", None, "٣ 4", "4"),
        (r"\w+", "", None, "é1", "1"),
        (r"\s", "", None, "a\u00a0b", "\u00a0"),
        (r"\u{1F600}", "u", None, "x😀", "😀"),
        (r"\u0041\x42", "", None, "AB", "AB"),
        (r"[[&&~~||]+", "", None, "a[&", "[&"),
        (r"a{,2}", "", None, "a{,2}", "a{,2}"),
        (r'{"a":(\d)}', "", 1, '{"a":1}', "1"),
        (r"\-\@\e", "", None, "-@e", "-@e"),
        (r"\d", "y", None, "1a", "1"),
        (r"é", "i", None, "É", "É"),
        (r"a$", "", None, "a\na", "a"),
        (r"\cJ", "", None, "a\nb", "\n"),
    ],
)
def test_regexp_finds_as_javascript_does(pattern: str, flags: str, group: Any, body: str, value: str) -> None:
    """A JavaScript pattern finds in Python what it finds in JavaScript."""
    assert captured("regexp", pattern, body, flags=flags, group=group) == value


@pytest.mark.parametrize(
    ("pattern", "options", "reason"),
    [
        ("zzz", {}, "nothing was found"),
        ("a$", {}, "nothing was found"),
        (r"b", {"flags": "y"}, "nothing was found"),
        ("a[]", {}, "nothing was found"),
        ("(a", {}, "can't be used"),
        ("[a", {}, "can't be used"),
        ("a\\", {}, "can't be used"),
        (r"\p{L}", {"flags": "u"}, "not available"),
        (r"[\p{L}]", {"flags": "u"}, "not available"),
        ("a", {"flags": "q"}, "unknown flag"),
        ("a", {"group": "n"}, "has no group n"),
    ],
)
def test_regexp_that_finds_nothing_fails(pattern: str, options: dict[str, Any], reason: str) -> None:
    """A pattern without a match, or that is none, fails the capture."""
    assert reason in failure("regexp", pattern, "ab\n", **options)


@pytest.mark.parametrize(("pattern", "group"), [("(x)?a", 1), ("a(x*)", 1), ("a", 3), ("a", "2")])
def test_a_numbered_group_that_is_empty_gives_the_whole_match(pattern: str, group: Any) -> None:
    """As in the reference: also where there is no such group."""
    assert captured("regexp", pattern, "ab", group=group) == "a"


def test_set_cookie_headers_are_captured_as_a_list() -> None:
    """Also a single one: cookies can't be joined by commas."""
    _, variables = evaluate([capture("header", "set-cookie")], "", set_cookie="a=1; Path=/")

    assert variables["x"] == ["a=1; Path=/"]


@given(text=st.text(alphabet=st.characters(codec="ascii"), max_size=20))
def test_escaped_text_finds_itself(text: str) -> None:
    """Every ASCII text, escaped the JavaScript way, is found where it stands."""
    escaped = "".join(f"\\{sign}" if sign in r"\^$.*+?()[]{}|/-" else sign for sign in text)

    found = compile_regexp(escaped)(f"é{text}é")

    assert found is not None
    assert found[0] == text


# ---- headers ----


@pytest.mark.parametrize(("name", "ok"), [("x-id", True), ("X-Id", False), ("x-none", False)])
def test_header_is_captured_by_its_lower_case_name(name: str, ok: bool) -> None:
    """A header is found under its lower-case name only."""
    outcome, variables = evaluate([capture("header", name)], "", X_ID="7")

    assert outcome.ok is ok
    assert variables == ({"x": "7"} if ok else {})


# ---- strictness, storing ----


def test_none_is_stored_when_a_strict_one_fails() -> None:
    """One strict failure keeps all captures of the request from being stored."""
    outcome, variables = evaluate(
        [capture("json", "$.count", store="a"), capture("json", "$.nowhere", store="b")], STORE
    )

    assert not outcome
    assert variables == {}


@pytest.mark.parametrize(
    ("kind", "expression", "stored"),
    [
        ("json", "$.nowhere", MISSING),
        ("json", "$.", MISSING),
        ("regexp", "zzz", ""),
        ("header", "x-none", ""),
    ],
)
def test_optional_capture_that_fails_stores_nothing_or_an_empty_text(
    kind: Kind, expression: str, stored: Any
) -> None:
    """A failed optional capture stores undefined or "", and the others are stored."""
    outcome, variables = evaluate(
        [capture("json", "$.count", store="a"), capture(kind, expression, store="b", strict=False)], STORE
    )

    assert outcome
    assert variables == {"a": 0, "b": stored}


def test_value_is_stored_under_a_path() -> None:
    """`as: a.b` creates nested values."""
    _, variables = evaluate([capture("json", "$.word", store="a.b")], STORE)

    assert variables == {"a": {"b": "hello"}}


def test_templated_expressions_are_rendered_for_each_user() -> None:
    """A templated expression follows the variables, whatever its kind."""
    captures = [
        Capture(kind="json", expression=from_variable("path"), store="x"),
        Capture(kind="regexp", expression=from_variable("pattern"), store="y"),
    ]
    run = compile_captures(captures, [], random.Random(1))
    assert run is not None
    got = []
    for path, pattern in (("$.count", "hel+"), ("$.word", "an.il"), ("$.count", "hel+")):
        variables: Variables = {"path": path, "pattern": pattern}
        run(response(STORE), variables)
        got.append((variables["x"], variables["y"]))

    assert got == [(0, "hell"), ("hello", "anvil"), (0, "hell")]


def test_faulty_templated_expression_fails_the_capture() -> None:
    """An expression that renders to nonsense fails the capture, not the program."""
    run = compile_captures(
        [Capture(kind="json", expression=from_variable("path"), store="x")], [], random.Random(1)
    )
    assert run is not None
    outcome = run(response(STORE), {"path": "$["})

    assert "can't be used" in outcome.failures[0].reason


def test_nothing_to_capture_compiles_to_nothing() -> None:
    """A request without captures and matches costs nothing."""
    assert compile_captures([], [], random.Random(1)) is None


# ---- match ----


@pytest.mark.parametrize(
    ("path", "expected", "ok"),
    [
        ("$.items[0].id", 1, True),
        ("$.items[0].id", 1.0, True),
        ("$.items[0].id", "1", False),
        ("$.items[0].ok", True, True),
        ("$.items[0].ok", 1, False),
        ("$.count", False, False),
        ("$.word", "hello", True),
        ("$.owner.nothing", None, True),
        ("$.owner.nothing", MISSING, False),
        ("$.items[0].tags", ["iron", "heavy"], True),
        ("$.nowhere", "x", False),
        ("$.[", "x", False),
    ],
)
def test_match_compares_with_type(path: str, expected: Any, ok: bool) -> None:
    """A match holds when value and type are equal; containers are compared by what they hold."""
    match = Capture(kind="json", expression=constant(path), expected=constant(expected))
    outcome, _ = evaluate([], STORE, matches=[match])

    assert outcome.ok is ok


def test_failed_match_keeps_captures_from_being_stored() -> None:
    """A strict match that fails spoils the captures."""
    match = Capture(kind="json", expression=constant("$.count"), expected=constant(1))
    outcome, variables = evaluate([capture("json", "$.word")], STORE, matches=[match])

    assert [failed.capture for failed in outcome.failures] == [match]
    assert variables == {}


def test_optional_match_that_fails_is_no_failure() -> None:
    """A match with `strict: false` never fails the user."""
    match = Capture(kind="json", expression=constant("$.count"), expected=constant(1), strict=False)
    outcome, variables = evaluate([capture("json", "$.word")], STORE, matches=[match])

    assert outcome
    assert variables == {"x": "hello"}


# ---- JavaScript's values ----


@pytest.mark.parametrize(
    ("value", "number", "text", "truth"),
    [
        (None, 0, "null", False),
        (True, 1, "true", True),
        (3.0, 3, "3", True),
        (0.1, 0.1, "0.1", True),
        ("", 0, "", False),
        (" 12 ", 12, " 12 ", True),
        ("0x10", 16, "0x10", True),
        ([], 0, "", True),
        ([5], 5, "5", True),
        ([1, [2, None]], None, "1,2,", True),
        ({}, None, "[object Object]", True),
        ("1_0", None, "1_0", True),
        ("nan", None, "nan", True),
        ("-Infinity", float("-inf"), "-Infinity", True),
    ],
)
def test_values_convert_as_in_javascript(value: Any, number: float | None, text: str, truth: bool) -> None:
    """Number(), String() and truth are JavaScript's."""
    got = to_number(value)

    assert (got == number) if number is not None else got != got
    assert js_string(value) == text
    assert truthy(value) is truth


@pytest.mark.parametrize(
    ("left", "right", "loose", "strict"),
    [
        (1, "1", True, False),
        (1, True, True, False),
        (None, MISSING, True, False),
        (None, 0, False, False),
        (0, "", True, False),
        ([1], 1, True, False),
        (1, 1.0, True, True),
        (float("nan"), float("nan"), False, False),
        ("a", "a", True, True),
    ],
)
def test_equality_is_javascripts(left: Any, right: Any, loose: bool, strict: bool) -> None:
    """`==` converts, `===` does not."""
    assert loosely_equal(left, right) is loose
    assert strictly_equal(left, right) is strict


def test_costly_libraries_are_not_imported_for_plain_captures() -> None:
    """Neither lxml nor the JSONPath library is loaded unless a capture needs it."""
    code = (
        "import sys, random; from grapeshot_worker.traffic.extract.capture import compile_captures;"
        "from grapeshot_worker.traffic.extract.json_lookup import compile_json_path; compile_json_path('$.a[*].b');"
        "import grapeshot_worker.traffic.bodies, grapeshot_worker.traffic.cookies, grapeshot_worker.traffic.expect;"
        "print([m for m in ('lxml', 'cssselect', 'jsonpath', 'jmespath', 'brotli', 'zstandard', 'publicsuffixlist')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
