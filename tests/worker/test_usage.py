"""What a process takes of its machine, and how old it is."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from grapeshot_worker.usage import age


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_process_knows_how_old_it_is() -> None:
    """Python's own start is in it, and time before the process is not."""
    began = time.monotonic()
    code = "from grapeshot_worker.usage import age; print(age())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    took = time.monotonic() - began

    assert 0 < float(done.stdout) <= took + 0.05
    assert age() > float(done.stdout)
