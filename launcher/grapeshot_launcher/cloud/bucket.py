"""The bucket of all runs: made once, with rules that empty it, and rid of what a run put there.

Leaves to others: what its name and rules are (resources), and what lies in it (control, the worker).
"""

from __future__ import annotations

from grapeshot_launcher.cloud.calls import Reach, again
from grapeshot_launcher.cloud.errors import AccessDenied, AwsError, Conflict, Missing
from grapeshot_launcher.cloud.resources import Site, merged_lifecycle

SETTLING = 30.0  # s in which a bucket that two runs make at once comes to be


async def ensure_bucket(reach: Reach, site: Site) -> bool:
    """Make the bucket exist, in this account and region, and expire its objects; tell whether it was made now."""
    made = await again(lambda: _find_or_create(reach, site), on=(Conflict,), within=SETTLING, pause=2.0)
    try:
        await _expire_objects(reach, site.bucket)
    except AwsError as error:
        reach.warn(f"The objects in bucket {site.bucket} may not expire: {error.message} {error.remedy}")
    return made


async def _find_or_create(reach: Reach, site: Site) -> bool:
    aws, call = reach.aws, reach.call
    try:
        region = await call(aws.head_bucket, site.bucket, site.account)
    except Missing:
        await _create(reach, site)
        return True
    except AccessDenied as error:
        # S3 gives the same bare 403 for a foreign bucket and for a permission that is lacking.
        raise AccessDenied(
            f"The bucket {site.bucket} is there, and AWS denies the use of it.",
            cause="These credentials lack s3:ListBucket on it, or the bucket belongs to another account.",
            remedy=f"{error.remedy} If the bucket is not yours, use other names (--prefix).",
        ) from error
    if region and region != site.region:
        raise AwsError(
            f"The bucket {site.bucket} is in {region}, not in {site.region}.",
            cause="It was made by something else than Grapeshot, or AWS_ENDPOINT_URL leads to another region.",
            remedy="Use other names (--prefix), or remove that bucket.",
        )
    return False


async def _create(reach: Reach, site: Site) -> None:
    try:
        await reach.call(reach.aws.create_bucket, site.bucket)
    except AwsError as error:
        if error.code == "BucketAlreadyExists":
            raise AwsError(
                f"The name {site.bucket} is taken by another account's bucket.",
                cause="Names of buckets are unique in all of AWS.",
                remedy="Use other names (--prefix).",
                code=error.code,
            ) from error
        if error.code != "BucketAlreadyOwnedByYou":  # another run was faster
            raise


async def _expire_objects(reach: Reach, bucket: str) -> None:
    rules = merged_lifecycle(await reach.call(reach.aws.lifecycle, bucket))
    if rules is not None:
        await reach.call(reach.aws.put_lifecycle, bucket, rules)


async def remove_objects(reach: Reach, bucket: str, prefix: str) -> int:
    """Delete every object with a prefix; tell how many there were."""
    last, removed = "", 0
    while keys := await reach.call(reach.aws.list_objects, bucket, prefix, after=last):
        await reach.call(reach.aws.delete_objects, bucket, keys)
        last, removed = keys[-1], removed + len(keys)
    return removed
