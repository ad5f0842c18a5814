"""Templates: what is put in, what stays as it is, and what type comes out."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_worker.script.template import (
    MISSING,
    Functions,
    called,
    compile_path,
    compile_template,
    set_path,
    suspicious,
    to_text,
)

FUNCTIONS: Functions = {
    "$one": lambda: 1,
    "$join": lambda *words: "-".join(f"{word!r}" for word in words),
    "$pair": lambda: {"a": 1.0},
    "$tag": lambda: "{{ name }}",
}

VARIABLES: dict[str, Any] = {
    "name": "Ada",
    "n": 7,
    "f": 3.0,
    "yes": True,
    "nothing": None,
    "empty": "",
    "pet": {"id": 5, "tags": ["x", "y"], "k-1": "dash", "a b": "space"},
    "list": [1, 2.5, "z"],
    "nested": "see {{ name }}",
    "a.b": "literal",
    "a": {"b": "walked"},
    "$uuid": "u-1",
    "braces": "{{ name",
    "call": "{{ $one() }}",
}


def render(source: Any) -> Any:
    return compile_template(source, FUNCTIONS).render(dict(VARIABLES))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ n }}", 7),
        ("{{n}}", 7),
        ("{{{ n }}}", 7),
        ("{{\n n\t}}", 7),
        ("{{ yes }}", True),
        ("{{ nothing }}", None),
        ("{{ empty }}", ""),
        ("{{ pet }}", VARIABLES["pet"]),
        ("{{ list }}", VARIABLES["list"]),
        ("{{ nested }}", "see {{ name }}"),
        ("{{ $uuid }}", "u-1"),
        ("{{ pet.tags[1] }}", "y"),
        ("{{ pet['k-1'] }}", "dash"),
        ('{{ pet["a b"] }}', "space"),
        ("{{ pet.a b }}", "space"),
        ("{{ pet.tags.length }}", 2),
        ("{{ name.length }}", 3),
        ("{{ a.b }}", "literal"),
    ],
)
def test_a_string_that_is_one_name_gives_the_value_itself(source: str, expected: Any) -> None:
    """A string that is one name gives the variable's value with its type."""
    value = render(source)

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "source", ["{{ nope }}", "{{ pet.nope.deeper }}", "{{ list[9] }}", "{{ }}", "{{ n.x }}"]
)
def test_a_name_that_is_not_there_is_missing(source: str) -> None:
    """A whole-value name that leads nowhere is MISSING, not None."""
    assert render(source) is MISSING


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hi {{ name }}!", "hi Ada!"),
        (" {{ n }}", " 7"),
        ("{{ n }}{{ f }}", "73"),
        ("{{ yes }},{{ nothing }},{{ nope }}", "true,null,undefined"),
        ("p={{ pet }}", 'p={"id":5,"tags":["x","y"],"k-1":"dash","a b":"space"}'),
        ("l={{ list }}", 'l=[1,2.5,"z"]'),
        ("1{{ nested }}", "1see Ada"),
        ("{{ pet.id }}/{{ pet['k-1'] }}", "5/dash"),
        ("{{ braces }} }}", "Ada"),
        ("é {{{ name }}}", "é Ada"),
    ],
)
def test_a_mixed_string_gives_text(source: str, expected: str) -> None:
    """In a mixed string each value takes its JavaScript string form, and what came in is expanded again."""
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{"id":{{ n }}}', '{"id":7}'),
        ('{"a":{"id":{{ n }}}}', '{"a":{"id":7}}'),
        ('{"id":{{{ n }}}}', '{"id":7}'),
    ],
)
def test_three_braces_close_only_what_three_opened(source: str, expected: str) -> None:
    """DEVIATION: the reference may take the last brace of a JSON text for the template's; it stays here."""
    assert render(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ n + 1 }}",
        "x {{ n | f }}",
        "{{}}",
        "{{ n",
        "n }}",
        "{ { n } }",
        "{{ $one(1.5) }}",
        "{{ $one(-1) }}",
    ],
)
def test_what_is_no_template_is_left_untouched(source: str) -> None:
    """Malformed or unsupported content is no error and is sent as it stands."""
    template = compile_template(source, FUNCTIONS)

    assert template.render(dict(VARIABLES)) == source
    assert template.constant


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ $one() }}", "1"),
        ("{{$one( )}}", "1"),
        ("{{{ $one() }}}", "1"),
        ("{{ $join(1, two,007) }}", "1-'two'-7"),
        ("{{ $one() }}-{{ $one() }} {{ name }}", "1-1 Ada"),
        ("{{ $pair() }}", '{"a":1}'),
        ("x{{ $tag() }}", "xAda"),
    ],
)
def test_a_call_gives_text(source: str, expected: str) -> None:
    """A function's result is put in as text, alone or beside other tags."""
    assert render(source) == expected


def test_an_unknown_function_makes_the_whole_string_missing() -> None:
    """A string that calls an unknown function is MISSING, whatever else it holds."""
    assert render("id {{ name }} {{ $nope() }}") is MISSING


def test_calls_in_variables_are_not_made() -> None:
    """Text out of a variable that looks like a call stays text."""
    assert render("x {{ call }}") == "x {{ $one() }}"


@pytest.mark.parametrize(
    "variables",
    [{"a": "{{ a }}"}, {"a": "{{ b }}", "b": "{{ a }}"}, {"a": "x{{ a }}"}, {"a": "{{ a }}{{ a }}"}],
)
def test_a_variable_that_names_itself_ends(variables: dict[str, Any]) -> None:
    """Expansion gives up after a bounded number of rounds."""
    text = compile_template("> {{ a }}", {}).render(variables)

    assert text.startswith("> ")
    assert len(text) < 20_000_000


def test_a_missing_member_is_removed_and_a_missing_element_is_none() -> None:
    """Whole-value MISSING removes a key of an object and becomes None in a list."""
    source = {
        "a": "{{ nope }}",
        "b": ["{{ nope }}", "{{ $nope() }}", 1],
        "c": "{{ $nope() }}",
        "d": {"e": "{{ nope }}"},
    }

    assert render(source) == {"b": [None, None, 1], "d": {}}


def test_members_keep_their_order_and_changed_keys_move_to_the_end() -> None:
    """Templated keys move behind the others, in their order."""
    value = render({"{{ name }}": 1, "x.y": "{{ n }}", "k{{ n }}": "{{ name }}", "z": None})

    assert list(value.items()) == [("x.y", 7), ("z", None), ("Ada", 1), ("k7", "Ada")]


def test_what_is_neither_text_nor_container_is_returned_unchanged() -> None:
    """Numbers, booleans, null and binary data are the values they are."""
    data = bytearray(b"{{ n }}")

    assert [render(value) for value in (1, 1.5, True, None)] == [1, 1.5, True, None]
    assert render(data) is data


@pytest.mark.parametrize(
    "source", [{"a": [1, {"b": 2}]}, [[1], {"a": []}], {"a": "{{ n }}", "b": {"c": []}}, ["{{ n }}", [1]]]
)
def test_renderings_share_nothing_that_can_change(source: Any) -> None:
    """Changing one rendering changes neither the next one nor the script."""

    def spoil(value: Any) -> None:
        for member in list(value.values()) if isinstance(value, dict) else list(value):
            if isinstance(member, (dict, list)):
                spoil(member)
        value.clear()

    template, written = compile_template(source, {}), json.dumps(source)
    before = json.dumps(template.render({"n": 1}))
    spoil(template.render({"n": 1}))

    assert json.dumps(template.render({"n": 1})) == before
    assert json.dumps(source) == written


@pytest.mark.parametrize(
    ("source", "constant"),
    [("a", True), ({"a": [1]}, True), ("{{ a }}", False), (["{{ a }}"], False), ({"{{ a }}": 1}, False)],
)
def test_constant_says_that_variables_do_not_matter(source: Any, constant: bool) -> None:
    """`constant` is true when nothing in the source depends on variables or functions."""
    assert compile_template(source, {}).constant is constant


# ---- against a naive interpreter: replace at rendering time, by regular expression ----

NAIVE = re.compile(r"\{\{\{([\w\s$.\[\]'\"-]+)\}\}\}|\{\{([\w\s$.\[\]'\"-]+)\}\}", re.ASCII)


def naive_lookup(path: str, variables: dict[str, Any]) -> Any:
    if path in variables:
        return variables[path]
    value: Any = variables
    for key in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            return MISSING
    return value


def naive(source: Any, variables: dict[str, Any]) -> Any:
    if isinstance(source, dict):
        plain = {k: v for k, v in source.items() if naive(k, variables) == k}
        ordered = {**plain, **{k: v for k, v in source.items() if k not in plain}}
        members = {to_text(naive(k, variables)): naive(v, variables) for k, v in ordered.items()}
        return {k: v for k, v in members.items() if v is not MISSING}
    if isinstance(source, list):
        return [None if v is MISSING else v for v in (naive(item, variables) for item in source)]
    if not isinstance(source, str):
        return source
    whole = NAIVE.fullmatch(source)
    if whole:
        return naive_lookup((whole[1] or whole[2]).strip(), variables)
    for _ in range(100):
        after = NAIVE.sub(lambda m: to_text(naive_lookup((m[1] or m[2]).strip(), variables)), source)
        if after == source:
            break
        source = after
    return source


names = st.sampled_from(["a", "b", "o.x", "o", "l[0]", "l[7]", "nope", "o.l[1]", "$id"])
tags = st.builds(
    lambda name, form: form.replace("?", name), names, st.sampled_from(["{{ ? }}", "{{?}}", "{{{ ? }}}"])
)
pieces = st.one_of(tags, st.sampled_from(["/", "{", "}", "{{ a + b }}", "{{", "}}", " ", "text", "é"]))
strings = st.lists(pieces, max_size=5).map("".join)
scalars = st.one_of(strings, st.integers(-5, 5), st.booleans(), st.none())
keys = st.one_of(
    st.sampled_from(["k", "l", "m"]), st.builds("key{}".format, st.integers(0, 3)), tags.map("t".__add__)
)
sources = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
variable_sets = st.fixed_dictionaries(
    {},
    optional={
        "a": st.sampled_from(["x", "{{ b }}", 1, "", "{", "{{ l[0] }} {{ $id }}"]),
        "b": st.one_of(st.integers(), st.booleans(), st.none(), st.just("{{ o.x }}")),
        "o": st.fixed_dictionaries(
            {}, optional={"x": st.one_of(st.integers(), st.text(max_size=3)), "l": st.just([1, "two"])}
        ),
        "l": st.lists(st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=3)), max_size=2),
        "$id": st.text(max_size=3),
        "o.x": st.just("literal"),
    },
)


@settings(deadline=None)
@given(source=sources, variables=variable_sets)
def test_compiled_templates_render_as_a_naive_interpreter_does(
    source: Any, variables: dict[str, Any]
) -> None:
    """Whatever the template and the variables, compiled and interpreted rendering agree."""
    assert compile_template(source, {}).render(variables) == naive(source, variables)


# ---- what the parser warns about ----


def test_suspicious_finds_what_will_be_sent_as_it_stands() -> None:
    """Each lookalike is told with its path; real templates are not."""
    source = {
        "a": ["{{ ok }}", "x {{ n + 1 }} {{ ok }}"],
        "{{ k! }}": "{{ $f(1.5) }}",
        "c": "{{ $f(1) }} {{ o['k'] }}",
    }

    assert list(suspicious(source)) == [
        (("a", 1), "{{ n + 1 }}"),
        (("{{ k! }}",), "{{ k! }}"),
        (("{{ k! }}",), "{{ $f(1.5) }}"),
    ]


def test_looking_for_lookalikes_is_quick_in_odd_texts() -> None:
    """A text of opening braces alone takes no time to speak of, and holds nothing suspicious."""
    assert list(suspicious("{{" * 200_000)) == []


def test_called_tells_every_function_a_source_calls() -> None:
    """Calls are told with their path, unknown functions too."""
    source = {"a": "{{ $x() }} {{ n }}", "b": [{"c": "{{{ $y(1) }}}"}]}

    assert list(called(source)) == [(("a",), "$x"), (("b", 0, "c"), "$y")]


# ---- paths ----


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b[0]['k-1'].length", 3),
        ("a['b'][0][\"k-1\"]", "dog"),
        ("a[b]", [{"k-1": "dog"}]),
        ("a.b.0.k-1", "dog"),
        ("a.b.length", 1),
        ("a.b[01]", MISSING),
        ("a.b[-1]", MISSING),
        ("a..b", MISSING),
        (".a", MISSING),
        ("dotted.key", 1),
        ("spaced key", 2),
        ("it's", 3),
        ("open[", 4),
        ("none.x", MISSING),
        ("none", None),
        ("emoji.length", 2),
        ("word[1]", "o"),
        ("numbered[1]", "one"),
    ],
)
def test_paths_follow_lodash(path: str, expected: Any) -> None:
    """A path finds what lodash's `get` finds."""
    root = {
        "a": {"b": [{"k-1": "dog"}]},
        "dotted.key": 1,
        "spaced key": 2,
        "it's": 3,
        "open[": 4,
        "none": None,
        "emoji": "😀",
        "word": "word",
        "numbered": {1: "one"},
    }

    assert compile_path(path)(root) == expected


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ({}, "id", {"id": 1}),
        ({}, "pet[id]", {"pet": {"id": 1}}),
        ({}, "a.b.c", {"a": {"b": {"c": 1}}}),
        ({}, "a[1].b", {"a": [None, {"b": 1}]}),
        ({"a": {"x": 0}}, "a.b", {"a": {"x": 0, "b": 1}}),
        ({"a": 5}, "a.b", {"a": {"b": 1}}),
        ({"a": [0]}, "a[0]", {"a": [1]}),
        ({"a": [0]}, "a.b", {"a": {"0": 0, "b": 1}}),
        ({"a.b": 0}, "a.b", {"a.b": 1}),
        ({}, "a['x.y']", {"a": {"x.y": 1}}),
    ],
)
def test_set_path_creates_what_is_on_the_way(
    before: dict[str, Any], path: str, after: dict[str, Any]
) -> None:
    """Storing under a path creates objects, and lists where an index follows."""
    set_path(before, path, 1)

    assert before == after


def test_set_path_leaves_shared_containers_alone() -> None:
    """What one user stores inside a value that others hold too is not seen by them."""
    shared = {"pet": {"id": 0, "tags": [1]}}
    one, other = dict(shared), dict(shared)
    set_path(one, "pet.tags[0]", 9)

    assert one["pet"] == {"id": 0, "tags": [9]}
    assert other["pet"] == {"id": 0, "tags": [1]}


# ---- string forms ----


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (0.1, "0.1"),
        (-0.0, "0"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (123456789012345680000.0, "123456789012345680000"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (True, "true"),
        (None, "null"),
        (MISSING, "undefined"),
        ("é", "é"),
        (
            {"a": [1.0, MISSING, float("nan")], "b": MISSING, "c": "\n\u2028é"},
            '{"a":[1,null,null],"c":"\\n\u2028é"}',
        ),
        ((1, "x"), '[1,"x"]'),
    ],
)
def test_values_have_javascripts_string_form(value: Any, text: str) -> None:
    """Numbers, containers and special values read as JavaScript writes them."""
    assert to_text(value) == text


def test_integers_keep_all_their_digits() -> None:
    """DEVIATION: the reference rounds integers beyond 2^53; they stay exact here."""
    assert to_text(12345678901234567891234) == "12345678901234567891234"
