"""Many runs as a history: what each one measured, which of them make one line, and where it got worse or better (pure).

Leaves to others: finding and reading the files (trend), the page (views).

A line joins runs of one branch that have the same plan: script, phases, target, workers, what else `comparable` names.
Runs of one commit are shown each, and the line goes through their middle. A run that is worth nothing in itself
(invalid, stopped, ended by its own checks), or that does not tell its plan, is shown and never joined.

Each run of a line is held against the latest one of another commit before it, by the rules of `baseline`: what differs
between runs of one commit is no change of the code. What that needs of a run is kept until all are there, for files
come in any order: four counts and five times of each slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final, Literal

from grapeshot_launcher.results.baseline import compare_runs
from grapeshot_launcher.results.comparable import is_sound, plan_of
from grapeshot_launcher.results.comparison import Compared
from grapeshot_launcher.results.earlier import EarlierRun, Slice, error_count
from grapeshot_launcher.results.figures import failed_requests

Change = Literal["regression", "improvement", "no evidence"]
_KEPT: Final = ("http.requests", "http.responses")


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One run. `began` in epoch ms, times in ms, `error_rate` from 0 to 1, `cost` in $; None: not known.

    `plan` numbers the plans of a history from 0; None: not told. `joined`: it is a part of a line. `change` is against
    the run `before`, for the `changed` metrics.
    """

    run_id: str
    name: str  # of the file
    began: float
    commit: str
    ref: str
    url: str
    script: str
    target: str
    verdict: str
    requests: int
    users: int
    rate: float
    error_rate: float
    p50: float | None
    p95: float | None
    p99: float | None
    cost: float | None
    plan: int | None = None
    joined: bool = False
    change: Change | None = None
    before: str = ""
    changed: tuple[Compared, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Joint:
    """Where a line goes through: the middle of the joined runs of one commit."""

    commit: str
    p95: float | None
    rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """All runs in order of time; `repeated` names files of runs that other files had told of already."""

    points: tuple[Point, ...]
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Latest:
    """The latest run of a line, its commit, and the latest run of another commit before it."""

    commit: str = ""
    run: EarlierRun | None = None
    before: EarlierRun | None = None

    def then(self, commit: str, run: EarlierRun) -> _Latest:
        before = self.before if commit == self.commit else self.run
        return _Latest(commit=commit, run=run, before=before)


def compact(run: EarlierRun) -> EarlierRun:
    """Give a run with no more than a comparison reads of it."""
    return replace(run, slices=tuple(map(_compact, run.slices)))


def _compact(part: Slice) -> Slice:
    counters = {name: part.counters[name] for name in _KEPT if name in part.counters}
    counters["errors.all"] = error_count(part.counters)
    counters["http.codes.500"] = failed_requests({**part.counters, "http.requests": 0})
    return Slice(start=part.start, counters=counters, times=part.times)


def history(runs: Iterable[tuple[str, EarlierRun]]) -> History:
    """Put runs in order of time, with the names of their files; a run that was told of already counts once."""
    known: dict[tuple[str, float], tuple[str, EarlierRun]] = {}
    repeated: list[str] = []
    for name, run in runs:
        if (run.run_id, run.began) in known:
            repeated.append(name)
        else:
            known[run.run_id, run.began] = (name, run)
    ordered = sorted(known.values(), key=lambda each: (each[1].began, each[1].run_id))
    return History(points=tuple(_points(ordered)), repeated=tuple(repeated))


def _points(ordered: Iterable[tuple[str, EarlierRun]]) -> Iterator[Point]:
    plans: dict[str, int] = {}
    latest: dict[tuple[int, str], _Latest] = {}  # of each line
    for name, run in ordered:
        plan = plan_of(run)
        point = _point(name, run)
        if plan is None:
            yield point
            continue
        number = plans.setdefault(plan, len(plans))
        if not is_sound(run):
            yield replace(point, plan=number)
            continue
        here = latest.get((number, point.ref), _Latest())
        latest[number, point.ref] = here = here.then(commit_of(point), run)
        yield _compared(replace(point, plan=number, joined=True), here.before, run)


def _compared(point: Point, before: EarlierRun | None, run: EarlierRun) -> Point:
    if before is None:
        return point
    comparison = compare_runs(before, run)
    word = {"regression": "worse", "improvement": "better"}.get(comparison.verdict)
    changed = tuple(metric for metric in comparison.metrics if metric.judgement == word)
    return replace(point, change=comparison.verdict, before=before.run_id, changed=changed)


def _point(name: str, run: EarlierRun) -> Point:
    requests = run.counters.get("http.requests", 0)
    cost = run.settings.get("costUsd")
    return Point(
        run_id=run.run_id,
        name=name,
        began=run.began,
        commit=_text(run.settings, "commit"),
        ref=_text(run.settings, "ref"),
        url=_text(run.settings, "runUrl"),
        script=run.script or "",
        target=_text(run.settings, "target"),
        verdict=run.verdict or "",
        requests=requests,
        users=run.counters.get("vusers.created", 0),
        rate=requests / run.seconds,
        error_rate=failed_requests(run.counters) / requests if requests else 0.0,
        p50=run.times.get("p50"),
        p95=run.times.get("p95"),
        p99=run.times.get("p99"),
        cost=float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None,
    )


def _text(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key)
    return value if isinstance(value, str) else ""


def commit_of(point: Point) -> str:
    """Name the commit of a run; a run that does not tell it stands for itself."""
    return point.commit or f"{point.run_id} {point.began:.0f}"


def line(points: Iterable[Point]) -> list[Joint]:
    """Join runs of one branch and plan, in order of time: a joint for each commit, where its first run is."""
    by_commit: dict[str, list[Point]] = {}
    for point in points:
        if point.joined:
            by_commit.setdefault(commit_of(point), []).append(point)
    return [
        Joint(
            commit=commit,
            p95=median(times) if (times := [each.p95 for each in runs if each.p95 is not None]) else None,
            rate=median(each.rate for each in runs),
        )
        for commit, runs in by_commit.items()
    ]
