"""A lane lets one request after the other through, in order, whatever is cancelled meanwhile."""

from __future__ import annotations

import asyncio

from grapeshot_worker.traffic.lanes import Lane
from virtual_time import run_virtually


def test_requests_pass_in_the_order_they_came() -> None:
    """Three tasks want the one connection: first come, first served."""
    order: list[int] = []

    async def use(lane: Lane, number: int) -> None:
        await lane.enter()
        order.append(number)
        await asyncio.sleep(1)
        lane.leave()

    async def main() -> None:
        lane = Lane()
        await asyncio.gather(*(use(lane, number) for number in range(3)))
        assert not lane.busy

    run_virtually(main())

    assert order == [0, 1, 2]


def test_a_turn_given_to_a_cancelled_task_is_handed_on() -> None:
    """Cancelled between being called and running: nobody behind waits for ever."""

    async def main() -> bool:
        lane = Lane()
        await lane.enter()
        second, third = asyncio.ensure_future(lane.enter()), asyncio.ensure_future(lane.enter())
        await asyncio.sleep(0)
        lane.leave()  # the turn is the second's …
        second.cancel()  # … who does not live to take it
        await asyncio.wait([second, third])
        return second.cancelled() and not third.cancelled()

    assert run_virtually(main())


def test_cancelled_waiters_are_passed_over() -> None:
    """A waiter that has gone gets no turn."""

    async def main() -> bool:
        lane = Lane()
        await lane.enter()
        second, third = asyncio.ensure_future(lane.enter()), asyncio.ensure_future(lane.enter())
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        lane.leave()
        await third
        return lane.busy

    assert run_virtually(main())
