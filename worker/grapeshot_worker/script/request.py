"""One HTTP request, compiled from what was written – or from what a function made of it at run time.

Leaves to others: the types of what was written (validate), sending it (traffic).

Compiling is on the request path of every user whose `beforeRequest` functions change a request, so it
touches no file, and takes over from the request as written each part that was left as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grapeshot_worker.errors import Place, StepError
from grapeshot_worker.script.captures import compile_captures, compile_matches
from grapeshot_worker.script.convert import as_number, as_texts, as_truth
from grapeshot_worker.script.model import Expectation, HttpSettings, Request, Upload
from grapeshot_worker.script.template import Functions, Template, compile_template

_MALFORMED: Final = "ERR_GOT_REQUEST_ERROR"  # the reference's name of options its HTTP client refuses
_NO_URL: Final = "an URL must be specified"
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a request's parts are compiled with."""

    functions: Functions
    http: HttpSettings

    def template(self, source: Any) -> Template:
        return compile_template(source, self.functions)

    def pairs(self, written: Any) -> tuple[tuple[str, Template], ...]:
        if not isinstance(written, Mapping):
            raise StepError(_MALFORMED)
        return tuple((str(name), self.template(value)) for name, value in written.items())


def parse_request(
    method: str,
    params: Mapping[str, Any],
    *,
    target: str,
    http: HttpSettings,
    functions: Functions,
    base: Request | None = None,
    place: Place | None = None,
) -> Request:
    """Compile a request.

    `params` is what was written, or what a function left of it; a url that starts with "/" gets the target
    in front. `base` is the request before a function changed it. Raises StepError, named as the reference
    counts it, where the request can't be made: no url, or an attribute of the wrong type.
    """
    url = params.get("url") or params.get("uri")
    if not isinstance(url, str):
        raise StepError(_NO_URL)
    if url.startswith("/"):
        url = target + url
    setting = _Setting(functions, http)
    before = base.params if base is not None else None
    parts: dict[str, Any] = {}
    for field, (key, compile_part) in _PARTS.items():
        value = params.get(key, _ABSENT)
        if before is not None and _same(value, before.get(key, _ABSENT)):
            parts[field] = getattr(base, field)
        elif value is not _ABSENT and (value is not None or field == "json"):
            parts[field] = compile_part(setting, value)
    parts.setdefault("headers", http.default_headers)
    timeout = as_number(params.get("timeout"))
    return Request(
        method=method.upper(),
        params=params if params.get("url") == url else {**params, "url": url},
        url=base.url if base is not None and base.url.source == url else setting.template(url),
        # A function that changes the url does not change the endpoint it is counted under.
        written_url=base.written_url if base is not None else _without(target, url),
        auth=_auth(setting, params),
        timeout=None if timeout is None else float(timeout),
        place=place if place is not None or base is None else base.place,
        **parts,
    )


def _without(target: str, url: str) -> str:
    return url.removeprefix(target) if target and url.startswith(f"{target}/") else url


def _same(value: Any, other: Any) -> bool:
    """Tell whether a part was left alone; 1 and True are equal in Python, but not in a JSON body."""
    return value is other or (value == other and (isinstance(value, str) or repr(value) == repr(other)))


def _headers(setting: _Setting, written: Any) -> tuple[tuple[str, Template], ...]:
    named = {name.lower(): value for name, value in setting.pairs(written)}
    return tuple({**dict(setting.http.default_headers), **named}.items())


def _query(setting: _Setting, written: Any) -> tuple[tuple[str | Template, Template], ...]:
    """Compile a query: its names are templates too, and those that are one come last, as in any object."""
    pairs = [(setting.template(name), value) for name, value in setting.pairs(written)]
    fixed = [(str(name.source), value) for name, value in pairs if name.constant]
    return (*fixed, *((name, value) for name, value in pairs if not name.constant))


def _uploads(setting: _Setting, written: Any) -> tuple[Upload, ...]:
    if not isinstance(written, Mapping):
        raise StepError(_MALFORMED)
    return tuple(_upload(setting, name, value) for name, value in written.items())


def _upload(setting: _Setting, name: str, written: Any) -> Upload:
    if not isinstance(written, Mapping) or not written.keys() & {"value", "fromFile"}:
        return Upload(name=name, value=setting.template(written))
    kind = written.get("contentType")
    content_type = None if kind is None else setting.template(kind)
    if "fromFile" in written:
        return Upload(name=name, file=setting.template(written["fromFile"]), content_type=content_type)
    return Upload(name=name, value=setting.template(written["value"]), content_type=content_type)


def _auth(setting: _Setting, params: Mapping[str, Any]) -> tuple[Template, Template] | None:
    auth = params.get("auth")
    if auth == {}:
        return None
    if isinstance(auth, Mapping):
        return setting.template(auth.get("user", "")), setting.template(auth.get("pass", ""))
    if auth is not None:
        raise StepError(_MALFORMED)
    if "username" in params or "password" in params:
        return setting.template(params.get("username", "")), setting.template(params.get("password", ""))
    return None


def _expectations(setting: _Setting, written: Any) -> tuple[Expectation, ...]:
    listed = written if isinstance(written, list) else [written]
    return tuple(
        Expectation(kind=kind, value=setting.template(value))
        for one in listed
        if isinstance(one, Mapping)
        for kind, value in one.items()
    )


def _names(setting: _Setting, written: Any) -> tuple[Template, ...]:
    return tuple(setting.template(name) for name in as_texts(written))


def _truth(_: _Setting, written: Any) -> bool:
    truth = as_truth(written)
    return bool(written) if truth is None else truth


def _hops(_: _Setting, written: Any) -> int:
    number = as_number(written)
    return 10 if number is None else int(number)


# field of Request → key as written, how its value is compiled
_PARTS: Final[dict[str, tuple[str, Callable[[_Setting, Any], Any]]]] = {
    "headers": ("headers", _headers),
    "name": ("name", _Setting.template),
    "json": ("json", _Setting.template),
    "body": ("body", _Setting.template),
    "form": ("form", _Setting.pairs),
    "form_data": ("formData", _uploads),
    "set_content_length": ("setContentLengthHeader", _truth),
    "qs": ("qs", _query),
    "cookies": ("cookie", _Setting.pairs),
    "gzip": ("gzip", _truth),
    "follow_redirect": ("followRedirect", _truth),
    "max_redirects": ("maxRedirects", _hops),
    "allow_get_body": ("allowGetBody", _truth),
    "captures": (
        "capture",
        lambda setting, written: compile_captures(
            written, functions=setting.functions, strict=setting.http.strict_capture
        ),
    ),
    "matches": ("match", lambda setting, written: compile_matches(written, functions=setting.functions)),
    "expectations": ("expect", _expectations),
    "before_request": ("beforeRequest", _names),
    "after_response": ("afterResponse", _names),
    "if_true": ("ifTrue", lambda _, written: written if isinstance(written, str) else None),
    "probability": ("probability", _Setting.template),
}
