"""What many tests share: the target they make load against, on 127.0.0.1, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from target import Target


collect_ignore = [
    "conftest.py"
]  # holds no doctest; by its name it would be taken for the one of tests/browser

# An example that takes long says something of the machine, not of the code: pytest's own limit is enough.
settings.register_profile("grapeshot", deadline=None)
settings.load_profile("grapeshot")


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """The test target, started once for all tests of a process; it listens on a port of its own."""
    from target import serve_process

    with serve_process() as running:
        yield running
