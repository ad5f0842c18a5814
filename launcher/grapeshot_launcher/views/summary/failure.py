"""The page of a run that never began: what happened, why, what to do, every problem of the script (pure).

Leaves to others: what went wrong (errors).
"""

from __future__ import annotations

from typing import Final

from grapeshot_launcher.cloud.errors import LoginFailed
from grapeshot_launcher.views.summary.document import SUMMARY_BUDGET, Section, fit
from grapeshot_launcher.views.summary.escape import Html, block, code, lines
from grapeshot_launcher.views.summary.numbers import things
from grapeshot_launcher.views.summary.tables import paragraph, table
from grapeshot_worker.errors import GrapeshotError, Place, Problem, ScriptError

_PROBLEMS: Final = (200, 50, 10, 3)


def failure_summary(error: GrapeshotError, *, budget: int = SUMMARY_BUDGET) -> str:
    """Tell a failure; at most `budget` bytes of UTF-8."""
    if isinstance(error, ScriptError):
        faults = sum(problem.severity == "error" for problem in error.problems)
        title = f"the script has {things(faults, 'error')}"
        sections = {
            "verdict": Section(render=lambda rows: _title(title)),
            "reasons": Section(render=lambda rows: _problems(error, rows), ladder=_PROBLEMS),
        }
    else:
        sections = {
            "verdict": Section(render=lambda rows: _title("no load was made")),
            "reasons": Section(render=lambda length: _told(error, length), ladder=(4_000, 1_000)),
        }
    sections["code"] = Section(render=lambda rows: _code(error))
    return fit(sections, budget=budget)


def _title(sentence: str) -> str:
    return f"## ❌ Not run: {sentence}"


def _told(error: GrapeshotError, length: int) -> str:
    remedy, snippet = error.remedy, ""
    if isinstance(error, LoginFailed):
        remedy, snippet = error.advice, error.snippet
    parts = (("What happened", error.message), ("Likely cause", error.cause), ("What to do", remedy))
    told = [Html(f"<b>{title}:</b> {lines(text, length=length)}") for title, text in parts if text.strip()]
    return "\n\n".join([*map(paragraph, told), *([block(snippet)] if snippet else [])])


def _problems(error: ScriptError, rows: int) -> str:
    shown = sorted(error.problems, key=lambda problem: problem.severity != "error")[:rows]
    told = table(
        ("", "Where", "Problem", "What to do"), [_problem(p) for p in shown], total=len(error.problems)
    )
    return f"{paragraph(Html('Nothing was run.'))}\n\n{told}"


def _problem(problem: Problem) -> tuple[Html, ...]:
    return (
        Html("❌" if problem.severity == "error" else "⚠️"),
        _where(problem.place),
        lines(problem.message, length=600),
        lines(problem.remedy, length=600),
    )


def _where(place: Place | None) -> Html:
    if place is None:
        return Html("–")
    line = "" if place.line is None else f":{place.line}"
    where = code(f"{place.file}{line}")
    return Html(f"{where}<br>{code(place.path)}") if place.path else where


def _code(error: GrapeshotError) -> str:
    return paragraph(Html(f"<sub>Exit code {error.exit_code}.</sub>"))
