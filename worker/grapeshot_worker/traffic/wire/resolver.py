"""Host names → addresses, asked once a second at most and shared by all users.

Leaves to others: connecting (connection).

The system's resolver has few threads, and a thousand users who arrive in a second would ask it the same thing; but an
answer that is kept for long would hide that a target changes its addresses. Users are spread over the addresses of a
name in turn, within each family, in the order of families that the system prefers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from time import perf_counter

LookUp = Callable[[str], Awaitable[Sequence[str]]]


class Resolver:
    """Looks names up; `keep` is for how many seconds an answer is good."""

    def __init__(
        self, *, keep: float = 1.0, clock: Callable[[], float] = perf_counter, look_up: LookUp | None = None
    ) -> None:
        self._keep = keep
        self._clock = clock
        self._look_up = look_up or ask_system
        self._answers: dict[str, tuple[float, asyncio.Future[Sequence[str]]]] = {}
        self._turn = itertools.count()

    async def resolve(self, host: str) -> Sequence[str]:
        """Give the addresses to try, best first; socket.gaierror if there are none."""
        if is_address(host):
            return (host,)
        asked_at, answer = self._answers.get(host, (0.0, None))
        failed = (
            answer is not None and answer.done() and (answer.cancelled() or answer.exception() is not None)
        )
        if answer is None or failed or self._clock() - asked_at >= self._keep:
            answer = asyncio.ensure_future(self._ask(host))
            answer.add_done_callback(_retrieve)
            self._answers[host] = (self._clock(), answer)
        # Shielded: a user who leaves does not take the answer from those who wait for it too.
        addresses = await asyncio.shield(answer)
        return rotate(addresses, next(self._turn)) if len(addresses) > 1 else addresses

    async def _ask(self, host: str) -> Sequence[str]:
        try:
            return await self._look_up(host)
        except UnicodeError:  # a label that no name server could know
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a host name") from None


async def ask_system(host: str) -> Sequence[str]:
    """Ask the system's resolver; its order, each address once."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def rotate(addresses: Sequence[str], turn: int) -> list[str]:
    """Begin with another address of each family every turn.

    >>> rotate(["::1", "::2", "10.0.0.1", "10.0.0.2"], 1)
    ['::2', '::1', '10.0.0.2', '10.0.0.1']
    """
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    return [same[(turn + k) % len(same)] for same in families.values() for k in range(len(same))]


@lru_cache(maxsize=1024)
def is_address(host: str) -> bool:
    """Tell an IP address from a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _retrieve(answer: asyncio.Future[Sequence[str]]) -> None:
    # So that the loop does not complain about an error that nobody waited for.
    if not answer.cancelled():
        answer.exception()
