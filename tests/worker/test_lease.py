"""The control record as a worker sees it, while S3 answers late or not at all. Time is virtual."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

import pytest

from fakes import MemoryCloud
from grapeshot_worker.courier import Courier
from grapeshot_worker.invocation import POLL_INTERVAL, ControlRecord, control_key
from grapeshot_worker.lease import LOOK_LIMIT, Lease
from virtual_time import run_virtually

T = TypeVar("T")
CONTROL = control_key("t1")
NORMAL = 0.1  # s that S3 takes for an answer
LONG = 15.0  # s until the SDK gives up a call that hangs


class Slow:
    """An Aside whose work takes a while; what begins within `hangs` hangs until the SDK gives it up."""

    def __init__(self, *, hangs: tuple[float, float]) -> None:
        self._hangs = hangs
        self.began = asyncio.get_running_loop().time()

    async def __call__(self, work: Callable[[], T]) -> T:
        now = asyncio.get_running_loop().time() - self.began
        await asyncio.sleep(LONG if self._hangs[0] <= now < self._hangs[1] else NORMAL)
        return work()


def watch(
    *, hangs: tuple[float, float], stop: float, seconds: float
) -> tuple[list[tuple[float, str]], str, float]:
    """Follow a record that says `stop` from a moment on.

    Gives when the lease told of what, its last complaint, and its age.
    """
    told: list[tuple[float, str]] = []
    cloud = MemoryCloud()
    cloud.objects[CONTROL] = ControlRecord(state="wait").to_json()

    async def main() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        courier = Courier(cloud, aside=Slow(hangs=hangs), rng=random.Random(1))
        lease = Lease("t1", courier, tell=lambda record: told.append((loop.time() - began, record.state)))
        assert await lease.begin()
        said = ControlRecord(state="stop", reason="asked").to_json()
        loop.call_later(stop, cloud.objects.__setitem__, CONTROL, said)
        following = asyncio.create_task(lease.follow())
        await asyncio.sleep(began + seconds - loop.time())
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await courier.close()
        return lease.unread.message if lease.unread else "", lease.age

    return told, *run_virtually(main())


@pytest.mark.parametrize("back", [20.0, 20.5, 21.0, 21.9])
def test_a_stop_is_read_soon_after_s3_is_back(back: float) -> None:
    """A look that hangs is not waited for: within three seconds from when S3 answers again, whenever that is."""
    told, unread, _ = watch(hangs=(5.0, back), stop=10.0, seconds=40.0)

    (_, first), (heard, second) = told
    assert (first, second) == ("wait", "stop")
    assert back <= heard <= back + LOOK_LIMIT + POLL_INTERVAL
    assert LOOK_LIMIT + POLL_INTERVAL <= 3.0  # what the launcher waits before it removes the record
    assert unread == ""


def test_while_s3_hangs_the_lease_says_so() -> None:
    """It is the likely cause, should the lease run out: which it does on time, whatever hangs."""
    told, unread, age = watch(hangs=(5.0, 100.0), stop=10.0, seconds=40.0)

    assert [state for _, state in told] == ["wait"]
    assert unread == "S3 gave no answer within 2 s."
    assert age == pytest.approx(40.0, abs=0.2)


def test_looks_come_every_second() -> None:
    """However long S3 takes for an answer: a stop is heard within a second and that time."""
    told, _, _ = watch(hangs=(90.0, 91.0), stop=10.05, seconds=20.0)

    assert told[-1][1] == "stop"
    assert told[-1][0] <= 10.05 + POLL_INTERVAL + NORMAL
