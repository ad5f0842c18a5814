"""Looks at what runs have left in the account, or still use there.

Leaves to others: which of it is a leftover (leftovers), the calls themselves (aws_listing).

Queues are listed before the bucket is: a run claims its record there before it makes its queue, so the run of every
queue that is seen is seen too. Objects of a run are listed once more, and its record read, before they are removed.
"""

from __future__ import annotations

from contextlib import suppress

from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.aws_listing import Stored
from grapeshot_launcher.cloud.errors import Missing
from grapeshot_launcher.cloud.leftovers import SeenQueue, SeenRun, runs_in
from grapeshot_launcher.cloud.resources import METADATA, TEST_DATA, Site, site_problems
from grapeshot_launcher.errors import SettingsRefused
from grapeshot_worker.invocation import ControlRecord, control_key, run_prefix


def account_in(region: str, prefix: str) -> Aws:
    """Reach the account in a region; SettingsRefused when region or prefix can't be right."""
    problems = site_problems(Site(account="0" * 12, region=region, prefix=prefix))
    if problems:
        raise SettingsRefused("\n".join(problems))
    return Aws(region)


def see_queues(aws: Aws, site: Site) -> list[SeenQueue]:
    """List the queues whose names begin with the prefix."""
    found = []
    for url in aws.list_queues(f"{site.prefix}-"):
        attributes = aws.queue_attributes(url)
        if attributes is not None:  # it was removed meanwhile
            found.append(SeenQueue(url=url, attributes=attributes))
    return found


def see_objects(aws: Aws, site: Site) -> list[Stored]:
    """List what lies under `tests/` in the bucket; nothing where there is no bucket."""
    with suppress(Missing):
        return aws.stored(site.bucket, TEST_DATA)
    return []


def see_metadata(aws: Aws, site: Site) -> list[Stored]:
    """List the metadata of the runs of a week; nothing where there is no bucket."""
    with suppress(Missing):
        return aws.stored(site.bucket, METADATA)
    return []


def see_runs(aws: Aws, site: Site, objects: list[Stored]) -> list[SeenRun]:
    """Read the control records of all runs that have objects in the bucket."""
    return [_seen(aws, site, run_id, own) for run_id, own in runs_in(objects).items()]


def see_run(aws: Aws, site: Site, run_id: str) -> SeenRun:
    """Look at one run as it is now."""
    objects: list[Stored] = []
    with suppress(Missing):
        objects = runs_in(aws.stored(site.bucket, run_prefix(run_id))).get(run_id, [])
    return _seen(aws, site, run_id, objects)


def _seen(aws: Aws, site: Site, run_id: str, objects: list[Stored]) -> SeenRun:
    record, key = None, control_key(run_id)
    if any(one.key == key for one in objects):
        body = aws.get_object(site.bucket, key)
        if body is None:  # the run has ended meanwhile, and takes its things along
            objects = [one for one in objects if one.key != key]
        else:
            with suppress(ValueError):  # of another version, say: S3 knows when it was written
                record = ControlRecord.from_json(body)
    return SeenRun(run_id=run_id, objects=tuple(objects), record=record)
