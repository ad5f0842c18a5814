"""A request of the script, rendered for one user: method, url, head fields and body.

Leaves to others: sending it (exchange), connections (connection), what happens around it (http).
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from grapeshot_worker.errors import StepError
from grapeshot_worker.script.model import HttpSettings, Request, Upload
from grapeshot_worker.script.template import MISSING, Template, Variables, to_text
from grapeshot_worker.traffic.bodies import FormFile, encode_form, encode_json, encode_multipart, encode_query
from grapeshot_worker.traffic.wire.network_errors import NetworkError
from grapeshot_worker.traffic.wire.url import Place, credentials, is_plain, split_url

BAD_REQUEST = "ERR_GOT_REQUEST_ERROR"  # the reference's name for options that make no request
BAD_CHARACTER = "ERR_INVALID_CHAR"
ACCEPT_ENCODING = "gzip, deflate, br, zstd"

_UNSENDABLE = re.compile(
    r"[^\t\x20-\x7e\x80-\xff]"
)  # a header value with one of these would split or garble the head
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN_URL = re.compile(r"https?://[a-z0-9.:\[\]-]+/")
_OWN_AUTHORIZATION = re.compile(r"^authorization: [^\r\n]*\r\n", re.MULTILINE)
_JOINTS = {
    "cookie": "; "
}  # a repeated header may be written as one (RFC 9110, 5.3), joined by commas but for this

Body = bytes | None
BodyMaker = Callable[[Variables], tuple[Body, str | None]]  # → body, content type unless the script sets one


class Outgoing(NamedTuple):
    """A rendered request. `fields` are the head lines but for host, cookie and content-length, each ended by CRLF.

    `place` is where `url` leads if that is known already.
    """

    url: str
    fields: str
    body: Body
    place: Place | None = None


_outgoing = tuple.__new__  # what a NamedTuple's own constructor calls in the end


class Renderer:
    """Renders one compiled request by `render(variables)`, for one user; StepError for what can't be sent.

    What does not depend on the user is done here once.
    """

    def __init__(
        self,
        request: Request,
        settings: HttpSettings,
        directory: str,
        rng: random.Random,
        *,
        target: str = "",
    ) -> None:
        self._target = target
        self._url = request.url.render
        self._query = request.qs
        self._make_body = compile_body(request, directory, rng)
        refused = {"authorization"} if request.auth is not None else set()
        if settings.trace_prefix:
            refused.add("traceparent")
        self._fixed, self._varying = _split_headers(request, refused)
        self._has_type = any(name == "content-type" for name, _ in request.headers)
        self._auth = _compile_auth(request)
        self._trace = (settings.trace_prefix, settings.trace_sampled) if settings.trace_prefix else None
        self._rng = rng
        self.render: Callable[[Variables], Outgoing] = self._render
        if self._only_path_varies(request):
            self.render = self._render_plain
            if request.url.constant:
                url = self._url({})
                self._ready = Outgoing(url, self._fixed, None, split_url(url))
                self.render = self._give_ready
            elif self._only_a_name_varies(request.url):
                self.render = self._render_name

    def _only_path_varies(self, request: Request) -> bool:
        url = request.url
        text = url.render({}) if url.constant else url.source  # one with an unknown function has no value
        if not isinstance(text, str) or not _PLAIN_URL.match(text) or self._varying:
            return False
        return (self._make_body, self._query, self._auth, self._trace) == (None, None, None, None)

    def _only_a_name_varies(self, url: Template) -> bool:
        if url.around is None:
            return False
        before, self._name, self._after = url.around
        self._origin, self._before, self._host = split_url(before)
        self._authority = before.removesuffix(self._before)
        return self._authority != before and is_plain(self._before + self._after) is not None

    def _render_plain(self, variables: Variables) -> Outgoing:
        return _outgoing(Outgoing, (self._url(variables), self._fixed, None, None))

    def _give_ready(self, variables: Variables) -> Outgoing:
        return self._ready

    def _render_name(self, variables: Variables) -> Outgoing:
        value = variables.get(self._name)
        if value.__class__ is not int and (value.__class__ is not str or is_plain(value) is None):
            return self._render_plain(variables)
        path = f"{self._before}{value}{self._after}"
        place = (self._origin, path, self._host)
        return _outgoing(Outgoing, (self._authority + path, self._fixed, None, place))

    def _render(self, variables: Variables) -> Outgoing:
        body, content_type = self._make_body(variables) if self._make_body is not None else (None, None)
        url = self._url(variables)
        if not isinstance(url, str):
            url = to_text(url)
        if not url.startswith("http"):
            if not url.startswith("/"):
                raise StepError(f"Invalid URL - {url}")
            url = self._target + url  # a path that stood in a variable
        if self._query is not None:
            query = encode_query(
                [
                    (
                        name if isinstance(name, str) else to_text(name.render(variables)),
                        value.render(variables),
                    )
                    for name, value in self._query
                ]
            )
            url = url.partition("?")[0] + (f"?{query}" if query else "")
        fields = self._fixed
        for name, template in self._varying:
            value = template.render(variables)
            if value is not MISSING and value is not None:
                text = value if isinstance(value, str) else _header_text(name, value)
                if _UNSENDABLE.search(text):
                    raise NetworkError(BAD_CHARACTER)
                fields += f"{name}: {text}\r\n"
        if content_type is not None and not self._has_type:
            fields += f"content-type: {content_type}\r\n"
        if self._auth is not None:
            fields += self._auth(variables)
        elif "@" in url and (pair := credentials(url)):
            fields = _OWN_AUTHORIZATION.sub("", fields) + _authorization(*pair)
        if self._trace is not None:
            fields += self._traceparent(*self._trace)
        return _outgoing(Outgoing, (url, fields, body, None))

    def _traceparent(self, prefix: str, sampled: bool) -> str:
        trace = prefix + f"{self._rng.getrandbits(128):032x}"[len(prefix) :]
        return f"traceparent: 00-{trace}-{self._rng.getrandbits(64):016x}-{'01' if sampled else '00'}\r\n"


def _split_headers(request: Request, refused: Collection[str]) -> tuple[str, list[tuple[str, Template]]]:
    fixed, varying = "", []
    names = {name for name, _ in request.headers}
    for name, template in request.headers:
        if name in refused:  # as in the reference, `auth` and tracing win over written headers
            continue
        if not _TOKEN.fullmatch(name):
            raise NetworkError("ERR_INVALID_HTTP_TOKEN")
        if not template.constant:
            varying.append((name, template))
        elif (value := template.render({})) is not MISSING and value is not None:
            fixed += _field(name, value if isinstance(value, str) else _header_text(name, value))
    if request.gzip and "accept-encoding" not in names:
        fixed += f"accept-encoding: {ACCEPT_ENCODING}\r\n"
    return fixed, varying


def _header_text(name: str, value: Any) -> str:
    """Write a value that is no text; a list is a header repeated, which may be written in one line."""
    if not isinstance(value, list):
        return to_text(value)
    return _JOINTS.get(name, ", ").join(map(to_text, value))


def _field(name: str, value: str) -> str:
    if _UNSENDABLE.search(value):
        raise NetworkError(BAD_CHARACTER)
    return f"{name}: {value}\r\n"


def _authorization(user: str, password: str) -> str:
    return f"authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}\r\n"


def _compile_auth(request: Request) -> Callable[[Variables], str] | None:
    if request.auth is None:
        return None
    user, password = request.auth

    def auth(variables: Variables) -> str:
        return _authorization(to_text(user.render(variables)), to_text(password.render(variables)))

    if user.constant and password.constant:
        line = auth({})
        return lambda variables: line
    return auth


# ---- bodies ----


def compile_body(request: Request, directory: str, rng: random.Random) -> BodyMaker | None:
    """Compile what makes the body; None when the request can't have one.

    A truthy json drops the body, as the reference does.
    """
    kinds = (request.json or request.body, request.form, request.form_data)
    if sum(kind is not None for kind in kinds) > 1:
        return _refuse  # there is one body: none is sent in place of another in silence
    if request.json is not None:
        make = _json_body(request.json, request.body)
    elif request.body is not None:
        make = _text_body(request.body)
    elif request.form is not None:
        make = _form_body(request.form)
    elif request.form_data is not None:
        make = _multipart_body(request.form_data, directory, rng)
    else:
        return None
    if request.method in ("GET", "HEAD") and not request.allow_get_body:
        return _refuse_body(make)
    return make


def _refuse(variables: Variables) -> tuple[Body, str | None]:
    raise NetworkError(BAD_REQUEST)


def _refuse_body(make: BodyMaker) -> BodyMaker:
    def refuse(variables: Variables) -> tuple[Body, str | None]:
        if make(variables)[0] is not None:
            raise NetworkError(BAD_REQUEST)
        return None, None

    return refuse


def _json_body(json: Template, body: Template | None) -> BodyMaker:
    fallback = _text_body(body) if body is not None else None

    def make(variables: Variables) -> tuple[Body, str | None]:
        value = json.render(variables)
        truthy = isinstance(value, dict | list) or bool(value)
        if not truthy and fallback is not None:
            return fallback(variables)
        if value is MISSING:
            return None, None
        return encode_json(value), "application/json"

    if json.constant and fallback is None and json.render({}) is not MISSING:
        ready = make({})
        return lambda variables: ready
    return make


def _text_body(body: Template) -> BodyMaker:
    def make(variables: Variables) -> tuple[Body, str | None]:
        value = body.render(variables)
        if isinstance(value, str):
            return value.encode(), None
        if isinstance(value, bytes | bytearray):  # set by a hook
            return bytes(value), None
        if value is MISSING or value is None:
            return None, None
        raise NetworkError(BAD_REQUEST)

    if body.constant and isinstance(body.render({}), str):
        with contextlib.suppress(
            UnicodeEncodeError
        ):  # half a surrogate pair is the fault of the user who sends it
            ready = make({})
            return lambda variables: ready
    return make


def _form_body(form: Sequence[tuple[str, Template]]) -> BodyMaker:
    def make(variables: Variables) -> tuple[Body, str | None]:
        pairs = [(name, template.render(variables)) for name, template in form]
        return encode_form(pairs), "application/x-www-form-urlencoded"

    return make


@lru_cache(maxsize=64)
def _file_bytes(path: str) -> bytes:
    # Uploaded files are read once per process, not once per request.
    with open(path, "rb") as file:
        return file.read()


def _multipart_body(uploads: Sequence[Upload], directory: str, rng: random.Random) -> BodyMaker:
    def field(upload: Upload, variables: Variables) -> tuple[str, Any, str | None]:
        kind = to_text(upload.content_type.render(variables)) if upload.content_type is not None else None
        if upload.file is not None:
            path = to_text(upload.file.render(variables))
            try:
                content = _file_bytes(os.path.join(directory, path))
            except OSError:
                raise NetworkError(BAD_REQUEST) from None
            return upload.name, FormFile(os.path.basename(path), content), kind
        return upload.name, upload.value.render(variables) if upload.value is not None else "", kind

    def make(variables: Variables) -> tuple[Body, str | None]:
        boundary = f"--------------------------{rng.getrandbits(96):024x}"
        return encode_multipart([field(u, variables) for u in uploads], boundary)

    return make
