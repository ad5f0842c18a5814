"""What the terminal shows of each of several regions."""

from __future__ import annotations

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.results.regions import region_parts
from grapeshot_launcher.views.regions import regions_table
from grapeshot_worker.messages import Tally
from reports import regions, report, totals

TWO = ("eu-west-1", "us-east-1")


def test_a_row_for_each_region() -> None:
    """Workers, users, requests with those that failed, rate, percentiles, errors, cost, each below its title."""
    both = region_parts(TWO, report().books, {"eu-west-1": totals(), "us-east-1": totals(counters={})})
    costs = {"eu-west-1": 0.0123, "us-east-1": 1.5}

    table = regions_table(report(regions=both, settings={"costByRegion": costs}))

    assert table == (
        "By region (times in ms):\n"
        "  region     workers  users  requests  failed  req/s   p50    p95    p99  errors     cost\n"
        "  eu-west-1        1    150      1200      20   20.0  49.9  399.5  399.5      10  $0.0123\n"
        "  us-east-1        1    150         0       0    0.0  49.9  399.5  399.5       0  $1.5000"
    )


def test_what_was_lost_shows() -> None:
    """Users lost with a region's worker have a column; what was not measured is no 0."""
    books = Books.of({0: 5, 1: 7}, {0: Tally(started=5)}, {0})
    table = regions_table(report(**regions(*TWO, by=books))).splitlines()

    assert table[1].split() == [
        *("region", "workers", "users", "lost", "requests", "failed", "req/s", "p50", "p95", "p99", "errors")
    ]
    assert table[3].split() == ["us-east-1", "1", "0", "7", "0", "0", "0.0", "–", "–", "–", "0"]


def test_rates_add_up_to_the_run_s() -> None:
    """Each is over the time of the whole run, so a region that fell silent shows a lower one."""
    short = totals(counters={"http.requests": 300}, last_counter_at=totals().first_counter_at)
    both = region_parts(TWO, report().books, {"eu-west-1": totals(), "us-east-1": short})
    table = regions_table(report(regions=both)).splitlines()

    assert [line.split()[5] for line in table[2:]] == ["20.0", "5.0"]


def test_a_region_s_name_is_no_command_to_the_terminal() -> None:
    """It comes from the command line, and is shown as text."""
    table = regions_table(report(**regions("a\x1b[2J", "b\nc")))

    assert "\x1b" not in table
    assert len(table.splitlines()) == 4


def test_without_several_regions_there_is_no_table() -> None:
    """The summary has all of it."""
    assert regions_table(report()) == ""
