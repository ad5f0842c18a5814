"""The file of `--output`: the reference's report, and one key of ours (pure).

Leaves to others: writing it, and where.

`aggregate` and `intermediate` have the reference's keys in the reference's order, so what reads its files reads these.
Everything it has no word for stands under `grapeshot`, last: the verdict, the books, the workers, the checks, the
sketches of the whole, and all periods as the workers tell them, a line each: so files can be read back and merged
without losing accuracy (percentiles can't be averaged).
`schema` is raised when a key of ours changes its meaning.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from grapeshot_launcher.results.abort import Abort
from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.clocks import worst_clock
from grapeshot_launcher.results.collect import WorkerEnd
from grapeshot_launcher.results.comparison import Comparison
from grapeshot_launcher.results.ensure import CheckOutcome
from grapeshot_launcher.results.regions import RegionPart, regions_of_workers
from grapeshot_launcher.results.report import Apdex, Report
from grapeshot_launcher.views.breakdown import Users, region_cost
from grapeshot_worker.metrics.period import Period
from grapeshot_worker.metrics.report import Totals

SCHEMA: Final = 1


def report_file(report: Report) -> bytes:
    """Give the whole file, indented by 2."""
    return b"".join(report_parts(report))


def report_parts(report: Report) -> Iterator[bytes]:
    """Give the file piece by piece, a period at a time: a day has 8,640 of them."""
    yield b'{\n  "aggregate": ' + _indented(aggregate(report.totals), 1) + b',\n  "intermediate": ['
    for number, period in enumerate(report.periods):
        yield (b",\n    " if number else b"\n    ") + _indented(intermediate(period), 2)
    yield (b"\n  " if report.periods else b"") + b'],\n  "grapeshot": '
    ours = _indented(_ours(report), 1)
    if report.quoted:
        yield ours + b"\n}\n"
        return
    yield ours.removesuffix(b"\n  }") + b',\n    "periods": ['
    for number, period in enumerate(report.periods):
        yield (b",\n      " if number else b"\n      ") + _line(period)
    yield (b"\n    " if report.periods else b"") + b"]\n  }\n}\n"


def _indented(value: dict[str, Any], depth: int) -> bytes:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return _encoded(text.replace("\n", "\n" + "  " * depth))


def _line(period: Period) -> bytes:
    return _encoded(json.dumps(_sorted(period).to_json(), ensure_ascii=False, allow_nan=False))


def _sorted(period: Period) -> Period:
    """Put names in order: which worker spoke first is to make no difference."""
    sketches = period.sketches
    if (names := list(sketches)) != sorted(names):  # else they stay packed, as they came
        sketches = dict(sorted(sketches.items()))
    return replace(
        period,
        counters=dict(sorted(period.counters.items())),
        rates=dict(sorted(period.rates.items())),
        sketches=sketches,
    )


def _encoded(text: str) -> bytes:
    """Write half a surrogate pair, which has no UTF-8, as the escape that JSON has for it."""
    return text.encode("utf-8", "backslashreplace")


def report_object(report: Report) -> dict[str, Any]:
    """Give what the file holds, as plain data."""
    return {
        "aggregate": aggregate(report.totals),
        "intermediate": [intermediate(period) for period in report.periods],
        "grapeshot": {
            **_ours(report),
            **(
                {} if report.quoted else {"periods": [_sorted(period).to_json() for period in report.periods]}
            ),
        },
    }


def aggregate(totals: Totals) -> dict[str, Any]:
    """Give the whole run; its `period` is the number of the latest window, null when nothing was measured."""
    return {"period": totals.latest, **_metrics(totals)}


def intermediate(period: Period) -> dict[str, Any]:
    """Give one window; its `period` is a text."""
    return {"period": str(period.start), **_metrics(Totals.of_window(period))}


def _metrics(totals: Totals) -> dict[str, Any]:
    moments = {
        "firstCounterAt": totals.first_counter_at,
        "firstHistogramAt": totals.first_histogram_at,
        "lastCounterAt": totals.last_counter_at,
        "lastHistogramAt": totals.last_histogram_at,
        "firstMetricAt": totals.first_at,
        "lastMetricAt": totals.last_at,
    }
    summaries = dict(sorted(totals.summaries().items()))
    return {
        "counters": dict(sorted(totals.counters.items())),
        "rates": dict(sorted(totals.rates.items())),
        **{name: int(moment) for name, moment in moments.items() if moment is not None},
        "summaries": summaries,
        "histograms": summaries,
    }


def _ours(report: Report) -> dict[str, Any]:
    where = regions_of_workers(report.regions)
    return {
        "schema": SCHEMA,
        "runId": report.run_id,
        "script": report.script,
        "startedAt": round(report.started_at * 1000),
        "endedAt": round(report.ended_at * 1000),
        "verdict": report.verdict.kind,
        "reasons": list(report.verdict.reasons),
        "exitCode": int(report.verdict.exit_code),
        "abort": _abort(report.abort) if report.abort else None,
        "books": _books(report.books, where),
        "workers": [_worker(end, where) for end in report.workers],
        "regions": [_region(report, part) for part in report.regions],
        "worstClock": _clock(worst_clock(report.workers)),
        "checks": [_check(check) for check in report.checks],
        "apdex": _apdex(report.apdex) if report.apdex else None,
        "comparison": _comparison(report.comparison) if report.comparison else None,
        "warnings": list(report.warnings),
        "settings": dict(report.settings),
        **_sketches(report, report.totals),
    }


def _sketches(report: Report, totals: Totals) -> dict[str, Any]:
    """Give the sketches; of quoted percentiles there are none."""
    if report.quoted:
        return {}
    return {"sketches": {name: sketch.to_json() for name, sketch in sorted(totals.sketches.items())}}


def _abort(abort: Abort) -> dict[str, Any]:
    """Say when the load was ended by which of its own checks; what they found then stands under `checks`."""
    return {"after": round(abort.after, 3), "checks": [check.label for check in abort.checks]}


def _books(books: Books, where: Mapping[int, str]) -> dict[str, Any]:
    return {
        **_users(books),
        "balanced": books.balanced,
        "workers": [
            {
                "index": row.index,
                **_where(row.index, where),
                "planned": row.planned,
                "started": row.started,
                "dropped": {"maxVusers": row.max_vusers, "stopped": row.stopped},
                "lost": row.lost,
                "completed": row.completed,
                "failed": row.failed,
                "cut": row.cut,
                "finished": row.finished,
            }
            for row in books.rows
        ],
    }


def _users(books: Books) -> dict[str, Any]:
    return {
        "planned": books.planned,
        "started": books.started,
        "dropped": dict(books.dropped),
        "lost": books.lost,
    }


def _where(index: int, where: Mapping[int, str]) -> dict[str, str]:
    """Say in which of several regions a worker was."""
    return {"region": where[index]} if index in where else {}


def _region(report: Report, part: RegionPart) -> dict[str, Any]:
    """Give what was made in one of several regions, with the keys of the books and those of `aggregate`."""
    users = Users.of(part.books)
    return {
        "region": part.region,
        "workers": part.workers,
        **_users(part.books),
        "completed": users.completed,
        "failed": users.failed,
        "cut": users.cut,
        "costUsd": region_cost(report, part.region),
        **_metrics(part.totals),
        **_sketches(report, part.totals),
    }


def _worker(end: WorkerEnd, where: Mapping[int, str]) -> dict[str, Any]:
    facts = asdict(end.facts) if end.facts else {}
    return {
        "index": end.worker.index,
        "generation": end.worker.generation,
        **_where(end.worker.index, where),
        "state": end.state,
        "failure": end.failure.message if end.failure else None,
        "missingMessages": end.missing_messages,
        "clockAhead": end.ahead,
        **{_camel(name): value for name, value in facts.items()},
    }


def _clock(end: WorkerEnd | None) -> dict[str, Any] | None:
    if end is None:
        return None
    return {"index": end.worker.index, "generation": end.worker.generation, "ahead": end.ahead}


def _check(check: CheckOutcome) -> dict[str, Any]:
    return {
        "check": check.label,
        "strict": check.strict,
        "ok": check.ok,
        "values": dict(check.values),
        "missing": list(check.missing),
        "problem": check.problem,
    }


def _apdex(apdex: Apdex) -> dict[str, Any]:
    return {**asdict(apdex), "score": apdex.score, "ranking": apdex.ranking}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    """Give a comparison; a bound that is not known is null."""
    return {
        "baseline": comparison.baseline,
        "verdict": comparison.verdict,
        "slices": comparison.slices,
        "metrics": [
            {key: _finite(value) for key, value in asdict(metric).items()} for metric in comparison.metrics
        ],
        "cautions": list(comparison.cautions),
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _camel(name: str) -> str:
    """Write a name as the file's other keys are written: `lag_p99` is `lagP99`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
