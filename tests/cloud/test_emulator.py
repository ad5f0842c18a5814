"""The embedded AWS behaves like AWS where a run depends on it, its faults strike when told, and nothing survives it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from grapeshot_launcher.platforms.emulator import EmbeddedAws, Fault
from grapeshot_worker.errors import GrapeshotError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}

# What functions do here: whatever the event says. `served` counts the events of one sandbox.
HANDLER = """
import os, resource, subprocess, time

served = 0

def handler(event, context):
    global served
    served += 1
    print("event", served, event.get("name", ""), flush=True)
    match event.get("do"):
        case "raise":
            raise ValueError("as told")
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(event["seconds"])
        case "environment":
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            left = context.get_remaining_time_in_millis() / 1000
            return dict(os.environ) | {"open files": limit, "left": left}
        case "leave a child":
            subprocess.Popen(["sleep", "60"], start_new_session=True)
        case "send":
            import boto3
            for n in range(event["messages"]):
                boto3.client("sqs").send_message(QueueUrl=event["queue"], MessageBody=str(n))
    return {"served": served, "pid": os.getpid()}
"""


class Account:
    """Clients of one embedded AWS, that try once, and a function in it."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws
        self._number = 0
        self._clients: dict[str, Any] = {}
        self.role = self.client("iam").create_role(
            RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST)
        )["Role"]["Arn"]

    def client(self, service: str) -> Any:
        if service not in self._clients:
            environ = self.aws.environ
            self._clients[service] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=environ["AWS_ENDPOINT_URL"],
                region_name=environ["AWS_REGION"],
                aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
                config=Config(retries={"total_max_attempts": 1}, proxies={}, max_pool_connections=60),
            )
        return self._clients[service]

    def function(self, **settings: Any) -> str:
        self._number += 1
        name = f"f{self._number}"
        wanted = {"Role": self.role, "Code": {"ImageUri": self.aws.image_uri()}, "Timeout": 20, **settings}
        self.client("lambda").create_function(FunctionName=name, PackageType="Image", **wanted)
        return name

    def invoke(self, name: str, kind: str = "RequestResponse", /, **event: Any) -> Any:
        answer = self.client("lambda").invoke(
            FunctionName=name, InvocationType=kind, Payload=json.dumps(event)
        )
        return json.loads(answer["Payload"].read() or b"null")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


class Printed:
    """What sandboxes print; a test waits for lines here."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._more = threading.Condition()

    def __call__(self, sandbox: str, line: str) -> None:
        with self._more:
            self._lines.append(line)
            self._more.notify_all()

    def wait(self, text: str, times: int = 1) -> None:
        with self._more:
            assert self._more.wait_for(lambda: self.count(text) >= times, 10), self._lines

    def count(self, text: str) -> int:
        return sum(text in line for line in self._lines)


@pytest.fixture(scope="module")
def task_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    (folder / "app.py").write_text(HANDLER)
    return folder


@pytest.fixture(scope="module")
def printed() -> Printed:
    return Printed()


@pytest.fixture(scope="module")
def shared(task_root: Path, printed: Printed) -> Iterator[Account]:
    options: dict[str, Any] = {"task_root": task_root, "handler": "app.handler", "on_log": printed}
    with EmbeddedAws(retry_delays=(0, 0), concurrency=50, **options) as aws:
        yield Account(aws)


@pytest.fixture
def account(shared: Account) -> Iterator[Account]:
    yield shared
    shared.aws.faults.clear()


# ---- Invoke ----


def test_a_synchronous_call_gives_the_handler_s_answer(account: Account) -> None:
    """RequestResponse waits, and the next call finds the sandbox warm."""
    name = account.function()
    first, second = account.invoke(name), account.invoke(name)

    assert (first["served"], second["served"]) == (1, 2)
    assert first["pid"] == second["pid"]


def test_an_event_is_accepted_and_handled_later(account: Account, printed: Printed) -> None:
    """Event answers 202 without a payload."""
    name = account.function()
    answer = account.client("lambda").invoke(
        FunctionName=name, InvocationType="Event", Payload=b'{"name":"later"}'
    )

    assert answer["StatusCode"] == 202
    printed.wait("event 1 later")


def test_a_dry_run_runs_nothing(account: Account) -> None:
    """DryRun answers 204, and the first real event is the sandbox's first."""
    name = account.function()
    answer = account.client("lambda").invoke(FunctionName=name, InvocationType="DryRun")

    assert answer["StatusCode"] == 204
    assert account.invoke(name)["served"] == 1


@pytest.mark.parametrize(
    ("do", "kind", "message"),
    [
        ("raise", "ValueError", "as told"),
        ("exit", "Runtime.ExitError", "exit status 3"),
    ],
)
def test_failures_are_told(account: Account, do: str, kind: str, message: str) -> None:
    """An exception and the end of the process come back as function errors."""
    answer = account.client("lambda").invoke(FunctionName=account.function(), Payload=json.dumps({"do": do}))
    error = json.loads(answer["Payload"].read())

    assert answer["FunctionError"] == "Unhandled"
    assert error["errorType"] == kind
    assert message in error["errorMessage"]


def test_a_handler_that_cannot_be_loaded_is_told(account: Account) -> None:
    """The runtime's error at its start is the call's answer."""
    name = account.function(ImageConfig={"Command": ["nowhere.handler"]})

    assert account.invoke(name)["errorType"] == "Runtime.ImportModuleError"


def test_a_timeout_ends_the_sandbox(account: Account) -> None:
    """After the function's timeout its process is killed, and the next call gets a fresh one."""
    name = account.function(Timeout=1)
    before = account.invoke(name)["pid"]
    error = account.invoke(name, do="sleep", seconds=30)

    assert "Task timed out after 1.00 seconds" in error["errorMessage"]
    assert account.invoke(name)["pid"] != before


@pytest.mark.parametrize(("retries", "attempts"), [(None, 3), (0, 1), (1, 2)])
def test_failed_events_are_tried_again(
    account: Account, printed: Printed, retries: int | None, attempts: int
) -> None:
    """As often as MaximumRetryAttempts says, twice when nobody set it."""
    name = account.function()
    if retries is not None:
        account.client("lambda").put_function_event_invoke_config(
            FunctionName=name, MaximumRetryAttempts=retries
        )
    account.invoke(name, "Event", do="raise", name=f"retry-{retries}")
    printed.wait(f"retry-{retries}", attempts)
    account.invoke(name, name="afterwards")

    assert printed.count(f" retry-{retries}") == attempts


def test_events_beyond_the_limit_wait_and_calls_are_refused(account: Account, printed: Printed) -> None:
    """With a reserved concurrency of 1 a second synchronous call gets TooManyRequestsException."""
    name = account.function()
    account.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    account.invoke(name, "Event", do="sleep", seconds=0.5, name="occupant")
    printed.wait("occupant")
    account.invoke(name, "Event", name="patient")

    with pytest.raises(ClientError) as refused:
        account.invoke(name)
    assert code(refused) == "TooManyRequestsException"
    printed.wait("patient")


def test_fifty_sandboxes_at_once(account: Account) -> None:
    """Fifty calls run in fifty processes at the same time, and the fifty-first is refused."""
    name = account.function()
    account.client("lambda")
    with ThreadPoolExecutor(51) as pool:
        calls = [pool.submit(account.invoke, name, do="sleep", seconds=2) for _ in range(51)]
    errors = [call.exception() for call in calls if call.exception()]
    pids = {call.result()["pid"] for call in calls if not call.exception()}

    assert len(pids) == 50
    assert [type(error).__name__ for error in errors] == ["TooManyRequestsException"]


def test_unknown_functions_are_refused(account: Account) -> None:
    """Invoke of a function that does not exist answers ResourceNotFoundException."""
    with pytest.raises(ClientError) as refused:
        account.invoke("nobody")

    assert code(refused) == "ResourceNotFoundException"


# ---- a sandbox's surroundings ----


def test_a_sandbox_finds_lambda_s_environment(account: Account) -> None:
    """Its variables, its limit of open files, a temporary folder of its own, and nothing of ours."""
    name = account.function(MemorySize=512, Environment={"Variables": {"MINE": "yes"}})
    found = account.invoke(name, do="environment")

    assert found["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert found["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert found["AWS_REGION"] == "us-east-1"
    assert found["AWS_ENDPOINT_URL"] == account.aws.endpoint_url
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert found["MINE"] == "yes"
    assert found["open files"] == 1024
    assert 15 < found["left"] <= 20
    assert Path(found["TMPDIR"]).is_dir()
    assert "PYTEST_CURRENT_TEST" not in found


def test_nothing_runs_between_two_events(account: Account) -> None:
    """A sandbox, and what its handler started, stands still until the next event."""
    name = account.function()
    pid = account.invoke(name, do="leave a child")["pid"]
    child = int(Path(f"/proc/{pid}/task/{pid}/children").read_text())

    assert stands_still(pid)
    assert stands_still(child)
    assert account.invoke(name)["pid"] == pid


def stands_still(pid: int) -> bool:
    """Whether the kernel says within some seconds that a process is stopped; it stops when it next gets a CPU."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return True
        os.sched_yield()
    return False


def test_a_sandbox_acts_as_its_role(account: Account) -> None:
    """The keys inside a sandbox are those of the function's role."""
    found = account.invoke(account.function(), do="environment")
    sts = boto3.client(
        "sts",
        endpoint_url=account.aws.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=found["AWS_SESSION_TOKEN"],
        config=Config(proxies={}),
    )

    assert ":assumed-role/worker/" in sts.get_caller_identity()["Arn"]


def test_each_sandbox_has_a_log(account: Account) -> None:
    """What a handler prints stands in a file of its sandbox, between START and END."""
    request = account.invoke(account.function(), name="logged")
    lines = next(path for path in account.aws.logs.files if "logged" in path.read_text()).read_text()

    assert request["served"] == 1
    assert lines.startswith("START RequestId: ")
    assert "event 1 logged\n" in lines


# ---- storage ----


def test_a_conditional_write_wins_once(account: Account) -> None:
    """Of many simultaneous writes with If-None-Match exactly one succeeds."""
    s3 = account.client("s3")
    s3.create_bucket(Bucket="claims")

    def claim(number: int) -> bool:
        with suppress(ClientError):
            s3.put_object(Bucket="claims", Key="slot", Body=str(number), IfNoneMatch="*")
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(16))) == 1


def test_no_message_is_lost_among_senders_and_receivers(account: Account) -> None:
    """Everything that is sent while others receive and delete comes out, once."""
    sqs = account.client("sqs")
    queue = sqs.create_queue(QueueName="busy")["QueueUrl"]

    def send(first: int) -> None:
        for number in range(first, first + 25):
            sqs.send_message(QueueUrl=queue, MessageBody=str(number))

    received: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send, first) for first in (0, 25, 50, 75)]
        while len(received) < 100:
            answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2)
            for message in answer["Messages"]:
                received.append(message["Body"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    assert all(call.exception() is None for call in sending)
    assert sorted(received, key=int) == [str(n) for n in range(100)]


def test_a_long_poll_ends_with_the_message(account: Account) -> None:
    """A receiver that waits gets what is sent meanwhile."""
    sqs = account.client("sqs")
    queue = sqs.create_queue(QueueName="slow", Attributes={"ReceiveMessageWaitTimeSeconds": "20"})["QueueUrl"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sqs.receive_message, QueueUrl=queue)
        account.client("sqs").send_message(QueueUrl=queue, MessageBody="at last")

        assert waiting.result(5)["Messages"][0]["Body"] == "at last"


def test_images_have_a_made_up_digest(account: Account) -> None:
    """The worker's repository answers, so that a run finds an image without docker."""
    images = account.client("ecr").describe_images(
        repositoryName="grapeshot-worker", imageIds=[{"imageTag": "latest"}]
    )["imageDetails"]

    assert images[0]["imageDigest"] == account.aws.images["latest"]
    assert account.aws.image_uri().endswith("@" + account.aws.images["latest"])


# ---- faults ----


def test_a_new_function_can_be_pending(account: Account) -> None:
    """For so many polls it is Pending and can't be invoked; then it is Active."""
    account.aws.faults.pending_polls = 2
    name = account.function()
    functions = account.client("lambda")
    with pytest.raises(ClientError) as refused:
        account.invoke(name)
    states = [functions.get_function_configuration(FunctionName=name)["State"] for _ in range(3)]

    assert code(refused) == "ResourceConflictException"
    assert states == ["Pending", "Pending", "Active"]


def test_a_new_role_can_be_not_assumable(account: Account) -> None:
    """CreateFunction fails as long as IAM has not spread the role."""
    account.aws.faults.role_delay = 60
    iam = account.client("iam")
    role = iam.create_role(RoleName="young", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    with pytest.raises(ClientError, match="cannot be assumed by Lambda") as refused:
        account.function(Role=role["Arn"])
    account.aws.faults.role_delay = 0

    assert code(refused) == "InvalidParameterValueException"
    assert account.function(Role=role["Arn"])


@pytest.mark.parametrize(
    ("service", "operation", "throttling"),
    [
        ("s3", "list_buckets", "SlowDown"),
        ("sqs", "list_queues", "ThrottlingException"),
        ("iam", "list_roles", "Throttling"),
        ("lambda", "list_functions", "TooManyRequestsException"),
    ],
)
def test_the_nth_call_can_fail(account: Account, service: str, operation: str, throttling: str) -> None:
    """The second call is throttled, the third fails, the others work."""
    name = "".join(word.capitalize() for word in operation.split("_"))
    account.aws.faults.add(
        Fault(operation=f"{service}:{name}", effect="throttle", first=2),
        Fault(operation=f"{service}:{name}", effect="fail", first=3, code="OutOfOrder"),
    )
    call = getattr(account.client(service), operation)
    seen = []
    for _ in range(4):
        try:
            call()
            seen.append("ok")
        except ClientError as error:
            seen.append(error.response["Error"]["Code"])

    assert seen == ["ok", throttling, "OutOfOrder", "ok"]


def test_messages_can_be_lost_and_doubled(account: Account) -> None:
    """The sender learns nothing of either."""
    sqs = account.client("sqs")
    queue = sqs.create_queue(QueueName="faulty")["QueueUrl"]
    account.aws.faults.add(
        Fault(operation="sqs:SendMessage", effect="drop", first=1),
        Fault(operation="sqs:SendMessage", effect="duplicate", first=2),
    )
    for number in range(3):
        assert sqs.send_message(QueueUrl=queue, MessageBody=str(number))["MessageId"]
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]

    assert sorted(message["Body"] for message in messages) == ["1", "1", "2"]


@pytest.mark.parametrize("operation", ["sandbox:start", "sandbox:invoke", "sqs:SendMessage"])
def test_a_sandbox_can_die_at_a_point(account: Account, operation: str) -> None:
    """At its start, when it is given the event, or at its third message."""
    sqs = account.client("sqs")
    name = "dying-" + operation.partition(":")[2]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    first = 3 if operation.startswith("sqs") else 1
    account.aws.faults.add(Fault(operation=operation, effect="kill", first=first))
    error = account.invoke(account.function(), do="send", messages=5, queue=queue)
    sent = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])

    assert error["errorType"] == "Runtime.ExitError"
    assert "SIGKILL" in error["errorMessage"]
    assert len(sent) == first - 1


# ---- the beginning and the end ----


def test_missing_moto_is_told() -> None:
    """Without moto the error says what to install."""
    program = (
        "import sys; sys.modules['moto'] = None\n"
        "from grapeshot_launcher.platforms.emulator import EmbeddedAws\n"
        "try:\n    EmbeddedAws().__enter__()\n"
        "except Exception as error:\n    print(type(error).__name__, error.remedy)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout == "GrapeshotError pip install 'grapeshot-launcher[emulate]'\n"


def processes_with(text: str) -> set[int]:
    """The living processes, but their owner, whose environment holds the text."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if text.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found


def test_only_one_at_a_time(account: Account) -> None:
    """moto's state belongs to the process, so a second one is refused."""
    with pytest.raises(GrapeshotError, match="only one"), EmbeddedAws():
        pass


OWNER = """
import os, sys
from pathlib import Path
import boto3
from botocore.config import Config
from grapeshot_launcher.platforms.emulator import EmbeddedAws

with EmbeddedAws(task_root=Path(sys.argv[1]), handler="app.handler") as aws:
    os.environ.update(aws.environ)
    role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=sys.argv[2])["Role"]["Arn"]
    functions = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    functions.create_function(
        FunctionName="f", Role=role, PackageType="Image", Code={"ImageUri": aws.image_uri()}, Timeout=60
    )
    functions.invoke(FunctionName="f", Payload=b'{"do": "leave a child"}')
    functions.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"do": "sleep", "seconds": 50}')
    print(aws.endpoint_url, flush=True)
    sys.stdin.readline()
print("closed", flush=True)
"""


def owner(task_root: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", OWNER, str(task_root), json.dumps(TRUST)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def test_the_end_leaves_no_process(task_root: Path, tmp_path: Path) -> None:
    """A busy sandbox, and a child that a handler left in a session of its own, end with the `with`."""
    with owner(task_root, tmp_path) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        before = processes_with(url)
        output, errors = process.communicate("end\n", timeout=20)

    assert len(before) >= 2
    assert (output, errors) == ("closed\n", "")
    assert not processes_with(url)
    assert not list(tmp_path.iterdir())


def test_a_killed_owner_leaves_no_process(task_root: Path, tmp_path: Path) -> None:
    """Even SIGKILL takes everything along, also what stood still in a session of its own."""
    with owner(task_root, tmp_path) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        handles = []
        for pid in processes_with(url):
            with suppress(ProcessLookupError):
                handles.append(os.pidfd_open(pid))
        process.kill()

    assert len(handles) >= 2
    for handle in handles:
        assert select.select([handle], [], [], 10)[0]
        os.close(handle)
