"""How provisioning makes its calls: in threads, again, at the same time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from grapeshot_launcher.cloud.calls import Threads, again, together, undone
from grapeshot_launcher.cloud.errors import AwsError, Missing, Throttled
from virtual_time import run_virtually


def test_calls_run_at_the_same_time() -> None:
    """Each waits for all others, so one after the other they would never end."""
    barrier = threading.Barrier(8, timeout=10)

    async def main() -> None:
        threads = Threads(8)
        await asyncio.gather(*(threads(barrier.wait) for _ in range(8)))

    asyncio.run(main())


def test_a_cancelled_call_is_seen_to_its_end() -> None:
    """What it made is there before anybody cleans up."""
    begun, go_on = threading.Event(), threading.Event()
    made: list[str] = []

    def create() -> None:
        begun.set()
        go_on.wait(10)
        made.append("a queue")

    async def main() -> None:
        task = asyncio.ensure_future(Threads(1)(create))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert made == ["a queue"]


def test_an_answer_and_a_failure_come_through() -> None:
    """As from the function itself."""

    def refuse(word: str, *, loudly: bool) -> None:
        raise AwsError(f"{word} {loudly}")

    async def main() -> None:
        assert await Threads(1)(max, 1, 2) == 2
        with pytest.raises(AwsError, match="no True"):
            await Threads(1)(refuse, "no", loudly=True)

    asyncio.run(main())


def test_again_gives_up_after_its_time() -> None:
    """And raises what was last refused."""
    times: list[float] = []

    async def attempt() -> None:
        times.append(asyncio.get_running_loop().time())
        raise Throttled("slow down")

    with pytest.raises(Throttled):
        run_virtually(again(attempt, on=(Throttled,), within=10, pause=3))

    assert [time - times[0] for time in times] == [0, 3, 6, 9]


def test_again_repeats_only_what_it_was_told_to() -> None:
    """Another failure is one at once."""

    async def attempt() -> None:
        raise Missing("not there")

    with pytest.raises(Missing):
        run_virtually(again(attempt, on=(Throttled,), within=10, pause=3))


def test_the_first_failure_cancels_the_rest_and_is_raised() -> None:
    """After the rest has ended."""
    ended: list[str] = []

    async def long() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("long")

    async def fail() -> None:
        await asyncio.sleep(1)
        raise AwsError("no")

    async def main() -> float:
        start = asyncio.get_running_loop().time()
        with pytest.raises(AwsError):
            await together(long(), fail())
        return asyncio.get_running_loop().time() - start

    assert run_virtually(main()) == 1
    assert ended == ["long"]


def test_taking_away_never_raises_and_never_hangs() -> None:
    """It complains instead, after half a minute at most."""
    complaints: list[str] = []

    async def hang() -> None:
        await asyncio.sleep(1000)

    async def main() -> float:
        start = asyncio.get_running_loop().time()
        await undone(hang, complain=complaints.append)
        return asyncio.get_running_loop().time() - start

    assert run_virtually(main()) == 30
    assert complaints == ["AWS did not answer within 30 s."]
