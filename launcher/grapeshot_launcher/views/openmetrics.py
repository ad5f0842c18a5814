"""A whole run as OpenMetrics 1.0 text: what Prometheus and those who read its formats take in (pure).

Leaves to others: writing the file, and the periods (periods_csv): a text like this tells one moment.

Names there know letters, digits and `_` alone: `http.response_time` becomes `grapeshot_http_response_time`, and the
label `name` has it as it was. Names that become the same share a family and differ by that label. A family occupies
names beside its own (`x_total`, `x_count`), which no other may have: where two would meet, the later one is called
after its kind too (`x_summary`).

Counters end in `_total`, rates are gauges, histograms are summaries, whose quantiles 0 and 1 are min and max.
OpenMetrics knows no negative total, sum or quantile: a counter below 0 becomes a gauge, and a summary that has values
below 0 keeps its count alone. Quoted percentiles bear the label `quoted`, and have no sum: nobody told it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Kind
from grapeshot_launcher.views.breakdown import Users
from grapeshot_launcher.views.console import plain
from grapeshot_worker.metrics.sketch import Sketch

Type = Literal["counter", "gauge", "summary", "info", "stateset"]
Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]  # what follows the name, labels beside the metric's, value

PREFIX: Final = "grapeshot_"
_QUANTILES: Final = {
    "min": "0.0",
    "p50": "0.5",
    "p75": "0.75",
    "p90": "0.9",
    "p95": "0.95",
    "p99": "0.99",
    "p999": "0.999",
    "max": "1.0",
}
_SUFFIXES: Final[Mapping[Type, tuple[str, ...]]] = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "summary": ("", "_count", "_sum", "_created"),
    "info": ("", "_info"),
    "stateset": ("",),
}
_USERS: Final = ("planned", "started", "completed", "failed", "cut", "unknown", "dropped", "lost")
_ODD: Final = re.compile(r"[^a-zA-Z0-9_]")
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def openmetrics(report: Report) -> bytes:
    """Give the text, in UTF-8; it ends with `# EOF`."""
    families = _Families()
    _run(report, families)
    _measured(report, families)
    return "\n".join([*families.lines(), "# EOF", ""]).encode("utf-8")


@dataclass(slots=True)
class _Family:
    """Metrics of one name and type; `lines` by their labels, which differ."""

    name: str
    type: Type
    help: str
    unit: str = ""
    lines: dict[tuple[tuple[str, str], ...], list[str]] = field(default_factory=dict)

    def add(self, labels: Labels, *samples: Sample) -> None:
        """Add a metric, of samples with the same labels; as they are shown, no other metric here has those."""
        shown = {key: plain(text) for key, text in labels.items()}
        first, number = next(iter(shown), ""), 2
        while tuple(shown.items()) in self.lines:
            shown[first] = f"{plain(labels[first])} ({number})"
            number += 1
        self.lines[tuple(shown.items())] = [
            _line(self.name + suffix, {**shown, **own}, value) for suffix, own, value in samples
        ]


class _Families:
    """All families of a text, none of which occupies a name of another one."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Type], _Family] = {}
        self._occupied: set[str] = set()

    def family(self, name: str, type_: Type, help_: str, *, unit: str = "") -> _Family:
        """Give the family of a name: the one that is there, or a new one whose names are free."""
        base = PREFIX + _ODD.sub("_", name)
        base = base.removesuffix("_total") if type_ == "counter" else base
        known = self._known.get((base, type_))
        if known is None:
            called, number = base, 1
            while any(called + suffix in self._occupied for suffix in _SUFFIXES[type_]):
                called = f"{base}_{type_}" + (f"_{number}" if number > 1 else "")
                number += 1
            known = self._known[base, type_] = _Family(name=called, type=type_, help=help_, unit=unit)
            self._occupied |= {called + suffix for suffix in _SUFFIXES[type_]}
        return known

    def lines(self) -> Iterator[str]:
        """Give every line but the last."""
        for family in self._known.values():
            yield f"# TYPE {family.name} {family.type}"
            if family.unit:
                yield f"# UNIT {family.name} {family.unit}"
            yield f"# HELP {family.name} {family.help}"
            for lines in family.lines.values():
                yield from lines


def _run(report: Report, families: _Families) -> None:
    """Tell what run it is, what came of it, its users and its checks."""
    told = {"run_id": report.run_id, "script": report.script}
    for key in ("name", "target", "commit", "branch"):
        if (value := report.settings.get(key)) is not None:
            told[key] = str(value)
    families.family("run", "info", "The run that this tells of.").add(told, ("_info", {}, 1))
    verdict = families.family("verdict", "stateset", "What came of the run.")
    kinds = get_args(Kind)
    verdict.add({}, *(("", {verdict.name: kind}, int(kind == report.verdict.kind)) for kind in kinds))
    begun = families.family("start_time_seconds", "gauge", "When the run began.", unit="seconds")
    begun.add({}, ("", {}, report.started_at))
    lasted = families.family("duration_seconds", "gauge", "How long the run took.", unit="seconds")
    lasted.add({}, ("", {}, round(max(report.ended_at - report.started_at, 0.0), 3)))
    books, users = Users.of(report.books), families.family("users", "gauge", "What became of virtual users.")
    for state in _USERS:
        users.add({"state": state}, ("", {}, getattr(books, state)))
    if report.checks:
        checks = families.family("threshold_ok", "gauge", "Thresholds: 1 holds, 0 does not.")
        for check in report.checks:
            labels = {"threshold": check.label, "strict": str(check.strict).lower()}
            checks.add(labels, ("", {}, int(check.ok)))


def _measured(report: Report, families: _Families) -> None:
    """Tell every counter, rate and summary of the whole."""
    totals, quoted = report.totals, report.quoted
    for name, count in sorted(totals.counters.items()):
        if count < 0:
            families.family(name, "gauge", "A counter that is below 0.").add({"name": name}, ("", {}, count))
        else:
            counter = families.family(name, "counter", "A count of the whole run.")
            counter.add({"name": name}, ("_total", {}, count))
    for name, rate in sorted(totals.rates.items()):
        gauge = families.family(name, "gauge", "Events a second, the mean of the periods.")
        gauge.add({"name": name}, ("", {}, rate))
    for name, sketch in sorted(totals.sketches.items()):
        summary = families.family(name, "summary", "A distribution of the whole run; times are in ms.")
        summary.add({"name": name, **({"quoted": "true"} if quoted else {})}, *_samples(sketch, quoted))


def _samples(sketch: Sketch, quoted: bool) -> Iterator[Sample]:
    if sketch.count and sketch.min >= 0:
        told = sketch.summary()
        for key, quantile in _QUANTILES.items():
            if key in told:
                yield "", {"quantile": quantile}, told[key]
    yield "_count", {}, sketch.count
    if sketch.min >= 0 and not quoted:
        yield "_sum", {}, sketch.sum


def _line(name: str, labels: Labels, value: float) -> str:
    told = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value}" if told else f"{name} {value}"
