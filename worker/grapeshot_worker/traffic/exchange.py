"""Sending a rendered request for a user: its connection, its cookies, redirects, and every hop's measurements.

Leaves to others: rendering (outgoing), bytes on the wire (connection), what the answer is used for (http).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence

from grapeshot_worker.script.model import HttpSettings, Request
from grapeshot_worker.script.template import Template, to_text
from grapeshot_worker.traffic.bodies import decode_body
from grapeshot_worker.traffic.cookies import CookieJar
from grapeshot_worker.traffic.endpoints import server_timing_total
from grapeshot_worker.traffic.lanes import Lane
from grapeshot_worker.traffic.outgoing import BAD_REQUEST, Outgoing
from grapeshot_worker.traffic.redirects import REDIRECTS, Hop, next_hop
from grapeshot_worker.traffic.response import (
    CONTENT_ENCODING,
    LOCATION,
    SERVER_TIMING,
    SET_COOKIE,
    Notable,
    Response,
)
from grapeshot_worker.traffic.user import Engine, User
from grapeshot_worker.traffic.wire.connection import Connection, NetworkError
from grapeshot_worker.traffic.wire.url import Origin, split_url

HEADER_TIMEOUT = 10.0  # seconds from the request written to the response's head, when nothing is configured
SILENCE_TIMEOUT = 8.0  # seconds without a byte; at least this much also when a timeout is configured
BODILESS = frozenset(
    ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)  # all others say `content-length: 0` when they have no body
COOKIE_ERROR = "errors.cookie_parse_error_invalid_cookie"

_BODY_FIELDS = re.compile(r"^content-[a-z-]+: [^\r\n]*\r\n", re.MULTILINE)
_SECRET_FIELDS = re.compile(r"^(?:authorization|cookie|host): [^\r\n]*\r\n", re.MULTILINE)
_HOST_FIELD = re.compile(r"^host: ", re.MULTILINE)
_COOKIE_FIELD = re.compile(r"^cookie: [^\r\n]*\r\n", re.MULTILINE)


class Exchanger:
    """Sends what a Renderer gives, hop by hop; made once for each request of the script."""

    def __init__(self, request: Request, engine: Engine) -> None:
        settings, plugins = engine.script.http, engine.script.plugins
        names = {name for name, _ in request.headers}
        self._engine = engine
        self._recorder = engine.recorder
        self._clock = engine.clock
        self._method = request.method
        self._is_head = request.method == "HEAD"  # no redirect makes one of another method, nor another of it
        self._header_timeout, self._silence_timeout = timeouts(request, settings)
        self._max_hops = request.max_redirects if request.follow_redirect else -1
        self._gzip = request.gzip
        self._cookies: Sequence[tuple[str, Template]] = (*settings.default_cookies, *request.cookies)
        self._own_length = "content-length" in names
        self._own_host = "host" in names
        self._last_field = "" if "connection" in names else "connection: keep-alive\r\n"
        # A head that depends on its path alone, as long as there are no cookies.
        self._is_plain = (
            request.method in BODILESS
            and not self._cookies
            and not names & {"host", "content-length", "connection"}
        )
        self._extended = settings.extended_metrics
        self._apdex = plugins.apdex
        self._asks_more = self._extended or self._apdex is not None  # than every request is asked
        self._namespace = plugins.endpoints.namespace if plugins.endpoints is not None else ""

    async def send(self, user: User, outgoing: Outgoing, endpoint: str | None) -> Response:
        """Send a rendered request and follow its redirects; the last hop counts for `endpoint`.

        NetworkError when a hop fails, or a redirect can't be followed.
        """
        url, fields, body, place = outgoing
        method, hops = self._method, 0
        while True:
            origin, path, host = place or split_url(url)
            head = self._head(user, method, origin, path, host, fields, body)
            self._recorder.sent(self._clock())
            lane = user.lanes.get(origin)
            if (
                lane is not None
                and not lane.busy
                and (connection := lane.connection) is not None
                and connection.reusable
            ):
                lane.busy = True
            else:
                connection, lane = await self._reserve(user, origin)
            try:
                response = await connection.exchange(
                    head, body, self._is_head, self._header_timeout, self._silence_timeout
                )
            except NetworkError as error:
                self._count_headless(user, error)
                raise
            finally:
                if lane is None:
                    self._release(connection)
                elif lane.waiting:
                    lane.leave()
                else:
                    lane.busy = False
            response.url = url
            notable = response.head.notable
            if notable:
                self._keep_cookies(user, origin, path, notable)
            hop = self._next_hop(user, response, method) if response.status in REDIRECTS else None
            if hop is None:
                break
            self._record_hop(user, response)
            if hops >= self._max_hops:
                raise NetworkError("ERR_TOO_MANY_REDIRECTS")
            hops += 1
            method, url, keep_body, keep_credentials = hop
            place = None
            if not keep_body:
                body, fields = None, _BODY_FIELDS.sub("", fields)
            if not keep_credentials:  # what was meant for one host is not told another
                fields = _SECRET_FIELDS.sub("", fields)
        intended = (response.answered - user.due) * 1000
        user.due = response.ended
        self._recorder.answered(
            self._clock(), endpoint, response.status, response.first_byte, response.wire_bytes, intended
        )
        if notable or self._asks_more:
            self._finish(response, notable, endpoint)
        return response

    def _next_hop(self, user: User, response: Response, method: str) -> Hop | None:
        if self._max_hops < 0:
            return None
        location = _last(response.head.notable, LOCATION)
        try:
            return next_hop(response.status, method, location, response.url)
        except NetworkError:
            self._record_hop(user, response)
            raise

    def _head(
        self, user: User, method: str, origin: Origin, path: str, host: str, fields: str, body: bytes | None
    ) -> bytes:
        jar = user.jar
        if self._is_plain and (jar is None or not jar.active) and body is None:
            return (
                f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{fields}connection: keep-alive\r\n\r\n".encode(
                    "latin-1"
                )
            )
        if self._cookies or (jar is not None and jar.active):
            cookie = self._cookie(user, origin, path)
            if cookie:
                fields = _COOKIE_FIELD.sub("", fields) + f"cookie: {cookie}\r\n"
        if not self._own_host or not _HOST_FIELD.search(fields):
            fields = f"host: {host}\r\n{fields}"
        if body is not None:
            if not self._own_length:
                fields += f"content-length: {len(body)}\r\n"
        elif method not in BODILESS and not self._own_length:
            fields += "content-length: 0\r\n"
        return f"{method} {path} HTTP/1.1\r\n{fields}{self._last_field}\r\n".encode("latin-1")

    async def _reserve(self, user: User, origin: Origin) -> tuple[Connection, Lane | None]:
        """Give an open connection, and the user's lane that it is in, now busy; without one it is the pool's."""
        pool = self._engine.pool
        if pool is not None:
            return await pool.acquire(origin, timeout=self._silence_timeout), None
        lane = user.lanes.get(origin)
        if lane is None:
            lane = user.lanes[origin] = Lane()
        if lane.busy:
            await lane.enter()
        else:
            lane.busy = True
        if lane.connection is not None:
            if lane.connection.reusable:
                return lane.connection, lane
            lane.close()
        try:
            lane.connection = await self._engine.connector.connect(origin, timeout=self._silence_timeout)
        except BaseException:
            lane.leave()
            raise
        return lane.connection, lane

    def _release(self, connection: Connection) -> None:
        assert self._engine.pool is not None
        self._engine.pool.release(connection)

    def _finish(self, response: Response, notable: Notable, endpoint: str | None) -> None:
        if self._extended:
            self._record_phases(response)
        if self._apdex is not None:
            self._record_apdex(response.total, self._apdex)
        if endpoint is not None and (timing := _last(notable, SERVER_TIMING)) is not None:
            self._recorder.observe(f"{self._namespace}.server-timing.{endpoint}", server_timing_total(timing))
        if self._gzip and (encoding := _last(notable, CONTENT_ENCODING)):
            response.body = decode_body(response.body, encoding)

    # ---- measurements ----

    def _record_hop(self, user: User, response: Response) -> None:
        intended = (response.answered - user.due) * 1000
        user.due = response.ended
        self._recorder.answered(self._clock(), None, response.status, response.first_byte, 0, intended)
        if self._extended:
            self._record_phases(response)

    def _record_phases(self, response: Response) -> None:
        self._recorder.observe("http.total", response.total)
        if response.opening is not None:  # a connection used before has none of these
            for phase, milliseconds in response.opening._asdict().items():
                self._recorder.observe(f"http.{phase}", milliseconds)

    def _count_headless(self, user: User, error: NetworkError) -> None:
        """Count a response whose head was received, though its body never ended."""
        if error.status is not None:
            intended = (error.answered - user.due) * 1000
            self._recorder.answered(self._clock(), None, error.status, error.first_byte_ms, 0, intended)

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

    def _keep_cookies(self, user: User, origin: Origin, path: str, notable: Notable) -> None:
        values = [value for kind, value in notable if kind == SET_COOKIE]
        if not values:
            return
        jar = user.jar or self._new_jar(user)
        if jar.store(values, origin.host, path, origin.scheme == "https"):
            self._recorder.count(COOKIE_ERROR)  # once for a response, as the reference

    def _new_jar(self, user: User) -> CookieJar:
        user.jar = CookieJar(self._engine.script.http.cookie_options, time.time)
        return user.jar


def timeouts(request: Request, settings: HttpSettings) -> tuple[float, float]:
    """Give the seconds to the response's head, and of silence; NetworkError when the timeout is no number."""
    configured = request.timeout if request.timeout is not None else settings.timeout
    if configured is None:
        return HEADER_TIMEOUT, SILENCE_TIMEOUT
    if math.isnan(configured):
        raise NetworkError(BAD_REQUEST)
    return configured, max(SILENCE_TIMEOUT, configured)


def _last(notable: Notable, kind: str) -> str | None:
    found = [value for name, value in notable if name == kind]
    return found[-1].decode("latin-1") if found else None
