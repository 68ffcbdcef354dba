"""The gate every request passes before a route sees it: host, size, rate, time, and who asks.

It is plain ASGI around the application, so it also guards paths that do not exist.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from cab_core.api.answer import Answer, Message, Receive, Send, StuckListenerError
from cab_core.api.auth import Identity
from cab_core.api.json_body import check_json
from cab_core.api.problems import ApiError
from cab_core.api.service import BROWSER_FACTOR, Service
from cab_core.errors import CabError
from cab_core.observability.context import log_scope

Scope = dict[str, Any]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Largest body.
BODY = 64 * 1024
#: Seconds for an answer to begin, and for a listener of the stream to take a parcel.
ANSWER_S = 15.0
PARCEL_S = 30.0
#: Requests that are answered at the same time; streams are counted by the hub.
AT_ONCE = 32

#: A host as a client names it: a name or a number, one in brackets, and a port.
_HOST = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<literal>[0-9A-Fa-f:.]+)\])(?::[0-9]{1,5})?")

#: Paths that who is not known may ask for beside everything else, each at the full rate.
APART = frozenset({"/health", "/ready", "/metrics", "/login"})

#: Paths below which nothing is secret and nothing is computed: they do not count for the rate.
FREE = ("/static/",)

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_STATE = "cab"


@attrs.frozen(slots=True)
class Passed:
    """What the gate found out about a request.

    Attributes:
        identity: who asks, None for nobody we know.
        client: whose rate limit it counts for.
        presented: whether credentials came along.
    """

    trace_id: str
    identity: Identity | None
    client: str
    presented: bool


def passed(scope: Mapping[str, Any]) -> Passed:
    """Return what the gate found out."""
    found: Passed = scope["state"][_STATE]
    return found


def whoever(scope: Mapping[str, Any]) -> Identity:
    """Return who asks.

    Raises:
        ApiError: nobody that is known.
    """
    identity = passed(scope).identity
    if identity is None:
        raise ApiError(401, "a token is needed")
    return identity


@attrs.define(eq=False)
class Gate:
    """An ASGI application around another."""

    app: ASGIApp
    service: Service
    answer_s: float = ANSWER_S
    parcel_s: float = PARCEL_S
    at_once: int = AT_ONCE
    _under_way: int = attrs.field(default=0, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "there are no web sockets here"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace_id = self.service.new_trace_id()
        headers = _headers(scope)
        known = headers.get("if-none-match", "") if scope["method"] == "GET" else None
        answer = Answer(send, trace_id, self.service.measures.observe_request, self.parcel_s, known)
        with log_scope(trace_id=trace_id):
            try:
                self._check_host(headers)
                _check_site(scope, headers)
                body = await self._whole_body(headers, receive)
                found = await self._identify(scope, headers, trace_id)
                self._check_rate(scope, found)
                _check_csrf(scope, headers, found.identity)
                scope.setdefault("state", {})[_STATE] = found
                await self._pass(scope, body, answer)
            except (ApiError, CabError) as error:
                await answer.refuse(error)

    async def _whole_body(self, headers: Mapping[str, str], receive: Receive) -> Receive:
        """Read the body up to its bound, and return a ``receive`` that gives it again."""
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > BODY:
            raise ApiError(413, f"the body has {length} bytes, at most {BODY} are read")
        if length == "0" and "transfer-encoding" not in headers:
            return receive
        try:
            async with asyncio.timeout(self.answer_s):
                body = await _read(receive)
        except TimeoutError:
            raise ApiError(503, "the body did not come in time", code="timeout") from None
        if "json" in headers.get("content-type", ""):
            check_json(body)
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return first.pop() if first else await receive()

        return again

    async def _pass(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        if self._under_way >= self.at_once:
            raise ApiError(503, f"{self.at_once} requests are being answered", retry_after_s=1)
        self._under_way += 1
        answer.on_stream = self._leave
        try:
            async with asyncio.timeout(self.answer_s) as answer.deadline:
                await self.app(scope, receive, answer.send)
        except TimeoutError:
            if answer.started:
                raise
            raise ApiError(503, f"no answer within {self.answer_s:g} s", code="timeout") from None
        except StuckListenerError:
            return
        finally:
            if not answer.streaming:
                self._leave()

    def _leave(self) -> None:
        self._under_way -= 1

    def _check_host(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        read = _HOST.fullmatch(host)
        name = "" if read is None else (read["name"] or read["literal"]).lower()
        if name not in self.service.settings.api_allowed_hosts:
            what, fix = f"the host {host[:100]!r} is not served", "add it to API_ALLOWED_HOSTS"
            raise ApiError(400, what, code="host_not_allowed", fix=fix)

    async def _identify(self, scope: Scope, headers: Mapping[str, str], trace_id: str) -> Passed:
        address = (scope.get("client") or ("unknown",))[0]
        given = self.service.auth.credentials(headers)
        identity = await self.service.door.identify(given, address) if given else None
        if identity is not None:
            return Passed(trace_id, identity, identity.client, presented=True)
        return Passed(trace_id, None, f"address:{address}", presented=bool(given))

    def _check_rate(self, scope: Scope, found: Passed) -> None:
        """Refuse who asks too often. Probes and logins have buckets of their own and cannot be starved."""
        path = scope["path"]
        if path.startswith(FREE):
            return
        own = path if found.identity is None and path in APART else ""
        browser = found.identity is not None and found.identity.csrf is not None
        wait_s = self.service.requests.take(found.client + own, BROWSER_FACTOR if browser else 1)
        if wait_s is not None:
            raise ApiError(429, "too many requests", retry_after_s=wait_s)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _read(receive: Receive) -> bytes:
    found, more = bytearray(), True
    while more:
        message = await receive()
        found += message.get("body", b"")
        if len(found) > BODY:
            raise ApiError(413, f"the body has more than {BODY} bytes")
        more = message.get("more_body", False)
    return bytes(found)


def _check_csrf(scope: Scope, headers: Mapping[str, str], identity: Identity | None) -> None:
    """Refuse a changing request of a browser that another site may have made it send."""
    if identity is None or identity.csrf is None or scope["method"] in _SAFE:
        return
    if not hmac.compare_digest(headers.get("x-csrf-token", "").encode(), identity.csrf.encode()):
        raise ApiError(403, "the request does not come from the page of this bot", code="csrf_failed")


def _check_site(scope: Scope, headers: Mapping[str, str]) -> None:
    """Refuse a changing request that a page of another site made, with a session or without: also a login.

    Browsers say where a request comes from; programs say nothing.
    """
    if scope["method"] in _SAFE:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    same = origin is None or urlsplit(origin).netloc == headers.get("host", "")
    if site not in ("same-origin", "none") if site is not None else not same:
        raise ApiError(403, "the request does not come from the page of this bot", code="csrf_failed")
