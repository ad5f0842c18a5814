"""Names and addresses: asked seldom, shared by all, spread evenly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from exact_server import SetClock, replying, run, serving
from grapeshot_worker.script.model import HttpSettings
from grapeshot_worker.traffic.wire.connection import Connector
from grapeshot_worker.traffic.wire.network_errors import NetworkError, name_of
from grapeshot_worker.traffic.wire.resolver import Resolver, rotate
from grapeshot_worker.traffic.wire.url import Origin

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Directory:
    """A name server on paper that counts how often it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses, self.asked = addresses, 0

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked += 1
        await asyncio.sleep(0)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, host)
        return self.addresses


def test_one_question_for_many_users() -> None:
    """Users who come together share one look-up; a second later it is asked again."""

    async def main() -> list[int]:
        directory, clock = Directory("10.0.0.1"), SetClock()
        resolver = Resolver(clock=clock, look_up=directory)
        counts = []
        for step in (0.0, 0.9, 0.1):
            clock.now += step
            await asyncio.gather(*(resolver.resolve("a.example") for _ in range(50)))
            counts.append(directory.asked)
        return counts

    assert run(main()) == [1, 1, 2]


def test_a_failure_is_not_kept() -> None:
    """Who comes after a failed look-up asks again."""

    async def main() -> int:
        directory = Directory()
        resolver = Resolver(look_up=directory)
        for _ in range(3):
            with pytest.raises(socket.gaierror):
                await resolver.resolve("a.example")
        return directory.asked

    assert run(main()) == 3


def test_who_leaves_takes_nothing_from_the_others() -> None:
    """A cancelled user does not cancel the look-up that others wait for."""

    async def main() -> Sequence[str]:
        resolver = Resolver(look_up=Directory("10.0.0.1"))
        first, second = (asyncio.create_task(resolver.resolve("a.example")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert run(main()) == ("10.0.0.1",)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0"])
def test_addresses_are_not_looked_up(host: str) -> None:
    """An address is its own answer."""
    directory = Directory()

    assert run(Resolver(look_up=directory).resolve(host)) == (host,)
    assert directory.asked == 0


def test_spread() -> None:
    """Each address of the preferred family comes first equally often; the other family stays behind."""
    first = [rotate(["::1", "::2", "::3", "10.0.0.1"], turn)[0] for turn in range(9)]

    assert sorted(first) == ["::1"] * 3 + ["::2"] * 3 + ["::3"] * 3


def test_the_next_address_is_tried() -> None:
    """When one address of a name refuses, the next one is used."""

    async def main() -> bytes:
        async with serving(replying(OK)) as port:
            resolver = Resolver(look_up=Directory("::1", "127.0.0.1"))
            connection = await Connector(HttpSettings(), resolver=resolver).connect(
                Origin("http", "two.example", port)
            )
            response = await connection.exchange(b"GET / HTTP/1.1\r\n\r\n")
            connection.close()
            return response.body

    assert run(main()) == b"ok"


def test_all_addresses_refuse() -> None:
    """When every address refuses, the first refusal is told."""

    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            resolver = Resolver(look_up=Directory("127.0.0.1", "127.0.0.1"))
            origin = Origin("http", "two.example", unused.getsockname()[1])
            await Connector(HttpSettings(), resolver=resolver).connect(origin)

    with pytest.raises(NetworkError, match="ECONNREFUSED"):
        run(main())


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (socket.gaierror(socket.EAI_NONAME, ""), "ENOTFOUND"),
        (socket.gaierror(socket.EAI_AGAIN, ""), "EAI_AGAIN"),
        (OSError(24, "Too many open files"), "EMFILE"),
        (BrokenPipeError(32, "Broken pipe"), "EPIPE"),
        (TimeoutError(110, "Connection timed out"), "ETIMEDOUT"),
        (OSError(99, "Cannot assign requested address"), "EADDRNOTAVAIL"),
        (ConnectionAbortedError(), "ECONNRESET"),
        (OSError("no number"), "ECONNRESET"),
        (None, "ECONNRESET"),
    ],
)
def test_names_of_faults(error: BaseException | None, name: str) -> None:
    """The system's faults are counted under Node's names."""
    assert name_of(error) == name
