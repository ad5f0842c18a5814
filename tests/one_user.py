"""One run of a small script in this process: what its users sent, printed and were counted for.

Leaves to others: the server (target), and the launcher, which is not needed for this.
"""

from __future__ import annotations

import asyncio
import random
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from grapeshot_worker.messages import Control, Failed, Finished, Go, Message
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.plan import Assignment
from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script
from grapeshot_worker.session import Session
from target import Target
from target_routes import Request


@dataclass(frozen=True)
class Story:
    """What came of a run: the requests the server got, the lines printed, the numbers."""

    requests: list[Request]
    lines: list[str]
    totals: Totals

    @property
    def counters(self) -> Mapping[str, int]:
        return self.totals.counters

    @property
    def errors(self) -> dict[str, int]:
        """The `errors.*` counters by their names."""
        return {
            name.removeprefix("errors."): n for name, n in self.counters.items() if name.startswith("errors.")
        }

    @property
    def sent(self) -> list[str]:
        """The request lines."""
        return [f"{request.method} {request.target}" for request in self.requests]


def play(
    flow: str,
    target: Target,
    directory: Path,
    *,
    config: str = "",
    scenario: str = "",
    scenarios: str = "",
    hooks: str = "",
    files: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    told: Mapping[str, Any] | None = None,
) -> Story:
    """Run one user of a flow (YAML steps, as are `config` and `scenario` keys of theirs) to its end, or `scenarios`.

    `{target}` and `{port}` in the texts are the server's; `told` is more of the process's assignment, such as its
    share. AssertionError when the run fails as a whole.
    """
    head = f'config:\n  target: "{target.url}"\n' + ("  processor: hooks.py\n" if hooks else "")
    only = f"scenarios:\n  - name: only\n{_indented(scenario, 4)}\n    flow:\n{_indented(flow, 6)}\n"
    text = f"{head}{_indented(config, 2)}\n{scenarios or only}"
    text = text.replace("{target}", target.url).replace("{port}", str(target.port))
    (directory / "script.yml").write_text(text, encoding="utf-8")
    (directory / "hooks.py").write_text(textwrap.dedent(hooks), encoding="utf-8")
    for name, content in (files or {}).items():
        (directory / name).write_text(content, encoding="utf-8")
    target.requests.clear()
    lines: list[str] = []
    totals = uvloop.run(_run(directory / "script.yml", dict(environ or {}), lines, told or {}))
    return Story(list(target.requests), lines, totals)


def _indented(text: str, depth: int) -> str:
    return textwrap.indent(textwrap.dedent(text).strip("\n"), " " * depth)


async def _run(script: Path, environ: dict[str, str], lines: list[str], told: Mapping[str, Any]) -> Totals:
    source = load_script(
        ScriptOptions(script=str(script), test_id="t"),
        environ=environ,
        read_text=lambda path: Path(path).read_text(encoding="utf-8"),
        functions=builtin_functions(random.Random(1)),
    )
    messages: list[Message] = []
    controls: asyncio.Queue[Control | None] = asyncio.Queue()
    controls.put_nowait(Go(start_at=time.time() - 10))  # every arrival is due
    session = Session(
        Assignment(run_id="run", source=source, **told),
        send=messages.append,
        controls=controls,
        environ=environ,
        print_line=lines.append,
    )
    async with asyncio.timeout(20):
        await session.run()
    last = messages[-1]
    assert not isinstance(last, Failed), last.message
    assert isinstance(last, Finished)
    return Totals.of(period for m in messages if hasattr(m, "periods") for period in m.periods)
