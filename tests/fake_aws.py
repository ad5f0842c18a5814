"""An AWS account in memory, above the launcher's border: buckets, roles, policies, functions, queues.

Leaves to others: the SDK and its errors (test_cloud_aws.py stubs it), and running functions.

    aws = FakeAws()
    aws.fail_at, aws.fault = 7, Throttled("…")   # the 7th call fails, without having done anything
    aws.answer_is_lost = True                    # … or after it was done
    aws.denied = {"forgo_retries"}               # these calls are denied, always
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from grapeshot_launcher.cloud.aws import Aws, Caller, Received
from grapeshot_launcher.cloud.errors import AccessDenied, AwsError, Conflict, Missing, NotReady
from grapeshot_launcher.cloud.states import FunctionState

ACCOUNT = "123456789012"
P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Bucket:
    region: str
    owner: str = ACCOUNT
    objects: dict[str, bytes] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Role:
    arn: str
    trust: str
    attached: set[str] = field(default_factory=set)


@dataclass
class Function:
    request: dict[str, Any]
    tags: dict[str, str]
    states: list[FunctionState]  # what is seen at each look; the last one stays
    retries: int = 2


@dataclass
class Queue:
    attributes: dict[str, str]
    tags: dict[str, str]
    messages: list[Received] = field(default_factory=list)


def counted(
    method: Callable[Concatenate[FakeAws, P], T],
) -> Callable[Concatenate[FakeAws, P], T]:
    """Record the call, and let it fail if it is its turn."""

    @wraps(method)
    def call(self: FakeAws, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.lock:
            self.calls.append(method.__name__)
            turn = len(self.calls) == self.fail_at
            if turn:
                self.on_turn()
            if method.__name__ in self.denied:
                raise AccessDenied(f"AWS denied {method.__name__}.", cause=self.denial)
            if turn and self.fault and not self.answer_is_lost:
                raise self.fault
            answer = method(self, *args, **kwargs)
            if turn and self.fault:
                raise self.fault
            return answer

    return call


class FakeAws(Aws):
    """The account. What is found in its fields is what stands there."""

    def __init__(self, region: str = "eu-west-1") -> None:
        self.region = region
        self.lock = threading.RLock()
        self.calls: list[str] = []
        self.fail_at: int | None = None
        self.fault: AwsError | None = None
        self.answer_is_lost = False
        self.on_turn: Callable[[], object] = lambda: None
        self.denied: set[str] = set()
        self.denial = ""
        self.buckets: dict[str, Bucket] = {}
        self.roles: dict[str, Role] = {}
        self.policies: dict[str, str] = {}
        self.functions: dict[str, Function] = {}
        self.queues: dict[str, Queue] = {}
        self.just_deleted: set[str] = set()  # names of queues that can't be used again yet
        self.invoked: list[tuple[str, str]] = []
        self.role_unknown_for = 0  # so many times Lambda can't use the role yet
        self.new_states: list[FunctionState] = [FunctionState()]  # of functions that are created
        self.account_concurrency = 1000
        self.clock: Callable[[], float | None] = lambda: None  # AWS's own, in epoch seconds

    @property
    def objects(self) -> dict[str, bytes]:
        """The objects of all buckets together."""
        return {key: body for bucket in self.buckets.values() for key, body in bucket.objects.items()}

    @counted
    def caller(self) -> Caller:
        return Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/tester")

    # S3

    def _bucket(self, name: str) -> Bucket:
        if name not in self.buckets:
            raise Missing(f"no bucket {name}", code="NoSuchBucket")
        return self.buckets[name]

    @counted
    def head_bucket(self, bucket: str, owner: str) -> str:
        found = self._bucket(bucket)
        if found.owner != owner:
            raise AccessDenied("AWS denied s3:ListBucket.", code="403")
        return found.region

    @counted
    def create_bucket(self, bucket: str) -> None:
        if bucket in self.buckets:
            mine = self.buckets[bucket].owner == ACCOUNT
            raise Conflict("exists", code="BucketAlreadyOwnedByYou" if mine else "BucketAlreadyExists")
        self.buckets[bucket] = Bucket(self.region)

    @counted
    def lifecycle(self, bucket: str) -> list[dict[str, Any]]:
        return list(self._bucket(bucket).rules)

    @counted
    def put_lifecycle(self, bucket: str, rules: Sequence[Mapping[str, Any]]) -> None:
        self._bucket(bucket).rules = [dict(rule) for rule in rules]

    @counted
    def put_object(self, bucket: str, key: str, body: bytes, *, new: bool = False) -> None:
        objects = self._bucket(bucket).objects
        if new and key in objects:
            raise Conflict(f"{key} exists", code="PreconditionFailed")
        objects[key] = body

    @counted
    def get_object(self, bucket: str, key: str) -> bytes | None:
        return self.buckets[bucket].objects.get(key) if bucket in self.buckets else None

    @counted
    def object_age(self, bucket: str, key: str, now: float) -> float | None:
        return 0.0 if key in self._bucket(bucket).objects else None

    @counted
    def list_objects(self, bucket: str, prefix: str, *, after: str = "") -> list[str]:
        keys = sorted(self._bucket(bucket).objects)
        return [key for key in keys if key.startswith(prefix) and key > after][:1000]

    @counted
    def delete_objects(self, bucket: str, keys: Sequence[str]) -> None:
        for key in keys:
            self._bucket(bucket).objects.pop(key, None)

    # IAM

    @counted
    def role(self, name: str) -> str | None:
        return self.roles[name].arn if name in self.roles else None

    @counted
    def create_role(self, name: str, trust: str) -> str:
        if name in self.roles:
            raise Conflict(f"role {name} exists", code="EntityAlreadyExists")
        self.roles[name] = Role(f"arn:aws:iam::{ACCOUNT}:role/{name}", trust)
        return self.roles[name].arn

    @counted
    def create_policy(self, name: str, document: str) -> None:
        arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
        if arn in self.policies:
            raise Conflict(f"policy {name} exists", code="EntityAlreadyExists")
        self.policies[arn] = document

    @counted
    def attach_policy(self, role: str, policy_arn: str) -> None:
        managed = policy_arn.startswith("arn:aws:iam::aws:policy/")
        if role not in self.roles or not (managed or policy_arn in self.policies):
            raise Missing("no such role or policy", code="NoSuchEntity")
        self.roles[role].attached.add(policy_arn)

    # Lambda

    def _function(self, name: str) -> Function:
        if name not in self.functions:
            raise Missing(f"no function {name}", code="ResourceNotFoundException")
        return self.functions[name]

    @counted
    def function(self, name: str) -> FunctionState | None:
        if name not in self.functions:
            return None
        states = self.functions[name].states
        return states.pop(0) if len(states) > 1 else states[0]

    @counted
    def create_function(self, name: str, request: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        if name in self.functions:
            raise Conflict(f"function {name} exists", code="ResourceConflictException")
        if self.role_unknown_for > 0:
            self.role_unknown_for -= 1
            raise NotReady("The role defined for the function cannot be assumed by Lambda.")
        if tags and "tag_function" in self.denied:
            raise AccessDenied("AWS denied lambda:TagResource.")
        self.functions[name] = Function(dict(request), dict(tags), list(self.new_states))

    @counted
    def delete_function(self, name: str) -> None:
        self._function(name)
        del self.functions[name]

    @counted
    def tag_function(self, arn: str, tags: Mapping[str, str]) -> None:
        self._function(arn.split(":")[-1]).tags.update(tags)

    @counted
    def forgo_retries(self, name: str, age: int = 60) -> None:
        self._function(name).retries = 0

    @counted
    def invoke(self, name: str, payload: str) -> None:
        self._function(name)
        self.invoked.append((name, payload))

    @counted
    def wake_function(self, name: str) -> None:
        self._function(name).states = [FunctionState(state="Pending"), FunctionState()]

    @counted
    def concurrency(self) -> int:
        return self.account_concurrency

    # SQS

    def _url(self, name: str) -> str:
        return f"https://sqs.{self.region}.amazonaws.com/{ACCOUNT}/{name}"

    @counted
    def create_queue(self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]) -> str:
        if name in self.just_deleted:
            raise Conflict(f"queue {name} was deleted just now", code="QueueDeletedRecently")
        self.queues.setdefault(self._url(name), Queue(dict(attributes), dict(tags)))
        return self._url(name)

    @counted
    def queue_url(self, name: str) -> str | None:
        return self._url(name) if self._url(name) in self.queues else None

    @counted
    def delete_queue(self, url: str) -> None:
        if self.queues.pop(url, None):
            self.just_deleted.add(url.rsplit("/", 1)[-1])

    @counted
    def time_there(self) -> float | None:
        return self.clock()

    def send(self, url: str, body: str) -> None:
        """Put a message into a queue, as a worker does; not a call of the launcher."""
        with self.lock:
            queue = self.queues[url]
            queue.messages.append(Received(body, f"receipt-{len(queue.messages)}-{body[:8]}"))

    @counted
    def receive(self, url: str, *, wait: int) -> list[Received]:
        if url not in self.queues:
            raise Missing(f"no queue {url}", code="QueueDoesNotExist")
        return self.queues[url].messages[:10]

    @counted
    def delete_messages(self, url: str, receipts: Sequence[str]) -> None:
        queue = self.queues[url]
        queue.messages = [message for message in queue.messages if message.receipt not in receipts]


async def inline(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Make a call in place of `calls.Threads`: without a thread, for tests on virtual time."""
    return function(*args, **kwargs)
