"""The one HTTP address of the embedded AWS: every call comes in here, meets its faults and is answered.

Leaves to others: storage (backends), Invoke (plane), which faults there are (faults), permissions (a middleware).
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from grapeshot_launcher.platforms.emulator.backends import Backends
from grapeshot_launcher.platforms.emulator.calls import (
    Answer,
    Call,
    Environ,
    StartResponse,
    as_json,
    read_call,
    refusal,
    throttled,
)
from grapeshot_launcher.platforms.emulator.faults import Faults
from grapeshot_launcher.platforms.emulator.plane import Plane

LOOK_AGAIN = 0.25  # seconds: a message may become visible without anybody sending one


class Front:
    """A WSGI application."""

    def __init__(
        self, backends: Backends, plane: Plane, faults: Faults, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._backends = backends
        self._plane = plane
        self._faults = faults
        self._loop = loop
        self._pending: dict[str, int] = {}  # function → how often it will still be told to be Pending
        self._roles: dict[str, float] = {}  # role → when it was created, monotonic
        self._sent = threading.Condition()  # something went into some queue
        self._closed = False
        self._special: dict[str, Callable[[Call, Environ], Answer]] = {
            "lambda:Invoke": self._invoke,
            "lambda:CreateFunction": self._create_function,
            "lambda:GetFunction": self._get_function,
            "lambda:GetFunctionConfiguration": self._get_function,
            "iam:CreateRole": self._create_role,
            "sqs:SendMessage": self._send,
            "sqs:SendMessageBatch": self._send,
            "sqs:ReceiveMessage": self._receive,
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        body = read_body(environ)
        call = read_call(environ, body)
        try:
            answer = self._faulty(call, environ)
        except Exception as error:  # noqa: BLE001 - moto's own faults are AWS's here
            answer = refusal(call, "InternalError", f"{type(error).__name__}: {error}", status=500)
        return give(answer, start_response)

    def close(self) -> None:
        """Let no call wait any longer."""
        with self._sent:
            self._closed = True
            self._sent.notify_all()

    def _faulty(self, call: Call, environ: Environ) -> Answer:
        effects = {fault.effect: fault for fault in self._faults.strike(call)}
        if fault := effects.get("kill"):
            work = self._plane.kill(call.access_key, after=fault.after)
            asyncio.run_coroutine_threadsafe(work, self._loop).result()
            if not fault.after:
                return refusal(call, "InternalError", "The caller was killed.", status=500)
        if "throttle" in effects:
            return throttled(call)
        if fault := effects.get("fail"):
            return refusal(
                call, fault.code, "Grapeshot's embedded AWS was told to fail.", status=fault.status
            )
        if "drop" in effects:
            return _stored(call)
        if "duplicate" in effects:
            self._answer(call, dict(environ))
        return self._answer(call, environ)

    def _answer(self, call: Call, environ: Environ) -> Answer:
        environ["wsgi.input"] = io.BytesIO(call.body)
        special = self._special.get(call.operation)
        return special(call, environ) if special else self._backends.ask(environ)

    # ---- Lambda ----

    def _invoke(self, call: Call, environ: Environ) -> Answer:
        function = self._backends.function(call.region, call.function)
        if function is None:
            arn = f"arn:aws:lambda:{call.region}:{self._backends.account}:function:{call.function}"
            return refusal(call, "ResourceNotFoundException", f"Function not found: {arn}", status=404)
        if self._pending.get(call.function):
            message = (
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending"
            )
            return refusal(call, "ResourceConflictException", message, status=409)
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        retries = self._backends.retries(function)
        work = self._plane.invoke(function, call, kind=kind, retries=retries)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _create_function(self, call: Call, environ: Environ) -> Answer:
        role = str(call.json.get("Role", "")).rpartition("/")[2]
        born = self._roles.get(role)
        if born is not None and time.monotonic() - born < self._faults.role_delay:
            message = "The role defined for the function cannot be assumed by Lambda."
            return refusal(call, "InvalidParameterValueException", message)
        answer = self._backends.ask(environ)
        if answer.status == HTTPStatus.CREATED:
            self._pending[call.function] = self._faults.pending_polls
        return _pending(answer) if self._pending.get(call.function) else answer

    def _get_function(self, call: Call, environ: Environ) -> Answer:
        answer = self._backends.ask(environ)
        if not self._pending.get(call.function):
            return answer
        self._pending[call.function] -= 1
        return _pending(answer)

    # ---- IAM ----

    def _create_role(self, call: Call, environ: Environ) -> Answer:
        answer = self._backends.ask(environ)
        if answer.status == HTTPStatus.OK:
            self._roles[call.form.get("RoleName", "")] = time.monotonic()
        return answer

    # ---- SQS ----

    def _send(self, call: Call, environ: Environ) -> Answer:
        answer = self._backends.ask(environ)
        with self._sent:
            self._sent.notify_all()
        return answer

    def _receive(self, call: Call, environ: Environ) -> Answer:
        """Wait for messages here, not in moto, where nobody else could send one meanwhile."""
        wait = call.json.get("WaitTimeSeconds")
        if wait is None:
            wait = self._backends.queue_wait(call.region, str(call.json.get("QueueUrl", "")))
        until = time.monotonic() + float(wait)
        body = json.dumps({**call.json, "WaitTimeSeconds": 0}).encode()
        environ["CONTENT_LENGTH"] = str(len(body))
        while True:
            with self._sent:  # whoever sends after this look wakes us
                answer = self._backends.ask({**environ, "wsgi.input": io.BytesIO(body)})
                left = until - time.monotonic()
                empty = answer.status == HTTPStatus.OK and not json.loads(answer.body or b"{}").get(
                    "Messages"
                )
                if not empty or left <= 0 or self._closed:
                    return answer
                self._sent.wait(min(left, LOOK_AGAIN))


def read_body(environ: Environ) -> bytes:
    """Read a request's body and put it back, so that the next application finds it."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH") or 0
    body: bytes = stream.read() if environ.get("wsgi.input_terminated") else stream.read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["wsgi.input_terminated"] = True
    return body


def give(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    """Give an answer to a WSGI server."""
    headers = list(answer.headers)
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers.append(("Content-Length", str(len(answer.body))))
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [answer.body]


def _pending(answer: Answer) -> Answer:
    """Change what is said of a function to: it is Pending."""
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return answer
    members = json.loads(answer.body)
    settings = members.get("Configuration", members)
    settings |= {"State": "Pending", "StateReasonCode": "Creating"}
    settings["StateReason"] = "The function is being created."
    return as_json(members, status=answer.status)


def _stored(call: Call) -> Answer:
    """Answer as if the message, or all messages of a batch, had been stored."""

    def stored(message: dict[str, Any]) -> dict[str, str]:
        digest = hashlib.md5(str(message.get("MessageBody", "")).encode(), usedforsecurity=False)
        return {"MessageId": str(uuid.uuid4()), "MD5OfMessageBody": digest.hexdigest()}

    if call.operation == "sqs:SendMessageBatch":
        entries = [{"Id": entry["Id"], **stored(entry)} for entry in call.json.get("Entries", [])]
        return as_json({"Successful": entries, "Failed": []})
    return as_json(stored(call.json))
