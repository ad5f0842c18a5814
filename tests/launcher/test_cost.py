"""What a run from AWS Lambda costs: the price of times, what is expected before, what is known after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from grapeshot_launcher.results.cost import (
    INVOCATION,
    S3_GET,
    S3_PUT,
    SQS_REQUEST,
    Estimate,
    Tariff,
    WorkerTime,
    cost,
    estimate,
    price,
)

MINUTE = WorkerTime(seconds=60.0, measured=True)
TARIFF = Tariff(region="us-east-1", architecture="x86_64", memory=4096, flush_interval=2.0)


@pytest.mark.parametrize(
    ("region", "architecture", "gb_second"),
    [
        ("us-east-1", "x86_64", 0.0000166667),
        ("us-east-1", "arm64", 0.0000133334),
        ("eu-west-1", "arm64", 0.0000133334),
        ("af-south-1", "x86_64", 0.0000221),
        ("af-south-1", "arm64", 0.00001768),
    ],
)
def test_a_price_is_by_region_and_processor(region: str, architecture: str, gb_second: float) -> None:
    """A hundred seconds of 4 GB, and by hand everything that goes along with them."""
    tariff = replace(TARIFF, region=region, architecture=architecture)
    requests = INVOCATION + 3 * S3_PUT + 101 * S3_GET + 52 * 2 * 3 * SQS_REQUEST

    assert price(tariff, [100.0]) == pytest.approx(400 * gb_second + requests)


def test_memory_counts_and_requests_stay() -> None:
    """Twice the memory is twice the GB-seconds."""
    half, whole = price(replace(TARIFF, memory=2048), [1000.0]), price(TARIFF, [1000.0])

    assert whole - half == pytest.approx(2 * 1000 * 0.0000166667)


def test_each_invocation_is_rounded_up_to_a_millisecond() -> None:
    """On its own, not in the sum; a whole number of milliseconds stays what it is."""
    assert price(TARIFF, [0.0101, 0.0101]) == price(TARIFF, [0.011, 0.011])
    assert price(TARIFF, [0.011]) < price(TARIFF, [0.0111])
    assert price(TARIFF, [1.001]) == price(TARIFF, [1.0005])


def test_nobody_costs_nothing() -> None:
    """A run that was given up before its first worker."""
    assert price(TARIFF, []) == 0
    assert cost(TARIFF, []).total == 0


def expected(
    *, workers: int = 10, sections: int = 0, windows: Sequence[float] = (60.0,), timeout: float = 900.0
) -> Estimate:
    return estimate(
        TARIFF,
        workers=workers,
        sections=sections,
        windows=windows,
        user=1.0,
        delay=4.0,
        lead=90.0,
        timeout=timeout,
    )


def test_the_estimate_is_that_of_a_worker_s_life() -> None:
    """From its cold start to its last message; at most it is the whole time limit."""
    assert expected().expected == price(TARIFF, [15.0 + 4.0 + 60.0 + 1.0 + 5.0] * 10)
    assert expected().most == price(TARIFF, [900.0] * 10)


def test_sections_are_workers_too() -> None:
    """One for `before`, one for `after`, whatever the number of workers."""
    assert expected(sections=2).expected - expected().expected == pytest.approx(price(TARIFF, [45.0, 45.0]))


def test_each_window_has_workers_of_its_own() -> None:
    """Those of later windows are there before their time; nobody is there for longer than the limit."""
    found = expected(windows=[600.0, 600.0, 860.0])

    lives = [625.0] * 10 + [696.0] * 10 + [900.0] * 10
    assert found.expected == pytest.approx(price(TARIFF, lives))
    assert found.most == pytest.approx(price(TARIFF, [900.0] * 30))


def test_a_run_s_cost_is_by_region_and_says_what_was_assumed() -> None:
    """The dollars are for all, the measured and the others."""
    times = [WorkerTime(seconds=30.0, measured=True), WorkerTime(seconds=900.0, measured=False)]

    found = cost(TARIFF, times)

    assert found.by_region == {"us-east-1": price(TARIFF, [30.0, 900.0])}
    assert (found.workers, found.assumed, found.total) == (2, 1, price(TARIFF, [30.0, 900.0]))


def test_costs_of_regions_add_up() -> None:
    """Each region keeps its own; one that comes twice has both."""
    here, there = cost(TARIFF, [MINUTE]), cost(replace(TARIFF, region="af-south-1"), [MINUTE, MINUTE])
    both = here + there + here

    assert both.by_region == {"us-east-1": 2 * here.total, "af-south-1": there.total}
    assert (both.workers, both.assumed) == (4, 0)
    assert both.total == pytest.approx(2 * here.total + there.total)
    assert there.total > 2 * here.total
