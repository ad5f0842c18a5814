"""The YAML dialect of scripts, and where things stand in a file."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_worker.errors import Place, ScriptError
from grapeshot_worker.script.scalars import read_scalar
from grapeshot_worker.script.source import document_of, read_document


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, word) for word in ("yes", "no", "on", "off", "y", "n", "tRue", "NULl")),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        ("12", 12),
        ("-3", -3),
        ("+7", 7),
        ("0x1F", 31),
        ("0b101", 5),
        ("010", 8),
        ("-010", -8),
        ("089", "089"),
        ("1_000", 1000),
        ("1_", "1_"),
        ("1:30", 90),
        ("190:20:30", 685230),
        ("01:30", "01:30"),
        ("1:30.5", 90.5),
        ("1e3", 1000),
        ("1.5e-1", 0.15),
        ("1.0", 1),
        ("1.", 1),
        (".5", 0.5),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("-", "-"),
        ("1.2.3", "1.2.3"),
        ("12345678901234567890", 12345678901234567890),
        ("2024-01-15", "2024-01-15T00:00:00.000Z"),
        ("2024-1-5 10:20:30.25 +02:30", "2024-01-05T07:50:30.250Z"),
        ("2024-01-15T10:20:30-05", "2024-01-15T15:20:30.000Z"),
        ("2024-13-45", "2024-13-45"),
        ("10s", "10s"),
        ("{{ x }}", "{{ x }}"),
    ],
)
def test_a_plain_word_has_the_value_of_the_dialect(written: str, value: Any) -> None:
    """Each plain word is what the reference takes it for."""
    assert read_scalar(written) == value
    assert type(read_scalar(written)) is type(value)


def test_not_a_number_is_a_number() -> None:
    """`.nan` is read as the float."""
    assert math.isnan(read_scalar(".nan"))


def test_quoted_words_are_texts() -> None:
    """Quotes of either kind and block scalars keep a text a text."""
    document = read_document("a: '1'\nb: \"true\"\nc: |\n  2\nd: !!str 3\ne: !!int '4'\n", "s.yml")

    assert document.value == {"a": "1", "b": "true", "c": "2\n", "d": "3", "e": 4}


def test_keys_are_texts() -> None:
    """A number, truth or null as key becomes its text."""
    assert list(read_document("200: a\ntrue: b\n~: c\n1: d\n0x10: e", "s.yml").value) == [
        "200",
        "true",
        "null",
        "1",
        "16",
    ]


def test_merge_keys_join_what_is_not_written_out() -> None:
    """`<<` adds what is missing; of several the first wins; anchors may be given anew."""
    text = "a: &x {p: 1, q: 2}\nb: &x {p: 3}\nc:\n  <<: [*x, {p: 9, r: 4}]\n  q: 5\n"

    assert read_document(text, "s.yml").value["c"] == {"q": 5, "p": 3, "r": 4}


def test_marks_give_file_and_line_of_every_path() -> None:
    """Keys, list items and merged keys have the line on which they were written."""
    text = "config:\n  target: http://h\nscenarios:\n  - flow:\n      - get:\n          url: /\n"
    marks = read_document(text, "s.yml").marks

    assert marks["config", "target"] == Place(file="s.yml", line=2, path="config.target")
    assert marks["scenarios", 0] == Place(file="s.yml", line=4, path="scenarios[0]")
    assert str(marks["scenarios", 0, "flow", 0, "get", "url"]) == "s.yml:6 (scenarios[0].flow[0].get.url)"


def test_json_is_read_as_well() -> None:
    """A JSON file, also with tabs and characters written as two escapes, means what JSON means."""
    value = {"a": [1, 2.5, None, True, "x/y", "😀", 'q"\\'], "200": {}}

    assert read_document(json.dumps(value, indent="\t"), "s.json").value == value


@pytest.mark.parametrize(
    ("text", "line", "said", "remedy"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' is written twice, first on line 1", "Remove or rename"),
        ("a:\n  url: {{ host }}", 2, "a template without quotes", 'Quote it: "{{ name }}"'),
        ("a:\n  url: {{ host }}/x", 2, "a template without quotes", "Quote it"),
        ("a: [x, /b/{{ c }}]", 1, "a template without quotes", "Quote it"),
        ("a:\n\t- b", 2, "a tab is used for indentation", "Indent with spaces"),
        ("a: 1\n---\nb: 2", 2, "a second document starts here", "one YAML document"),
        ("a:\n  - 1\n b: 2", 3, "a key ('name: …') was expected here", "indentation"),
        ("a: b: c", 1, "a ':' is not expected here", "quote a text"),
        ("a: [1\nb: 2", 2, "a ',' or ']' was expected here", "Close the '['"),
        ('a: 1\nb: "x\nc: 2', 2, "a quote is opened but never closed", "Close the quote"),
        ("a: *x", 1, "nothing above is named &x", "Define it above"),
        ("a: &x [*x]", 1, "nothing above is named &x", "Define it above"),
        ("a: @x", 1, "a value can't start with this character", "Quote the value"),
        ("a: 1\nb: \x01", 2, "control characters are not allowed", ""),
        ("a: !!binary x", 1, "unknown tag", "Remove the tag"),
        ("? [1]\n: 2", 1, "a list or mapping can't be a key", "a text as its key"),
        ("<<: 3", 1, "'<<' needs a mapping", "&name"),
        ("[" * 200 + "]" * 200, 1, "more than 100 levels", "Split it"),
    ],
)
def test_a_broken_document_is_told_with_line_and_remedy(text: str, line: int, said: str, remedy: str) -> None:
    """Every fault has a line, plain words and what to do."""
    with pytest.raises(ScriptError) as caught:
        read_document(text, "s.yml")

    problem = caught.value.problems[0]
    assert problem.place is not None
    assert (problem.place.file, problem.place.line) == ("s.yml", line)
    assert said in problem.message
    assert remedy in problem.remedy


def test_faults_that_do_not_stop_the_parser_are_all_told() -> None:
    """Two repeated keys and an unquoted template make three problems."""
    with pytest.raises(ScriptError) as caught:
        read_document("a: 1\na: 2\nb: {{ x }}\nc: 1\nc: 2", "s.yml")

    assert [problem.place and problem.place.line for problem in caught.value.problems] == [2, 3, 5]


def test_aliases_can_not_blow_a_document_up() -> None:
    """Aliases of aliases are refused once the document they stand for is too large."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]

    with pytest.raises(ScriptError, match="more than 1000000 values"):
        read_document("\n".join(lines), "s.yml")


def test_an_empty_document_is_null() -> None:
    """Nothing, or comments alone, is no fault of the YAML."""
    assert read_document("# nothing\n", "s.yml").value is None


def test_a_value_from_a_flag_has_one_place() -> None:
    """Every path of a flag's value points to the flag."""
    marks = document_of({"a": [{"b": 1}]}, Place(file="--overrides")).marks

    assert str(marks["a", 0, "b"]) == "--overrides (a[0].b)"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc-", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=_VALUES)
def test_what_is_written_quoted_is_read_back(value: Any) -> None:
    """Whatever a YAML writer quotes comes back as it was."""
    text = yaml.safe_dump(value, default_style='"', allow_unicode=True)

    assert read_document(text, "s.yml").value == value
