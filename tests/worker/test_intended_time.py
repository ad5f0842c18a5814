"""`http.intended_response_time` of one user's requests: from which moment each of them counts.

The users of these tests come nine seconds late, which is in the time of their first request alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from one_user import Story, play
from target import Target, serve

LATE = 9_000.0  # ms, of an arrival planned for the end of the first second
SOON = 100.0  # ms: a request that nothing kept waiting takes less, on a busy machine too


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    with serve() as running:
        yield running


def times(story: Story) -> list[float]:
    """Give the intended response times in ms, ascending, each to 1 %."""
    sketch = story.totals.sketches["http.intended_response_time"]
    assert sketch.count == story.counters["http.responses"]
    return [sketch.quantile(k / max(sketch.count - 1, 1)) for k in range(sketch.count)]


def test_the_first_request_counts_from_the_planned_arrival_and_the_next_from_its_end(
    server: Target, tmp_path: Path
) -> None:
    """The user's own lateness is told once; the response time knows nothing of it."""
    story = play("- get: { url: /health }\n- get: { url: /delay/150 }", server, tmp_path)
    second, first = times(story)

    assert first >= LATE * 0.99
    assert 148 <= second < 150 + SOON
    assert story.totals.sketches["http.response_time"].max < 150 + SOON


HOOKS = """
import asyncio, time

async def hold(context, events):
    if int(context.vars["k"]) == 2:
        await asyncio.sleep(0.03)
        time.sleep(0.3)
"""


def test_a_request_after_a_think_counts_from_its_planned_end(server: Target, tmp_path: Path) -> None:
    """While the first user thinks, the second one's function keeps the process busy: the first is late, and it shows.

    What the function itself takes belongs to the script, and is in no response time.
    """
    story = play(
        "- get: { url: /health }\n- function: hold\n- think: 0.1\n- get: { url: /health }",
        server,
        tmp_path,
        config="""
            phases: [ { duration: 1, arrivalCount: 2 } ]
            payload: { path: k.csv, fields: [ k ], order: sequence }
        """,
        files={"k.csv": "1\n2\n"},
        hooks=HOOKS,
    )
    of_the_second, of_the_first, *firsts = times(story)

    assert of_the_second < SOON
    assert 180 <= of_the_first < 230 + SOON
    assert min(firsts) >= LATE * 0.99


def test_parallel_steps_count_each_from_its_own_line(server: Target, tmp_path: Path) -> None:
    """They share the user's connection: the second waits for the first, and that is in its time.

    What follows in a line counts from the end before it there, and what follows all of them from the end of the last.
    """
    story = play(
        """
- get: { url: /health }
- parallel:
    - loop: [ { get: { url: /delay/120 } }, { think: 0.2 }, { get: { url: /health } } ]
      count: 1
    - get: { url: /delay/100 }
- get: { url: /health }
""",
        server,
        tmp_path,
    )
    after_think, after_all, first, waiting, _ = times(story)

    assert after_think <= after_all < SOON
    assert 118 <= first < 120 + SOON
    assert 217 <= waiting < 220 + SOON


def test_parallel_steps_share_what_is_the_user_s(server: Target, tmp_path: Path) -> None:
    """A cookie that one of them is given is sent with what follows, and so is a variable."""
    flow = """
- parallel:
    - get: { url: "/cookies/set?a=1", capture: { json: "$.set.a", as: got } }
    - log: beside it
- get: { url: "/cookies?got={{ got }}" }
"""
    story = play(flow, server, tmp_path)

    assert story.requests[-1].cookies == {"a": "1"}
    assert story.requests[-1].argument("got") == "1"


def test_each_hop_of_a_redirect_counts_from_the_end_of_the_one_before(server: Target, tmp_path: Path) -> None:
    """As in the response time, each hop is a request."""
    last, middle, first = times(play("- get: { url: /redirect/2 }", server, tmp_path))

    assert last <= middle < SOON
    assert first >= LATE * 0.99


def test_a_response_whose_body_never_ends_is_in_it(server: Target, tmp_path: Path) -> None:
    """Its head had come, so it is a response in every count."""
    story = play("- get: { url: /health }\n- get: { url: /truncate }", server, tmp_path)
    second, first = times(story)

    assert story.counters["http.responses"] == 2
    assert second < SOON
    assert first >= LATE * 0.99
