"""Mail that is tried again, in order, and never for longer than its limit. Time is virtual."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from fakes import DENIED, NO_QUEUE, MemoryCloud
from grapeshot_worker.courier import RETRY_LIMIT, Courier, at_once
from grapeshot_worker.errors import CloudError
from grapeshot_worker.messages import Ready
from grapeshot_worker.wire import pack
from virtual_time import run_virtually

T = TypeVar("T")


def text(sequence: int) -> str:
    return pack(Ready(run_id="t", generation=0, index=0, sequence=sequence, planned=0))


def sent(cloud: MemoryCloud) -> list[int]:
    return [message.sequence for message in cloud.messages]


def post(cloud: MemoryCloud, work: Callable[[Courier], Awaitable[T]]) -> tuple[T, float]:
    """Do something with a courier; how long it took comes with the result."""

    async def main() -> tuple[T, float]:
        loop = asyncio.get_running_loop()
        courier = Courier(cloud, aside=at_once, rng=random.Random(1))
        began = loop.time()
        try:
            return await work(courier), loop.time() - began
        finally:
            await courier.close()

    return run_virtually(main())


def test_texts_are_sent_in_order() -> None:
    """One after the other, hiccups or not."""
    cloud = MemoryCloud()
    cloud.fail("send", times=3)

    async def work(courier: Courier) -> bool:
        for sequence in range(5):
            courier.send(text(sequence))
        assert courier.busy
        return await courier.drain(10)

    all_sent, took = post(cloud, work)

    assert all_sent
    assert sent(cloud) == [0, 1, 2, 3, 4]
    assert 0 < took < 2


def test_a_text_that_is_never_taken_is_dropped_in_time() -> None:
    """Those after it get their chance; the error is told until one is taken."""
    cloud = MemoryCloud()
    cloud.fail("send", DENIED, times=math.inf)

    async def work(courier: Courier) -> tuple[CloudError | None, CloudError | None]:
        courier.send(text(1))
        drained = await courier.drain(RETRY_LIMIT + 1)
        dropped = courier.dropped
        cloud.heal("send")
        courier.send(text(2))
        assert drained
        assert await courier.drain(1)
        return dropped, courier.dropped

    (first, second), took = post(cloud, work)

    assert (first, second) == (DENIED, None)
    assert sent(cloud) == [2]
    assert took <= RETRY_LIMIT + 1


def test_what_can_t_get_better_is_not_tried_again() -> None:
    """A queue that is gone stays gone."""
    cloud = MemoryCloud()
    cloud.fail("send", NO_QUEUE, times=math.inf)

    async def work(courier: Courier) -> CloudError | None:
        courier.send(text(1))
        await courier.drain(1)
        return courier.dropped

    dropped, _ = post(cloud, work)

    assert dropped is NO_QUEUE
    assert cloud.calls["send"] == 1


def test_draining_ends_at_its_limit() -> None:
    """There are moments when a worker must leave."""
    cloud = MemoryCloud()
    cloud.fail("send", times=math.inf)

    async def work(courier: Courier) -> bool:
        courier.send(text(1))
        return await courier.drain(3)

    all_sent, took = post(cloud, work)

    assert not all_sent
    assert took == pytest.approx(3)


def test_objects_are_tried_again_too() -> None:
    """Get and put, up to the limit."""
    cloud = MemoryCloud()
    cloud.fail("put", times=2)
    cloud.fail("get", times=2)

    async def work(courier: Courier) -> bytes | None:
        await courier.put("key", b"body")
        return await courier.get("key")

    assert post(cloud, work)[0] == b"body"


def test_a_put_that_never_works_raises_in_time() -> None:
    """With the last error."""
    cloud = MemoryCloud()
    cloud.fail("put", times=math.inf)

    async def work(courier: Courier) -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(CloudError):
            await courier.put("key", b"body")
        return asyncio.get_running_loop().time() - began

    assert RETRY_LIMIT - 5 < post(cloud, work)[0] <= RETRY_LIMIT


def test_a_look_is_a_single_try() -> None:
    """Who looks again and again needs no more."""
    cloud = MemoryCloud()
    cloud.fail("get")

    async def work(courier: Courier) -> None:
        with pytest.raises(CloudError):
            await courier.look("key")

    post(cloud, work)

    assert cloud.calls["get"] == 1


def test_only_one_token_gets_a_claim() -> None:
    """The second one finds the first one's."""
    cloud = MemoryCloud()

    async def work(courier: Courier) -> list[bool]:
        return [await courier.claim("slot", token) for token in (b"one", b"two")]

    assert post(cloud, work)[0] == [True, False]


def test_a_claim_whose_answer_was_lost_is_ours() -> None:
    """The try that failed had worked: the slot must not stay empty."""
    cloud = MemoryCloud()
    cloud.lose_answer("put_new")

    async def work(courier: Courier) -> bool:
        return await courier.claim("slot", b"one")

    assert post(cloud, work)[0]
    assert cloud.calls["put_new"] == 2
