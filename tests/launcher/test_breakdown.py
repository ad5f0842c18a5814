from __future__ import annotations

from grapeshot_launcher.results.books import Books
from grapeshot_launcher.views.breakdown import Times, Users, endpoints, expectations, load_seconds
from grapeshot_worker.messages import Tally
from grapeshot_worker.metrics.report import Totals
from grapeshot_worker.metrics.sketch import Sketch
from reports import BY_ENDPOINT, START, report, totals


def test_a_load_lasts_from_its_start_to_its_last_measurement() -> None:
    """It begins when the workers were started, not with the first request."""
    late = report(totals=totals(first_counter_at=START + 30_000.0))

    assert load_seconds(late) == load_seconds(report()) == 60.0


def test_a_clock_that_is_behind_makes_no_negative_time() -> None:
    """Measurements from before the start, by a worker's clock, move the start."""
    early = report(totals=totals(first_counter_at=START - 40_000.0, last_counter_at=START - 10_000.0))

    assert load_seconds(early) == 30.0


def test_times_are_those_of_the_report() -> None:
    """Rounded as the thresholds see them, so that a page shows one number for one thing; without a value none."""
    sketch = Sketch.of({50.0: 99, 401.0: 1})
    times = Times.of(sketch)

    assert times is not None
    assert [times.p50, times.p95, times.p99, times.max] == [
        sketch.summary()[k] for k in ("p50", "p95", "p99", "max")
    ]
    assert Times.of(Sketch()) is None


def test_users_whose_end_is_unknown() -> None:
    """A worker that was lost has started users of which nothing more is known."""
    books = Books.of(
        {0: 10, 1: 10}, {0: Tally(started=10, completed=10), 1: Tally(started=4, completed=1)}, {0}
    )
    users = Users.of(books)

    assert (users.planned, users.started, users.completed, users.unknown, users.lost) == (20, 14, 11, 3, 6)


def test_endpoints_whatever_their_names() -> None:
    """Codes, times and errors find their endpoint, though its name looks like a part of a metric's."""
    names = ["/a", "/b.codes.200", "/c.errors", "/.response_time.d", "", "e\n"]
    sketches = {f"{BY_ENDPOINT}.response_time.{name}": Sketch.of({5.0: 3}) for name in names}
    counters = {f"{BY_ENDPOINT}.{name}.codes.200": 3 for name in names}
    found = endpoints(Totals(counters=counters, sketches=sketches))

    assert set(found) == set(names)
    assert all(endpoint.codes == {"200": 3} for endpoint in found.values())


def test_an_endpoint_that_never_answered() -> None:
    """It has errors and no times."""
    found = endpoints(Totals(counters={f"{BY_ENDPOINT}./x.errors.ECONNREFUSED": 7}))

    assert found["/x"].errors == {"ECONNREFUSED": 7}
    assert found["/x"].sketch.count == 0


def test_another_namespace_of_endpoints_is_recognized() -> None:
    """The script may name the metrics otherwise; other histograms are no endpoints."""
    found = endpoints(
        Totals(
            counters={"mine./a.codes.200": 1, "mine./b.errors.X": 2, "http.codes.200": 1},
            sketches={
                "mine.response_time./a": Sketch.of({5.0: 1}),
                "http.response_time.2xx": Sketch.of({5.0: 1}),
            },
        )
    )

    assert set(found) == {"/a", "/b"}


def test_expectations_by_kind() -> None:
    """How many were met and not, and which kinds failed."""
    counters = {"plugins.expect.ok": 9, "plugins.expect.failed": 3, "plugins.expect.failed.statusCode": 3}

    assert expectations(Totals(counters=counters)) == (9, 3, {"statusCode": 3})
