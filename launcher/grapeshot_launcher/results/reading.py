"""A report's file, read back into the report: written again, it is the same file, to the byte (pure).

Leaves to others: writing it (views' report_json), files of other tools (artillery), several files (merge).

The windows stand in `grapeshot.periods` without loss, so the whole is folded anew from them; `aggregate` and
`intermediate` are for readers of the reference's files. A file without `grapeshot.periods`, written by an early version
or out of a foreign report, tells percentiles alone: its report is `quoted`.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any, Final, get_args

from grapeshot_launcher.errors import ReportRefused
from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.artillery import foreign_report, moments, quoted_totals, quoted_windows
from grapeshot_launcher.results.books import Books, Row
from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.comparison import Compared, Comparison
from grapeshot_launcher.results.earlier import SCHEMAS
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.parts import Odd, Part, parsed
from grapeshot_launcher.results.regions import RegionPart
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.results.verdict import Kind, Verdict
from grapeshot_worker.messages import Facts, Failed, Tally
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch

_REMEDY: Final = (
    "Give a report that `grapeshot run` or `run-lambda` wrote with --output, or one of Artillery's."
)
_STATES: Final = ("finished", "failed", "lost")
_JUDGEMENTS: Final = ("better", "worse", "no evidence")


def read_report(data: bytes, name: str) -> Report:
    """Read a report's file, Grapeshot's or Artillery's; ReportRefused, which calls it `name`, for anything else."""
    try:
        file = parsed(data)
        return _own_report(file) if "grapeshot" in file.value else foreign_report(file, name)
    except Odd as error:
        raise ReportRefused(
            f"{name} is no report that can be read", cause=f"{error}.", remedy=_REMEDY
        ) from None


def _own_report(file: Part) -> Report:
    ours = file.part("grapeshot")
    schema = ours.any("schema")
    if type(schema) is not int or schema not in SCHEMAS:
        known = ", ".join(map(str, SCHEMAS))
        raise ours.odd("schema", f"is {schema!r}, and this version of Grapeshot reads {known}")
    quoted = not ours.has("periods")
    periods = tuple(quoted_windows(file) if quoted else _periods(ours))
    checks = tuple(_check(each) for each in ours.parts("checks"))
    return Report(
        run_id=ours.text("runId"),
        script=ours.text("script"),
        started_at=ours.number("startedAt") / 1000,
        ended_at=ours.number("endedAt") / 1000,
        verdict=_verdict(ours),
        totals=quoted_totals(file.part("aggregate")) if quoted else Totals.of(periods),
        periods=periods,
        books=_books(ours.part("books")),
        workers=tuple(_worker(each, ours.text("runId")) for each in ours.parts("workers")),
        checks=checks,
        apdex=_apdex(ours.part("apdex")) if ours.has("apdex") else None,
        warnings=ours.texts("warnings"),
        settings=ours.part("settings").value,
        comparison=_comparison(ours.part("comparison")) if ours.has("comparison") else None,
        regions=_regions(ours),
        abort=_abort(ours.part("abort"), checks) if ours.has("abort") else None,
        quoted=quoted,
    )


def _periods(ours: Part) -> list[Period]:
    found: dict[int, Period] = {}
    for each in ours.parts("periods"):
        try:
            period = Period.from_json(each.value)
        except ValueError as error:
            raise Odd(f"`{each.path}` can't be read: {error}") from None
        if period.start in found:
            raise Odd(f"`{each.path}` is of the same ten seconds as another one")
        found[period.start] = period
    return [found[start] for start in sorted(found)]


def _verdict(ours: Part) -> Verdict:
    kind = ours.text("verdict")
    if kind not in get_args(Kind):
        raise ours.odd("verdict", f"is {kind!r}, which is no verdict")
    reasons = ours.texts("reasons")
    return Verdict(kind=kind, exit_code=ours.whole("exitCode"), reasons=reasons)  # type: ignore[arg-type]  # looked at above


def _books(books: Part) -> Books:
    dropped = books.part("dropped")
    return Books(
        planned=books.whole("planned"),
        started=books.whole("started"),
        dropped={key: dropped.whole(key) for key in ("maxVusers", "stopped")},
        lost=books.whole("lost"),
        rows=tuple(_row(each) for each in books.parts("workers")),
    )


def _row(row: Part) -> Row:
    dropped = row.part("dropped")
    return Row(
        index=row.whole("index"),
        max_vusers=dropped.whole("maxVusers"),
        stopped=dropped.whole("stopped"),
        finished=row.flag("finished") if row.has("finished") else row.whole("lost") == 0,
        **{key: row.whole(key) for key in ("planned", "started", "lost", "completed", "failed", "cut")},
    )


def _worker(end: Part, run_id: str) -> WorkerEnd:
    state, index, generation = end.text("state"), end.whole("index"), end.whole("generation")
    if state not in _STATES:
        raise end.odd("state", f"is {state!r}, which is none")
    failure = None
    if end.has("failure"):
        failure = Failed(
            run_id=run_id, generation=generation, index=index, sequence=0, message=end.text("failure")
        )
    return WorkerEnd(
        worker=WorkerId(generation, index),
        state=state,  # type: ignore[arg-type]  # looked at above
        tally=Tally(),
        facts=_facts(end) if end.has("pid") else None,
        failure=failure,
        missing_messages=end.whole("missingMessages"),
        ahead=end.number("clockAhead") if end.has("clockAhead") else None,
    )


def _facts(end: Part) -> Facts:
    values: dict[str, Any] = {}
    for each in fields(Facts):
        first, *rest = each.name.split("_")
        key = first + "".join(word.capitalize() for word in rest)
        if key in end.value:  # one that a later version has added keeps its default
            values[each.name] = end.text(key) if isinstance(each.default, str) else end.number(key)
    return Facts(**values)


def _check(check: Part) -> CheckOutcome:
    return CheckOutcome(
        label=check.text("check"),
        strict=check.flag("strict"),
        ok=check.flag("ok"),
        values=check.numbers("values"),
        missing=check.texts("missing"),
        problem=check.text("problem"),
    )


def _abort(abort: Part, checks: tuple[CheckOutcome, ...]) -> Abort:
    labels = abort.texts("checks")
    return Abort(checks=tuple(each for each in checks if each.label in labels), after=abort.number("after"))


def _apdex(apdex: Part) -> Apdex:
    counts = {key: apdex.whole(key) for key in ("satisfied", "tolerated", "frustrated")}
    return Apdex(threshold=apdex.number("threshold"), **counts)


def _comparison(comparison: Part) -> Comparison:
    return Comparison(
        baseline=comparison.text("baseline"),
        metrics=tuple(_compared(each) for each in comparison.parts("metrics")),
        cautions=comparison.texts("cautions"),
        slices=comparison.whole("slices"),
    )


def _compared(metric: Part) -> Compared:
    judgement = metric.text("judgement")
    if judgement not in _JUDGEMENTS:
        raise metric.odd("judgement", f"is {judgement!r}, which is none")
    unknown = {"low": -math.inf, "high": math.inf}
    return Compared(
        name=metric.text("name"),
        unit=metric.text("unit"),
        judgement=judgement,  # type: ignore[arg-type]  # looked at above
        **{
            key: metric.number(key) if metric.has(key) else unknown.get(key, math.nan)
            for key in ("before", "after", "change", "low", "high")
        },
    )


def _regions(ours: Part) -> tuple[RegionPart, ...]:
    rows = [(each.any("region"), _row(each)) for each in ours.part("books").parts("workers")]
    return tuple(
        RegionPart(
            region=each.text("region"),
            books=Books.of_rows(row for region, row in rows if region == each.text("region")),
            totals=_totals(each),
        )
        for each in (ours.parts("regions") if ours.has("regions") else ())
    )


def _totals(part: Part) -> Totals:
    """Read the numbers of a region, which has no windows of its own."""
    if not part.has("sketches"):
        return quoted_totals(part)
    return Totals(
        counters=part.counts("counters"),
        rates=part.counts("rates"),
        sketches={name: _sketch(part.part("sketches"), name) for name in part.part("sketches").value},
        **moments(part),
    )


def _sketch(sketches: Part, name: str) -> Sketch:
    try:
        return Sketch.from_json(sketches.value[name])
    except ValueError as error:
        raise sketches.odd(name, f"can't be read: {error}") from None
