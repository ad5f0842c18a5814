"""`python bench/cost_table.py`: what requests from AWS Lambda cost, reckoned from what one core was measured to do.

    python bench/cost_table.py [--get 80000] [--checked 40000]

The two numbers are requests per CPU second, as `bench/run.py` measures them (docs/performance.md, "What a user costs"):
GET over HTTP, kept alive; and the same over HTTPS with a JSON capture and three checks. CPU comes in proportion to
memory; prices and requests of SQS and S3 are the launcher's own (results/cost.py), limits those of its sizing.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace

from grapeshot_launcher.cloud.resources import MEMORY_OF_A_VCPU
from grapeshot_launcher.platforms.lambda_ import flush_interval
from grapeshot_launcher.prepare_lambda import LEAD, START_DELAY
from grapeshot_launcher.results.cost import Tariff, estimate, price
from grapeshot_launcher.sizing import CONNECTIONS, LATENCY, SHARE

MEMORIES = (512, 1024, 1769, 3008, 4096, 8192, 10_240)  # MB
PROCESSORS = ("x86_64", "arm64")
DEFAULT = 4096  # MB
LIFE = 600.0  # s of load
GOALS = (1e6, 10e6)  # requests a second
LATENCIES = (0.02, LATENCY)  # s


@dataclass(frozen=True)
class Kind:
    """A kind of request, and how many of it a core makes in a CPU second."""

    name: str
    rate: float


def vcpus(memory: int) -> float:
    return memory / MEMORY_OF_A_VCPU


def per_million(kind: Kind, tariff: Tariff, share: float) -> tuple[float, float]:
    """Give the dollars of a million requests, and how much of that is not Lambda's GB-seconds."""
    life = 900.0  # s: the longest, so that beginning and end weigh least
    requests = share * vcpus(tariff.memory) * kind.rate * life
    dollars = price(tariff, [life])
    nothing = replace(tariff, memory=0)
    return dollars / requests * 1e6, price(nothing, [life]) / requests * 1e6


def by_memory(kinds: list[Kind]) -> list[str]:
    heads = [f"{kind.name}, {processor}" for kind in kinds for processor in PROCESSORS]
    rows = [
        "| MB | vCPUs | " + " | ".join(heads) + " | of it SQS and S3 |",
        "| ---: " * (len(heads) + 3) + "|",
    ]
    for memory in MEMORIES:
        cells, rest = [], []
        for kind in kinds:
            for processor in PROCESSORS:
                tariff = Tariff(region="", architecture=processor, memory=memory, flush_interval=2.0)
                each, other = per_million(kind, tariff, SHARE)
                cells.append(f"{each:.4f}")
                rest.append(other / each)
        share = (
            f"{min(rest):.0%} … {max(rest):.0%}"
            if f"{min(rest):.0%}" != f"{max(rest):.0%}"
            else f"{max(rest):.0%}"
        )
        rows.append(f"| {memory:,} | {vcpus(memory):.2f} | " + " | ".join(cells) + f" | {share} |")
    return rows


def goals(kinds: list[Kind]) -> list[str]:
    rows = [
        "| requests/s | kind | answers after | workers by CPU | by connections | GB in all | messages/s"
        " | $ for 10 minutes, x86_64 | arm64 |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for goal in GOALS:
        for kind in kinds:
            for latency in LATENCIES:
                work = math.ceil(goal / (SHARE * vcpus(DEFAULT) * kind.rate))
                connections = math.ceil(goal * latency / CONNECTIONS)
                workers = max(work, connections)
                interval = flush_interval(workers)
                dollars = [
                    estimate(
                        Tariff(region="", architecture=processor, memory=DEFAULT, flush_interval=interval),
                        workers=workers,
                        sections=0,
                        windows=[LIFE],
                        user=latency,
                        delay=START_DELAY,
                        lead=LEAD,
                        timeout=900.0,
                    ).expected
                    for processor in PROCESSORS
                ]
                rows.append(
                    f"| {goal:,.0f} | {kind.name} | {latency * 1000:.0f} ms | {work:,} | {connections:,} |"
                    f" {workers * DEFAULT / 1024:,.0f} | {workers / interval:,.0f} |"
                    f" {dollars[0]:,.2f} | {dollars[1]:,.2f} |"
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="What requests from AWS Lambda cost.")
    parser.add_argument("--get", type=float, default=80_000, help="plain GETs per CPU second")
    parser.add_argument(
        "--checked", type=float, default=40_000, help="HTTPS, captured and checked, per CPU second"
    )
    chosen = parser.parse_args()
    kinds = [Kind("GET", chosen.get), Kind("HTTPS, checked", chosen.checked)]
    print(f"Dollars per million requests, {SHARE:.0%} of each vCPU used:\n")
    print("\n".join(by_memory(kinds)))
    print(f"\nWorkers of {DEFAULT:,} MB:\n")
    print("\n".join(goals(kinds)))


if __name__ == "__main__":
    main()
