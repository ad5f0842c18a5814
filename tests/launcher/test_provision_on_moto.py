"""Provisioning through the SDK and in threads, against another's model of AWS on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer

from grapeshot_launcher.cloud.aws import Aws
from grapeshot_launcher.cloud.calls import Reach, Threads
from grapeshot_launcher.cloud.provision import Desired, Standing, provisioned
from grapeshot_launcher.cloud.resources import FunctionSettings, Site
from grapeshot_worker.invocation import ControlRecord, control_key, run_prefix

ACCOUNT = "123456789012"
SITE = Site(account=ACCOUNT, region="eu-west-1")
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/grapeshot-worker@sha256:{'a' * 64}"
SETTINGS = FunctionSettings(image=IMAGE, role=SITE.role_arn)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        reset = Request(f"http://{host}:{port}/moto-api/reset", method="POST")
        urlopen(reset).close()  # its memory is the process's, and other tests use it too
        yield Aws("eu-west-1", Session("testing", "testing"))
    finally:
        server.stop()


def test_two_runs_one_after_the_other(aws: Aws) -> None:
    """The first makes everything, the second finds it; neither leaves a queue or an object of its own."""
    warnings: list[str] = []
    reach = Reach(aws=aws, call=Threads(8), warn=warnings.append)

    async def run(run_id: str) -> Standing:
        desired = Desired(site=SITE, run_id=run_id, function=SETTINGS, tags={"team": "load"})
        async with provisioned(reach, desired) as standing:
            await standing.control.say(ControlRecord(state="go", start_at=time.time()))
            await reach.call(aws.put_object, SITE.bucket, f"{run_prefix(run_id)}claims/0", b"")
            client = aws.client("sqs")
            client.send_message(QueueUrl=standing.queue_url, MessageBody="hello")
            (received,) = await reach.call(aws.receive, standing.queue_url, wait=1)
            await reach.call(aws.delete_messages, standing.queue_url, [received.receipt])
            assert received.body == "hello"
            assert received.taken_at == pytest.approx(time.time(), abs=30)
            assert await reach.call(aws.get_object, SITE.bucket, control_key(run_id)) is not None
        return standing

    first, second = asyncio.run(run("run-one")), asyncio.run(run("run-two"))

    assert first.made == {"bucket", "role", "function"}
    assert second.made == frozenset()
    assert warnings == []
    assert aws.caller().account == ACCOUNT
    assert aws.list_objects(SITE.bucket, "") == ["metadata/run-one.json", "metadata/run-two.json"]
    assert [aws.queue_url(SITE.queue(name)) for name in ("run-one", "run-two")] == [None, None]
    assert {rule["Expiration"]["Days"] for rule in aws.lifecycle(SITE.bucket)} == {2, 7}
    attached = aws.client("iam").list_attached_role_policies(RoleName=SITE.role)["AttachedPolicies"]
    assert len(attached) == 3
    function = aws.function(first.function)
    assert function is not None
    assert (function.architecture, function.memory, function.timeout) == ("arm64", 4096, 900)
