"""The results as Markdown tables (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

Results = Mapping[tuple[str, str], Sequence[float]]  # (row, client) → one number a round
REFERENCE = "wrk"  # the client the others are divided by


def rates(unit: str, results: Results, rows: Mapping[str, str], clients: Sequence[str]) -> str:
    """Give rates: medians, and what part of the reference's they are.

    >>> found = {("a", "wrk"): [100.0, 300.0, 200.0], ("a", "x"): [50.0]}
    >>> print(rates("requests/s", found, {"a": "GET"}, ["x", "wrk", "y"]))
    | requests/s | x | wrk | y |
    | --- | ---: | ---: | ---: |
    | GET | 50 (0.25×) | 200 (1.00×) | – |
    """
    body = []
    for key, title in rows.items():
        measure = results.get((key, REFERENCE))
        cells = [_cell(results.get((key, client)), measure) for client in clients]
        body.append([title, *cells])
    return _table([unit, *clients], body)


def spread(results: Results, rows: Mapping[str, str], clients: Sequence[str]) -> str:
    """Give the lowest and the highest round of each median: how far the machine was to be trusted.

    >>> print(spread({("a", "x"): [50.4, 70.0]}, {"a": "GET"}, ["x"]))
    | lowest … highest | x |
    | --- | ---: |
    | GET | 50 … 70 |
    """
    body = []
    for key, title in rows.items():
        found = [results.get((key, client)) for client in clients]
        body.append([title, *(f"{min(each):,.0f} … {max(each):,.0f}" if each else "–" for each in found)])
    return _table(["lowest … highest", *clients], body)


def memory(sizes: Results, rows: Mapping[str, str], clients: Sequence[str]) -> str:
    """Give the memory of a parked user in kB, and below it how many connections were still open.

    `sizes` has both, in this order.

    >>> print(memory({("a", "x"): [5120.0, 9999]}, {"a": "plain"}, ["x", "y"]))
    | kB per parked user (connections open) | x | y |
    | --- | ---: | ---: |
    | plain | 5.1 (9,999) | – |
    """
    body = []
    for key, title in rows.items():
        found = [sizes.get((key, client)) for client in clients]
        body.append([title, *(f"{each[0] / 1000:,.1f} ({each[1]:,.0f})" if each else "–" for each in found)])
    return _table(["kB per parked user (connections open)", *clients], body)


def _cell(found: Sequence[float] | None, measure: Sequence[float] | None) -> str:
    if not found:
        return "–"
    ratio = f" ({median(found) / median(measure):.2f}×)" if measure else ""
    return f"{median(found):,.0f}{ratio}"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *body])
