"""What can be asked for on the command line, as values.

Leaves to others: reading it (the commands beside), doing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["arm64", "x86_64"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """What was asked of `run` or `check`; paths, and JSON texts, as they were typed."""

    script: str
    inputs: tuple[str, ...] = ()
    config: str | None = None
    target: str | None = None
    environment: str | None = None
    scenario_name: str | None = None
    payload: str | None = None
    variables: str | None = None
    overrides: str | None = None
    dotenv: str | None = None
    insecure: bool = False
    solo: bool = False
    thresholds: tuple[str, ...] = ()  # checks beyond the script's own
    output: str | None = None
    baseline: str | None = None  # the report of an earlier run
    quiet: bool = False
    workers: int | None = None
    name: str | None = None
    serve: bool = False  # a live page, at `serve_port` of 127.0.0.1, or at a free one
    serve_port: int | None = None
    check: bool = False  # look only: problems and plan


@dataclass(frozen=True, kw_only=True, slots=True)
class LambdaOptions:
    """What was asked of `run-lambda`; `run` is what it has in common with `run`, `--workers` among it."""

    run: RunOptions
    regions: tuple[str, ...] = ("us-east-1",)
    count: int | None = None
    memory_size: int = 4096  # MB
    architecture: Architecture = "arm64"
    role_arn: str | None = None
    security_group_ids: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    aws_tags: str | None = None  # as typed
    timeout: int = 900  # s
    prefix: str = "artilleryio"
    image: str | None = None  # an address, or a digest in the repository
    repository: str = "grapeshot-worker"
    publish: bool = False  # the worker image, where the region lacks it
    max_cost: float | None = None  # $
    emulate: Literal["processes", "docker"] | None = None

    @property
    def region(self) -> str:
        """The first region, or the only one: where the sections around the load run."""
        return self.regions[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyOptions:
    """What was asked of `iam policy`: whose, where, and for what beyond running."""

    account: str | None = None
    region: str | None = None
    prefix: str = "artilleryio"
    publish: bool = False
    extras: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageOptions:
    """What was asked of `image build`, or of `image publish`, which has a `region`."""

    architecture: Architecture = "arm64"
    base_image: str | None = None
    network: str | None = None
    region: str | None = None
    repository: str = "grapeshot-worker"
    prefix: str = "artilleryio"


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanOptions:
    """What was asked of `clean`: where, and whether to remove; `everything` is `--all`."""

    region: str
    prefix: str = "artilleryio"
    yes: bool = False
    everything: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StopOptions:
    """What was asked of `stop`: which run, and where."""

    run_id: str
    region: str
    prefix: str = "artilleryio"


@dataclass(frozen=True, kw_only=True, slots=True)
class DoctorOptions:
    """What was asked of `doctor`: what a run would be told of AWS."""

    region: str = "us-east-1"
    workers: int | None = None
    architecture: Architecture = "arm64"
    role_arn: str | None = None
    prefix: str = "artilleryio"
    image: str | None = None
    repository: str = "grapeshot-worker"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOptions:
    """What was asked of `report`: the files to read, "-" for standard input, and those to write."""

    files: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    compare: bool = False  # two files, the earlier run first


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryOptions:
    """What was asked of `history`: a directory of reports, or `s3://bucket/prefix`, and where the page goes."""

    place: str
    output: str = "trend.html"
    region: str | None = None  # of the bucket


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionOptions:
    """To be the GitHub Action, which reads its inputs from the environment."""


Asked = (
    RunOptions
    | LambdaOptions
    | PolicyOptions
    | ImageOptions
    | CleanOptions
    | StopOptions
    | DoctorOptions
    | ReportOptions
    | HistoryOptions
    | ActionOptions
)
