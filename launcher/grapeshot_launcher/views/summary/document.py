"""The page as a whole: its sections in their order, within a budget of bytes (pure).

Leaves to others: the sections.

GitHub refuses a job summary of more than 1 MiB and a comment of more than 65,536 characters, and a refused page says
nothing. So sections give way until the page fits, each down its ladder of rows before the next one begins: workers,
endpoints, errors, charts, warnings, then settings, regions, comparison, and the longer lists of reasons and
thresholds. Verdict, figures, and the first of the reasons and thresholds always stay: with all texts cut they are less
than `LEAST`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.summary import head, outcome
from grapeshot_launcher.views.summary.charts import charts
from grapeshot_launcher.views.summary.details import endpoint_table, error_table, region_table, worker_table
from grapeshot_launcher.views.summary.escape import Html
from grapeshot_launcher.views.summary.setting import link, settings_table, warning_list
from grapeshot_launcher.views.summary.tables import paragraph

SUMMARY_BUDGET: Final = 900_000  # bytes; GitHub takes 1,048,576
COMMENT_BUDGET: Final = 65_000  # bytes, so at most as many characters; GitHub takes 65,536
LEAST: Final = 48_000  # bytes; a smaller budget is refused

ORDER: Final = (
    "workers", "endpoints", "errors", "charts", "warnings", "settings", "regions", "comparison", "reasons",
    "thresholds",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of the page; `render` makes it with so many rows, `ladder` names them from the most to the fewest."""

    render: Callable[[int], str]
    ladder: tuple[int, ...] = (1,)


def job_summary(report: Report, *, budget: int = SUMMARY_BUDGET) -> str:
    """Show everything that a person may ask of a run; at most `budget` bytes of UTF-8."""
    return fit(
        {
            **_core(report, reasons=(100, 20, 5), thresholds=(200, 50, 10, 4), comparison=(100, 20, 5, 0)),
            "charts": Section(render=lambda rows: charts(report) if rows else "", ladder=(1, 0)),
            "endpoints": Section(
                render=lambda rows: endpoint_table(report, rows), ladder=(100, 50, 20, 5, 0)
            ),
            "errors": Section(render=lambda rows: error_table(report, rows), ladder=(100, 50, 20, 5, 0)),
            "workers": Section(render=lambda rows: worker_table(report, rows), ladder=(200, 50, 10, 0)),
            "warnings": Section(render=lambda rows: warning_list(report, rows), ladder=(100, 20, 5, 0)),
            "settings": Section(render=lambda rows: settings_table(report, rows), ladder=(1, 0)),
        },
        budget=budget,
    )


def sticky_comment(report: Report, *, budget: int = COMMENT_BUDGET) -> str:
    """Show the outcome of a run under a pull request; at most `budget` bytes of UTF-8."""
    page = link("All details, charts and workers", report.settings.get("runUrl"))
    return fit(
        {
            **_core(report, reasons=(10, 5), thresholds=(30, 10, 4), comparison=(20, 5, 0)),
            "endpoints": Section(render=lambda rows: endpoint_table(report, rows), ladder=(5, 0)),
            "errors": Section(render=lambda rows: error_table(report, rows), ladder=(5, 0)),
            "link": Section(render=lambda rows: paragraph(page or Html("")) if page else ""),
        },
        budget=budget,
    )


def _core(
    report: Report, *, reasons: tuple[int, ...], thresholds: tuple[int, ...], comparison: tuple[int, ...]
) -> dict[str, Section]:
    return {
        "verdict": Section(render=lambda rows: head.heading(report)),
        "run": Section(render=lambda rows: head.subtitle(report)),
        "reasons": Section(render=lambda rows: head.against(report, rows), ladder=reasons),
        "thresholds": Section(render=lambda rows: outcome.thresholds(report, rows), ladder=thresholds),
        "comparison": Section(render=lambda rows: outcome.comparison(report, rows), ladder=comparison),
        "figures": Section(render=lambda rows: outcome.figures(report)),
        "regions": Section(render=lambda rows: region_table(report, rows), ladder=(50, 5, 0)),
    }


def fit(sections: Mapping[str, Section], *, budget: int) -> str:
    """Make the page of sections, in their order, that fits; ValueError for a budget below `LEAST`."""
    if budget < LEAST:
        raise ValueError(f"a page needs a budget of at least {LEAST} bytes, not {budget}")
    texts = {name: section.render(section.ladder[0]) for name, section in sections.items()}
    for name in ORDER:
        for rows in sections[name].ladder[1:] if name in sections else ():
            if _size(texts) <= budget:
                return _page(texts)
            texts[name] = sections[name].render(rows)
    return _page(texts)


def _page(texts: Mapping[str, str]) -> str:
    return "\n\n".join(text for text in texts.values() if text) + "\n"


def _size(texts: Mapping[str, str]) -> int:
    return len(_page(texts).encode("utf-8"))
