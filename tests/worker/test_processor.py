"""The author's Python file, looked at without running it."""

from __future__ import annotations

import pytest

from grapeshot_worker.script.processor import defined, named, syntax_problem


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def a(): ...\nasync def b(): ...\nclass C: ...\n", {"a", "b", "C"}),
        ("from shared import hook as mine, other\nimport tools\n", {"mine", "other", "tools"}),
        ("x = lambda: None\ny: int = 3\nif x:\n    def z(): ...\n", {"x", "y", "z"}),
        ("from shared import *\n", None),
        ("globals()['a'] = print\n", None),
        ("def __getattr__(name): ...\n", None),
    ],
)
def test_which_names_a_file_defines(text: str, names: set[str] | None) -> None:
    """Those it binds; None where only running it would tell."""
    assert defined(text) == names


def test_a_file_that_python_can_not_read_is_told_with_its_line() -> None:
    """Exit code 11, as when a worker can't load it."""
    problem = syntax_problem("x = 1\ndef f(:\n", "hooks.py")

    assert problem is not None
    assert (str(problem.place), problem.exit_code) == ("hooks.py:2", 11)
    assert syntax_problem("x = 1\n", "hooks.py") is None


def test_every_place_that_names_a_function_is_found() -> None:
    """In scenarios, requests, loops, and the sections around the load."""
    request = {"get": {"url": "/", "beforeRequest": ["b", "c"], "afterResponse": "d"}}
    loop = {"loop": [{"function": "e"}, request], "whileTrue": "f"}
    document = {
        "scenarios": [{"beforeScenario": "a", "flow": [loop]}],
        "before": {"flow": [{"function": "g"}]},
    }

    assert {name for _, name in named(document)} == set("abcdefg")
    assert (("scenarios", 0, "flow", 0, "loop", 1, "get", "beforeRequest", 1), "c") in list(named(document))
