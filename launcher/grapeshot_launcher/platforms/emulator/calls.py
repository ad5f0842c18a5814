"""Which AWS operation a request is, and how an answer to it looks on the wire (pure).

Leaves to others: doing what it asks (front), deciding whether it may (a middleware).

Four protocols are spoken: S3 tells its operations by method, path and sub-resource; Lambda by method and path;
SQS, ECR and others name theirs in the header X-Amz-Target; IAM and STS in the form field `Action`. What is in no table
is called `<service>:Unknown`, so that whoever judges by operation refuses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

Environ = dict[str, Any]  # of a WSGI request
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Middleware = Callable[[Application], Application]

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")

# S3: method and sub-resource → operation, of a bucket and of an object; the first match counts.
_BUCKET = {
    "location": {"GET": "GetBucketLocation"},
    "lifecycle": {
        "GET": "GetBucketLifecycleConfiguration",
        "PUT": "PutBucketLifecycleConfiguration",
        "DELETE": "DeleteBucketLifecycle",
    },
    "publicAccessBlock": {"GET": "GetPublicAccessBlock", "PUT": "PutPublicAccessBlock"},
    "encryption": {"GET": "GetBucketEncryption", "PUT": "PutBucketEncryption"},
    "policy": {"GET": "GetBucketPolicy", "PUT": "PutBucketPolicy", "DELETE": "DeleteBucketPolicy"},
    "tagging": {"GET": "GetBucketTagging", "PUT": "PutBucketTagging", "DELETE": "DeleteBucketTagging"},
    "versioning": {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"},
    "uploads": {"GET": "ListMultipartUploads"},
    "delete": {"POST": "DeleteObjects"},
    "list-type": {"GET": "ListObjectsV2"},
    "": {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"},
}
_OBJECT = {
    "tagging": {"GET": "GetObjectTagging", "PUT": "PutObjectTagging", "DELETE": "DeleteObjectTagging"},
    "acl": {"GET": "GetObjectAcl", "PUT": "PutObjectAcl"},
    "uploads": {"POST": "CreateMultipartUpload"},
    "partNumber": {"PUT": "UploadPart"},
    "uploadId": {"POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload", "GET": "ListParts"},
    "": {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"},
}
# With any other parameter it is an operation on some further sub-resource, and in no table.
_PLAIN = {"x-id", "prefix", "delimiter", "marker", "max-keys", "encoding-type", "list-type", "partNumber"}
_PLAIN |= {"continuation-token", "start-after", "fetch-owner"}

# Lambda: what follows `/functions/<name>` → method → operation.
_FUNCTION = {
    "": {"GET": "GetFunction", "DELETE": "DeleteFunction"},
    "configuration": {"GET": "GetFunctionConfiguration", "PUT": "UpdateFunctionConfiguration"},
    "code": {"PUT": "UpdateFunctionCode"},
    "invocations": {"POST": "Invoke"},
    "event-invoke-config": {
        "GET": "GetFunctionEventInvokeConfig",
        "PUT": "PutFunctionEventInvokeConfig",
        "POST": "UpdateFunctionEventInvokeConfig",
        "DELETE": "DeleteFunctionEventInvokeConfig",
    },
    "concurrency": {
        "GET": "GetFunctionConcurrency",
        "PUT": "PutFunctionConcurrency",
        "DELETE": "DeleteFunctionConcurrency",
    },
    "policy": {"GET": "GetPolicy", "POST": "AddPermission"},
    "versions": {"GET": "ListVersionsByFunction", "POST": "PublishVersion"},
}
_FUNCTION_PATH = re.compile(r"/[\d-]+/functions/([^/]+)(?:/([a-z-]+))?/?$")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to AWS. `operation` reads like `s3:PutObject`; `access_key` is the caller's key id."""

    service: str
    operation: str
    region: str = ""
    access_key: str = ""
    method: str = ""
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a form (IAM, STS)."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def json(self) -> dict[str, Any]:
        """The members of a JSON body (SQS, ECR, Lambda); of anything else none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def bucket(self) -> str:
        """The bucket of an S3 call (path style)."""
        return self.path.lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """The object's key of an S3 call."""
        return self.path.lstrip("/").partition("/")[2]

    @property
    def function(self) -> str:
        """The name of a Lambda call's function; of ARNs their last part."""
        if found := _FUNCTION_PATH.match(self.path):
            return found[1].partition("function:")[2].partition(":")[0] or found[1]
        return str(self.json.get("FunctionName", ""))


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What goes back: status, headers and body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def read_call(environ: Environ, body: bytes) -> Call:
    """Tell which call a WSGI request is; `body` is what was read from it."""
    credential = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    key, region, service = credential.groups() if credential else ("", "", "")
    method, path = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    call = Call(
        service=service,
        operation="",
        region=region,
        access_key=key,
        method=method,
        path=path,
        query=query,
        body=body,
    )
    match service:
        case "s3":
            name = _s3(call, copies="HTTP_X_AMZ_COPY_SOURCE" in environ)
        case "lambda":
            name = _lambda(call)
        case "iam" | "sts" | "":  # some calls of sts nobody signs
            name = call.form.get("Action", "")
            service = service or "sts"
        case _:
            name = target
    return replace(call, service=service, operation=f"{service}:{name or 'Unknown'}")


def _s3(call: Call, *, copies: bool) -> str:
    if not call.bucket:
        return "ListBuckets" if call.method == "GET" else ""
    for resource, methods in (_OBJECT if call.key else _BUCKET).items():
        if resource in call.query or (resource == "" and _PLAIN.issuperset(call.query)):
            name = methods.get(call.method, "")
            return "CopyObject" if name == "PutObject" and copies else name
    return ""


def _lambda(call: Call) -> str:
    if found := _FUNCTION_PATH.match(call.path):
        return _FUNCTION.get(found[2] or "", {}).get(call.method, "")
    if re.match(r"/[\d-]+/functions/?$", call.path):
        return {"GET": "ListFunctions", "POST": "CreateFunction"}.get(call.method, "")
    if re.match(r"/[\d-]+/tags/", call.path):
        return {"GET": "ListTags", "POST": "TagResource", "DELETE": "UntagResource"}.get(call.method, "")
    return "GetAccountSettings" if re.match(r"/[\d-]+/account-settings/?$", call.path) else ""


def as_json(value: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Answer with a JSON document."""
    kind = (("Content-Type", "application/json"),)
    return Answer(status=status, headers=kind + headers, body=json.dumps(value).encode())


def refusal(call: Call, code: str, message: str, *, status: int = 400) -> Answer:
    """Answer with an error in the protocol of the called service."""
    match call.service:
        case "s3":
            text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
            body = b"" if call.method == "HEAD" else text.encode()
            return Answer(status=status, headers=(("Content-Type", "application/xml"),), body=body)
        case "lambda":
            members = {"Type": "User", "Message": message, "message": message}
            return as_json(members, status=status, headers=(("x-amzn-ErrorType", code),))
        case "iam" | "sts":
            text = (
                f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
                f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
            )
            return Answer(status=status, headers=(("Content-Type", "text/xml"),), body=text.encode())
        case _:
            return as_json({"__type": code, "message": message}, status=status)


_THROTTLED = {
    "s3": ("SlowDown", "Please reduce your request rate.", 503),
    "lambda": ("TooManyRequestsException", "Rate Exceeded.", 429),
    "sqs": ("ThrottlingException", "Rate exceeded", 400),
    "ecr": ("ThrottlingException", "Rate exceeded", 400),
}


def throttled(call: Call) -> Answer:
    """Answer that the caller is too fast, as the called service puts it."""
    code, message, status = _THROTTLED.get(call.service, ("Throttling", "Rate exceeded", 400))
    return refusal(call, code, message, status=status)
