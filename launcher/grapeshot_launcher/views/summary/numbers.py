"""Numbers as a person reads them: thousands separated, sensibly rounded, with their unit; "–" where there is none.

Leaves to others: the numbers. Nothing here comes from outside, so all of it is HTML as it stands.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from grapeshot_launcher.views.breakdown import Times
from grapeshot_launcher.views.console import duration_words
from grapeshot_launcher.views.summary.escape import Html

NONE: Final = Html("–")


def count(value: int | None) -> Html:
    """Write a whole number.

    >>> count(1234567), count(0), count(None)
    ('1,234,567', '0', '–')
    """
    return NONE if value is None else Html(f"{value:,}")


def things(number: int, thing: str) -> Html:
    """Count things in words.

    >>> things(1, "worker"), things(10_000, "worker")
    ('1 worker', '10,000 workers')
    """
    return Html(f"{number:,} {thing}" + ("" if number == 1 else "s"))


def measured(value: float | None, unit: str = "") -> Html:
    """Write a measurement, with fewer decimals the larger it is.

    >>> measured(12345.6, "ms"), measured(12.34, "ms"), measured(0.0416), measured(0), measured(None)
    ('12,346&nbsp;ms', '12.3&nbsp;ms', '0.042', '0', '–')
    """
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if size >= 1e15 or 0 < size < 0.0005:
        text = f"{value:.2e}"
    elif size >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return Html(f"{text}{unit}" if unit.startswith("/") or not unit else f"{text}&nbsp;{unit}")


def valued(value: float, unit: str) -> Html:
    """Write a value of a metric with the unit that it names, which may come from a file: only a known one is shown."""
    return measured(value, unit if unit in ("ms", "/s", "%", "s") else "")


def exactly(value: float) -> Html:
    """Write what a threshold was held against: not rounded so far that a failed one would look met.

    >>> exactly(200.1), exactly(12345.0), exactly(0.5000001)
    ('200.1', '12,345', '0.5000001')
    """
    if not math.isfinite(value) or abs(value) >= 1e15 or 0 < abs(value) < 1e-6:
        return Html(f"{value:g}")
    return Html(f"{int(value):,}" if value == int(value) else f"{value:,.7f}".rstrip("0"))


def spread(times: Times | None) -> tuple[Html, ...]:
    """Write a distribution: p50, p95, p99, max."""
    values = (None,) * 4 if times is None else (times.p50, times.p95, times.p99, times.max)
    return tuple(measured(value, "ms") for value in values)


def percent(share: float | None) -> Html:
    """Write a share of 1; what is there is never written as 0, what is missing never as 100.

    >>> percent(0.1234), percent(0.0), percent(0.00001), percent(0.99999), percent(None)
    ('12.3&nbsp;%', '0&nbsp;%', '&lt;0.01&nbsp;%', '&gt;99.9&nbsp;%', '–')
    """
    if share is None or not math.isfinite(share):
        return NONE
    if 0 < share < 0.0001:
        return Html("&lt;0.01&nbsp;%")
    if 0.9995 <= share < 1:
        return Html("&gt;99.9&nbsp;%")
    return measured(round(share * 100, 1 if share >= 0.1 else 2), "%")


def size(value: int) -> Html:
    """Write bytes as megabytes (2^20).

    >>> size(78643200)
    '75&nbsp;MB'
    """
    return measured(value / 2**20, "MB")


def duration(seconds: float) -> Html:
    """Write a duration: seconds below a minute, then in words.

    >>> duration(12.34), duration(63.9)
    ('12.3&nbsp;s', '1 minute, 3 seconds')
    """
    return measured(seconds, "s") if seconds < 60 else Html(duration_words(seconds))


def moment(epoch: float) -> Html:
    """Write epoch seconds as date and time of the world's clock; a reader may be anywhere.

    >>> moment(1_795_421_580)
    '2026-11-23 08:13 UTC'
    """
    try:
        return Html(datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M UTC"))
    except (ValueError, OverflowError, OSError):
        return NONE
