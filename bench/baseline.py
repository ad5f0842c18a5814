"""How often a comparison with an earlier run errs: false alarms where nothing changed, and changes that it misses.

    python bench/baseline.py paper [--pairs 2000]              runs on paper; some minutes
    python bench/baseline.py real [--waves 6] [--together 4]   real runs on this machine; two minutes a wave
    python bench/baseline.py real --reports FOLDER             the same, and its reports stay; or those in the folder

FOLDER holds `same-*`, a folder for each wave of unchanged runs, and `slower`.

The tables of docs/baseline.md are what this prints.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations, product
from math import sqrt
from pathlib import Path

import real_runs
from paper_runs import MODELS, Model, paper_run

from grapeshot_launcher.results.baseline import compare_runs
from grapeshot_launcher.results.comparison import Comparison
from grapeshot_launcher.results.earlier import EarlierRun

LENGTHS = (8, 12, 30)  # slices: about 100 s, two minutes, five minutes
FLAT = 0.10  # of a gate that looks at nothing but the percentage
SLOWER = (1.10, 1.20, 1.30, 1.50)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How often a comparison with an earlier run errs.")
    parser.add_argument("what", choices=["paper", "real"])
    parser.add_argument(
        "--pairs", type=int, default=2000, help="of runs on paper, for each number (default: 2000)"
    )
    parser.add_argument("--waves", type=int, default=6, help="of real runs (default: 6)")
    parser.add_argument("--together", type=int, default=4, help="real runs at once (default: 4)")
    parser.add_argument("--slower", type=float, default=1.3, help="of a last wave (default: 1.3)")
    parser.add_argument("--reports", type=Path, help="where real runs keep theirs; used again if it exists")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if chosen.what == "paper":
        print(paper_table(chosen.pairs))
    else:
        with tempfile.TemporaryDirectory(prefix="grapeshot-baseline-") as name:
            folder = chosen.reports or Path(name) / "reports"
            if not folder.exists():
                run_waves(folder, chosen.waves, chosen.together, chosen.slower)
            print(real_table(folder, chosen.slower))
            print("\n" + real_alarms(folder))


def paper_table(pairs: int) -> str:
    """Give the table of runs on paper: false alarms with 95 % intervals, then changes found."""
    head = ["nothing changed", *(f"{length} slices" for length in LENGTHS)]
    alarms = []
    for model in MODELS:
        alarms.append([model.title, *(interval(*alarmed(model, length, pairs)) for length in LENGTHS)])
        print(" ".join(alarms[-1]), file=sys.stderr, flush=True)
    more = [f"{slower - 1:+.0%}" for slower in SLOWER]
    found_head = ["found", *(f"{each}, {length} slices" for length in LENGTHS[1:] for each in more)]
    found = []
    for model in MODELS:
        cells = [regressed(model, length, pairs // 4, slower) for length in LENGTHS[1:] for slower in SLOWER]
        found.append([model.title, *(f"{share:.0%}" for share in cells)])
        print(" ".join(found[-1]), file=sys.stderr, flush=True)
    return table(head, alarms) + "\n\n" + table(found_head, found)


def alarmed(model: Model, slices: int, pairs: int) -> tuple[int, int]:
    """Count the comparisons that name a change, better or worse, where there is none."""
    found = compared(model, slices, pairs, 1.0)
    return sum(one.verdict != "no evidence" for one in found), pairs


def regressed(model: Model, slices: int, pairs: int, slower: float) -> float:
    """Give the share of comparisons that call a slower run a regression."""
    return sum(one.verdict == "regression" for one in compared(model, slices, pairs, slower)) / pairs


def compared(model: Model, slices: int, pairs: int, slower: float) -> Iterable[Comparison]:
    """Draw pairs of runs and compare them; the same ones each time."""
    rng = random.Random(f"{model.title}/{slices}/{slower}")
    for _ in range(pairs):
        # One slice more than is compared: it has no partner when the runs lie badly on the clock.
        before, after = (paper_run(model, slices + 1, slower=factor, rng=rng) for factor in (1.0, slower))
        yield compare_runs(before, after)


def run_waves(folder: Path, waves: int, together: int, slower: float) -> None:
    """Run the same load again and again, some runs at a time, and last a slower one."""
    for number in range(waves):
        real_runs.wave(together, 1.0, folder / f"same-{number}")
        print(f"wave {number + 1} of {waves} is done", file=sys.stderr, flush=True)
    real_runs.wave(together, slower, folder / "slower")


def real_table(folder: Path, slower: float) -> str:
    """Compare all pairs of real runs: those of one wave, those of two, and all with the slower ones."""
    runs = [real_runs.reports(wave) for wave in sorted(folder.glob("same-*"))]
    within = [pair for one in runs for pair in combinations(one, 2)]
    across = [pair for one, other in combinations(runs, 2) for pair in product(one, other)]
    slow = [pair for one in runs for pair in product(one, real_runs.reports(folder / "slower"))]
    rows = [
        real_row("runs at the same time", within),
        real_row("runs at different times", across),
        real_row(f"the later run is {slower - 1:.0%} slower", slow),
    ]
    head = [f"{sum(map(len, runs))} runs", "pairs", "slices", "regression", "improvement"]
    return table([*head, f"p95 of the runs differs by {FLAT:.0%} or more"], rows)


def real_alarms(folder: Path) -> str:
    """Tell which waves the false alarms of runs at different times are of: pairs that share a run err together."""
    waves = {wave.name: real_runs.reports(wave) for wave in sorted(folder.glob("same-*"))}
    alarms = [
        (names, found)
        for names in combinations(waves, 2)
        for pair in product(*(waves[name] for name in names))
        if (found := compare_runs(*pair)).verdict != "no evidence"
    ]
    pairs = Counter(names for names, _ in alarms)
    busier = sum(any("busier" in caution for caution in found.cautions) for _, found in alarms)
    return "\n".join(
        [
            f"false alarms: {len(alarms)}, with the caution that a machine was busier: {busier}",
            *(f"{before} with {after}: {count}" for (before, after), count in sorted(pairs.items())),
        ]
    )


def real_row(title: str, pairs: Sequence[tuple[EarlierRun, EarlierRun]]) -> list[str]:
    """Compare pairs of runs and count the verdicts."""
    found = [compare_runs(before, after) for before, after in pairs]
    if not found:
        return [title, "0", "–", "–", "–", "–"]
    verdicts = [one.verdict for one in found]
    flat = [abs(after.times["p95"] / before.times["p95"] - 1) >= FLAT for before, after in pairs]
    return [
        title,
        str(len(found)),
        f"{min(one.slices for one in found)} … {max(one.slices for one in found)}",
        share(verdicts.count("regression"), len(found)),
        share(verdicts.count("improvement"), len(found)),
        share(sum(flat), len(found)),
    ]


def share(hits: int, of: int) -> str:
    """Write a count and what part of the whole it is.

    >>> share(3, 40)
    '3 (7.5 %)'
    """
    return f"{hits} ({hits / of * 100:.1f} %)"


def interval(hits: int, of: int) -> str:
    """Write a share with its 95 % interval (Wilson's, which knows that 0 of 10 is not never).

    >>> interval(5, 100), interval(0, 100)
    ('5.0 % (2.2 … 11.2)', '0.0 % (0.0 … 3.7)')
    """
    z = 1.96
    found, weight = hits / of, 1 + z * z / of
    middle = (found + z * z / (2 * of)) / weight
    half = z * sqrt(found * (1 - found) / of + z * z / (4 * of * of)) / weight
    return f"{found * 100:.1f} % ({max(middle - half, 0) * 100:.1f} … {(middle + half) * 100:.1f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


if __name__ == "__main__":
    main()
