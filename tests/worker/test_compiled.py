"""The request path compiled: which form the tests are about, and what happens where it can't be compiled.

`make test-compiled` runs the worker's tests against compiled modules; `make test` against Python.
"""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path

import pytest

import compile as compiling  # worker/compile.py
import grapeshot_worker

WAITS = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)
SUFFIX = ".so" if os.environ.get("GRAPESHOT_TEST_COMPILED") else ".py"


@pytest.mark.parametrize("name", compiling.MODULES)
def test_the_tests_are_about_the_form_that_was_asked_for(name: str) -> None:
    """Each module of the request path is compiled, or none is."""
    module = importlib.import_module(f"{compiling.PACKAGE}.{name.replace('/', '.')}")

    assert module.__file__ is not None
    assert module.__file__.endswith(SUFFIX)


@pytest.mark.parametrize("name", compiling.MODULES)
def test_nothing_is_awaited_while_an_error_is_handled(name: str) -> None:
    """In compiled modules alone: what mypyc makes of it raises another error after the wait, or none.

    It looks for the error in `sys.exc_info()`, which is another one's there if the error was thrown in: what a failed
    future or a cancelled task does.
    """
    tree = ast.parse((Path(grapeshot_worker.__path__[0]) / f"{name}.py").read_text())
    tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
    handling = [block for node in tries for block in (*node.handlers, *node.finalbody)]

    assert not [node.lineno for block in handling for node in ast.walk(block) if isinstance(node, WAITS)]


def test_the_rest_is_python() -> None:
    """The Python files lie beside the compiled ones, and a module that is not in the list is taken from its own."""
    package = Path(grapeshot_worker.__path__[0])

    assert all((package / f"{name}.py").is_file() for name in compiling.MODULES)
    assert len(list(package.rglob("*.so"))) == (len(compiling.MODULES) if SUFFIX == ".so" else 0)


@pytest.mark.parametrize(
    ("headers", "version", "reason"),
    [
        ([], (3, 13), "there are no headers of Python in {include}"),
        (["Python.h"], (3, 99), "it is not compiled for Python 3.99"),
    ],
)
def test_the_worker_stays_in_python_where_it_cannot_be_compiled(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    headers: list[str],
    version: tuple[int, int],
    reason: str,
) -> None:
    """The base of an image may be any Python; it is told, and nothing is changed."""
    package, include = tmp_path / "grapeshot_worker", tmp_path / "include"
    package.mkdir()
    include.mkdir()
    for name in headers:
        (include / name).touch()

    for arguments in ([], [str(tmp_path)]):
        assert compiling.main(arguments, include, version) == 1

        told = f"The worker stays in Python, which is slower: {reason.format(include=include)}.\n"
        assert capsys.readouterr().out == told
    assert list(package.rglob("*")) == []
