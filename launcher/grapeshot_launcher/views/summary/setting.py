"""Under what conditions a run was made, and how to make it again (pure).

Leaves to others: knowing them: `Report.settings` is open, and what it doesn't have is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from grapeshot_launcher.results.clocks import off
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.summary.escape import NAME_LENGTH, Html, block, code, prose
from grapeshot_launcher.views.summary.numbers import measured, things
from grapeshot_launcher.views.summary.tables import bullets, fold, paragraph, table

FEW: Final = 5  # warnings that are shown open

# An address of the runner's own; anything else is shown, and leads nowhere.
_ADDRESS: Final = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._-]+)*")


def settings_table(report: Report, rows: int) -> str:
    """Show what is known of the run's conditions, and the command that makes it again; 0 rows: nothing."""
    known = dict(report.settings)
    regions = known.get("costByRegion")
    if isinstance(regions, Mapping) and len(regions) < 2:
        known.pop("costByRegion", None)  # it is the cost
    if known.get("emulated") is True and "costUsd" in known:
        known["wouldCostUsd"] = known.pop("costUsd")
    if not rows:
        return ""
    cells = [
        (Html(title), show(known[key])) for key, (title, show) in _SHOWN.items() if known.get(key) is not None
    ]
    found = table(("Setting", "Value"), [(Html("run"), code(report.run_id)), *cells])
    parts = ["### How it was run"]
    if command := known.get("command"):
        parts += [paragraph(Html("To run it again:")), block(str(command))]
    return "\n\n".join([*parts, fold("Settings", found)])


def warning_list(report: Report, rows: int) -> str:
    """Show the warnings; folded when there are many."""
    total = len(report.warnings)
    if not total:
        return ""
    title = things(total, "warning")
    if not rows:
        return paragraph(Html(f"⚠️ {title}: left out for want of space; the log has them."))
    shown = bullets([_warning(text) for text in report.warnings[:rows]], total=total)
    return f"### Warnings\n\n{shown if total <= FEW else fold(title, shown)}"


def _warning(text: str) -> Html:
    told, _, remedy = text.removeprefix("Warning: ").partition("\n")
    return Html(prose(told) + (f"<br>{prose(remedy.strip())}" if remedy.strip() else ""))


def link(text: str, address: object) -> Html | None:
    """Link to an address of plain signs; None for any other."""
    if isinstance(address, str) and _ADDRESS.fullmatch(address) and len(address) < 500:
        return Html(f'<a href="{address}">{text}</a>')
    return None


def _text(value: Any) -> Html:
    return code(str(value), length=2 * NAME_LENGTH)


def _number(unit: str) -> Callable[[Any], Html]:
    def show(value: Any) -> Html:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        return measured(value, unit) if known else _text(value)

    return show


def _copies(value: Any) -> Html:
    return Html("each worker makes the whole load" if value is True else "the workers share the load")


def _emulated(value: Any) -> Html:
    return Html("emulated on this machine" if value is True else "real")


def _cost(value: Any) -> Html:
    known = isinstance(value, int | float) and 0 <= value < 1e9
    return Html(f"${value:,.4f} (estimate, AWS Lambda)") if known else _text(value)


def _costs(value: Any) -> Html:
    if not isinstance(value, Mapping):
        return _text(value)
    return Html("<br>".join(f"{_text(region)}: {_cost(dollars)}" for region, dollars in value.items()))


def _clock(value: Any) -> Html:
    if not isinstance(value, int | float):
        return _text(value)
    return Html(f"{off(value)} AWS's" if value else "AWS's, to about a second")


def _run_page(value: Any) -> Html:
    return link("the run on GitHub", value) or _text(value)


_SHOWN: Final[Mapping[str, tuple[str, Callable[[Any], Html]]]] = {
    "target": ("target", _text),
    "workers": ("workers", _number("")),
    "copies": ("share", _copies),
    "processes": ("engine processes in a worker", _number("")),
    "emulated": ("AWS", _emulated),
    "region": ("region", _text),
    "memorySize": ("memory of a worker", _number("MB")),
    "architecture": ("architecture", _text),
    "function": ("function", _text),
    "image": ("image", _text),
    "estimatedCostUsd": ("cost expected before", _cost),
    "costUsd": ("cost", _cost),
    "wouldCostUsd": ("what it would cost", _cost),
    "costByRegion": ("cost by region", _costs),
    "clockAhead": ("clock of the launcher", _clock),
    "commit": ("commit", _text),
    "ref": ("ref", _text),
    "runUrl": ("job", _run_page),
}
