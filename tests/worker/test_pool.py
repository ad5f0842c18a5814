"""The shared pool: never more connections than its size, first come first served, no wake-up lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from exact_server import run
from grapeshot_worker.traffic.wire.connection import Connection
from grapeshot_worker.traffic.wire.deadlines import Deadlines
from grapeshot_worker.traffic.wire.network_errors import NetworkError
from grapeshot_worker.traffic.wire.pending import Stock
from grapeshot_worker.traffic.wire.pool import SharedPool
from grapeshot_worker.traffic.wire.url import Origin

A, B = Origin("http", "a.example", 80), Origin("http", "b.example", 80)


class PaperTransport(asyncio.Transport):
    """Takes a connection to nobody."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def abort(self) -> None:
        pass


class PaperConnector:
    """Opens paper connections, slowly; counts those that are open."""

    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.most = 0
        self.failing = False
        self.stock = Stock(Deadlines())

    @property
    def open(self) -> int:
        return sum(c.reusable for c in self.made)

    async def connect(self, origin: Origin, *, timeout: float | None = None) -> Connection:
        await asyncio.sleep(0)
        if self.failing:
            raise NetworkError("ECONNREFUSED")
        connection = Connection(origin, self.stock, asyncio.get_running_loop())
        connection.use(PaperTransport())
        self.made.append(connection)
        self.most = max(self.most, self.open)
        return connection


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_never_more_than_its_size() -> None:
    """Many users of two origins, some of whom leave while they wait or fail, share three connections."""

    async def main() -> tuple[int, int]:
        connector, rng, served = PaperConnector(), random.Random(1), 0
        pool = SharedPool(connector, 3)

        async def user(origin: Origin) -> None:
            nonlocal served
            connection = await pool.acquire(origin)
            try:
                assert connection.origin == origin
                for _ in range(rng.randrange(5)):
                    await asyncio.sleep(0)
                if rng.random() < 0.2:
                    connection.close()
            finally:
                pool.release(connection)
            served += 1

        users = [asyncio.create_task(user(rng.choice((A, B)))) for _ in range(300)]
        for victim in rng.sample(users, 60):
            victim.cancel()
            await asyncio.sleep(0)
        results = await asyncio.gather(*users, return_exceptions=True)
        cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
        pool.close()
        assert connector.open == 0
        return served + cancelled, connector.most

    assert run(main()) == (300, 3)


def test_first_come_first_served() -> None:
    """Users of one origin get the connection in the order in which they asked."""

    async def main() -> list[int]:
        pool, order = SharedPool(PaperConnector(), 1), []

        async def user(number: int) -> None:
            connection = await pool.acquire(A)
            order.append(number)
            await asyncio.sleep(0)
            pool.release(connection)

        await asyncio.gather(*(user(n) for n in range(20)))
        return order

    assert run(main()) == list(range(20))


def test_a_connection_is_used_again() -> None:
    """What comes back goes out again; the one used last goes first."""

    async def main() -> int:
        connector = PaperConnector()
        pool = SharedPool(connector, 5)
        first, second = await pool.acquire(A), await pool.acquire(A)
        pool.release(first)
        pool.release(second)
        again = await pool.acquire(A)
        assert again is second
        return len(connector.made)

    assert run(main()) == 2


def test_a_connection_closed_while_idle_is_replaced() -> None:
    """A connection that the other side closed is never handed out, and its place is free."""

    async def main() -> tuple[bool, int]:
        connector = PaperConnector()
        pool = SharedPool(connector, 1)
        pool.release(await pool.acquire(A))
        connector.made[0].reusable = False
        connection = await pool.acquire(A)
        return connection.reusable, len(connector.made)

    assert run(main()) == (True, 2)


def test_an_idle_connection_makes_room_for_another_origin() -> None:
    """The size counts connections to all origins."""

    async def main() -> tuple[int, int]:
        connector = PaperConnector()
        pool = SharedPool(connector, 1)
        pool.release(await pool.acquire(A))
        pool.release(await pool.acquire(B))
        return len(connector.made), connector.most

    assert run(main()) == (2, 1)


def test_nobody_is_passed_over_for_ever() -> None:
    """While one origin is never idle, at most `size` who came later go before a user of another."""

    async def main() -> int:
        pool, before = SharedPool(PaperConnector(), 2), 0
        served_b = asyncio.Event()

        async def busy() -> None:
            nonlocal before
            while not served_b.is_set():
                connection = await pool.acquire(A)
                await asyncio.sleep(0)
                pool.release(connection)
                before += waiting

        waiting = False
        users = [asyncio.create_task(busy()) for _ in range(10)]
        await settle()
        waiting = True
        connection, served_before = await pool.acquire(B), before
        pool.release(connection)
        served_b.set()
        await asyncio.gather(*users)
        return served_before

    assert run(main()) <= 10 + 2  # the ten who were there before it, then two who came later


def test_a_failed_connect_lets_the_next_one_try() -> None:
    """Each user gets its own error, and none waits for ever."""

    async def main() -> list[str]:
        connector = PaperConnector()
        connector.failing = True
        pool = SharedPool(connector, 1)
        results = await asyncio.gather(*(pool.acquire(A) for _ in range(4)), return_exceptions=True)
        connector.failing = False
        pool.release(await pool.acquire(A))
        return [str(r) for r in results]

    assert run(main()) == ["ECONNREFUSED"] * 4


@pytest.mark.parametrize("reusable", [True, False])
def test_a_turn_is_handed_on_by_who_left(reusable: bool) -> None:
    """A user cancelled at the moment its turn came hands the turn to the next one."""

    async def main() -> int:
        connector = PaperConnector()
        pool = SharedPool(connector, 1)
        held = await pool.acquire(A)
        waiting = [asyncio.create_task(pool.acquire(A)) for _ in range(2)]
        await settle()
        held.reusable = reusable
        pool.release(held)
        waiting[0].cancel()
        connection = await waiting[1]
        assert connection.reusable
        return connector.open

    assert run(main()) == 1
