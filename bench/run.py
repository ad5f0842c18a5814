"""`make bench`: Grapeshot beside its peers, on one core each, against nginx on another.

    python bench/run.py [--seconds 2] [--rounds 3] [--scenario get …] [--client wrk …] [--install-peers]

Rounds are interleaved (every client once, then every client again), so that a machine that slows down slows down
all of them; the table shows medians, and below it the spread.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import installs
import nginx
import peers
import table
from measure import Bench, Rate, Silent
from peers import Peer
from scenarios import PARKINGS, SCENARIOS, Parking, Scenario

Rounds = defaultdict[tuple[str, str], list[Rate]]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmarks of Grapeshot beside its peers, on this machine.")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken of (default: 3)")
    keys = [row.key for row in (*SCENARIOS, *PARKINGS)]
    parser.add_argument("--scenario", action="append", choices=keys, help="default: all")
    names = [peer.name for peer in peers.all_peers()]
    parser.add_argument("--client", action="append", choices=names, help="default: all that are installed")
    parser.add_argument(
        "--install-peers",
        action="store_true",
        help=f"get {', '.join(installs.INSTALLS)} first, into {installs.FOLDER}",
    )
    return parser.parse_args()


def main() -> None:
    # Ended from outside, it ends its clients and its server too: as an exception, through every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    chosen = options()
    if chosen.install_peers:
        installs.install_missing()
    wanted = [peer for peer in peers.all_peers() if not chosen.client or peer.name in chosen.client]
    installed = [peer for peer in wanted if peer.program]
    missing = [peer.name for peer in wanted if not peer.program]
    if missing:
        say(f"not installed, left out: {', '.join(missing)} (--install-peers gets most of them)")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="grapeshot-bench-") as name:
        folder = Path(name)
        with nginx.running(folder, pin(1)) as server:
            report(Bench(server, folder, pin(0), chosen.seconds), installed, chosen)


def report(bench: Bench, clients: list[Peer], chosen: argparse.Namespace) -> None:
    """Measure what was chosen and print the tables."""
    wanted = chosen.scenario or [row.key for row in (*SCENARIOS, *PARKINGS)]
    rows = [scenario for scenario in SCENARIOS if scenario.key in wanted]
    parkings = [parking for parking in PARKINGS if parking.key in wanted]
    names = [client.name for client in clients]
    results: Rounds = defaultdict(list)
    began = time.monotonic()
    for scenario in rows:
        for number in range(chosen.rounds):
            for client in clients:
                measure(bench, client, scenario, results)
            say(f"round {number + 1} of {chosen.rounds} of {scenario.key!r} is done")
    sizes = parked(bench, clients, parkings)
    say(f"it took {(time.monotonic() - began) / 60:.1f} minutes")
    print("Versions: " + ", ".join(f"{client.name} {client.version()}" for client in clients))
    if rows:
        titles = {scenario.key: scenario.title for scenario in rows}
        clock = {key: [rate.clock for rate in rates] for key, rates in results.items()}
        cpu = {key: [rate.cpu for rate in rates] for key, rates in results.items()}
        print("\n" + table.rates("requests/s", clock, titles, names))
        print("\n" + table.rates("requests per CPU second of the client", cpu, titles, names))
        print("\n" + table.spread(clock, titles, names))
    if parkings:
        titles = {parking.key: f"{parking.users:,} users, {parking.title}" for parking in parkings}
        print("\n" + table.memory(sizes, titles, names))


def measure(bench: Bench, client: Peer, scenario: Scenario, results: Rounds) -> None:
    """Add one round of one client; a client that fails is told and left out."""
    found = results[scenario.key, client.name]
    try:
        rate = None
        if scenario.fresh:
            rate = bench.arrivals(client, scenario, max((each.clock for each in found), default=0))
        if rate is None:  # a closed loop, which opens a new connection for each request where it should
            rate = bench.requests(client, scenario)
    except Silent as error:
        say(f"{client.name} failed at {scenario.key!r}: {error}")
        return
    if rate is not None:
        found.append(rate)
        say(f"{scenario.key:11} {client.name:10} {rate.clock:10,.0f}/s {rate.cpu:10,.0f} per CPU second")


def parked(bench: Bench, clients: list[Peer], parkings: list[Parking]) -> dict[tuple[str, str], list[float]]:
    """Measure parked users, of the clients that can park them: bytes each, and connections still open."""
    sizes = {}
    for parking in parkings:
        for client in clients:
            try:
                size = bench.parked(client, parking)
            except Silent as error:
                say(f"{client.name} failed at {parking.key!r}: {error}")
                continue
            if size is not None:
                sizes[parking.key, client.name] = [*size]
                say(f"{parking.key:11} {client.name:10} {size[0]:10,.0f} bytes, {size[1]:,} connections")
    return sizes


def pin(core: int) -> list[str]:
    """Give the command that keeps a process on one core; nothing where there is only one, or no taskset."""
    if shutil.which("taskset") and (os.cpu_count() or 1) > 1:
        return ["taskset", "-c", str(core)]
    say("taskset and two cores are needed to keep client and server apart: without them numbers mean little")
    return []


def say(text: str) -> None:
    """Tell of the progress, beside the tables on standard output."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
