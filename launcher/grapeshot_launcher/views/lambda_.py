"""What a run on AWS Lambda tells before its load: what goes to the workers, and what stands for it (pure).

Leaves to others: printing, and everything that every run tells (console).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grapeshot_launcher.views.console import plain

SHOWN = 40  # lines of the table

# $ for a GB-second; in regions that are not listed it is the first one's.
_PRICES: Mapping[str, tuple[float, float]] = {
    "": (0.0000166667, 0.0000133334),
    "af-south-1": (0.0000221, 0.00001768),
    "ap-east-1": (0.00002292, 0.0000183),
    "eu-south-1": (0.0000195172, 0.0000156138),
    "me-south-1": (0.0000206667, 0.0000165334),
    "me-central-1": (0.0000206667, 0.0000165334),
}  # x86_64, arm64; the reference's table


def bundle_table(files: Sequence[str], packages: Sequence[str]) -> str:
    """List what a bundle contains, as the reference does; of very much the beginning."""
    rows = [(plain(name), "file") for name in files] + [(plain(name), "package") for name in packages]
    width = max((len(name) for name, _ in rows[:SHOWN]), default=4)
    lines = [f"  {name:<{width}}  {kind}" for name, kind in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"  … and {len(rows) - SHOWN} more")
    return "\n".join(["Test bundle contents:", f"  {'Name':<{width}}  Type", *lines])


def ground_lines(standing: Mapping[str, str]) -> str:
    """List what stands in AWS, a line each: ` - Region: eu-west-1`."""
    return "\n".join(f" - {name}: {value}" for name, value in standing.items())


def cost(*, memory: int, seconds: float, architecture: str, region: str) -> float:
    """Estimate what Lambda costs, in US dollars: `memory` MB for so many seconds, of all workers together.

    >>> round(cost(memory=4096, seconds=100 * 60, architecture="arm64", region="eu-west-1"), 4)
    0.32
    """
    x86, arm = _PRICES.get(region, _PRICES[""])
    return memory / 1024 * seconds * (arm if architecture == "arm64" else x86)


def cost_line(dollars: float) -> str:
    """Tell the estimate in the reference's words."""
    return f"Estimated AWS Lambda cost for this test: ${dollars:.4f}"
