"""A run's parts by region: which worker is where, and what was measured there (pure but for its own memory).

Leaves to others: running workers there (platforms), the whole (collect, books).

Workers take turns: the first is in the first region, the second in the second, and after the last region comes the
first again. So each worker's region follows from its index, in every generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def region_of(index: int, regions: Sequence[str]) -> str:
    """Say where a worker is.

    >>> [region_of(index, ("eu-west-1", "us-east-1")) for index in range(3)]
    ['eu-west-1', 'us-east-1', 'eu-west-1']
    """
    return regions[index % len(regions)]


def workers_in(regions: Sequence[str], workers: int) -> Mapping[str, int]:
    """Count the workers of each region, of so many in all.

    >>> workers_in(("eu-west-1", "us-east-1"), 5)
    {'eu-west-1': 3, 'us-east-1': 2}
    """
    return {region: len(range(place, workers, len(regions))) for place, region in enumerate(regions)}
