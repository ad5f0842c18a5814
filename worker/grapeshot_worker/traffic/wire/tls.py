"""The script's `config.tls` as an ssl.SSLContext.

Leaves to others: handshakes (connection) and their errors (network_errors).

The options are Node's. `ca`, `cert` and `key` are PEM texts or names of PEM files, each also as a list. An option that
could not be obeyed is refused with its name, because a test with other certificates than the author meant is no test.
"""

from __future__ import annotations

import os
import ssl
import tempfile
import warnings
from collections.abc import Mapping
from typing import Any

from grapeshot_worker.errors import GrapeshotError

_KNOWN = frozenset(
    (
        "ca",
        "cert",
        "ciphers",
        "key",
        "maxVersion",
        "minVersion",
        "passphrase",
        "rejectUnauthorized",
        "servername",
    )
)
_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def client_context(
    options: Mapping[str, Any], *, directory: str, environ: Mapping[str, str]
) -> ssl.SSLContext:
    """Make the context for all https connections; GrapeshotError names the option at fault.

    `directory`: where relative files are. `environ`: NODE_EXTRA_CA_CERTS and NODE_TLS_REJECT_UNAUTHORIZED count too.
    """
    _refuse_unknown(options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    accept_all = environ.get("NODE_TLS_REJECT_UNAUTHORIZED") == "0" and "rejectUnauthorized" not in options
    if options.get("rejectUnauthorized") is False or accept_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _trust(context, options, directory, environ)
    _set_versions(context, options)
    if options.get("ciphers"):
        try:
            context.set_ciphers(str(options["ciphers"]))
        except ssl.SSLError:
            raise _problem("ciphers", "OpenSSL knows none of them for TLS 1.2 or older.") from None
    if options.get("cert") or options.get("key"):
        _identify(context, options, directory)
    if options.get("servername"):
        _try_name(context, str(options["servername"]))
    return context


def _try_name(context: ssl.SSLContext, name: str) -> None:
    # Refused here, or every user would stumble over it.
    try:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
    except (ValueError, TypeError):
        raise _problem("servername", f"{name!r} is no host name.") from None


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    if "pfx" in options:
        raise _problem(
            "pfx",
            "Python's TLS reads PEM only.",
            "Convert it with `openssl pkcs12 -in FILE -out client.pem -nodes`, then set config.tls.cert to client.pem.",
        )
    unknown = sorted(set(options) - _KNOWN)
    if unknown:
        known = ", ".join(sorted(_KNOWN))
        raise _problem(unknown[0], "Grapeshot does not know it.", f"Remove it. Known are {known}.")


def _trust(
    context: ssl.SSLContext, options: Mapping[str, Any], directory: str, environ: Mapping[str, str]
) -> None:
    authorities = _texts(options, "ca", directory)
    for text in authorities:
        _load_authority(context, "ca", text)
    if authorities:
        return  # as in Node, the author's authorities replace the system's
    context.load_default_certs()
    if extra := environ.get("NODE_EXTRA_CA_CERTS"):
        _load_authority(context, "ca", _read(extra, "ca", directory))


def _load_authority(context: ssl.SSLContext, option: str, text: str) -> None:
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise _problem(
            option, "It holds no certificate that can be read.", "Give a PEM certificate."
        ) from None


def _identify(context: ssl.SSLContext, options: Mapping[str, Any], directory: str) -> None:
    texts = [*_texts(options, "key", directory), *_texts(options, "cert", directory)]
    passphrase = options.get("passphrase")
    # OpenSSL reads a client's certificate from a file only; this one is readable by us alone, and gone at once.
    descriptor, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write("\n".join(texts))
        context.load_cert_chain(path, password=str(passphrase) if passphrase is not None else "")
    except (ssl.SSLError, ValueError):
        raise _problem(
            "cert",
            "Certificate and key can't be read, don't belong together, or the passphrase is wrong.",
            "Check config.tls.cert, key and passphrase.",
        ) from None
    finally:
        os.unlink(path)


def _set_versions(context: ssl.SSLContext, options: Mapping[str, Any]) -> None:
    for option in ("minVersion", "maxVersion"):
        written = options.get(option)
        if written is None:
            continue
        version = _VERSIONS.get(str(written))
        if version is None:
            raise _problem(option, f"{written!r} is no version.", f"Use one of {', '.join(_VERSIONS)}.")
        with warnings.catch_warnings():
            # Old versions are deprecated, which is the author's business.
            warnings.simplefilter("ignore", DeprecationWarning)
            if option == "minVersion":
                context.minimum_version = version
            else:
                context.maximum_version = version


def _texts(options: Mapping[str, Any], option: str, directory: str) -> list[str]:
    written = options.get(option)
    values = written if isinstance(written, list | tuple) else [written] if written else []
    return [str(v) if "-----BEGIN" in str(v) else _read(str(v), option, directory) for v in values]


def _read(path: str, option: str, directory: str) -> str:
    try:
        with open(os.path.join(directory, path), encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise _problem(
            option, f"{path}: {error.strerror}", "Give the PEM text itself, or a file beside the script."
        ) from None


def _problem(option: str, cause: str, remedy: str = "Correct it or remove it.") -> GrapeshotError:
    return GrapeshotError(f"config.tls.{option} can't be used: {cause}", cause=cause, remedy=remedy)
