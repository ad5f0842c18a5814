"""Texts that mean something to whoever shows them, and a report that has one wherever it can come from outside."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from grapeshot_launcher.results.collect import WorkerEnd, WorkerId
from grapeshot_launcher.results.report import Report
from grapeshot_launcher.results.verdict import Verdict
from grapeshot_worker.metrics.sketch import Sketch
from reports import BY_ENDPOINT, check, compared, comparison, failed, finished, regions, report, totals

NASTY = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</code>", "</td></tr></table>", "</details>", "<!--",
    "-->", "]]>", "<![CDATA[", "<?", "</pre>", "<input type=checkbox>", "&lt;b&gt;", "&#60;", "&", "<", ">", '"', "'",
    "|", "\\|", "\\", "`", "``", "```", "~~~", "~~x~~", "**x**", "__x__", "*", "_", "# x", "## x", "- [x] y", "1. x",
    "> x", "---", "===", "![a](b)", "[a](javascript:x)", "[a]: http://b", "<http://a.b>", "http://a.b/c", "www.a.com",
    "a@b.com", "@octocat", "@org/team", "#1", "GH-12", "octo/repo#3", "deadbeef1234567", "4f1c2d3e", ":tada:",
    "::error::x", "\n::error file=a::x", "\r\n::set-output name=a::b", "##[error]x", "::add-mask::", "\n\n", "\r",
    "\x0b",
    "\x1b[31m", "\x1b]8;;http://a\x07", "\x00", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b",
    "\ufeff",
    "\ud800", "\udfff", "\U0001f600", "e\u0301\u0301", "\xa0", " ", "  ", "\t", "$x$", "$$", "{{ x }}", "x" * 150,
    "(", ")",
    ",", ".", ":", "(@a)", '"#2"', "@", "#", "GH-", "a", "1",
]  # fmt: skip
HOSTILE = st.one_of(
    st.lists(st.sampled_from(NASTY), min_size=1, max_size=6).map("".join),
    st.lists(st.sampled_from(NASTY), min_size=1, max_size=6).map(" ".join),
    st.text(min_size=1, max_size=60),
)
# What GitHub's filters make links, notifications and pictures of, in text outside `<code>`.
FILTERED = re.compile(r"@\w|#\d|\bGH-\d|\b[0-9a-f]{7,40}\b|:\w+:|\w+://|\bwww\.", re.IGNORECASE)


def hostile_report(text: str) -> Report:
    """Put a text everywhere where a script, a target or a person can put one."""
    counters = {
        "http.requests": 9,
        "http.codes.200": 9,
        f"errors.{text}": 3,
        f"{BY_ENDPOINT}.{text}.codes.200": 9,
        f"{BY_ENDPOINT}.{text}.errors.{text}": 2,
        "plugins.expect.failed": 1,
        f"plugins.expect.failed.{text}": 1,
    }
    return report(
        run_id=text,
        script=text,
        verdict=Verdict(kind="invalid", exit_code=4, reasons=(text, f"check failed: {text}")),
        totals=totals(
            counters=counters, sketches={f"{BY_ENDPOINT}.response_time.{text}": Sketch.of({5.0: 9})}
        ),
        checks=(check(text, ok=False, values={text: 1.0}, missing=(text,), problem=text), check(text)),
        comparison=comparison(compared(text, unit=text), cautions=(text,)),
        workers=(failed(0, text), finished(1), WorkerEnd(worker=WorkerId(0, 2), state="lost")),
        warnings=(text, f"Warning: {text}\n    {text}"),
        **regions(text, "us-east-1"),
        settings=dict.fromkeys(
            (
                "target", "name", "region", "architecture", "image", "function", "command", "commit", "ref", "runUrl",
                "workers", "memorySize", "processes", "costUsd", "copies", "estimatedCostUsd",
            ),
            text,
        ),
    )  # fmt: skip
