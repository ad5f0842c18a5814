"""Sending a rendered request for a user: its connection, its cookies, redirects, and every hop's measurements.

Leaves to others: rendering (outgoing), bytes on the wire (connection), what the answer is used for (http).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence

from grapeshot_worker.errors import StepError
from grapeshot_worker.script.model import HttpSettings, Request
from grapeshot_worker.script.template import Template, to_text
from grapeshot_worker.traffic.bodies import decode_body
from grapeshot_worker.traffic.connection import Connection, NetworkError
from grapeshot_worker.traffic.cookies import CookieJar
from grapeshot_worker.traffic.endpoints import server_timing_total
from grapeshot_worker.traffic.lanes import Lane
from grapeshot_worker.traffic.outgoing import BAD_REQUEST, Outgoing
from grapeshot_worker.traffic.redirects import next_hop
from grapeshot_worker.traffic.response import Response
from grapeshot_worker.traffic.url import Origin, parse_url
from grapeshot_worker.traffic.user import Engine, User

HEADER_TIMEOUT = 10.0  # seconds from the request written to the response's head, when nothing is configured
SILENCE_TIMEOUT = 8.0  # seconds without a byte; at least this much also when a timeout is configured
BODY_METHODS = frozenset(("POST", "PUT", "PATCH"))  # these say `content-length: 0` when they have no body
REDIRECTS = frozenset((301, 302, 303, 307, 308))
COOKIE_ERROR = "errors.cookie_parse_error_invalid_cookie"

SET_COOKIE, CONTENT_ENCODING, LOCATION, SERVER_TIMING = (
    "set-cookie",
    "content-encoding",
    "location",
    "server-timing",
)
_NOTABLE = frozenset((SET_COOKIE, CONTENT_ENCODING, LOCATION, SERVER_TIMING))

_BODY_FIELDS = re.compile(r"^content-[a-z-]+: [^\r\n]*\r\n", re.MULTILINE)
_SECRET_FIELDS = re.compile(r"^(?:authorization|cookie): [^\r\n]*\r\n", re.MULTILINE)
_COOKIE_FIELD = re.compile(r"^cookie: [^\r\n]*\r\n", re.MULTILINE)


class _FieldNames(dict[bytes, str | None]):
    """Raw header name → its notable lower-case form, or None: what servers send is few names, many times."""

    def __missing__(self, raw: bytes) -> str | None:
        name = raw.decode("latin-1").lower()
        found = name if name in _NOTABLE else None
        if len(self) < 1000:
            self[raw] = found
        return found


_field_names = _FieldNames()


class Exchanger:
    """Sends what a Renderer gives, hop by hop; made once for each request of the script."""

    def __init__(self, request: Request, engine: Engine) -> None:
        settings = engine.script.http
        self._engine = engine
        self._recorder = engine.recorder
        self._clock = engine.clock
        self._header_timeout, self._silence_timeout = timeouts(request, settings)
        self._follow = request.follow_redirect
        self._max_hops = request.max_redirects
        self._gzip = request.gzip
        self._cookies: Sequence[tuple[str, Template]] = (*settings.default_cookies, *request.cookies)
        self._own_length = any(name == "content-length" for name, _ in request.headers)
        self._extended = settings.extended_metrics
        self._apdex = engine.script.plugins.apdex
        endpoints = engine.script.plugins.endpoints
        self._namespace = endpoints.namespace if endpoints is not None else ""

    async def send(self, user: User, outgoing: Outgoing, endpoint: str | None) -> Response:
        """Send the request and follow its redirects; the last hop counts for `endpoint`.

        NetworkError when a hop fails.
        """
        method, url, fields, body = outgoing
        hops = 0
        while True:
            response, notable = await self._hop(user, Outgoing(method, url, fields, body), endpoint)
            if response.status not in REDIRECTS or not self._follow:
                break
            hop = next_hop(response.status, method, _last(notable, LOCATION), url)
            if hop is None:
                break
            if hops >= self._max_hops:
                raise StepError("ERR_TOO_MANY_REDIRECTS")
            hops += 1
            method, url, keep_body, keep_credentials = hop
            if not keep_body:
                body = None
                fields = _BODY_FIELDS.sub("", fields)
            if not keep_credentials:  # what was meant for one host is not told another
                fields = _SECRET_FIELDS.sub("", fields)
        if not notable:
            return response
        if endpoint is not None and (timing := _last(notable, SERVER_TIMING)) is not None:
            self._recorder.observe(f"{self._namespace}.server-timing.{endpoint}", server_timing_total(timing))
        if self._gzip and (encoding := _last(notable, CONTENT_ENCODING)):
            response.body = decode_body(response.body, encoding)
        return response

    async def _hop(
        self, user: User, outgoing: Outgoing, endpoint: str | None
    ) -> tuple[Response, list[tuple[str, bytes]]]:
        method, url, fields, body = outgoing
        origin, path, host = parse_url(url)
        jar = user.jar
        if (self._cookies or (jar is not None and jar.active)) and (
            cookie := self._cookie(user, origin, path)
        ):
            fields = _COOKIE_FIELD.sub("", fields) + f"cookie: {cookie}\r\n"
        if body is not None:
            if not self._own_length:
                fields += f"content-length: {len(body)}\r\n"
        elif method in BODY_METHODS and not self._own_length:
            fields += "content-length: 0\r\n"
        head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{fields}connection: keep-alive\r\n\r\n".encode(
            "latin-1"
        )
        response = await self._exchange(user, origin, head, body, is_head=method == "HEAD")
        response.url = url
        notable = [(kind, value) for name, value in response.raw_headers if (kind := _field_names[name])]
        is_hop = (
            self._follow and response.status in REDIRECTS and any(kind == LOCATION for kind, _ in notable)
        )
        self._record(response, None if is_hop else endpoint, 0 if is_hop else response.wire_bytes)
        if notable:
            self._keep_cookies(user, origin, path, notable)
        return response, notable

    async def _exchange(
        self, user: User, origin: Origin, head: bytes, body: bytes | None, *, is_head: bool
    ) -> Response:
        self._recorder.sent(self._clock())
        if self._engine.pool is not None:
            connection = await self._engine.pool.acquire(origin)
            try:
                return await self._talk(connection, head, body, is_head=is_head)
            finally:
                self._engine.pool.release(connection)
        lane = user.lanes.get(origin)
        if lane is None:
            lane = user.lanes[origin] = Lane()
        if lane.busy:
            await lane.enter()
        else:
            lane.busy = True
        try:
            own = lane.connection
            if own is None or not own.reusable:
                lane.close()
                own = lane.connection = await self._connect(origin)
            return await self._talk(own, head, body, is_head=is_head)
        finally:
            lane.leave()

    async def _connect(self, origin: Origin) -> Connection:
        return await self._engine.connector.connect(origin, timeout=self._silence_timeout)

    async def _talk(
        self, connection: Connection, head: bytes, body: bytes | None, *, is_head: bool
    ) -> Response:
        try:
            return await connection.exchange(
                head,
                body,
                is_head=is_head,
                header_timeout=self._header_timeout,
                silence_timeout=self._silence_timeout,
            )
        except NetworkError as error:
            # Its head was received, so it is a response, though its body never ended.
            if error.status is not None:
                self._recorder.answered(
                    self._clock(),
                    endpoint=None,
                    status=error.status,
                    milliseconds=error.first_byte_ms,
                    size=0,
                )
            raise

    # ---- measurements ----

    def _record(self, response: Response, endpoint: str | None, size: int) -> None:
        now = self._clock()
        self._recorder.answered(
            now, endpoint=endpoint, status=response.status, milliseconds=response.first_byte, size=size
        )
        if self._extended:
            self._recorder.observe("http.total", response.total)
            if response.opening is not None:  # a connection used before has none of these
                for phase, milliseconds in response.opening._asdict().items():
                    self._recorder.observe(f"http.{phase}", milliseconds)
        if self._apdex is not None:
            self._record_apdex(response.total, self._apdex)

    def _record_apdex(self, total: float, threshold: float) -> None:
        self._recorder.count("apdex.satisfied", int(total <= threshold))
        self._recorder.count("apdex.tolerated", int(threshold < total <= 4 * threshold))
        self._recorder.count("apdex.frustrated", int(total > 4 * threshold))

    # ---- cookies ----

    def _cookie(self, user: User, origin: Origin, path: str) -> str | None:
        jar = user.jar
        if self._cookies:
            jar = jar or self._new_jar(user)
            for name, template in self._cookies:
                jar.put(name, to_text(template.render(user.variables)), origin.host, path)
        return jar.header(origin.host, path, origin.scheme == "https") if jar is not None else None

    def _keep_cookies(self, user: User, origin: Origin, path: str, notable: list[tuple[str, bytes]]) -> None:
        values = [value for kind, value in notable if kind == SET_COOKIE]
        if not values:
            return
        jar = user.jar or self._new_jar(user)
        for _ in range(jar.store(values, origin.host, path, origin.scheme == "https")):
            self._recorder.count(COOKIE_ERROR)

    def _new_jar(self, user: User) -> CookieJar:
        user.jar = CookieJar(self._engine.script.http.cookie_options, time.time)
        return user.jar


def timeouts(request: Request, settings: HttpSettings) -> tuple[float, float]:
    """Give the seconds to the response's head, and of silence; StepError when the configured timeout is no number."""
    configured = request.timeout if request.timeout is not None else settings.timeout
    if configured is None:
        return HEADER_TIMEOUT, SILENCE_TIMEOUT
    if math.isnan(configured):
        raise StepError(BAD_REQUEST)
    return configured, max(SILENCE_TIMEOUT, configured)


def _last(notable: list[tuple[str, bytes]], kind: str) -> str | None:
    found = [value for name, value in notable if name == kind]
    return found[-1].decode("latin-1") if found else None
