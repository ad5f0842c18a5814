"""The command `grapeshot history`: the reports of a directory or of an S3 prefix → one page of their trend.

Leaves to others: what a report says (results.earlier), which runs make a line (results.history), the page (views.html).

Reports are read one after the other, and only what their points and comparisons need is kept. What is no report is told
in a line and left out; so is a file that can't be read. Each call to S3 has the limits of the SDK (docs/limits.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grapeshot_launcher.cloud.resources import Site, site_problems
from grapeshot_launcher.errors import BaselineRefused, OutputRefused, ReportRefused, SettingsRefused
from grapeshot_launcher.options import HistoryOptions
from grapeshot_launcher.results.earlier import EarlierRun, read_earlier
from grapeshot_launcher.results.history import History, compact, history
from grapeshot_launcher.views.console import plain
from grapeshot_launcher.views.html.trend import trend_page
from grapeshot_launcher.views.plan import plural

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.aws import Aws

MOST_FILES: Final = 10_000  # that are read
LARGEST: Final = 256 * 1024 * 1024  # bytes of a file that is read; a day's report has some 50 MB
TOLD: Final = 20  # files left out that are named
AT_ONCE: Final = 8  # objects fetched at the same time, and held
_S3: Final = "s3://"
_REMEDY: Final = "Give a directory that has files of `grapeshot run … -o report.json`, or s3://BUCKET/PREFIX."

Say = Callable[[str], None]
Found = Iterator[tuple[str, bytes | str]]  # a file's name; what is in it, or why that is not known


@dataclass(frozen=True, kw_only=True, slots=True)
class Prefix:
    """Where reports lie in S3."""

    bucket: str
    prefix: str
    region: str


def trend(
    asked: HistoryOptions,
    *,
    environ: Mapping[str, str],
    say: Say,
    warn: Say,
    reach: Callable[[str], Aws] | None = None,
) -> int:
    """Write the page, and give 0; `reach` gives the calls to a region.

    Raises OutputRefused, before anything is read, when the page can't be written; ReportRefused when there is no such
    place, or no report in it; AwsError when S3 refuses.
    """
    output = _output(asked.output)
    left_out = _LeftOut(warn)
    seen = history(_runs(_found(asked, environ, left_out, reach), left_out))
    for name in seen.repeated:
        left_out(name, "another file tells of the same run")
    left_out.end()
    if not seen.points:
        raise ReportRefused(f"There is no report in {asked.place}", remedy=_REMEDY)
    try:
        output.write_bytes(trend_page(seen))
    except OSError as error:
        raise _unwritable(output, error.strerror or str(error)) from error
    say(f"Page: {output} ({_summary(seen)})")
    return 0


class _LeftOut:
    """Tells which files are left out; after many of them, only how many more."""

    def __init__(self, warn: Say) -> None:
        self._warn = warn
        self._count = 0

    def __call__(self, name: str, why: str) -> None:
        self._count += 1
        if self._count <= TOLD:
            self._warn(plain(f"Left out: {name}: {why}"))

    def end(self) -> None:
        if self._count > TOLD:
            self._warn(f"Left out: {self._count - TOLD:,} more.")


def _output(path: str) -> Path:
    output = Path(path)
    if output.is_dir():
        raise _unwritable(output, "It is a directory")
    if not output.parent.is_dir():
        raise _unwritable(output, f"There is no directory {output.parent}")
    return output


def _unwritable(output: Path, cause: str) -> OutputRefused:
    return OutputRefused(
        f"The page can't be written to {output}",
        cause=f"{cause.rstrip('.')}.",
        remedy="Give another place with -o.",
    )


def _runs(found: Found, left_out: _LeftOut) -> Iterator[tuple[str, EarlierRun]]:
    for name, data in found:
        if isinstance(data, str):
            left_out(name, data)
            continue
        try:
            run = read_earlier(data, name)
        except BaselineRefused as error:
            left_out(name, error.cause)
            continue
        yield name, compact(run)


def _found(
    asked: HistoryOptions,
    environ: Mapping[str, str],
    left_out: _LeftOut,
    reach: Callable[[str], Aws] | None,
) -> Found:
    if not asked.place.startswith(_S3):
        return _bounded(_files(asked.place), partial(map, _file), left_out)
    place = prefix_of(asked.place, asked.region, environ)
    if reach is None:
        from grapeshot_launcher.cloud.aws import (
            Aws,
        )  # late: the SDK takes a while, and a directory needs none

        reach = Aws
    aws = reach(place.region)
    keys = (one.key for one in aws.stored(place.bucket, place.prefix) if one.key.endswith(".json"))
    return _bounded(keys, partial(_objects, aws, place.bucket), left_out)


def _bounded(names: Iterator[str], read: Callable[[Iterator[str]], Found], left_out: _LeftOut) -> Found:
    """Read the first so many files."""
    known = list(names)
    yield from read(iter(known[:MOST_FILES]))
    for name in known[MOST_FILES:]:
        left_out(name, f"more than {MOST_FILES:,} files are not read")


def _files(place: str) -> Iterator[str]:
    """Walk through a directory in order of names; links to directories are not followed."""
    if not Path(place).is_dir():
        raise ReportRefused(f"There is no directory {place}", remedy=_REMEDY)
    for folder, folders, files in os.walk(place):
        folders.sort()
        yield from (str(Path(folder, file)) for file in sorted(files) if file.endswith(".json"))


def _file(name: str) -> tuple[str, bytes | str]:
    path = Path(name)
    try:
        if not path.is_file():
            return name, "it is no file"
        if (size := path.stat().st_size) > LARGEST:
            return name, _too_large(size)
        return name, path.read_bytes()
    except OSError as error:
        return name, f"it can't be read: {error.strerror or error}"


def _objects(aws: Aws, bucket: str, keys: Iterator[str]) -> Found:
    """Fetch objects, some at a time, in order."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3") as pool:
        rest = list(keys)
        for start in range(0, len(rest), AT_ONCE):
            some = rest[start : start + AT_ONCE]
            for key, data in zip(some, pool.map(partial(aws.get_object, bucket), some), strict=True):
                name = f"{_S3}{bucket}/{key}"
                if data is None:
                    yield name, "it is gone"
                else:
                    yield name, data if len(data) <= LARGEST else _too_large(len(data))


def _too_large(size: int) -> str:
    return f"it has {size / 1024**2:,.0f} MB, and no more than {LARGEST // 1024**2} are read"


def prefix_of(place: str, region: str | None, environ: Mapping[str, str]) -> Prefix:
    """Read `s3://bucket/prefix`; SettingsRefused when bucket or region can't be right.

    >>> prefix_of("s3://reports/main", None, {"AWS_REGION": "eu-west-1"})
    Prefix(bucket='reports', prefix='main', region='eu-west-1')
    """
    bucket, _, prefix = place.removeprefix(_S3).partition("/")
    if not bucket:
        raise SettingsRefused(f"{place} names no bucket", remedy="Write s3://BUCKET/PREFIX.")
    where = region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    if problems := site_problems(Site(account="0" * 12, region=where)):
        raise SettingsRefused("\n".join(problems))
    return Prefix(bucket=bucket, prefix=prefix, region=where)


def _summary(seen: History) -> str:
    commits = {point.commit for point in seen.points if point.commit}
    refs = {point.ref for point in seen.points if point.ref}
    words = [plural(len(seen.points), "run"), plural(len(commits), "commit")]
    words.append(f"{len(refs):,} {'branch' if len(refs) == 1 else 'branches'}")
    worse = sum(point.change == "regression" for point in seen.points)
    return ", ".join([*words, *([plural(worse, "regression")] if worse else [])])
