"""The house rules that a reader relies on: what may import what, how large things get, what nobody does."""

from __future__ import annotations

import ast
import graphlib
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"grapeshot_worker": ROOT / "worker", "grapeshot_launcher": ROOT / "launcher"}
NOT_OURS = {".venv", ".git", "build", "dist", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}

# From the ground up. A module imports from lower floors, and from its own folder; never across or upwards.
WORKER_FLOORS = (
    ("errors",),
    ("metrics", "aws", "usage"),
    ("script",),
    ("plan",),
    ("arrivals", "messages", "invocation", "unpack"),
    ("traffic", "wire", "chorus", "faults", "courier", "orders"),
    ("session", "languages", "sandbox", "lease"),
    ("processes", "shift"),
    ("__main__", "handler"),
)
LAUNCHER_FLOORS = (
    ("errors",),
    ("options", "results", "cloud", "bundle"),
    ("views", "origin"),
    ("github", "platforms", "prepare", "relay", "screen", "sizing", "serve"),
    ("crew", "settle", "emulation", "prepare_lambda"),
    ("conduct", "signals", "places"),
    ("watch",),
    ("publish",),
    ("run",),
    ("run_lambda", "errands", "clean", "stop", "doctor", "reports", "trend"),
    ("action",),
    ("__main__",),
)
FLOORS = {"grapeshot_worker": WORKER_FLOORS, "grapeshot_launcher": LAUNCHER_FLOORS}

# What the launcher may know of the worker: its words, not how it makes traffic.
PUBLIC = {
    "", "errors", "messages", "plan", "arrivals", "processes", "languages", "script", "metrics", "invocation", "wire",
}  # fmt: skip


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def modules(package: str) -> dict[str, Path]:
    """Dotted module name → file; the package itself under its own name."""
    base = PACKAGES[package]
    found = {}
    for path in sorted((base / package).rglob("*.py")):
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: set[str]) -> set[str]:
    """Every module a file imports, wherever in it; `from package import x` is the submodule x if it is one."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= submodules or {str(node.module)}
    return found


def room(module: str) -> str:
    """The first part below the package: `grapeshot_worker.script.model` → `script`; of the package nothing."""
    return [*module.split("."), ""][1]


def floor(package: str, module: str) -> int:
    for height, rooms in enumerate(FLOORS[package]):
        if room(module) in rooms:
            return height
    raise AssertionError(f"{module} is on no floor: add it to the floors in tests/test_architecture.py")


def source_files(*folders: str, suffix: str = ".py") -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob(f"*{suffix}")
        if not NOT_OURS & set(path.relative_to(ROOT).parts)
    )


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


PACKAGE_FILES = source_files("worker/grapeshot_worker", "launcher/grapeshot_launcher")
TEST_FILES = source_files("tests")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    """A module imports from lower floors of its package, or from its own folder."""
    wrong = []
    known = set(modules(package))
    for module, path in modules(package).items():
        if module == package:
            continue
        for other in imports(path, known):
            if other.split(".")[0] != package or other == package or room(other) == room(module):
                continue
            if floor(package, other) >= floor(package, module):
                wrong.append(f"{module} imports {other}")

    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_no_cycles(package: str) -> None:
    """No module needs itself, over any number of imports."""
    known = set(modules(package))
    graph = {module: imports(path, known) & known - {module} for module, path in modules(package).items()}

    graphlib.TopologicalSorter(graph).prepare()


def test_the_worker_never_imports_the_launcher() -> None:
    """The worker stands alone: it is what goes to other machines."""
    files = modules("grapeshot_worker").values()
    wrong = [named(p) for p in files if any(i.startswith("grapeshot_launcher") for i in imports(p, set()))]

    assert not wrong


def test_the_launcher_uses_the_public_words_of_the_worker() -> None:
    """The launcher knows scripts, plans, messages and metrics; not traffic."""
    known = set(modules("grapeshot_worker"))
    wrong = [
        f"{module} imports {other}"
        for module, path in modules("grapeshot_launcher").items()
        for other in imports(path, known)
        if other.split(".")[0] == "grapeshot_worker" and room(other) not in PUBLIC
    ]

    assert not wrong


def test_boto_lives_in_the_aws_files() -> None:
    """AWS has one border per package; the launcher's second file says whose credentials its calls are made with."""
    allowed = {
        "worker/grapeshot_worker/aws.py",
        "launcher/grapeshot_launcher/cloud/aws.py",
        "launcher/grapeshot_launcher/cloud/role_session.py",
    }
    users = {
        named(path)
        for path in PACKAGE_FILES
        if any(other.split(".")[0] in {"boto3", "botocore"} for other in imports(path, set()))
    }

    assert users <= allowed


@pytest.mark.parametrize("folder", ["worker", "launcher"])
def test_project_folders_are_no_packages(folder: str) -> None:
    """An author's own `worker.py` can't collide with a folder of ours."""
    assert not (ROOT / folder / "__init__.py").exists()


def test_only_main_leaves_the_process() -> None:
    """`sys.exit`, `os._exit` and `raise SystemExit` appear in __main__ files alone."""
    wrong = [
        f"{named(path)}:{line}"
        for path in PACKAGE_FILES
        if path.name != "__main__.py"
        for line in _exits(tree(path))
    ]

    assert not wrong


def _exits(module: ast.Module) -> Iterator[int]:
    for node in ast.walk(module):
        match node:
            case ast.Attribute(value=ast.Name(id="sys" | "os"), attr="exit" | "_exit"):
                yield node.lineno
            case ast.Raise(exc=ast.Name(id="SystemExit") | ast.Call(func=ast.Name(id="SystemExit"))):
                yield node.lineno
            case _:
                pass


def test_tests_neither_patch_nor_sleep() -> None:
    """Partners are passed in and time is an argument, so no test replaces names or waits for a clock."""
    forbidden = {("mock", "patch"), ("monkeypatch", "setattr"), ("time", "sleep"), ("mocker", "patch")}
    wrong = [
        f"{named(path)}:{node.lineno}: {node.value.id}.{node.attr}"
        for path in TEST_FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in forbidden
    ]

    assert not wrong


def test_test_files_have_unique_names() -> None:
    """Without packages in tests/, pytest tells test files apart by their names."""
    names = [path.name for path in TEST_FILES if path.name.startswith("test_")]

    assert sorted(set(names)) == sorted(names)


def code_lines(path: Path) -> int:
    """Lines with code on them: neither blank, nor comment, nor docstring."""
    skip = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines: set[int] = set()
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type not in skip:
                lines |= set(range(token.start[0], token.end[0] + 1))
    for start, end in _docstrings(path):
        lines -= set(range(start, end + 1))
    return len(lines)


def _docstrings(path: Path) -> Iterator[tuple[int, int]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.lineno, first.end_lineno or first.lineno


def test_modules_stay_readable() -> None:
    """A module has at most 300 lines of code; beyond, it is split by noun."""
    long = {named(path): code_lines(path) for path in PACKAGE_FILES if code_lines(path) > 300}

    assert not long


def test_functions_stay_readable() -> None:
    """A function has at most 60 lines, its docstring not counted."""
    long = []
    for path in PACKAGE_FILES:
        docstrings = dict(_docstrings(path))
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                end = docstrings.get(node.body[0].lineno)
                start = end + 1 if end is not None else node.lineno
                if (node.end_lineno or start) - start + 1 > 60:
                    long.append(f"{named(path)}:{node.lineno} {node.name}")

    assert not long


def test_every_module_says_what_it_knows() -> None:
    """Each module with code has a docstring."""
    silent = [named(path) for path in PACKAGE_FILES if tree(path).body and not ast.get_docstring(tree(path))]

    assert not silent


def test_no_file_mentions_somebody_s_machine() -> None:
    """Paths of a person's or a builder's machine stay out of the project."""
    machine = re.compile(
        r"(?<![\w.\-*}>])/(?:" + "|".join(["work", "root", "home", "Users", "workspaces"]) + r")/\w"
    )
    suffixes = {".py", ".md", ".yml", ".yaml", ".toml", ".txt", ".in", ".json", ".csv", ".sh", ""}
    wrong = []
    for path in ROOT.rglob("*"):
        if NOT_OURS & set(path.relative_to(ROOT).parts) or not path.is_file() or path.suffix not in suffixes:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if machine.search(line):
                wrong.append(f"{named(path)}:{number}")

    assert not wrong
