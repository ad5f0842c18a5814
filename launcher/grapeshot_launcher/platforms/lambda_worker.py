"""One invocation of the function, as the launcher sees it: what the queue brought of it, and whether it is done.

Leaves to others: the queue, the control record, and all invocations together (lambda_).

The queue delivers at least once and in any order, so a worker is done when its last message and all before it have
come, or some seconds after the last one. Nothing can end an invocation from outside: a worker that is killed here is
not listened to any more, and stops when the record says so, or when nobody renews it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from grapeshot_launcher.platforms import Line
from grapeshot_launcher.results.cost import WorkerTime
from grapeshot_launcher.results.sequences import Sequences
from grapeshot_worker.errors import Exit, GrapeshotError
from grapeshot_worker.invocation import Invocation
from grapeshot_worker.messages import Control, Failed, Finished, Message

GAP_LIMIT = 8.0  # s after a worker's last message for those before it that have not come yet


class LambdaWorker:
    """One invocation, as the launcher sees it; times are of the event loop's clock."""

    def __init__(self, invocation: Invocation, control: Callable[[Control], None], now: float) -> None:
        self.invocation, self.invoked, self.heard = invocation, now, now
        self.took = 0.0  # ms that it is charged for, as it says itself; 0 while it has not
        self._control = control
        self._sequences = Sequences()
        self._last: int | None = None  # the number of its last word
        self._highest = 0
        self._mail: asyncio.Queue[Message | GrapeshotError | None] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._killed = False

    @property
    def ended(self) -> bool:
        """Whether nothing more is awaited of it."""
        return self._ended.is_set()

    @property
    def done(self) -> bool:
        """Whether it has said its last word: it makes no load any more."""
        return self._last is not None

    def hear(self, message: Message, now: float) -> None:
        """Take a message that the queue brought, for the first time or again."""
        if self.ended:
            return
        self.heard = now
        if self._sequences.add(message.sequence):
            self._highest = max(self._highest, message.sequence)
            self._mail.put_nowait(message)
        if isinstance(message, Finished | Failed):
            self._last = message.sequence
            self.took = message.facts.billed_ms if isinstance(message, Finished) else self.took
            asyncio.get_running_loop().call_later(GAP_LIMIT, self.end)
        if self._last is not None and self._sequences.covers(1, self._last):
            self.end()

    def charged(self, now: float, *, limit: float) -> WorkerTime:
        """Say how long AWS charges for it; where it did not say so, the time until its last word, or until now."""
        if self.took:
            return WorkerTime(seconds=self.took / 1000, measured=True)
        end = self.heard if self.done else now
        return WorkerTime(seconds=min(end - self.invoked, limit), measured=False)

    def out_of_time(self, limit: float) -> None:
        """Say in its place that it can't have gone on for longer than `limit` seconds, and end it."""
        if self.ended:
            return
        each = self.invocation
        self._mail.put_nowait(
            Failed(
                run_id=each.run_id,
                generation=each.generation,
                index=each.index,
                sequence=self._highest + 1,
                message=f"Worker {each.index + 1} was not heard of when its time limit of {limit:.0f} s was over.",
                cause="AWS Lambda has ended it, it ran out of memory, or it could not reach the queue.",
                remedy="See the function's log in CloudWatch; give it more memory (--memory-size) or a way to SQS.",
                exit_code=Exit.WORKER,
            )
        )
        self.end()

    def break_off(self, error: GrapeshotError) -> None:
        """End it because AWS can't be asked any more."""
        if not self.ended:
            self._mail.put_nowait(error)
            self.end()

    def end(self) -> None:
        """Await nothing more of it."""
        if not self.ended:
            self._ended.set()
            self._mail.put_nowait(None)

    # ---- a Worker ----

    async def messages(self) -> AsyncIterator[Message]:
        """Give its messages, each once, in the order they came."""
        while (message := await self._mail.get()) is not None:
            if isinstance(message, GrapeshotError):
                raise message
            yield message
            del message  # it is large, and the next one may be long in coming

    async def output(self) -> AsyncIterator[Line]:
        """Give nothing: what hooks print is in the function's log, in CloudWatch."""
        await self._ended.wait()
        nothing: tuple[Line, ...] = ()
        for line in nothing:
            yield line

    def send(self, control: Control) -> None:
        """Tell it, and with it everybody: there is one record for all."""
        self._control(control)

    def kill(self) -> None:
        """Stop listening to it."""
        self._killed = self._killed or not self.ended
        self.end()

    async def wait(self) -> int:
        """Wait until nothing more is awaited."""
        await self._ended.wait()
        return -9 if self._killed else 0
