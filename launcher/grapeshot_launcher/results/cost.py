"""What a run from AWS Lambda costs, in US dollars: expected before it, and afterwards by its workers' times (pure).

Leaves to others: the times (platforms), what a user does (sizing), refusing and showing.

The prices are AWS's public list prices, as written down in November 2026 and not asked for since: of Lambda by region
and processor (the reference's table), of everything else those of us-east-1, which can be higher elsewhere. A region
that is not listed counts as us-east-1.

    Lambda    GB-seconds, in steps of 1 ms, and each invocation
    SQS       a worker's messages: sent, received, deleted
    S3        each worker looks at the control record once a second; the record, claims, archive and totals

Not in it: the free tier and discounts, which make it less; data that leaves AWS, NAT gateways of a VPC, logs and the
image in ECR, which make it more. With large bodies, what goes out to a target on the internet can cost more than all
that is counted here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# $ for a GB-second, x86_64 and arm64; in regions that are not listed it is the first one's.
GB_SECOND: Final[Mapping[str, tuple[float, float]]] = {
    "": (0.0000166667, 0.0000133334),
    "af-south-1": (0.0000221, 0.00001768),
    "ap-east-1": (0.00002292, 0.0000183),
    "eu-south-1": (0.0000195172, 0.0000156138),
    "me-south-1": (0.0000206667, 0.0000165334),
    "me-central-1": (0.0000206667, 0.0000165334),
}
INVOCATION: Final = 0.20 / 1e6
SQS_REQUEST: Final = 0.40 / 1e6
S3_PUT: Final = 5.00 / 1e6
S3_GET: Final = 0.40 / 1e6

CHUNKS: Final = 2  # requests that one message counts as: SQS counts each 64 KB, and most messages are shorter
HANDS: Final = 3  # sent, received, deleted
PUTS: Final = 3  # of a worker: its claim, its totals, and one for its part of what the launcher writes
LOOK: Final = 1.0  # s between a worker's two looks at the control record

# Assumed before the run, in seconds.
WARM_UP: Final = 15.0  # a cold start, and the wait for the slowest of all workers
FAREWELL: Final = 5.0  # the last messages
SECTION: Final = 30.0  # of the worker that carries out `before`, and of the one for `after`


@dataclass(frozen=True, kw_only=True, slots=True)
class Tariff:
    """What workers are charged by: memory in MB, and seconds between two messages of a worker."""

    region: str
    architecture: str
    memory: int
    flush_interval: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerTime:
    """How long an invocation is charged for, in seconds; `measured` by the worker itself, or assumed in its place."""

    seconds: float
    measured: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a run will cost in dollars: `expected`, and `most`, if every worker takes all of its time limit."""

    expected: float
    most: float

    def __add__(self, other: Estimate) -> Estimate:
        """Add what another region will cost."""
        return Estimate(expected=self.expected + other.expected, most=self.most + other.most)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a run has cost: dollars by region; of `workers` invocations `assumed` did not say how long they took."""

    by_region: Mapping[str, float]
    workers: int
    assumed: int

    @property
    def total(self) -> float:
        """Dollars in all regions together."""
        return sum(self.by_region.values())

    def __add__(self, other: Cost) -> Cost:
        """Add what other workers have cost."""
        regions = {**self.by_region, **other.by_region}
        return Cost(
            by_region={
                each: self.by_region.get(each, 0.0) + other.by_region.get(each, 0.0) for each in regions
            },
            workers=self.workers + other.workers,
            assumed=self.assumed + other.assumed,
        )


def price(tariff: Tariff, seconds: Iterable[float]) -> float:
    """Give the dollars for invocations that took so many seconds each; Lambda rounds each up to a millisecond.

    >>> tariff = Tariff(region="eu-west-1", architecture="arm64", memory=4096, flush_interval=2.0)
    >>> round(price(tariff, [60.0] * 100), 4)
    0.3316
    """
    x86, arm = GB_SECOND.get(tariff.region, GB_SECOND[""])
    gb_second = arm if tariff.architecture == "arm64" else x86
    each = [math.ceil(round(one * 1000, 3)) / 1000 for one in seconds]
    total = sum(each)
    messages = total / tariff.flush_interval + 2 * len(each)  # and the first and the last word
    return (
        total * tariff.memory / 1024 * gb_second
        + len(each) * (INVOCATION + PUTS * S3_PUT)
        + (total / LOOK + len(each)) * S3_GET
        + messages * CHUNKS * HANDS * SQS_REQUEST
    )


def estimate(
    tariff: Tariff,
    *,
    workers: int,
    sections: int,
    windows: Sequence[float],
    user: float,
    delay: float,
    lead: float,
    timeout: float,
) -> Estimate:
    """Say what a run will cost whose load has windows of so many seconds, and a user of it takes `user` seconds.

    Each window has workers of its own. `sections` is the number of workers around the load, `delay` the seconds from
    ready to the start, `lead` those that the workers of later windows are there before, `timeout` the time limit of
    one invocation.
    """
    befores = [WARM_UP + delay, *[lead] * (len(windows) - 1)]
    lives = [
        min(each + window + user + FAREWELL, timeout) for each, window in zip(befores, windows, strict=True)
    ]
    section = min(WARM_UP + SECTION, timeout)
    return Estimate(
        expected=price(tariff, [life for life in lives for _ in range(workers)] + [section] * sections),
        most=price(tariff, [timeout] * (workers * len(windows) + sections)),
    )


def cost(tariff: Tariff, times: Iterable[WorkerTime]) -> Cost:
    """Say what a run has cost whose invocations took these times."""
    each = tuple(times)
    return Cost(
        by_region={tariff.region: price(tariff, [one.seconds for one in each])},
        workers=len(each),
        assumed=sum(not one.measured for one in each),
    )
