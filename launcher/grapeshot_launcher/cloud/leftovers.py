"""Which of the things that stand in AWS were left behind by runs, and which belong to a run that is alive (pure).

Leaves to others: listing and removing them (clean), stopping a run (stop).

A run is alive while its control record is renewed: the lease that its workers look at. Its age is taken from what the
record says and from when S3 wrote it, and the younger one counts, for the clocks of two machines differ.

The account may hold queues of other tools, and of runs with another prefix, whose names begin with ours
(`artilleryio-extras-…`). A queue is taken for a leftover only if the bucket knows its run, and that is over; or if it
has the attributes of our queues and is older than a day, which no run lasts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grapeshot_launcher.cloud.aws_listing import Stored
from grapeshot_launcher.cloud.resources import METADATA, QUEUE_ATTRIBUTES, Site
from grapeshot_worker.invocation import LEASE_LIMIT, ControlRecord

A_DAY = 86_400.0  # s

_OF_A_RUN = re.compile(r"tests/(?P<run>.+?)/(?:control\.json|stop\.json|(?:claims|final)/[^/]+)")
_METADATA = re.compile(re.escape(METADATA) + r"(?P<run>.+)\.json")
_BUNDLE = re.compile(r"tests/bundles/[0-9a-f]{64}\.tar\.gz")
_FUNCTION = r"-grapeshot-(?:arm64|x86_64)-[0-9a-f]{16}"
QUEUE_NAMES = ("", "-2", "-3")  # what a run's queue may have behind the run's id


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenQueue:
    """A queue whose name begins with the prefix, and its attributes as SQS writes them."""

    url: str
    attributes: Mapping[str, str]

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    @property
    def created(self) -> float:
        """When it was made, in epoch seconds."""
        return float(self.attributes.get("CreatedTimestamp", "nan"))

    @property
    def like_ours(self) -> bool:
        """Whether it has every attribute that a run gives its queue."""
        return all(self.attributes.get(name) == value for name, value in QUEUE_ATTRIBUTES.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenRun:
    """What the bucket holds of one run: its objects, and its control record, if that is there and can be read."""

    run_id: str
    objects: tuple[Stored, ...] = ()
    record: ControlRecord | None = None

    def silence(self, now: float) -> float | None:
        """Give the seconds since the lease was renewed, at epoch second `now`; None without a record."""
        written = [one.written for one in self.objects if one.key.endswith("/control.json")]
        if not written:
            return None
        renewed = self.record.renewed_at if self.record is not None else 0.0
        return max(0.0, now - max(renewed, *written))

    def alive(self, now: float) -> bool:
        """Whether somebody keeps its lease."""
        silence = self.silence(now)
        return silence is not None and silence < LEASE_LIMIT


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """A thing that can go; `age` in seconds, `run_id` of the run that left it, if that is known."""

    kind: str
    name: str
    age: float
    why: str
    run_id: str = ""
    url: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sorted:
    """Everything that was seen: runs that are alive, what they or others still need, what can go."""

    running: tuple[SeenRun, ...]
    leftovers: tuple[Leftover, ...]
    unknown: tuple[SeenQueue, ...]  # queues that may be somebody's


def runs_in(objects: Iterable[Stored]) -> dict[str, list[Stored]]:
    """Sort the objects of runs by run; what no run of ours writes is left out."""
    runs: dict[str, list[Stored]] = {}
    for one in objects:
        if (found := _OF_A_RUN.fullmatch(one.key)) and not _BUNDLE.fullmatch(one.key):
            runs.setdefault(found["run"], []).append(one)
    return runs


def known_runs(metadata: Iterable[Stored]) -> set[str]:
    """Give the runs of the last week, of which the bucket keeps metadata."""
    return {found["run"] for one in metadata if (found := _METADATA.fullmatch(one.key))}


def sort_out(
    site: Site, queues: Sequence[SeenQueue], runs: Sequence[SeenRun], known: Iterable[str], *, now: float
) -> Sorted:
    """Tell leftovers from what is alive, at epoch second `now`; `known` are runs whose metadata is kept.

    Queues must have been listed before the runs were looked at: a run claims its record before it makes its queue.
    """
    running = {run.run_id: run for run in runs if run.alive(now)}
    owners = {
        site.queue(run_id + behind): run_id
        for run_id in (*known, *(run.run_id for run in runs))
        for behind in QUEUE_NAMES
    }
    # Where two ids lead to one name, the living one holds it.
    owners |= {site.queue(run_id + behind): run_id for run_id in running for behind in QUEUE_NAMES}
    leftovers, unknown = [], []
    for queue in queues:
        owner, age = owners.get(queue.name), max(0.0, now - queue.created)
        if owner in running:
            continue
        if owner is not None:
            leftovers.append(_queue(queue, age, f"run {owner} is over", owner))
        elif queue.like_ours and age > A_DAY:
            leftovers.append(_queue(queue, age, "no run lasts so long"))
        else:
            unknown.append(queue)
    leftovers += [_objects(run, now) for run in runs if run.run_id not in running]
    return Sorted(running=tuple(running.values()), leftovers=tuple(leftovers), unknown=tuple(unknown))


def bundles_in(objects: Iterable[Stored], *, now: float) -> list[Leftover]:
    """Give the archives of scripts, which later runs of the same script use again."""
    return [
        Leftover(
            kind="archive",
            name=one.key,
            age=max(0.0, now - one.written),
            why="used again by runs of the same script",
            keys=(one.key,),
        )
        for one in objects
        if _BUNDLE.fullmatch(one.key)
    ]


def functions_of(site: Site, names: Iterable[str]) -> list[str]:
    """Pick the functions that runs with this prefix have made, by their names.

    >>> site = Site(account="123456789012", region="eu-west-1")
    >>> functions_of(site, ["artilleryio-grapeshot-arm64-0123456789abcdef", "artilleryio-grapeshot-mine", "other"])
    ['artilleryio-grapeshot-arm64-0123456789abcdef']
    """
    ours = re.compile(re.escape(site.prefix) + _FUNCTION)
    return [name for name in names if ours.fullmatch(name)]


def _queue(queue: SeenQueue, age: float, why: str, run_id: str = "") -> Leftover:
    return Leftover(kind="queue", name=queue.name, age=age, why=why, run_id=run_id, url=queue.url)


def _objects(run: SeenRun, now: float) -> Leftover:
    silence = run.silence(now)
    return Leftover(
        kind="objects",
        name=f"{len(run.objects)} under tests/{run.run_id}/",
        age=max(0.0, now - max(one.written for one in run.objects)),
        why="its lease was not renewed"
        if silence is not None
        else "their run has no control record any more",
        run_id=run.run_id,
        keys=tuple(one.key for one in run.objects),
    )
