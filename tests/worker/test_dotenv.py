"""Environment files."""

from __future__ import annotations

import pytest

from grapeshot_worker.script.dotenv import parse_dotenv


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("A=1", {"A": "1"}),
        ("export A=1\nB=2", {"A": "1", "B": "2"}),
        ("# nothing\n\nA = x  # why\n", {"A": "x"}),
        ("A='x # y' # z", {"A": "x # y"}),
        ('A="x\\ny \\"q\\""', {"A": 'x\ny "q"'}),
        ("A='x\\ny'", {"A": "x\\ny"}),
        ('A="two\nlines"\nB=1', {"A": "two\nlines", "B": "1"}),
        ("A=", {"A": ""}),
        ("A=${HOME}/x", {"A": "${HOME}/x"}),
        ("A=http://h/?a=b", {"A": "http://h/?a=b"}),
        ("A=1\nA=2", {"A": "2"}),
        ("nothing here\nA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ],
)
def test_an_environment_file_is_read_line_by_line(text: str, variables: dict[str, str]) -> None:
    """`export`, quotes and comments are understood; `${VAR}` is left as it is."""
    assert parse_dotenv(text) == variables
