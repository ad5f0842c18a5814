"""What a run on AWS Lambda tells beside every run: what goes to the workers, what stands for it, its cost (pure).

Leaves to others: printing, and everything that every run tells (console).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grapeshot_launcher.results.cost import Cost, Estimate
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.plan import plural

SHOWN = 40  # lines of the table


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


def estimate_line(estimate: Estimate, *, emulated: bool) -> str:
    """Tell what a run will cost, before it; on an emulated AWS, what it would on a real one."""
    verb = "would be" if emulated else "is"
    return (
        f"The expected cost {verb} ${estimate.expected:.4f}, and at most ${estimate.most:.4f} if every worker takes all"
        " of its time limit; without data transfer."
    )


def cost_lines(cost: Cost, *, emulated: bool) -> str:
    """Tell what a run has cost, first in the reference's words."""
    lines = [f"Estimated AWS Lambda cost for this test: ${cost.total:.4f}"]
    if emulated:
        lines.append("    Nothing was paid: on AWS it would cost this much.")
    if cost.assumed:
        lines.append(
            f"    {cost.assumed} of {plural(cost.workers, 'invocation')} did not tell how long it took: for"
            " these the time until their last sign, or until the end, is counted."
        )
    return "\n".join(lines)
