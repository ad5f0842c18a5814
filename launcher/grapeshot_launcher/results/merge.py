"""Several runs as one report: what a single run of all their workers would have told (pure).

Leaves to others: reading their files (reading), adding up what is only quoted (sums), showing the whole (views).

Periods merge by window, whether the runs lay side by side or one after another, and the whole is folded anew from them:
counts add up, percentiles are those of all values together. Workers are numbered on, run after run, in the books too.
Checks are held against the whole where their text is an expression; else each run's outcome stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from grapeshot_launcher.results.books import Books, Row
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.ensure import CheckOutcome, run_checks
from grapeshot_launcher.results.parts import is_number
from grapeshot_launcher.results.regions import RegionPart
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.sums import quoted_whole, quoted_windows, region_sum
from grapeshot_launcher.results.verdict import Kind, Verdict
from grapeshot_worker.errors import Exit
from grapeshot_worker.metrics.period import by_window
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.script.expression import expression_problem
from grapeshot_worker.script.model import Check

# What says most about the whole, first: one spoiled part spoils the sum.
_WORST: Final[tuple[Kind, ...]] = ("invalid", "fail", "stopped", "running", "unknown", "pass")
_SUMMED: Final = ("workers", "costUsd", "estimatedCostUsd")
_UNLISTED: Final = (
    "phases",
    "source",
    "command",
    "name",
)  # where they differ: too long, or of no use side by side
_NO_SKETCHES: Final = (
    "One of the merged reports tells percentiles without the values behind them: percentiles can't be merged, so of"
    " times there are count, mean, lowest and highest value only."
)
_NOT_BY_REGION: Final = (
    "Not all of the merged runs tell what was measured in which region: so the whole has no parts by region. The report"
    " of each run has those it knows."
)


def merge_reports(reports: Sequence[Report]) -> Report:
    """Merge reports, at least one; the order matters for names and numbers of workers alone."""
    if len(reports) == 1:
        return reports[0]
    quoted = any(each.quoted for each in reports)
    parts = [period for each in reports for period in each.periods]
    periods = quoted_windows(parts) if quoted else by_window(parts)
    totals = quoted_whole([each.totals for each in reports], periods) if quoted else Totals.of(parts)
    offsets = _offsets(reports)
    books = Books.of_rows(
        _moved(row, offset) for each, offset in zip(reports, offsets, strict=True) for row in each.books.rows
    )
    checks = _checks(reports, totals)
    return Report(
        run_id=" + ".join(dict.fromkeys(each.run_id for each in reports)),
        script=" + ".join(dict.fromkeys(each.script for each in reports)),
        started_at=min(each.started_at for each in reports),
        ended_at=max(each.ended_at for each in reports),
        verdict=_verdict(reports, checks),
        totals=totals,
        periods=periods,
        books=books,
        workers=tuple(
            _numbered(end, offset)
            for each, offset in zip(reports, offsets, strict=True)
            for end in each.workers
        ),
        checks=checks,
        apdex=_apdex(reports),
        warnings=tuple(_warnings(reports, quoted=quoted)),
        settings=_settings(reports),
        regions=_regions(reports, offsets, quoted=quoted),
        quoted=quoted,
    )


def _offsets(reports: Sequence[Report]) -> list[int]:
    """Give by how much each run's worker numbers are moved on."""
    offsets, next_one = [], 0
    for each in reports:
        offsets.append(next_one)
        known = [row.index for row in each.books.rows] + [end.worker.index for end in each.workers]
        next_one += max(known, default=-1) + 1
    return offsets


def _moved(row: Row, offset: int) -> Row:
    return replace(row, index=row.index + offset)


def _numbered(end: WorkerEnd, offset: int) -> WorkerEnd:
    return replace(end, worker=WorkerId(end.worker.generation, end.worker.index + offset))


def _checks(reports: Sequence[Report], totals: Totals) -> tuple[CheckOutcome, ...]:
    """Hold each check against the whole; one that is no expression of metrics stands as each run found it."""
    found: dict[tuple[str, bool], list[CheckOutcome]] = {}
    for each in reports:
        for check in each.checks:
            found.setdefault((check.label, check.strict), []).append(check)
    outcomes: list[CheckOutcome] = []
    for (label, strict), single in found.items():
        readable = expression_problem(label) is None and not any(each.problem for each in single)
        held = run_checks([Check(label=label, expression=label, strict=strict)], totals) if readable else ()
        outcomes += held if held and _knows(single, held[0].missing) else single
    return tuple(outcomes)


def _knows(single: Sequence[CheckOutcome], names: Sequence[str]) -> bool:
    """Whether what the whole lacks, the runs lacked too.

    Else the whole can't answer: percentiles that were only quoted are lost in it; and `maxErrorRate < 1` reads like an
    expression, and is none.
    """
    had = {name for each in single for name in each.values}
    return set(names) <= {name for each in single for name in each.missing} - had


def _verdict(reports: Sequence[Report], checks: Sequence[CheckOutcome]) -> Verdict:
    """Take the worst of the runs' verdicts; but a failed threshold is a matter of the whole."""
    broken = [check for check in checks if check.strict and not check.ok]
    reasons = [
        f"run {each.run_id}: {reason}"
        for each in reports
        for reason in each.verdict.reasons
        if not reason.startswith("check failed: ")
    ]
    reasons += [f"check failed: {check.label}" for check in broken]
    kinds: set[Kind] = {each.verdict.kind for each in reports if not _only_checks_failed(each)}
    kinds |= {"fail"} if broken else {"pass"} if not kinds else set()
    kind = next(each for each in _WORST if each in kinds)
    codes = [int(each.verdict.exit_code) for each in reports if each.verdict.kind == kind]
    code = Exit.OK if kind in ("pass", "unknown") else max(codes, default=int(Exit.FAILED))
    return Verdict(kind=kind, exit_code=int(code), reasons=tuple(dict.fromkeys(reasons)))


def _only_checks_failed(report: Report) -> bool:
    """Whether nothing but thresholds failed a run: the whole may meet what a part of it did not."""
    told = report.verdict.reasons
    return report.verdict.kind == "fail" and all(reason.startswith("check failed: ") for reason in told)


def _apdex(reports: Sequence[Report]) -> Apdex | None:
    known = [each.apdex for each in reports if each.apdex is not None]
    if len(known) < len(reports) or len({each.threshold for each in known}) > 1:
        return None  # scores by different thresholds have no sum
    return Apdex(
        threshold=known[0].threshold,
        satisfied=sum(each.satisfied for each in known),
        tolerated=sum(each.tolerated for each in known),
        frustrated=sum(each.frustrated for each in known),
    )


def _warnings(reports: Sequence[Report], *, quoted: bool) -> Iterator[str]:
    yield f"This is {len(reports)} runs merged: {', '.join(each.run_id for each in reports)}."
    if quoted:
        yield _NO_SKETCHES
    for key, what in (("phases", "phases"), ("source", "text of the script")):
        told = [each.settings.get(key) for each in reports]
        if any(value != told[0] for value in told):
            yield f"The merged runs differ in the {what}, which is not shown for that reason."
    if any(each.regions for each in reports) and not all(each.regions for each in reports):
        yield _NOT_BY_REGION
    yield from dict.fromkeys(warning for each in reports for warning in each.warnings)


def _settings(reports: Sequence[Report]) -> Mapping[str, Any]:
    """Keep what all runs have in common, and add up what is a sum; what differs is listed, run by run."""
    keys = dict.fromkeys(key for each in reports for key in each.settings)
    found: dict[str, Any] = {}
    for key in keys:
        told = [each.settings.get(key) for each in reports]
        if key not in (*_SUMMED, "costByRegion"):
            told = [value for value in told if value is not None]  # Artillery's file tells none
        if key == "costByRegion":
            found[key] = _cost_by_region(told)
        elif key not in _SUMMED and all(value == told[0] for value in told[1:]):
            found[key] = told[0] if told else None
        elif key in _SUMMED:
            numbers = [value for value in told if isinstance(value, int | float)]
            found[key] = sum(numbers) if len(numbers) == len(told) else None
        elif key not in _UNLISTED:
            found[key] = ", ".join(str(value) for value in dict.fromkeys(map(str, told)))
    return found


def _cost_by_region(told: Sequence[Any]) -> dict[str, float] | None:
    """Add up by region; None where a run tells nothing, or a region's cost is not known."""
    sums: dict[str, float] = {}
    for costs in told:
        if not isinstance(costs, Mapping) or not all(map(is_number, costs.values())):
            return None
        for region, cost in costs.items():
            sums[region] = sums.get(region, 0) + cost
    return sums


def _regions(reports: Sequence[Report], offsets: Sequence[int], *, quoted: bool) -> tuple[RegionPart, ...]:
    """Add up the parts by region, if every run has them."""
    if quoted or not all(each.regions for each in reports):
        return ()
    rows: dict[str, list[Row]] = {}
    totals: dict[str, list[Totals]] = {}
    for each, offset in zip(reports, offsets, strict=True):
        for part in each.regions:
            rows.setdefault(part.region, []).extend(_moved(row, offset) for row in part.books.rows)
            totals.setdefault(part.region, []).append(part.totals)
    return tuple(
        RegionPart(region=region, books=Books.of_rows(rows[region]), totals=region_sum(totals[region]))
        for region in rows
    )
