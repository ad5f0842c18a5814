"""A report, or two of them beside each other, as one file of HTML (pure).

Leaves to others: what stands in it (the other modules of this folder), its looks (static/page.css), sorting and live
updates (static/page.js), the charts (charts).

The page may do only what it brings along: its policy (Content-Security-Policy) allows the scripts in it by their
hashes, and no request to anywhere. Styles are allowed inline, because the charts and the bars set some on their
elements. A live page may also ask the server that it came from, and run that server's `live.js`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

import jinja2
from markupsafe import Markup

from grapeshot_launcher.results.comparison import Comparison
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.breakdown import Users
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.html import conditions, judged, measurements, workers
from grapeshot_launcher.views.html.charts import chart_data
from grapeshot_launcher.views.html.figures import key_figures
from grapeshot_launcher.views.html.grids import lines, named
from grapeshot_launcher.views.html.sides import both_figures, endpoint_sides, setting_sides
from grapeshot_launcher.views.workers import faulty

_PACKAGE: Final = "grapeshot_launcher.views.html"
_STYLES: Final = ("page.css", "charts.css")
_DRAWING: Final = ("echarts.js", "charts.js")  # a page without charts does without
_ALWAYS: Final = ("page.js",)


def html_page(report: Report, *, live: bool = False) -> bytes:
    """Give the page of a report; `live`: as a server shows it while the run goes on, beside its `live.js`."""
    return whole_page("report.html.j2", (*_DRAWING, *_ALWAYS), live=live, **_report_parts(report))


def live_script() -> bytes:
    """Give `live.js`, which the server of a live page answers with."""
    return _static("live.js").encode()


def compare_page(before: Report, after: Report, comparison: Comparison) -> bytes:
    """Give the page of two runs beside each other, the earlier one first."""
    return whole_page(
        "compare.html.j2",
        _ALWAYS,
        live=False,
        title=f"{conditions.title(before)} → {conditions.title(after)}",
        comparison=comparison,
        told=judged.comparison_words(comparison),
        metrics=judged.comparison_grid(comparison),
        runs=[(name, judged.banner(run), conditions.facts(run)) for name, run in _sides(before, after)],
        figures=both_figures(before, after),
        checks=[(name, judged.check_grid(run.checks)) for name, run in _sides(before, after)],
        endpoints=endpoint_sides(before, after),
        settings=setting_sides(before, after),
    )


def _sides(before: Report, after: Report) -> tuple[tuple[str, Report], tuple[str, Report]]:
    return ("Before", before), ("Now", after)


def _report_parts(report: Report) -> dict[str, Any]:
    totals = report.totals
    return {
        "report": report,
        "title": conditions.title(report),
        "banner": judged.banner(report),
        "facts": conditions.facts(report),
        "figures": key_figures(report),
        "charts": chart_data(report),
        "checks": judged.check_grid(report.checks),
        "comparison": judged.comparison_grid(report.comparison) if report.comparison else None,
        "compared": judged.comparison_words(report.comparison) if report.comparison else "",
        "endpoints": measurements.endpoint_grid(totals),
        "codes": measurements.code_grid(totals),
        "errors": measurements.error_grid(totals),
        "expectations": measurements.expectation_grid(totals),
        "regions": measurements.region_grid(report),
        "workers": workers.worker_grid(report),
        "faulty": faulty(report.workers),
        "books": workers.books_grid(report),
        "users": Users.of(report.books),
        "balance": workers.balance(report),
        "metrics": measurements.metric_grids(totals),
        "settings": conditions.settings_grid(report),
        "phases": conditions.phase_grid(report),
        "source": _text(report.settings.get("source")),
        "command": _text(report.settings.get("command")),
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.strip() else ""


def whole_page(
    template: str, names: Sequence[str], *, live: bool = False, styles: Sequence[str] = _STYLES, **parts: Any
) -> bytes:
    """Fill a template, with these scripts and styles of static/ in it; `parts` has a title among what it needs."""
    scripts = [_static(name) for name in names]
    style = Markup("").join(map(_static, styles))
    text = (
        _templates()
        .get_template(template)
        .render(
            live=live,
            plain_title=plain(parts["title"]),
            policy=_policy(scripts, live=live),
            style=style,
            scripts=scripts,
            **parts,
        )
    )
    # Half a surrogate pair has no UTF-8.
    return text.encode("utf-8", "replace")


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"named": named, "lines": lines}
    return environment


@cache
def _static(name: str) -> Markup:
    return Markup(files(_PACKAGE).joinpath("static", name).read_text(encoding="utf-8"))


def _policy(scripts: list[Markup], *, live: bool) -> str:
    """Allow what is in the page, and nothing else; the hash is of a script as it stands between its tags."""
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    ]
    own = ["'self'"] if live else []
    allowed = {
        "default-src": ["'none'"],
        "script-src": [*hashes, *own],
        "style-src": ["'unsafe-inline'"],
        "connect-src": own or ["'none'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return "; ".join(f"{kind} {' '.join(sources)}" for kind, sources in allowed.items())
