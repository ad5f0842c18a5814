"""The command `grapeshot report`: the files of runs in, views of them out.

Leaves to others: what a file says (results' reading), several runs as one (merge), two side by side (baseline), the
views.

What is wrong with the command is told at once: all places that can't be written to, all files that can't be read.
Nothing is written before everything has been read; of several places, one that fails is told after the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from grapeshot_launcher.errors import OutputRefused, ReportRefused
from grapeshot_launcher.options import ReportOptions
from grapeshot_launcher.results.baseline import compare_reports
from grapeshot_launcher.results.merge import merge_reports
from grapeshot_launcher.results.reading import read_report
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.views.comparison import comparison_block
from grapeshot_launcher.views.console import plain, verdict_lines
from grapeshot_launcher.views.html import compare_page, html_page
from grapeshot_launcher.views.junit import junit
from grapeshot_launcher.views.markdown import markdown
from grapeshot_launcher.views.openmetrics import openmetrics
from grapeshot_launcher.views.periods_csv import periods_csv
from grapeshot_launcher.views.report_json import report_file
from grapeshot_worker.errors import Exit, GrapeshotError

Say = Callable[[str], None]
View = Callable[[Report], bytes]
Refusal = TypeVar("Refusal", bound=GrapeshotError)

STDIN: Final = "-"
# By the suffix of a file: the word for it, and how it is made.
VIEWS: Final[Mapping[str, tuple[str, View]]] = {
    ".html": ("Page", html_page),
    ".xml": ("JUnit", junit),
    ".csv": ("Periods", periods_csv),
    ".prom": ("OpenMetrics", openmetrics),
    ".txt": ("OpenMetrics", openmetrics),
    ".md": ("Markdown", markdown),
    ".json": ("Report", report_file),
}


def report(asked: ReportOptions, *, say: Say, stdin: BinaryIO) -> int:
    """Write what was asked for of the reports in `asked.files`, and give the exit code.

    Raises OutputRefused for places that can't be written to, ReportRefused for files that are no reports, or that can't
    be merged or compared.
    """
    paths = _places(asked)
    reports = _read_all(asked.files, stdin)
    return _compare(reports[0], reports[1], paths, say) if asked.compare else _show(reports, paths, say)


def _show(reports: Sequence[Report], paths: Sequence[Path], say: Say) -> int:
    shown = merge_reports(reports)
    failures = _write_all(paths, shown, VIEWS, say)
    say(verdict_lines(shown.verdict))
    _tell(failures)
    return Exit.OK


def _compare(before: Report, after: Report, paths: Sequence[Path], say: Say) -> int:
    comparison = compare_reports(before, after)

    def page(shown: Report) -> bytes:
        return compare_page(before, shown, comparison)

    failures = _write_all(
        paths, replace(after, comparison=comparison), {**VIEWS, ".html": ("Page", page)}, say
    )
    say(comparison_block(comparison))
    say(verdict_lines(after.verdict))
    _tell(failures)
    return Exit.WORSE if comparison.verdict == "regression" else Exit.OK


# ---- in ----


def _read_all(names: Sequence[str], stdin: BinaryIO) -> list[Report]:
    reports, failures = list[Report](), list[ReportRefused]()
    if names.count(STDIN) > 1:
        raise ReportRefused('Standard input ("-") can be read once.', remedy="Name the other reports' files.")
    for name in names:
        try:
            reports.append(_read(name, stdin))
        except ReportRefused as failure:
            failures.append(failure)
    if failures:
        raise _together(ReportRefused, failures, f"of {len(names)} files can't be read")
    return reports


def _read(name: str, stdin: BinaryIO) -> Report:
    if name != STDIN:
        try:
            data = Path(name).read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
            raise ReportRefused(
                f"{plain(name)} can't be read",
                cause=getattr(error, "strerror", None) or str(error),
                remedy="Name the file that -o of a run has written.",
            ) from error
        return read_report(data, plain(name))
    if stdin.isatty():
        raise ReportRefused(
            "There is no report on standard input: it is a terminal.",
            remedy="Name a file, or send one in: `cat report.json | grapeshot report -`.",
        )
    return read_report(stdin.read(), "standard input")


# ---- out ----


def _places(asked: ReportOptions) -> list[Path]:
    """Give the files to write; OutputRefused names all that can't be."""
    if not asked.outputs:
        first = asked.files[0]
        folder = Path() if first == STDIN else Path(first).parent
        return [folder / ("comparison.html" if asked.compare else "report.html")]
    paths = [Path(output) for output in asked.outputs]
    failures = [
        OutputRefused(f"{plain(str(path))} {fault[0]}", remedy=fault[1])
        for number, path in enumerate(paths)
        if (fault := _fault(path, asked.files, paths[:number]))
    ]
    if failures:
        raise _together(OutputRefused, failures, "places can't be written to")
    return paths


def _fault(path: Path, inputs: Sequence[str], others: Sequence[Path]) -> tuple[str, str] | None:
    """Say what is wrong with a place, and what to do."""
    if path.suffix.lower() not in VIEWS:
        *most, last = VIEWS
        return "does not say what it shall hold", f"End its name with {', '.join(most)} or {last}."
    if path in others:
        return "was given twice", "Give each file once."
    if not path.parent.is_dir():
        return "is in a folder that does not exist", "Make the folder, or change -o."
    if any(_same(path, Path(name)) for name in inputs if name != STDIN):
        return "is one of the reports that are read", "Give -o another name."
    return None


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False  # one of them is not there


def _write_all(
    paths: Sequence[Path], shown: Report, views: Mapping[str, tuple[str, View]], say: Say
) -> list[OutputRefused]:
    """Write every file that can be written; give why others could not be."""
    return [failure for path in paths if (failure := _write(path, shown, views, say))]


def _tell(failures: Sequence[OutputRefused]) -> None:
    if failures:
        raise _together(OutputRefused, failures, "files could not be written")


def _write(
    path: Path, shown: Report, views: Mapping[str, tuple[str, View]], say: Say
) -> OutputRefused | None:
    """Make a view, write it and say so; give why it could not be written."""
    word, view = views[path.suffix.lower()]
    content = view(shown)
    try:
        path.write_bytes(content)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        return OutputRefused(f"{plain(str(path))} could not be written", cause=cause)
    say(f"{word}: {plain(str(path))}")
    return None


def _together(kind: type[Refusal], failures: Sequence[Refusal], many: str) -> Refusal:
    """Tell several refusals as one."""
    if len(failures) == 1:
        return failures[0]
    told = [": ".join(filter(None, (each.message, each.cause))) for each in failures]
    remedies = dict.fromkeys(each.remedy for each in failures if each.remedy)
    return kind("\n    ".join([f"{len(failures)} {many}:", *told]), remedy=" ".join(remedies))
