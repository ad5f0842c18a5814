"""A history of runs as one file of HTML: p95 and rate from commit to commit, and a table of the runs (pure).

Leaves to others: the history (results.history), the page around it (page), drawing (static/trend.js).

The table says all that the charts show, and stands without JavaScript. Charts, and the choice of branch and script,
come from the same numbers, as JSON in the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from grapeshot_launcher.results.baseline import FALSE_ALARMS
from grapeshot_launcher.results.history import History, Point, commit_of, line
from grapeshot_launcher.views.comparison import change_words
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.html.grids import (
    Cell,
    Column,
    counted,
    named,
    paid,
    shared,
    text_cell,
    timed,
    word,
)
from grapeshot_launcher.views.html.page import whole_page
from grapeshot_launcher.views.summary.escape import shortened

MOST: Final = 2000  # runs of a page, the latest ones
SHORT: Final = 8  # characters of a commit that are shown
_NAME: Final = 60  # characters of other names, in charts and choices
_SHA: Final = re.compile(r"[0-9a-f]{12,64}")
_TONES: Final = {"pass": "pass", "fail": "fail", "invalid": "invalid", "stopped": "invalid"}
_CHANGES: Final = {"regression": ("Regression", "fail"), "improvement": ("Improvement", "pass")}
_TITLES: Final = (
    "Began (UTC)", "Commit", "Branch", ">p95", ">Rate", "Change", "Verdict", ">p50", ">p99", ">Errors", ">Requests",
    ">Users", "Script", "Target", ">Cost", "Run",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A run in the table, and the numbers of its branch and plan in the choices."""

    ref: int
    plan: int
    cells: tuple[Cell, ...]


def trend_page(history: History) -> bytes:
    """Give the page of a history: one file that needs no network."""
    points = history.points[-MOST:]
    refs = _refs(points)
    data = trend_data(points)
    return whole_page(
        "trend.html.j2",
        ("echarts.js", "page.js", "trend.js"),
        styles=("page.css", "trend.css"),
        title="History of runs",
        total=len(history.points),
        shown=len(points),
        commits=len({point.commit for point in points if point.commit}),
        branches=len({point.ref for point in points if point.ref}),
        data=data,
        refs=[_ref_name(ref) for ref in refs],
        plans=data["plans"],
        chosen=data["chosen"],
        worse=sum(point.change == "regression" for point in points),
        better=sum(point.change == "improvement" for point in points),
        false_alarms=FALSE_ALARMS,
        columns=[Column(title=title.removeprefix(">"), number=title.startswith(">")) for title in _TITLES],
        rows=[
            Row(ref=refs.index(point.ref), plan=_number(point), cells=_cells(point))
            for point in reversed(points)
        ],
    )


def trend_data(points: Sequence[Point]) -> dict[str, Any]:
    """Give what the charts show: commits in order of their first run, each run, and the lines that join them."""
    commits: dict[str, int] = {}
    for point in points:
        commits.setdefault(commit_of(point), len(commits))
    refs = _refs(points)
    first = {commit_of(point): point for point in reversed(points)}
    return {
        "commits": [_commit_name(first[commit]) for commit in commits],
        "refs": [_ref_name(ref) for ref in refs],
        "plans": _plan_names(points),
        "chosen": next((each.plan for each in reversed(points) if each.joined), -1),
        "runs": [
            {
                "at": commits[commit_of(point)],
                "ref": refs.index(point.ref),
                "plan": _number(point),
                "p95": point.p95,
                "rate": round(point.rate, 2),
                "joined": point.joined,
                "verdict": point.verdict or "unknown",
                "change": point.change if point.change in _CHANGES else "",
                "told": _told(point),
                "began": _moment(point),
            }
            for point in points
        ],
        "lines": _lines(points, commits, refs),
    }


def _lines(points: Iterable[Point], commits: dict[str, int], refs: Sequence[str]) -> list[dict[str, Any]]:
    def which(point: Point) -> tuple[int, int]:
        return _number(point), refs.index(point.ref)

    return [
        {
            "plan": plan,
            "ref": ref,
            "joints": [[commits[each.commit], each.p95, round(each.rate, 2)] for each in line(runs)],
        }
        for (plan, ref), runs in groupby(sorted((p for p in points if p.joined), key=which), key=which)
    ]


def _refs(points: Sequence[Point]) -> list[str]:
    """List the branches, the one with most runs first."""
    return [ref for ref, _ in Counter(point.ref for point in points).most_common()]


def _plans(points: Sequence[Point]) -> dict[int, Point]:
    """Give a run of each plan, the latest one."""
    return {_number(point): point for point in points}


def _plan_names(points: Sequence[Point]) -> dict[str, str]:
    """Name the plans by script and target; where that is not enough, by a number too."""
    plans = dict(sorted(_plans(points).items()))
    names = {
        number: f"{_short(point.script) or 'script not told'} → {_short(point.target) or 'target not told'}"
        for number, point in plans.items()
        if number >= 0
    }
    often = Counter(names.values())
    nth: Counter[str] = Counter()
    told = {}
    for number, name in names.items():
        nth[name] += 1
        told[str(number)] = name if often[name] == 1 else f"{name}, setting {nth[name]}"
    return told | ({"-1": "Runs that do not tell their plan"} if -1 in plans else {})


def _number(point: Point) -> int:
    return -1 if point.plan is None else point.plan


def _short(text: str) -> str:
    return plain(text if len(text) <= _NAME else f"{text[: _NAME - 1]}…")


def _ref_name(ref: str) -> str:
    return _short(ref) or "no branch told"


def _commit_name(point: Point) -> str:
    if not point.commit:
        return _moment(point)
    return point.commit[:SHORT] if _SHA.fullmatch(point.commit) else _short(point.commit)


def _moment(point: Point) -> str:
    try:
        return datetime.fromtimestamp(point.began / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "unknown"


def _told(point: Point) -> str:
    """Say what changed, in words."""
    return ", ".join(
        f"{metric.name.removeprefix('http.response_time.')} {change_words(metric)}"
        for metric in point.changed
    )


def _cells(point: Point) -> tuple[Cell, ...]:
    return (
        Cell(shown=_linked(escape(_moment(point)), point.url), key=point.began),
        Cell(shown=named(_commit_name(point)), key=point.commit) if point.commit else word("–", key=None),
        text_cell(point.ref) if point.ref else word("–"),
        timed(point.p95),
        timed(round(point.rate, 1), "/s"),
        _change(point),
        word(point.verdict or "unknown", tone=_TONES.get(point.verdict, "")),
        timed(point.p50),
        timed(point.p99),
        shared(point.error_rate),
        counted(point.requests),
        counted(point.users),
        text_cell(point.script) if point.script else word("–"),
        text_cell(point.target) if point.target else word("–"),
        paid(point.cost),
        Cell(shown=named(shortened(point.run_id, _NAME)), key=point.run_id),
    )


def _change(point: Point) -> Cell:
    if not point.joined:
        return word("not compared")
    if point.change is None:
        return word("first commit of its line")
    if point.change not in _CHANGES:
        return word("no evidence")
    title, tone = _CHANGES[point.change]
    return word(f"{title}: {_told(point)}", tone=tone)


def _linked(text: Markup, url: str) -> Markup:
    """Link to the page of the job; to nothing but an https address without a login in it."""
    if not is_link(url):
        return text
    return Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(url, text)


def is_link(url: str) -> bool:
    """Whether an address from a report may be followed.

    >>> is_link("https://ci.example/7"), is_link("javascript:alert(1)"), is_link("https://a:b@ci.example")
    (True, False, False)
    """
    if not re.fullmatch(r"https://[!-~]{1,2000}", url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and "@" not in parts.netloc
