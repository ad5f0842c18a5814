"""The phases of an exchange (dns, tcp, tls, first byte, download, total) against what the other side recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import pytest
import trustme

from exact_server import replying, run, serving
from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.traffic.response import Opening
from grapeshot_worker.traffic.wire.connection import Connector
from grapeshot_worker.traffic.wire.resolver import Resolver
from grapeshot_worker.traffic.wire.url import Origin
from measured import best_way
from one_user import Story, play
from phase_server import FIRST_BYTE, TLS, Exchange, phase_server
from target import Target

HOOKS = """
def phases(request, response, context, events):
    for name, milliseconds in response.timings.phases.items():
        events.emit("histogram", f"phase.{name}", milliseconds)
"""


def test_every_phase_is_the_target_s_own_plus_the_way(tmp_path: Path) -> None:
    """One request over TLS to a server that waits at each phase: no time is counted twice, none is left out."""
    certificate = trustme.CA().issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    config = "tls: { rejectUnauthorized: false }\nhttp: { extendedMetrics: true }"

    def attempt() -> tuple[tuple[Story, Exchange], float]:
        with phase_server((str(chain), str(key))) as server:
            story = play(
                "- get: { url: /, afterResponse: phases }",
                Target(server.url),
                tmp_path,
                config=config,
                hooks=HOOKS,
            )
            its = server.exchange()
        assert story.errors == {}
        ms = {name: sketch.max for name, sketch in story.totals.sketches.items()}
        first_byte = (its.answered - its.received) * 1000
        assert ms["phase.tls"] >= TLS * 1000 - 1
        assert ms["phase.firstByte"] >= first_byte >= FIRST_BYTE * 1000 - 1
        off = [
            ms["phase.dns"],
            ms["phase.tcp"],
            ms["phase.tls"] - (its.secured - its.accepted) * 1000,
            ms["phase.firstByte"] - first_byte,
            ms["phase.download"] - (its.ended - its.answered) * 1000,
            ms["phase.total"] - (its.ended - its.accepted) * 1000,
        ]
        return (story, its), max(map(abs, off))

    (story, _), _ = best_way(attempt)
    ms = {name: sketch.max for name, sketch in story.totals.sketches.items()}
    parts = ("dns", "tcp", "tls", "request", "firstByte", "download")

    assert ms["phase.total"] == pytest.approx(sum(ms[f"phase.{name}"] for name in parts), abs=1e-6)
    for name in ("dns", "tcp", "tls", "total"):
        assert ms[f"http.{name}"] == ms[f"phase.{name}"]
    assert ms["http.response_time"] == int(ms["phase.firstByte"] + 0.5)


def test_the_look_up_of_a_name_is_its_own_phase() -> None:
    """The resolver's own record says how long it took; a connection that finds the answer known waited for nothing."""
    looked: list[float] = []

    async def look_up(host: str) -> Sequence[str]:
        began = perf_counter()
        await asyncio.sleep(0.08)
        looked.append((perf_counter() - began) * 1000)
        return ["127.0.0.1"]

    async def main() -> list[Opening]:
        openings = []
        async with serving(replying()) as port:
            connector = Connector(HttpSettings(), resolver=Resolver(look_up=look_up, keep=60))
            for _ in range(2):
                connection = await connector.connect(Origin("http", "target.example", port))
                assert connection.opening is not None
                openings.append(connection.opening)
                connection.close()
        return openings

    def attempt() -> tuple[None, float]:
        looked.clear()
        first, second = run(main())
        (took,) = looked
        assert first.dns >= took >= 79
        assert first.tls == second.tls == 0
        return None, max(first.dns - took, first.tcp, second.dns, second.tcp)

    best_way(attempt)
