"""The history of reports in S3, through the SDK and against another's model of AWS on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer

from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.errors import AwsError
from grapeshot_launcher.options import HistoryOptions
from grapeshot_launcher.trend import trend
from grapeshot_launcher.views.report_json import report_file
from past_runs import past

REGION = "eu-west-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        aws = Aws(REGION, Session("testing", "testing"))
        aws.create_bucket("reports")
        yield aws
    finally:
        server.stop()


def asked(aws: Aws, place: str, output: Path) -> tuple[list[str], list[str], list[str]]:
    """Carry the command out; give what it said, what it warned of, and the regions it reached for."""
    said: list[str] = []
    warned: list[str] = []
    regions: list[str] = []

    def reach(region: str) -> Aws:
        regions.append(region)
        return aws

    options = HistoryOptions(place=place, output=str(output))
    trend(options, environ={"AWS_REGION": REGION}, say=said.append, warn=warned.append, reach=reach)
    return said, warned, regions


def test_reports_below_a_prefix_become_a_page(aws: Aws, tmp_path: Path) -> None:
    """All of them, and nothing from beside it; what is no report is told."""
    for number in range(20):
        aws.put_object("reports", f"load/{number % 3}/{number}.json", report_file(past(number, slices=2)))
    aws.put_object("reports", "load/cut.json", b"{")
    aws.put_object("reports", "load/page.html", b"<!doctype html>")
    aws.put_object("reports", "other/20.json", report_file(past(20)))
    output = tmp_path / "trend.html"
    said, warned, regions = asked(aws, "s3://reports/load/", output)

    assert said == [f"Page: {output} (20 runs, 20 commits, 1 branch)"]
    assert [line.split(": It is")[0] for line in warned] == ["Left out: s3://reports/load/cut.json"]
    assert regions == [REGION]
    assert output.read_bytes().startswith(b"<!doctype html>")


def test_a_prefix_of_more_than_a_page_of_keys_is_read_to_its_end(aws: Aws, tmp_path: Path) -> None:
    """S3 gives a thousand keys at a time."""
    for number in range(1001):
        aws.put_object("reports", f"load/{number:04}.txt", b"")
    aws.put_object("reports", "load/z.json", report_file(past(0)))
    said, _, _ = asked(aws, "s3://reports/load", tmp_path / "trend.html")

    assert "(1 run, 1 commit, 1 branch)" in said[0]


def test_a_bucket_that_is_not_there_is_told(aws: Aws, tmp_path: Path) -> None:
    """With its name, and no page is written."""
    with pytest.raises(AwsError, match="nowhere"):
        asked(aws, "s3://nowhere/load", tmp_path / "trend.html")

    assert not (tmp_path / "trend.html").exists()
