"""What the findings of `doctor` are, and how they are judged (pure).

Leaves to others: asking AWS (doctor).

There are three answers. `not ok` keeps runs from working and has a remedy; `can't tell` is what AWS would not say, or
what can't be tried without an effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grapeshot_launcher.cloud.errors import AccessDenied, AwsError, Missing

SKEW_LIMIT = 240.0  # s; AWS refuses signatures that are five minutes off

QUEUE_ACTIONS = (
    *("sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:ReceiveMessage"),
    *("sqs:DeleteMessage", "sqs:DeleteQueue"),
)

Judgement = Literal["ok", "not ok", "can't tell"]

_SESSION = re.compile(r"arn:(?P<partition>[a-z-]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in words, and what to do about it."""

    judgement: Judgement
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """Write it in a line, its remedy in the next one.

        >>> print(Finding("not ok", "clock: 600 s slow", "set it"))
        not ok      clock: 600 s slow
                    What to do: set it
        """
        remedy = f"\n{'':<12}What to do: {self.remedy}" if self.remedy else ""
        return f"{self.judgement:<12}{self.what}{remedy}"


def of_clock(here: float, there: float | None) -> Finding:
    """Compare this machine's clock with AWS's, both in epoch seconds."""
    if there is None:
        return Finding("can't tell", "clock: AWS's answer had no date")
    ahead = here - there
    way = "ahead of" if ahead > 0 else "behind"
    if abs(ahead) < SKEW_LIMIT:
        return Finding("ok", f"clock: {abs(ahead):.0f} s {way} AWS's")
    return Finding(
        "not ok",
        f"clock: {abs(ahead):.0f} s {way} AWS's; signatures that are 300 s off are refused",
        "Set this machine's clock (for instance, switch on NTP).",
    )


def of_quota(quota: int, workers: int | None) -> Finding:
    """Judge how many functions may run at once in the region, for so many workers, if that is known."""
    what = f"concurrency: {quota} functions may run at once"
    if workers is None or workers <= quota:
        return Finding("ok", what)
    return Finding(
        "not ok",
        f"{what}, and {workers} workers are wanted",
        "Ask AWS for a higher quota (Service Quotas, Lambda), or use fewer workers with more memory.",
    )


def of_attempt(action: str, error: AwsError | None) -> Finding:
    """Judge a permission by what became of a harmless call; None: it was answered."""
    if error is None or isinstance(error, Missing):
        return Finding("ok", f"permission {action}")
    if isinstance(error, AccessDenied):
        return Finding("not ok", f"permission {action}: denied", error.remedy)
    return Finding("can't tell", f"permission {action}: {error.message}", error.remedy)


def of_simulation(statement: Mapping[str, Any], decisions: Mapping[str, str]) -> Finding:
    """Judge a statement of the policy by what IAM's simulation says of its actions."""
    sid, actions = statement["Sid"], actions_of(statement)
    denied = [action for action in actions if decisions.get(action) not in {"allowed", None}]
    untold = [action for action in actions if action not in decisions]
    if denied:
        return Finding(
            "not ok",
            f"permissions {sid}: denied are {', '.join(denied)}",
            f"Grant the statement {sid}, which `grapeshot iam policy` prints.",
        )
    if untold:
        return Finding("can't tell", f"permissions {sid}: nothing was said of {', '.join(untold)}")
    return Finding("ok", f"permissions {sid}: {', '.join(actions)}")


def actions_of(statement: Mapping[str, Any]) -> list[str]:
    """Name the actions of a statement one by one: of all those of queues, the ones that a run makes use of."""
    return [
        one
        for action in statement["Action"]
        for one in (QUEUE_ACTIONS if action == "sqs:*" else (str(action),))
    ]


def untried(statements: Sequence[Mapping[str, Any]], tried: Sequence[str]) -> list[Finding]:
    """Name the permissions that can't be tried without an effect, by statement."""
    found = []
    for statement in statements:
        rest = [action for action in actions_of(statement) if action not in tried]
        if rest:
            found.append(
                Finding(
                    "can't tell", f"permissions {statement['Sid']}: {', '.join(rest)} would have an effect"
                )
            )
    return found


def principal_of(arn: str) -> str:
    """Give whose policies hold for a caller: of a role's session, the role.

    >>> principal_of("arn:aws:sts::123456789012:assumed-role/Tests/job-1")
    'arn:aws:iam::123456789012:role/Tests'
    >>> principal_of("arn:aws:iam::123456789012:user/ann")
    'arn:aws:iam::123456789012:user/ann'
    """
    found = _SESSION.fullmatch(arn)
    return f"arn:{found['partition']}:iam::{found['account']}:role/{found['role']}" if found else arn
