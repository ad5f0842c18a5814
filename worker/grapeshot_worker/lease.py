"""Watches a run's control record: what the launcher wants, and whether it still lives.

Leaves to others: obeying (shift), the calls to S3 (courier).

The launcher renews the record again and again. Whether it does is judged by this machine's clock alone, by when the
record was last seen to change: the clocks of two machines differ. A look that fails is no change, so a record that
can't be read for long counts as a launcher that is gone: both leave a load that nobody watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from grapeshot_worker.courier import Courier
from grapeshot_worker.errors import CloudError, GrapeshotError
from grapeshot_worker.invocation import POLL_INTERVAL, ControlRecord, control_key


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

    async def follow(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            try:
                self._see(await self._courier.look(self._key))
            except CloudError as error:
                self.unread = error

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
