"""The run's control record in the bucket: claimed for the run, kept alive, removed with all that the run left there.

Leaves to others: what the record says and when (the platform), and obeying it (the worker).

The record is also the claim of the run's id: it is created on the condition that there is none. A second run with
the same id, by mistake, fails at its first step and touches nothing of the first one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import NoReturn

from grapeshot_launcher.cloud.bucket import remove_objects
from grapeshot_launcher.cloud.calls import Reach, again, undone
from grapeshot_launcher.cloud.errors import AwsError, Conflict, Missing
from grapeshot_worker.invocation import ControlRecord, control_key, run_prefix

RENEWAL = 10.0  # s between two renewals; workers stop by themselves after six that are missed
SETTLING = 20.0  # s in which S3 tells itself of a new bucket


class ControlObject:
    """The control record of a run. `now` is the wall clock, in epoch seconds."""

    def __init__(self, reach: Reach, bucket: str, run_id: str, *, now: Callable[[], float]) -> None:
        self._reach, self._bucket, self._run_id, self._now = reach, bucket, run_id, now
        self._key = control_key(run_id)
        self._lock = asyncio.Lock()  # a renewal of "wait" must not arrive after "go"
        self._record = ControlRecord(renewed_at=now())
        self._claimed = False

    @property
    def record(self) -> ControlRecord:
        """What was said last."""
        return self._record

    async def claim(self, undo: AsyncExitStack) -> None:
        """Create the record, in state `wait`; `undo` removes everything of the run. AwsError if the id is taken."""
        undo.push_async_callback(self._withdraw)
        try:
            await again(lambda: self._put(self._record, new=True), on=(Missing,), within=SETTLING, pause=1.0)
        except Conflict as error:
            if await self._is_as_written():  # the SDK asked twice, for the first answer got lost
                self._claimed = True
                return
            raise AwsError(
                f"There is a run with the id {self._run_id} already.",
                cause="It runs now, or it ran within the last two days and could not clean up after itself.",
                remedy="Give this run another id (ARTILLERY_TEST_RUN_ID), or none to get a new one.",
                code=error.code,
            ) from error
        self._claimed = True

    async def say(self, record: ControlRecord) -> None:
        """Publish a record to all workers; its lease begins now."""
        async with self._lock:
            self._record = replace(record, renewed_at=self._now())
            await self._put(self._record)

    async def renew(self) -> None:
        """Publish the last record again, with a new lease."""
        async with self._lock:
            self._record = replace(self._record, renewed_at=self._now())
            await self._put(self._record)

    async def keep(self) -> NoReturn:
        """Renew for ever; a renewal that fails is told once, and the next one may succeed."""
        told = False
        while True:
            await asyncio.sleep(RENEWAL)
            try:
                await self.renew()
                told = False
            except AwsError as error:
                if not told:
                    self._reach.warn(f"The workers could not be told that this run goes on: {error.message}")
                told = True

    async def _put(self, record: ControlRecord, *, new: bool = False) -> None:
        aws = self._reach.aws
        await self._reach.call(aws.put_object, self._bucket, self._key, record.to_json(), new=new)

    async def _is_as_written(self) -> bool:
        body = await self._reach.call(self._reach.aws.get_object, self._bucket, self._key)
        return body == self._record.to_json()

    async def stop(self) -> None:
        """Have whoever still listens stop, unless that was said already; never raises."""
        if self._record.state != "stop":
            with suppress(AwsError):
                await self.say(ControlRecord(state="stop"))

    async def _withdraw(self) -> None:
        """Remove what the run left; another run's things are left alone."""

        async def withdraw() -> None:
            # After a claim whose answer never came, the record itself tells whose it is.
            if self._claimed or await self._is_as_written():
                removed = await remove_objects(self._reach, self._bucket, run_prefix(self._run_id))
                self._reach.tell(f"Removed: {removed} objects of the run from bucket {self._bucket}")

        def complain(reason: str) -> None:
            self._reach.warn(
                f"The run's objects in bucket {self._bucket} could not be removed: {reason} "
                "They expire within two days."
            )

        await undone(withdraw, complain=complain)
