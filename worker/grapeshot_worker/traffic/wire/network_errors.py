"""What goes wrong between a user and the target, under the names by which the reference counts it (Node's error codes).

Leaves to others: noticing the faults (connection, deadlines) and counting them (the steps).

Foreign errors are translated here and nowhere else: errno by its own name, certificate faults by OpenSSL's number, the
parser's by the text llhttp gives (httptools hides llhttp's own code). Weak spot: for an unknown issuer OpenSSL gives
Node two numbers and Python only the first, so it is always called UNABLE_TO_VERIFY_LEAF_SIGNATURE, which is what Node
says when the server sends its own certificate alone.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Sequence

from grapeshot_worker.errors import StepError

RawHeaders = Sequence[tuple[bytes, bytes]]

_CERTIFICATE_FAULTS = {
    2: "UNABLE_TO_GET_ISSUER_CERT",
    7: "CERT_SIGNATURE_FAILURE",
    9: "CERT_NOT_YET_VALID",
    10: "CERT_HAS_EXPIRED",
    18: "DEPTH_ZERO_SELF_SIGNED_CERT",
    19: "SELF_SIGNED_CERT_IN_CHAIN",
    20: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    21: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    22: "CERT_CHAIN_TOO_LONG",
    23: "CERT_REVOKED",
    24: "INVALID_CA",
    25: "PATH_LENGTH_EXCEEDED",
    26: "INVALID_PURPOSE",
    27: "CERT_UNTRUSTED",
    28: "CERT_REJECTED",
    62: "ERR_TLS_CERT_ALTNAME_INVALID",
    64: "ERR_TLS_CERT_ALTNAME_INVALID",
}

# How llhttp's texts begin, and the code that belongs to each; the first that fits counts.
_PARSER_FAULTS = (
    ("Expected HTTP/", "HPE_INVALID_CONSTANT"),
    ("Invalid word", "HPE_INVALID_CONSTANT"),
    ("Invalid HTTP version", "HPE_INVALID_VERSION"),
    ("Invalid major version", "HPE_INVALID_VERSION"),
    ("Invalid minor version", "HPE_INVALID_VERSION"),
    ("Expected dot", "HPE_INVALID_VERSION"),
    ("Expected space after version", "HPE_INVALID_VERSION"),
    ("Invalid status", "HPE_INVALID_STATUS"),
    ("Invalid response status", "HPE_INVALID_STATUS"),
    ("Invalid header", "HPE_INVALID_HEADER_TOKEN"),
    ("Unexpected whitespace", "HPE_INVALID_HEADER_TOKEN"),
    ("Content-Length can't", "HPE_UNEXPECTED_CONTENT_LENGTH"),
    ("Duplicate Content-Length", "HPE_UNEXPECTED_CONTENT_LENGTH"),
    ("Content-Length", "HPE_INVALID_CONTENT_LENGTH"),
    ("Empty Content-Length", "HPE_INVALID_CONTENT_LENGTH"),
    ("Invalid character in Content-Length", "HPE_INVALID_CONTENT_LENGTH"),
    ("Transfer-Encoding", "HPE_INVALID_TRANSFER_ENCODING"),
    ("Invalid `Transfer-Encoding`", "HPE_INVALID_TRANSFER_ENCODING"),
    ("Empty Transfer-Encoding", "HPE_INVALID_TRANSFER_ENCODING"),
    ("Invalid character in chunk", "HPE_INVALID_CHUNK_SIZE"),
    ("Chunk size overflow", "HPE_INVALID_CHUNK_SIZE"),
    ("Invalid quoted-pair", "HPE_INVALID_CHUNK_SIZE"),
    ("Missing expected CR", "HPE_CR_EXPECTED"),
    ("Missing expected LF", "HPE_LF_EXPECTED"),
    ("Expected LF", "HPE_LF_EXPECTED"),
    ("Expected CRLF", "HPE_CR_EXPECTED"),
    ("Data after", "HPE_CLOSED_CONNECTION"),
)


class NetworkError(StepError):
    """An exchange that failed; `status` and `raw_headers` are those of the response when its head had come.

    `answered` then is the moment of its first byte, `first_byte_ms` the time from the request written to that moment.
    """

    def __init__(
        self,
        name: str,
        *,
        status: int | None = None,
        raw_headers: RawHeaders = (),
        first_byte_ms: float = 0.0,
        answered: float = 0.0,
    ) -> None:
        super().__init__(name)
        self.status = status
        self.raw_headers = raw_headers
        self.first_byte_ms = first_byte_ms
        self.answered = answered

    @property
    def response_started(self) -> bool:
        """Tell whether the response's head had been received, so that the response counts."""
        return self.status is not None


def name_of(error: BaseException | None) -> str:
    """Name a fault of the operating system, of name look-up or of TLS; None is a connection that just ended."""
    match error:
        case None:
            return "ECONNRESET"
        case ssl.SSLCertVerificationError():
            return _CERTIFICATE_FAULTS.get(error.verify_code, "CERT_REJECTED")
        case ssl.SSLError():
            return f"ERR_SSL_{error.reason}" if error.reason else "ECONNRESET"
        case ssl.CertificateError():
            return "ERR_TLS_CERT_ALTNAME_INVALID"
        case socket.gaierror():
            return _look_up_fault(error.errno)
        case ConnectionAbortedError():
            return "ECONNRESET"
        case OSError() if error.errno is not None:
            return errno.errorcode.get(error.errno, "ECONNRESET")
        case _:
            return "ECONNRESET"


def _look_up_fault(code: int | None) -> str:
    if code in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
        return "ENOTFOUND"
    return next(
        (n for n in ("EAI_AGAIN", "EAI_FAIL", "EAI_MEMORY") if code == getattr(socket, n)), "ENOTFOUND"
    )


def parser_fault(text: str) -> str:
    """Name what the HTTP parser complains of.

    >>> parser_fault("Invalid character in chunk size")
    'HPE_INVALID_CHUNK_SIZE'
    """
    return next((name for start, name in _PARSER_FAULTS if text.startswith(start)), "HPE_INVALID_CONSTANT")
