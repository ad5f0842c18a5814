"""An attempt that takes too long cancels its task, and tells that from a cancellation by others."""

from __future__ import annotations

import asyncio

import pytest

from grapeshot_worker.traffic.wire.deadlines import Attempt


@pytest.mark.parametrize(
    ("looked_at", "cancelled_by_others", "late", "left"),
    [(1.0, False, True, 0), (1.0, True, False, 1), (0.9, True, False, 1)],
    ids=["late", "late, and cancelled", "cancelled"],
)
def test_whose_cancellation_it_was(
    looked_at: float, cancelled_by_others: bool, late: bool, left: int
) -> None:
    """Only a task that nobody else wants to end may go on with an error of its own."""

    async def attempts() -> tuple[bool, bool, int]:
        task = asyncio.current_task()
        assert task is not None
        attempt = Attempt(1.0)
        attempt.check(looked_at)
        attempt.check(looked_at)
        if cancelled_by_others:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        return attempt.end(), attempt.end(), task.cancelling()

    assert asyncio.run(attempts()) == (late, False, left)
