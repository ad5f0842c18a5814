"""How many Lambda workers a load needs, estimated from the script and its plan, and why (pure).

Leaves to others: a number that somebody asked for (options), making the load.

Two things run out in a worker: time on its vCPUs, which goes into users and their requests, and file descriptors, of
which each user holds one for its connection. By Little's law, as many users are under way as arrive a second, times
the seconds each one stays: its pauses, and the answers it waits for. How long those take only the target knows; LATENCY
is assumed, so a slow target with many users wants `--workers`. Loops that users end themselves count once.

The time of a user is USER_COST for its connection, and REQUEST_COST for each request: the costlier kinds, as measured
by `bench/run.py` (docs/performance.md), because what a script's addresses will be is known to its users only. A plain
GET over HTTP costs about half of REQUEST_COST. Large bodies, heavy hooks and long waits for a slow vCPU are not in
it: for them is what SHARE leaves, and for more `--workers`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grapeshot_launcher.views.plan import number, plural
from grapeshot_worker.arrivals import peak_rate, planned
from grapeshot_worker.plan import Plan
from grapeshot_worker.script.convert import as_number
from grapeshot_worker.script.duration import DurationError, parse_think
from grapeshot_worker.script.model import Loop, Parallel, Request, Scenario, Step, TestScript, Think
from grapeshot_worker.script.template import Template

# CPU seconds, as measured beside other work (docs/performance.md, "What a user costs"): a user with a new TLS
# connection, of whom a core made 1,136 to 1,421 a second; a request over HTTPS with a JSON capture and three checks, of
# which it made 52,745 to 58,464. So does the worker of the image; one in Python makes half of it: SHARE allows it.
USER_COST = 0.001
REQUEST_COST = 0.000025
# Of the core that was measured on, so much is planned to be used. A vCPU may be half as fast, peaks and hooks come on
# top, and from 95 % of a core on a worker measures itself: the verdict is `invalid`.
SHARE = 1 / 3
# Of one worker. AWS Lambda allows 1,024 file descriptors; its documentation counts them for the whole sandbox, Linux
# for each process. Taken is the smaller promise, for all engine processes of a worker together; 224 are left for what
# the processes, Python and hooks have open, and for connections that close while new ones open. Memory is no limit:
# 800 users who think take 4 MB, over TLS 27 MB.
CONNECTIONS = 800
LATENCY = 0.3  # s, assumed of every answer


@dataclass(frozen=True, slots=True)
class Sizing:
    """A number of workers, and the reason in words."""

    workers: int
    why: str


def size(script: TestScript, plan: Plan, *, processes: int) -> Sizing:
    """Estimate the workers for a script whose workers have so many engine processes each."""
    rate = peak_rate(plan)
    requests, seconds = user_weight(script.scenarios)
    at_once = math.ceil(rate * seconds)
    if (most := _most_users(plan)) is not None:
        at_once = min(at_once, most)
    capacity = SHARE * processes / (USER_COST + requests * REQUEST_COST)  # users a second, of one worker
    by_work = math.ceil(rate / capacity)
    by_connections = math.ceil(at_once / CONNECTIONS)
    workers = max(1, min(planned(plan), max(by_work, by_connections)))
    if by_connections > by_work:
        why = f"about {plural(at_once, 'user')} at a time, {CONNECTIONS} of them in a worker"
    else:
        each = "1 request" if requests == 1 else f"{number(requests)} requests"
        why = f"at most {number(rate)} users a second with {each} each, {capacity:.0f} of them in a worker"
    return Sizing(workers, why)


def user_weight(scenarios: Sequence[Scenario]) -> tuple[float, float]:
    """Give the requests of a user and the seconds it stays, the mean over the scenarios by their weights."""
    weights = [_weight(scenario.weight) for scenario in scenarios]
    total = sum(weights) or 1.0
    weighed = [(weight / total, *_steps(s.steps)) for weight, s in zip(weights, scenarios, strict=True)]
    requests = sum(share * requests for share, requests, _ in weighed)
    seconds = sum(share * seconds for share, _, seconds in weighed)
    return requests, seconds


def _steps(steps: Sequence[Step]) -> tuple[float, float]:
    """Give requests and seconds of steps one after another."""
    requests = seconds = 0.0
    for step in steps:
        more, longer = _step(step)
        requests, seconds = requests + more, seconds + longer
    return requests, seconds


def _step(step: Step) -> tuple[float, float]:
    match step:
        case Request():
            return 1.0, LATENCY
        case Think():
            return 0.0, _pause(step.duration)
        case Parallel():
            each = [_step(one) for one in step.steps]
            return sum(one[0] for one in each), max((one[1] for one in each), default=0.0)
        case Loop():
            requests, seconds = _steps(step.steps)
            times = _times(step)
            return requests * times, seconds * times
        case _:
            return 0.0, 0.0


def _times(loop: Loop) -> float:
    """Give how often a loop runs: a list's length or a constant count; 1 where users decide."""
    if loop.over is not None:
        return _length(loop.over)
    if loop.while_true is not None or loop.count is None or not loop.count.constant:
        return 1.0
    first, dash, last = str(loop.count.source).partition("-")
    low, high = as_number(first), as_number(last)
    if dash and low is not None and high is not None:
        return max(float(high - low), 0.0)
    return float(low) if low else 1.0


def _length(over: Template | str) -> float:
    if isinstance(over, Template) and isinstance(over.source, list):
        return float(len(over.source))
    return 1.0


def _pause(duration: Template) -> float:
    try:
        return parse_think(duration.source) if duration.constant else 0.0
    except DurationError:
        return 0.0


def _weight(weight: Template) -> float:
    written = as_number(weight.source) if weight.constant else None
    return max(float(written), 0.0) if written is not None else 1.0


def _most_users(plan: Plan) -> int | None:
    """Give the highest `maxVusers`, if every phase that makes users has one."""
    limits = [phase.max_vusers for phase in plan.phases if phase.kind != "pause"]
    known = [limit for limit in limits if limit is not None]
    return max(known) if known and len(known) == len(limits) else None
