"""The command `stop`: asks a run's launcher, from another machine, to end the run.

Leaves to others: which runs are alive (cloud.leftovers), and ending it (the launcher of the run).

The asking is an object beside the run's control record, for which the run's launcher looks once a second; it then
publishes `stop` in the record, which the workers read once a second. The record itself is the launcher's alone: it
renews it all the time, and would write over what another machine puts there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from difflib import get_close_matches

from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.leftovers import known_runs
from grapeshot_launcher.cloud.resources import Site
from grapeshot_launcher.cloud.survey import account_in, see_metadata, see_objects, see_run, see_runs
from grapeshot_launcher.options import StopOptions
from grapeshot_worker.errors import GrapeshotError
from grapeshot_worker.invocation import stop_key

ANSWER_LIMIT = 15.0  # s for the launcher's answer
LOOK = 0.5  # s between two looks for it
NAMED = 10  # runs that are named


def stop(
    options: StopOptions,
    *,
    say: Callable[[str], None],
    aws: Aws | None = None,
    now: Callable[[], float] = time.time,
    pause: Callable[[float], object] = time.sleep,
) -> int:
    """Have a run stop, and give 0 when its launcher has told the workers to.

    Raises GrapeshotError when there is no such run, when it is over, or when its launcher does not answer.
    """
    aws = aws or account_in(options.region, options.prefix)
    site = Site(account=aws.caller().account, region=options.region, prefix=options.prefix)
    run_id = options.run_id
    if not see_run(aws, site, run_id).alive(now()):
        objects = see_objects(aws, site)
        runs = see_runs(aws, site, objects)
        running = [run.run_id for run in runs if run.alive(now())]
        known = {*(run.run_id for run in runs), *known_runs(see_metadata(aws, site))}
        raise not_running(run_id, site, running=running, known=known)
    aws.put_object(site.bucket, stop_key(run_id), json.dumps({"reason": "asked", "at": now()}).encode())
    say(f"Run {run_id} was asked to stop.")
    deadline = now() + ANSWER_LIMIT
    while now() < deadline:
        run = see_run(aws, site, run_id)
        if run.silence(now()) is None or (run.record is not None and run.record.state == "stop"):
            say("Its workers are told to stop; its launcher reports what was measured.")
            return 0
        pause(LOOK)
    raise GrapeshotError(
        f"The launcher of run {run_id} has not answered within {ANSWER_LIMIT:.0f} s.",
        cause="It is still preparing the run, and will stop then; or it is gone, or can't reach AWS.",
        remedy="Workers whose launcher is gone stop by themselves within 60 s; then use `grapeshot clean`.",
    )


def not_running(
    run_id: str, site: Site, *, running: Collection[str], known: Collection[str]
) -> GrapeshotError:
    """Say why a run can't be stopped, and which ones could; those whose ids are like this one come first."""
    like = get_close_matches(run_id, running, n=NAMED, cutoff=0.3)
    named = [*like, *(other for other in sorted(running) if other not in like)][:NAMED]
    more = len(running) - len(named)
    now = f"Running there now: {', '.join(named)}" + (f" and {more} more." if more else ".")
    if not running:
        now = "No run is running there now."
    if run_id in known:
        return GrapeshotError(
            f"Run {run_id} is over already.",
            cause=f"Its lease is not renewed any more. {now}",
            remedy=f"`grapeshot clean --region {site.region} --prefix {site.prefix}` shows what it may have left.",
        )
    return GrapeshotError(
        f"There is no run {run_id} in {site.region} with the prefix {site.prefix}.",
        cause=now,
        remedy="Check the id, the first line that a run prints, and its --region and --prefix.",
    )
