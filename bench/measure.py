"""How it is measured: a client runs pinned to one core, nginx on another one counts.

Leaves to others: what the client does (peers). Nothing here believes what a client says of itself.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nginx import Nginx
from peers import Peer, environment
from scenarios import Parking, Scenario

START_LIMIT = 60.0  # seconds a client may take until it makes traffic
SETTLE = 1.5  # seconds of traffic before the measurement begins
HOLDS = 0.97  # of the planned arrivals must have come, for a rate to count as kept
FIRST, LOWEST, HIGHEST = 400.0, 10, 50_000  # arrivals a second: where the search begins and where it gives up


@dataclass(frozen=True)
class Rate:
    """Requests a second, by the clock and by the client's CPU time.

    The clock says what one gets here and now. The CPU time says what the client costs: it stays much the same when
    other programs take turns on the core, and when it is the server that is at its limit.
    """

    clock: float
    cpu: float


class Silent(Exception):
    """A client that made no traffic, or not what was asked; says why, as far as is known."""


@dataclass(frozen=True)
class Bench:
    """Where clients run: the server, a folder for their files, and the command that pins them to a core."""

    server: Nginx
    folder: Path
    pin: list[str]
    seconds: float

    def requests(self, peer: Peer, scenario: Scenario) -> Rate | None:
        """Measure requests a second of 50 clients in a closed loop; None where the client can't do it."""
        command = peer.loop(scenario, self._target(scenario), self.folder)
        return None if command is None else self._rate(command)

    def arrivals(self, peer: Peer, scenario: Scenario, hint: float) -> Rate | None:
        """Search the highest rate of users, a request each, that really arrive; None for closed-loop clients.

        A rate is kept when nginx sees 97 % of it. The first round (`hint` is 0) doubles or halves the rate until one is
        kept and another isn't; later rounds go in small steps from what was found (`hint`). Then the gap is halved: it
        ends at 6 % of the rate in the first round, at 2.5 % in later ones.
        """
        if peer.arrive(scenario, self._target(scenario), self.folder, 1) is None:
            return None
        rate, growth, halvings = (hint, 1.1, 2) if hint else (FIRST, 2.0, 4)
        kept = {0.0: Rate(0.0, 0.0)}
        missed = math.inf

        def probe(rate: float) -> bool:
            nonlocal missed
            found = self._arriving(peer, scenario, round(rate))
            if found.clock >= HOLDS * round(rate):
                kept[rate] = found
                return True
            missed = rate
            return False

        while LOWEST < rate < HIGHEST and (len(kept) == 1 or missed == math.inf):
            rate = rate * growth if probe(rate) else rate / growth
        if len(kept) == 1:
            raise Silent(f"it kept no rate, not even {missed:.0f} users a second")
        for _ in range(halvings):
            probe((max(kept) + min(missed, HIGHEST)) / 2)
        return kept[max(kept)]

    def parked(self, peer: Peer, parking: Parking) -> tuple[float, int] | None:
        """Measure bytes for each parked user, and how many connections are still open while they think.

        Bytes are the client's memory with all users, minus that with one. The connections tell what is compared:
        a client that closes those of idle users has less to keep.
        """
        sizes, connections = [], []
        for number in (parking.users, 1):
            command = peer.park(self._target(parking), self.folder, number)
            if command is None:
                return None
            with self._client(command) as client:
                self._await(client, number)
                time.sleep(SETTLE)
                connections.append(self.server.counters().active - 1)
                sizes.append(_family(client.pid).memory)
        return (sizes[0] - sizes[1]) / (parking.users - 1), connections[0]

    def _target(self, scenario: Scenario | Parking) -> str:
        return self.server.tls_url if scenario.tls else self.server.url

    def _arriving(self, peer: Peer, scenario: Scenario, rate: int) -> Rate:
        command = peer.arrive(scenario, self._target(scenario), self.folder, rate)
        assert command is not None
        try:
            return self._rate(command)
        except Silent:  # broken by a rate beyond its means
            return Rate(0.0, 0.0)

    def _rate(self, command: list[str]) -> Rate:
        with self._client(command) as client:
            self._await(client, 50)
            time.sleep(SETTLE)
            first, spent = self.server.counters(), _family(client.pid).cpu
            time.sleep(self.seconds)
            last, spent = self.server.counters(), _family(client.pid).cpu - spent
        requests = last.requests - first.requests - 1  # one was our own
        return Rate(requests / (last.at - first.at), requests / max(spent, 0.01))

    @contextlib.contextmanager
    def _client(self, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a client in a process group of its own, and end that group."""
        with (
            (self.folder / "client.log").open("wb") as log,
            subprocess.Popen(
                [*self.pin, *command],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment(),
                start_new_session=True,
            ) as client,
        ):
            try:
                yield client
            finally:
                for number in (signal.SIGTERM, signal.SIGKILL):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(client.pid, number)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        client.wait(10)
        self._await_quiet()

    def _await(self, client: subprocess.Popen[bytes], requests: int) -> None:
        """Wait until nginx has answered so many requests since now."""
        start = self.server.counters()
        polls = 0
        while self.server.counters().requests - start.requests - polls <= requests:
            polls += 1
            late = time.monotonic() - start.at > START_LIMIT
            if late or client.poll() is not None:
                log = (self.folder / "client.log").read_text(encoding="utf-8", errors="replace")
                raise Silent(log.strip()[-500:] or "it made no traffic and said nothing")
            time.sleep(0.05)

    def _await_quiet(self) -> None:
        """Wait until the client's connections are gone, so that the next one starts as this one did."""
        deadline = time.monotonic() + 10
        while self.server.counters().active > 1 and time.monotonic() < deadline:
            time.sleep(0.05)


@dataclass(frozen=True)
class Family:
    """What a process and all its descendants have used: CPU time in seconds, resident memory in bytes."""

    cpu: float
    memory: int


def _family(root: int) -> Family:
    """Add up a process and its descendants, from Linux's /proc."""
    found: dict[int, tuple[int, float, int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has just ended
        fields = stat.rpartition(")")[2].split()  # from the third field on: state, parent, …
        ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        found[int(folder.name)] = (int(fields[1]), ticks / os.sysconf("SC_CLK_TCK"), pages)
    members = {root}
    while more := {pid for pid, (parent, _, _) in found.items() if parent in members} - members:
        members |= more
    used = [found[pid] for pid in members if pid in found]
    return Family(sum(u[1] for u in used), sum(u[2] for u in used) * os.sysconf("SC_PAGE_SIZE"))
