"""CSV payloads: reading, casting, drawing."""

from __future__ import annotations

import csv
import io
import random
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapeshot_worker.script.model import Payload
from grapeshot_worker.script.payload import (
    OPTIONS,
    Drawer,
    PayloadError,
    cast_cell,
    option_name,
    read_payload,
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", ()),
        ("a", (("a",),)),
        ("a,b\nc,d\n", (("a", "b"), ("c", "d"))),
        ("a,b\r\nc,d\r\n", (("a", "b"), ("c", "d"))),
        ("a,b\rc,d", (("a", "b"), ("c", "d"))),
        ('x,"b, o"', (("x", "b, o"),)),
        ('"say ""hi""",""', (('say "hi"', ""),)),
        ('"two\r\nlines",b\nc,d', (("two\r\nlines", "b"), ("c", "d"))),
        (" a , b ", ((" a ", " b "),)),
        ("a,,\n,,", (("a", "", ""), ("", "", ""))),
        ("a\n\n\nb\n", (("a",), ("b",))),
        ("\ufeffa,b", (("\ufeffa", "b"),)),
    ],
)
def test_rows_are_read_by_the_rules_of_rfc_4180(text: str, rows: Any) -> None:
    """Quotes, line ends and blanks are read as written; a byte order mark stays."""
    assert read_payload(text) == rows


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("007", 7),
        ("1.50", 1.5),
        (" 12", 12),
        ("12 ", 12),
        ("1e3", 1000),
        ("+7", 7),
        ("-7", -7),
        (".5", 0.5),
        ("1.", 1),
        ("0x10", 0),
        ("0xzz", "0xzz"),
        ("true", "true"),
        ("", ""),
        (" ", " "),
        ("2024-01-02", "2024-01-02"),
        ("1,5", "1,5"),
        ("1_000", "1_000"),
        ("Infinity", "Infinity"),
        ("1e999", "1e999"),
        ("12a", "12a"),
        ("é", "é"),
        ("٣", "٣"),
        ("\ufeff1", 1),
    ],
)
def test_numeric_cells_become_numbers(cell: str, value: Any) -> None:
    """Cells are cast as the reference casts them; true and false and dates stay text."""
    cast = cast_cell(cell)

    assert cast == value
    assert type(cast) is type(value)


def test_whole_numbers_keep_all_their_digits() -> None:
    """DEVIATION: the reference rounds 12345678901234567890; it stays exact here."""
    assert cast_cell("12345678901234567891") == 12345678901234567891


def test_without_cast_cells_stay_text() -> None:
    """`cast: false` leaves numbers as written."""
    assert read_payload("007", cast=False) == (("007",),)


def test_the_header_can_be_skipped() -> None:
    """`skipHeader` skips line 1, whose columns need not match."""
    assert read_payload("h\n1,2\n", skip_header=True) == ((1, 2),)


@pytest.mark.parametrize(
    ("text", "expected", "got", "line"),
    [("a,b\nc\n", 2, 1, 2), ("a\n\nb,c", 1, 2, 3), ('a,b\n"x\ny",d\ne', 2, 1, 4), ('a,b\n"x\ny"\n', 2, 1, 3)],
)
def test_a_row_of_another_length_is_an_error_with_its_line(
    text: str, expected: int, got: int, line: int
) -> None:
    """The error tells both counts and the line, also behind quoted line breaks."""
    with pytest.raises(PayloadError) as error:
        read_payload(text)

    assert str(error.value) == f"Invalid Record Length: expect {expected}, got {got} on line {line}"
    assert (error.value.expected, error.value.got, error.value.line) == (expected, got, line)


@pytest.mark.parametrize(("text", "line"), [('a\n"b\nc', 2), ('a\n"b"c"d"', 2), ('x"y"', 1)])
def test_quotes_that_do_not_match_are_an_error(text: str, line: int) -> None:
    """Quotes never closed, or beside other text, are told with their line."""
    with pytest.raises(PayloadError) as error:
        read_payload(text)

    assert error.value.line == line


def test_an_empty_line_counts_when_it_is_not_skipped() -> None:
    """`skipEmptyLines: false` makes a row of one empty cell."""
    assert read_payload("a\n\nb\n", skip_empty_lines=False) == (("a",), ("",), ("b",))


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ("a;b", {"delimiter": ";"}, (("a", "b"),)),
        ("a||b", {"delimiter": "||"}, (("a", "b"),)),
        ("'a,b',c", {"quote": "'"}, (("a,b", "c"),)),
        ('"a,b"', {"quote": None}, (('"a', 'b"'),)),
        ('"a\\"b",c', {"escape": "\\"}, (('a"b', "c"),)),
        ("# no\na,b # tail\n'#',c", {"comment": "#", "quote": "'", "trim": True}, (("a", "b"), ("#", "c"))),
        (' a , "b" ', {"trim": True}, (("a", "b"),)),
        (" a ", {"ltrim": True}, (("a ",),)),
        (" a ", {"rtrim": True}, ((" a",),)),
        ('\t"x"\ty', {"trim": True, "delimiter": "\t"}, (("", "x", "y"),)),
        ("a\nb,c", {"relax_column_count": True}, (("a",), ("b", "c"))),
        ("a\nb\nc", {"from_line": 2, "toLine": "2"}, (("b",),)),
        ("\ufeffa", {"bom": True}, (("a",),)),
        ("7", {"cast": False}, (("7",),)),
        ("a", {"unknown": 1}, (("a",),)),
    ],
)
def test_options_of_the_csv_parser(text: str, options: dict[str, Any], rows: Any) -> None:
    """Each supported option does what the reference's CSV library does, in both spellings."""
    assert read_payload(text, options=options) == rows


def test_the_supported_options_are_told() -> None:
    """Callers learn which options mean something here."""
    assert {"delimiter", "quote", "escape", "comment", "trim", "from_line", "bom"} <= set(OPTIONS)
    assert option_name("relaxColumnCount") in OPTIONS


tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.text("ab1,\"\n é'", max_size=4), min_size=width, max_size=width), max_size=5
    )
)


@settings(deadline=None)
@given(tables)
def test_what_was_written_is_read_back(table: list[list[str]]) -> None:
    """Reading gives back what the standard library wrote."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(table)

    assert read_payload(out.getvalue(), cast=False) == tuple(map(tuple, table))


def test_a_quote_never_closed_in_a_long_file_is_found_quickly() -> None:
    """The time to find it grows with the file's length, not with its square."""
    text = '"open\n' + "x,y\n" * 100_000
    start = time.process_time()
    with pytest.raises(PayloadError, match="Quote Not Closed"):
        read_payload(text)

    assert time.process_time() - start < 1.5


# ---- drawing ----


def payload(rows: Sequence[Sequence[Any]], **more: Any) -> Payload:
    return Payload(path="x.csv", rows=rows, **{"fields": ("id", "name"), **more})


ROWS = tuple((i, f"n{i}") for i in range(5))


def drawer(source: Payload, index: int = 0, count: int = 1) -> Drawer:
    return Drawer(source, index, count, random.Random(3))


def test_in_sequence_rows_come_in_order_and_round_again() -> None:
    """`order: sequence` goes through the file and starts over."""
    draw = drawer(payload(ROWS, sequence=True)).draw

    assert [draw()["id"] for _ in range(7)] == [0, 1, 2, 3, 4, 0, 1]


@settings(deadline=None)
@given(rows=st.integers(1, 7), drawn=st.integers(0, 30), count=st.integers(1, 3), index=st.integers(0, 2))
def test_a_sequence_goes_on_behind_the_rows_that_were_drawn(
    rows: int, drawn: int, count: int, index: int
) -> None:
    """A later generation's first row is the one that an unbroken sequence would give next."""
    source, index = payload([(k, f"n{k}") for k in range(rows)], sequence=True), index % count
    unbroken = Drawer(source, index, count, random.Random(3))
    expected = [unbroken.draw()["id"] for _ in range(drawn + 5)][drawn:]
    later = Drawer(source, index, count, random.Random(3), drawn=drawn)

    assert [later.draw()["id"] for _ in range(5)] == expected


def test_at_random_every_row_of_the_share_comes_up_and_no_other() -> None:
    """Random drawing is with replacement, over the share's own rows."""
    draw = drawer(payload(ROWS), 1, 2).draw

    assert {draw()["id"] for _ in range(100)} == {1, 3}


@settings(deadline=None)
@given(rows=st.integers(1, 30), count=st.integers(1, 12))
def test_shares_divide_the_rows(rows: int, count: int) -> None:
    """Every row belongs to exactly one share; with fewer rows than shares, each share has one."""
    table = [(i, "") for i in range(rows)]
    own = []
    for index in range(count):
        draw = drawer(payload(table, sequence=True), index, count).draw
        own.append({draw()["id"] for _ in range(rows)})

    if rows >= count:
        assert own == [set(range(index, rows, count)) for index in range(count)]
    else:
        assert own == [{index % rows} for index in range(count)]


def test_extra_columns_are_ignored_and_missing_ones_undefined() -> None:
    """Names and columns pair up as far as both go."""
    assert drawer(payload([(1, 2, 3)])).draw() == {"id": 1, "name": 2}
    assert drawer(payload([(1,)])).draw() == {"id": 1}


@pytest.mark.parametrize("more", [{}, {"sequence": True}, {"load_all": True, "name": "all", "ordered": True}])
def test_an_empty_file_gives_no_variables(more: dict[str, Any]) -> None:
    """Variables of an empty file stay undefined."""
    assert drawer(payload((), **more), 1, 2).draw() == {}


def test_load_all_gives_every_row_to_every_share() -> None:
    """`loadAll` with `name` holds all rows as objects, or as lists where there are no fields."""
    rows = ((1, "a"), (2, "b"))

    assert drawer(payload(rows, load_all=True, name="all"), 1, 2).draw() == {
        "all": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    }
    assert drawer(payload(rows, load_all=True, name="all", fields=None)).draw() == {
        "all": [[1, "a"], [2, "b"]]
    }


def test_load_all_with_an_order_gives_one_row_to_each_user() -> None:
    """`loadAll` with `name` and `order` holds one row's list."""
    draw = drawer(payload(((1, "a"), (2, "b")), load_all=True, name="row", ordered=True, sequence=True)).draw

    assert [draw(), draw()] == [{"row": [1, "a"]}, {"row": [2, "b"]}]


@pytest.mark.parametrize("more", [{"load_all": True}, {"fields": None}])
def test_what_nothing_names_gives_no_variables(more: dict[str, Any]) -> None:
    """`loadAll` without `name`, or rows without fields, give nothing."""
    assert drawer(payload(ROWS, **more)).draw() == {}
