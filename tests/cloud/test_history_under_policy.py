"""The permissions that docs/history.md names are enough to read reports from a bucket, and each of them is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto")

from enforced_account import Account, enforced
from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.errors import AccessDenied
from grapeshot_launcher.options import HistoryOptions
from grapeshot_launcher.trend import trend
from grapeshot_launcher.views.report_json import report_file
from past_runs import past

PAGE = Path(__file__).parents[2] / "docs/history.md"


@pytest.fixture
def account() -> Iterator[Account]:
    with enforced() as running:
        yield running


def documented() -> dict[str, Any]:
    found = re.search(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    policy: dict[str, Any] = json.loads(found[1])
    return policy


def test_the_documented_policy_is_enough_and_no_more_than_needed(account: Account, tmp_path: Path) -> None:
    """With it the page is written; without one of its statements the refusal names the action that is missing."""
    s3 = account.client("s3", account.owner)
    s3.create_bucket(Bucket="my-bucket")
    s3.put_object(Bucket="my-bucket", Key="load-tests/a.json", Body=report_file(past(0)))
    policy, said = documented(), list[str]()

    def carry_out(name: str, statements: list[Any]) -> int:
        caller = account.caller(name, {**policy, "Statement": statements})
        options = HistoryOptions(place="s3://my-bucket/load-tests/", output=str(tmp_path / "trend.html"))
        with pytest.MonkeyPatch.context() as environ:
            for variable, value in account.aws.environ.items():
                environ.setenv(variable, value)
            aws = Aws(account.aws.region, session=account.session(caller))
            return trend(options, environ={}, say=said.append, warn=said.append, reach=lambda _: aws)

    assert carry_out("reader", policy["Statement"]) == 0
    for number, kept in enumerate(policy["Statement"]):
        (lacking,) = (each["Action"] for each in policy["Statement"] if each is not kept)
        with pytest.raises(AccessDenied, match=lacking):
            carry_out(f"half-{number}", [kept])
    assert len(said) == 1
