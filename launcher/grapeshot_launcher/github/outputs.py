"""The outputs of the Action: a run's figures as texts that other steps read (pure).

Leaves to others: the figures' meaning (results), writing them (runner).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grapeshot_launcher.results.figures import Figures
from grapeshot_launcher.results.report import Report

NAMES: Final = (
    "verdict", "exit-code", "run-id", "requests", "rps", "error-rate", "p50", "p95", "p99", "vusers-failed",
    "workers-lost", "report-json", "report-html", "image-digest", "cost-usd",
)  # fmt: skip


def outputs(report: Report, *, exit_code: int, report_json: str, report_html: str = "") -> Mapping[str, str]:
    """Give every output of a run that was made; what was not measured, or not made, is empty.

    `error-rate` is from 0 to 1, times are in ms, `exit-code` is the one of the step.
    """
    figures = Figures.of(report)
    _, _, digest = str(report.settings.get("image", "")).partition("@")
    values = (
        report.verdict.kind,
        str(int(exit_code)),
        report.run_id,
        str(figures.requests),
        f"{figures.rate:.1f}",
        f"{figures.error_rate:.6f}".rstrip("0").rstrip("."),
        _time(figures.p50),
        _time(figures.p95),
        _time(figures.p99),
        str(figures.users_failed),
        str(figures.workers_lost),
        report_json,
        report_html,
        digest,
        _dollars(report.settings.get("costUsd")),
    )
    return dict(zip(NAMES, values, strict=True))


def no_outputs(exit_code: int) -> Mapping[str, str]:
    """Give the outputs of a run that was not made."""
    return {"verdict": "error", "exit-code": str(int(exit_code))}


def _time(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:g}"


def _dollars(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else ""
