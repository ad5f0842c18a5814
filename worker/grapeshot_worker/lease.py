"""Watches a run's control record: what the launcher wants, and whether it still lives.

Leaves to others: obeying (shift), the calls to S3 (courier).

The launcher renews the record again and again. Whether it does is judged by this machine's clock alone, by when the
record was last seen to change: the clocks of two machines differ. A look that fails is no change, so a record that
can't be read for long counts as a launcher that is gone: both leave a load that nobody watches.

A look that hangs is given up long before the SDK would do so, and the next one follows at once: a stop is read within
LOOK_LIMIT + POLL_INTERVAL seconds from when S3 can be read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from grapeshot_worker.courier import Courier
from grapeshot_worker.errors import CloudError, GrapeshotError
from grapeshot_worker.invocation import POLL_INTERVAL, ControlRecord, control_key

LOOK_LIMIT = 2.0  # seconds for one look; its thread may hang for as long as the SDK lets it


class Lease:
    """A run's control record, as last seen; `tell` gets each change.

    `unread`: why it can't be read just now, if so. `gone`: it was removed, for the run is over.
    """

    def __init__(self, run_id: str, courier: Courier, *, tell: Callable[[ControlRecord], None]) -> None:
        self._key, self._courier, self._tell = control_key(run_id), courier, tell
        self._changed = asyncio.get_running_loop().time()
        self.record: ControlRecord | None = None
        self.unread: GrapeshotError | None = None
        self.gone = False

    async def begin(self) -> bool:
        """Take the first look; False if there is no record: the run is over. CloudError if S3 can't be reached."""
        body = await self._courier.get(self._key)
        if body is not None:
            self._see(body)
        return body is not None

    async def goes_on(self) -> bool:
        """Look once whether the run is neither gone nor stopped; CloudError if S3 can't be reached."""
        body = await self._courier.look(self._key)
        if body is not None:
            self._see(body)
        return body is not None and self.record is not None and self.record.state != "stop"

    async def follow(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(began + POLL_INTERVAL - loop.time())
            began = loop.time()
            try:
                async with asyncio.timeout(LOOK_LIMIT):
                    body = await self._courier.look(self._key)
            except TimeoutError:
                self.unread = GrapeshotError(
                    f"S3 gave no answer within {LOOK_LIMIT:.0f} s.",
                    remedy="Give workers in a VPC a way to S3 (a NAT gateway or a gateway endpoint)",
                )
            except CloudError as error:
                self.unread = error
            else:
                self._see(body)

    @property
    def age(self) -> float:
        """Seconds since the record was last seen to change."""
        return asyncio.get_running_loop().time() - self._changed

    def _see(self, body: bytes | None) -> None:
        """Take in the record; one that has gone means that the run is over."""
        try:
            record = ControlRecord(state="stop") if body is None else ControlRecord.from_json(body)
        except ValueError as error:
            self.unread = GrapeshotError(str(error))
            return
        self.unread, self.gone = None, body is None
        if record != self.record:
            self.record, self._changed = record, asyncio.get_running_loop().time()
            self._tell(record)
