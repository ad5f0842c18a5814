"""What one Lambda invocation is told, the record that controls all of a run's invocations, and where things lie
(pure).

Leaves to others: S3 and SQS (aws), doing it (handler), starting invocations (the launcher).

Everything a run leaves in the bucket lies under `tests/` and expires after two days. The control record is one
small object that every
worker polls; a claim is an object that can be created once, so that an invocation that AWS delivers twice makes
load once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from grapeshot_worker.metrics.period import WINDOW_MS
from grapeshot_worker.plan import Part, Share

LEASE_LIMIT = 60.0  # seconds after which a worker stops by itself when nobody renews the control record
POLL_INTERVAL = 1.0  # seconds between two looks at the control record
LONGEST_REPORT = 5.0  # seconds between two reports of an engine process to its worker
TICK = 0.25  # seconds between two looks at the clock
# Seconds: for the last report of a window to come in, and over which the workers' messages are spread.
FLUSH_MARGIN, FLUSH_SPREAD = 1.0, 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """The event of one invocation: worker `index` of `count`, in one part of the run.

    `index` and `count` say who it is: in messages, claims and names. Which part of the load it makes is its `share`:
    workers that are `copies` make the whole load each. The run id is not in the bundle: the script's `test_id` is the
    invocation's run id.
    """

    run_id: str
    index: int
    count: int
    copies: bool = False
    generation: int = 0
    part: Part = "load"
    region: str
    bucket: str
    queue_url: str
    bundle_digest: str  # sha256 of the archive, hex
    processes: int = 1  # engine processes, one for each vCPU
    window: tuple[float, float | None] = (0.0, None)  # seconds of the test's timeline
    variables: dict[str, Any] = field(default_factory=dict)  # captured by `before`
    flush_interval: float = 2.0  # seconds between messages

    @property
    def share(self) -> Share:
        """The worker's share of the load; its processes have the parts of this share."""
        return Share() if self.copies or self.part != "load" else Share(self.index, self.count)

    @property
    def copy(self) -> int | None:
        """Which copy of the whole load the worker is, for its Assignments; None where the load is shared."""
        return self.index if self.copies and self.part == "load" else None

    @property
    def relayed(self) -> bool:
        """Whether it makes one of several windows of the load: then others come before it or after it."""
        return self.window != (0.0, None)

    @property
    def full_windows(self) -> bool:
        """Whether it sends each window once, when it is full: of very many workers that is half the work."""
        return self.flush_interval * 1000 >= WINDOW_MS

    @property
    def report_interval(self) -> float:
        """Seconds between two reports of an engine process to its worker: two or more between messages."""
        return min(self.flush_interval / 2, LONGEST_REPORT)

    def until_message(self, now: float) -> float:
        """Give the seconds from `now` (epoch seconds) to the next message.

        A full window is sent as soon as every process has had the time to report past its end.

        >>> given = {"run_id": "t", "count": 1000, "region": "", "bucket": "", "queue_url": "", "bundle_digest": ""}
        >>> Invocation(index=0, **given).until_message(1234.0)
        2.0
        >>> many = Invocation(index=500, flush_interval=10.0, **given)  # 6.5 s after a window's end
        >>> many.until_message(1234.0), many.until_message(1236.5), many.until_message(1237.0)
        (2.5, 10.0, 9.5)
        >>> round(many.until_message(1236.499), 3)  # as good as the moment itself
        10.001
        """
        if not self.full_windows:
            return self.flush_interval
        after = self.report_interval + FLUSH_MARGIN + FLUSH_SPREAD * self.index / self.count
        past_end = (now - after + TICK) % (WINDOW_MS / 1000) - TICK
        return self.flush_interval - past_end

    def to_json(self) -> str:
        """Give the payload of the invocation."""
        return json.dumps(asdict(self))

    @classmethod
    def from_event(cls, event: Any) -> Invocation:
        """Read the event back; ValueError for anything else."""
        try:
            start, end = event["window"]
            return cls(**{**event, "window": (start, end)})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"this is no invocation of Grapeshot: {type(error).__name__}: {error}"
            ) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlRecord:
    """wait → go(start_at) → stop; `renewed_at` is the lease. Moments are wall-clock epoch seconds.

    Before each part of a run the record says `wait` again. A record that is gone means `stop`: the run is over.
    """

    state: Literal["wait", "go", "stop"] = "wait"
    start_at: float | None = None
    reason: Literal["interrupted", "terminated", "asked"] = "asked"
    renewed_at: float = 0.0

    def to_json(self) -> bytes:
        """Give the object's body."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, body: bytes) -> ControlRecord:
        """Read it back; ValueError for anything else."""
        try:
            return cls(**json.loads(body))
        except TypeError as error:
            raise ValueError(f"this is no control record: {error}") from error


def run_prefix(run_id: str) -> str:
    """Give the prefix of everything that one run leaves in the bucket."""
    return f"tests/{run_id}/"


def control_key(run_id: str) -> str:
    """Give the key of the run's control record."""
    return f"{run_prefix(run_id)}control.json"


def stop_key(run_id: str) -> str:
    """Give the key of the object by which another machine asks the run's launcher to stop."""
    return f"{run_prefix(run_id)}stop.json"


def claim_key(invocation: Invocation) -> str:
    """Give the key whose creation claims the slot."""
    return f"{run_prefix(invocation.run_id)}claims/{_slot(invocation)}"


def final_key(invocation: Invocation) -> str:
    """Give the key of the worker's last message, with its totals."""
    return f"{run_prefix(invocation.run_id)}final/{_slot(invocation)}"


def bundle_key(digest: str) -> str:
    """Give the key of a bundle, by its content."""
    return f"tests/bundles/{digest}.tar.gz"


def _slot(invocation: Invocation) -> str:
    return f"{invocation.part}-{invocation.generation}-{invocation.index}"
