"""The command `clean`: says what runs have left behind in AWS, and takes it away when told to.

Leaves to others: which things are leftovers (cloud.leftovers), looking at them (cloud.survey).

What a run that is alive uses is never touched: before each removal its record is read again. What later runs use again
(functions, archives, the bucket) goes with `--all` alone, and only while no run is alive. The role serves every
region of the account, where runs can't be seen from here: how to remove it is told, and left to the person.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from grapeshot_launcher.cloud.errors import AccessDenied, AwsError, Missing
from grapeshot_launcher.cloud.leftovers import (
    Leftover,
    Sorted,
    bundles_in,
    functions_of,
    known_runs,
    sort_out,
)
from grapeshot_launcher.cloud.resources import METADATA, Site
from grapeshot_launcher.cloud.survey import (
    account_in,
    see_metadata,
    see_objects,
    see_queues,
    see_run,
    see_runs,
)
from grapeshot_launcher.options import CleanOptions

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.aws import Aws

Say = Callable[[str], None]
AT_ONCE = 1000  # objects that S3 deletes in one call


def clean(
    options: CleanOptions, *, say: Say, aws: Aws | None = None, now: Callable[[], float] = time.time
) -> int:
    """List or remove what runs left behind; give 0, or 1 when something that should go has stayed.

    Raises AwsError when AWS can't be asked what there is.
    """
    aws = aws or account_in(options.region, options.prefix)
    site = Site(account=aws.caller().account, region=options.region, prefix=options.prefix)
    cleaning = _Cleaning(aws, site, say, now)
    found, shared = cleaning.look(everything=options.everything)
    if not found.leftovers and not shared:
        say(f"Nothing is left behind in {site.region} by runs with the prefix {site.prefix}.")
        return 0
    if not options.yes:
        rest = " --all" if options.everything else ""
        prefix = f" --prefix {site.prefix}"
        say(
            f"Nothing was removed. Remove it with: grapeshot clean --region {site.region}{prefix}{rest} --yes"
        )
        return 0
    return cleaning.remove(found, shared)


class _Cleaning:
    """One use of the command."""

    def __init__(self, aws: Aws, site: Site, say: Say, now: Callable[[], float]) -> None:
        self._aws, self._site, self._say, self._now = aws, site, say, now
        self._stayed = False

    def look(self, *, everything: bool) -> tuple[Sorted, list[Leftover]]:
        """Say what there is; give it, and with `everything` what later runs would use again."""
        queues = see_queues(self._aws, self._site)
        objects, metadata = see_objects(self._aws, self._site), see_metadata(self._aws, self._site)
        runs, now = see_runs(self._aws, self._site, objects), self._now()
        found = sort_out(self._site, queues, runs, known_runs(metadata), now=now)
        for run in found.running:
            self._say(
                f"Running: {run.run_id}, renewed {run.silence(now) or 0.0:.0f} s ago; it is left alone."
            )
        for left in found.leftovers:
            self._say(f"Left behind: {_told(left)}, {ago(left.age)} old: {left.why}.")
        for queue in found.unknown:
            self._say(f"Left alone: queue {queue.name}, which no run of this bucket is known to have made.")
        if not everything:
            return found, []
        shared = [*bundles_in(objects, now=now), *self._functions(), *self._bucket()]
        if found.running and shared:
            self._say("Functions, archives and the bucket stay, because a run uses them.")
            return found, []
        for left in shared:
            self._say(f"For later runs: {_told(left)}; {left.why}.")
        self._say(self._role())
        return found, shared

    def remove(self, found: Sorted, shared: list[Leftover]) -> int:
        """Take everything away; give 1 when something has stayed, which is said."""
        for left in (*found.leftovers, *shared):
            try:
                if left.run_id and see_run(self._aws, self._site, left.run_id).alive(self._now()):
                    self._say(f"Left alone: {_told(left)}: a run of this id has begun meanwhile.")
                    continue
                self._take_away(left)
                self._say(f"Removed: {_told(left)}")
            except AwsError as error:
                self._stayed = True
                self._say(f"Not removed: {_told(left)}: {error.message} {error.remedy}".rstrip())
        return 1 if self._stayed else 0

    def _take_away(self, left: Leftover) -> None:
        match left.kind:
            case "queue":
                self._aws.delete_queue(left.url)
            case "function":
                self._aws.delete_function(left.name)
            case "bucket":
                self._delete([one.key for one in self._aws.stored(self._site.bucket, METADATA)])
                self._aws.delete_bucket(self._site.bucket)
            case _:
                self._delete(left.keys)

    def _delete(self, keys: tuple[str, ...] | list[str]) -> None:
        for start in range(0, len(keys), AT_ONCE):
            self._aws.delete_objects(self._site.bucket, keys[start : start + AT_ONCE])

    def _functions(self) -> list[Leftover]:
        try:
            names = functions_of(self._site, self._aws.list_functions())
        except AccessDenied:
            self._say(
                f"Functions {self._site.prefix}-grapeshot-… can't be listed: lambda:ListFunctions is missing"
                " (the documented policy does not grant it). They cost nothing while no run uses them."
            )
            return []
        return [
            Leftover(kind="function", name=name, age=0.0, why="used again by runs of equal settings")
            for name in names
        ]

    def _bucket(self) -> list[Leftover]:
        try:
            self._aws.head_bucket(self._site.bucket, self._site.account)
        except Missing:
            return []
        return [
            Leftover(kind="bucket", name=self._site.bucket, age=0.0, why="used by all runs in the region")
        ]

    def _role(self) -> str:
        site = self._site
        return (
            f"Kept: role {site.role} and policy {site.policy}, which runs in every region of the account use."
            f" When there are none: aws iam list-attached-role-policies --role-name {site.role}; detach each with"
            f" aws iam detach-role-policy; then aws iam delete-role --role-name {site.role}, and aws iam delete-policy"
            f" --policy-arn {site.policy_arn}"
        )


def _told(left: Leftover) -> str:
    return f"{left.kind} {left.name}"


def ago(seconds: float) -> str:
    """Write an age in one unit.

    >>> [ago(seconds) for seconds in (59, 300, 7300, 200_000)]
    ['59 s', '5 min', '2 h', '2 days']
    """
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"
