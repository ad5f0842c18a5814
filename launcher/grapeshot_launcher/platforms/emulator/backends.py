"""moto: S3, SQS, IAM, STS, ECR and the settings of Lambda functions, kept in this process's memory.

Leaves to others: HTTP and what a call means (front), running functions (plane). Nobody else knows moto.

moto keeps its state in the process, so there is one embedded AWS at a time. It is not made for threads: an SQS
delete that meets a send loses the message sent, and of two conditional writes to S3 both could win. So a call has
moto for itself (`ask` locks), and none may wait inside it.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from typing import Any

from grapeshot_launcher.platforms.emulator.calls import Answer, Application, Environ
from grapeshot_launcher.platforms.emulator.sandbox import Function
from grapeshot_worker.errors import GrapeshotError

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


class Backends:
    """Everything that moto holds. `command` is what functions run whose image says nothing else."""

    def __init__(self, *, command: str) -> None:
        try:
            from moto.core.config import default_user_config
            from moto.core.models import DEFAULT_ACCOUNT_ID
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
            from moto.sqs.models import Message
        except ImportError as error:
            raise GrapeshotError(
                "The embedded AWS can't start: the package `moto` is missing.",
                cause=f"{type(error).__name__}: {error}",
                remedy="pip install 'grapeshot-launcher[emulate]'",
            ) from error
        self._iam_settings: Any = default_user_config.setdefault("iam", {})
        _make_receiving_linear()
        self._message: Any = Message
        self.account: str = DEFAULT_ACCOUNT_ID
        self._command = command
        self._lock = threading.RLock()
        self._app: Application = DomainDispatcherApplication(create_backend_app)
        self.forget()
        self._iam_settings["load_aws_managed_policies"] = True  # or AttachRolePolicy finds none of AWS's own

    def forget(self) -> None:
        """Throw everything away."""
        from moto.core.base_backend import BackendDict
        from moto.core.model_instances import reset_model_data

        self._iam_settings["load_aws_managed_policies"] = False  # a reset would load them once more
        with self._lock:
            BackendDict.reset()
            reset_model_data()

    def ask(self, environ: Environ) -> Answer:
        """Have a call answered by moto."""
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            told[:] = [(status, headers)]

        with self._lock:
            self._message.instances_tracked.clear()  # moto would keep every message there ever was
            parts = self._app(environ, start_response)
            try:
                body = b"".join(parts)
            finally:
                if close := getattr(parts, "close", None):
                    close()
        status, headers = told[0]
        return Answer(status=int(status.split()[0]), headers=tuple(headers), body=body)

    def function(self, region: str, name: str) -> Function | None:
        """Look a function up."""
        from moto.awslambda.exceptions import UnknownFunctionException
        from moto.awslambda.models import lambda_backends

        with self._lock:
            try:
                found = lambda_backends[self.account][region].get_function(name)
            except UnknownFunctionException:
                return None
            command = found.image_config.response().get("Command") or [self._command]
            reserved = found.reserved_concurrency
            return Function(
                name=found.function_name,
                arn=found.function_arn,
                region=region,
                role=found.role,
                revision=found.last_modified,
                command=command[0],
                memory=int(found.memory_size),
                timeout=float(found.timeout),
                variables=tuple(sorted(found.environment_vars.items())),
                concurrency=None if reserved is None else int(reserved),
            )

    def retries(self, function: Function) -> int:
        """Give a function's MaximumRetryAttempts; 2 unless it was set."""
        from moto.awslambda.models import lambda_backends

        with self._lock:
            found = lambda_backends[self.account][function.region].get_function(function.name)
            if not found.event_invoke_config:
                return 2
            return int(found.event_invoke_config[-1].response().get("MaximumRetryAttempts", 2))

    def role_keys(self, function: Function, session: str) -> tuple[str, str, str]:
        """Assume a function's role for one sandbox: access key, secret key and session token."""
        from moto.sts.models import sts_backends
        from moto.utilities.utils import get_partition

        with self._lock:
            role = sts_backends[self.account][get_partition(function.region)].assume_role(
                region_name=function.region,
                role_session_name=session.replace("/", "-")[:64],
                role_arn=function.role,
                policy="",
                duration=43_200,
                external_id="",
            )
        return role.access_key_id, role.secret_access_key, role.session_token

    def queue_wait(self, region: str, url: str) -> float:
        """Give the seconds that a queue lets receivers wait who name none themselves; 0 for an unknown queue."""
        from moto.sqs.models import sqs_backends

        with self._lock:
            queue = sqs_backends[self.account][region].queues.get(url.rpartition("/")[2])
            return float(getattr(queue, "receive_message_wait_time_seconds", 0) or 0)

    def put_images(self, region: str, repository: str, tags: Sequence[str]) -> dict[str, str]:
        """Make a repository that Lambda may pull from, with made-up images; tag → digest."""
        from moto.ecr.models import ecr_backends

        allowed = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Lambda",
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": _PULL,
                }
            ],
        }
        digests = {}
        with self._lock:
            ecr = ecr_backends[self.account][region]
            ecr.create_repository(repository, None, {}, None, "MUTABLE", [])
            ecr.set_repository_policy(self.account, repository, json.dumps(allowed))
            for tag in tags:
                manifest = json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, **_content(tag)})
                digests[tag] = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
                ecr.put_image(repository, manifest, tag, _MANIFEST, digests[tag])
        return digests


def _content(tag: str) -> dict[str, Any]:
    """Make up what a manifest lists; different for every tag."""
    digest = "sha256:" + hashlib.sha256(tag.encode()).hexdigest()
    return {
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 1024,
            "digest": digest,
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": 1024,
                "digest": digest,
            }
        ],
    }


def _make_receiving_linear() -> None:
    """Let a message's age be judged by itself; moto counts the whole queue for each message it looks at."""
    from moto.sqs.models import SQSBackend

    def valid(self: Any, queue_name: str, message: Any) -> bool:
        kept = int(self.get_queue(queue_name).message_retention_period)
        return bool(message.sent_timestamp / 1000 + kept > time.time())

    SQSBackend.is_message_valid_based_on_retention_period = valid  # type: ignore[method-assign]
