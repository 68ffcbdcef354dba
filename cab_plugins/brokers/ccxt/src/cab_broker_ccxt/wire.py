"""What ccxt does on the wire, seen and guarded from inside. Imported when a broker opens."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from decimal import localcontext
from functools import cache
from typing import Any

import aiohttp
import attrs

from cab_broker_ccxt.amounts import maybe
from cab_broker_ccxt.lean import BaseError, Exchange
from cab_broker_ccxt.reply import Reply
from cab_core.sdk import CabError

RESET_HEADER = "x-gate-ratelimit-reset-timestamp"

#: What a request may end in. Parsing an odd answer raises plain exceptions inside ccxt.
FAILURES = (
    BaseError,
    aiohttp.ClientError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class ForbiddenHostError(CabError):
    """A request would have gone to another place than the configured one."""


@attrs.define(slots=True)
class _Seen:
    """What is seen of one request."""

    left: bool = False
    status: int | None = None
    label: str = ""
    message: str = ""
    reset_ms: int | None = None
    parsed: bool = False


_SEEN: ContextVar[_Seen | None] = ContextVar("cab_ccxt_seen", default=None)


#: What a person is told of a failed connection; the first that fits.
_TROUBLES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((socket.gaierror, aiohttp.ClientConnectorDNSError), "name not resolved"),
    ((ssl.SSLError, aiohttp.ClientConnectorCertificateError), "certificate not accepted"),
    ((ConnectionRefusedError,), "connection refused"),
    ((aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError), "connection lost"),
    ((TimeoutError,), "no answer in time"),
)


class Guarded(Exchange):  # type: ignore[misc]  # ccxt ships no types
    """Mixed into an exchange of ccxt: watches its requests and keeps them at home.

    Attributes:
        cab_places: beginnings of URLs that may be asked; nothing else is.
    """

    cab_places: tuple[str, ...] = ()
    ssl_context: ssl.SSLContext | None

    def open(self, lazy: bool = False) -> None:
        """Open the session, and let none of its requests be redirected: they carry signatures."""
        if self.ssl_context is None and self.verify:
            self.ssl_context = _trusting(self.cafile)
        super().open(lazy)
        if not self.session.trace_configs:
            guard = aiohttp.TraceConfig()
            guard.on_request_redirect.append(_no_redirect)
            guard.freeze()
            self.session.trace_configs.append(guard)

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Send a request, unless it would leave the configured places."""
        if not url.startswith(self.cab_places):
            raise ForbiddenHostError(f"a request to {url.partition('?')[0]} was stopped")
        seen = _SEEN.get()
        if seen is not None:
            seen.left = True
        return await super().fetch(url, method, headers, body)

    def handle_errors(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Any,
        body: str,
        response: Any,
        *rest: Any,
    ) -> Any:
        """Note status, label and rate headers, then let ccxt raise what it thinks."""
        seen = _SEEN.get()
        if seen is not None:
            seen.status = code
            seen.reset_ms = _reset_ms(headers)
            seen.parsed = isinstance(response, dict)
            if isinstance(response, dict):
                seen.label = str(response.get("label") or "")
                seen.message = str(response.get("message") or response.get("detail") or "")[:200]
        return super().handle_errors(code, reason, url, method, headers, body, response, *rest)


async def watched(call: Awaitable[Any]) -> Reply:
    """Await one call of ccxt and tell what came of its last request; never raises for the network.

    ccxt rounds in the Decimal context of its caller and leaves it changed: it gets one of its own, or the
    bot's ledger would round differently from its backtest.
    """
    seen = _Seen()
    token = _SEEN.set(seen)
    data, error, sent = None, "", True
    try:
        with localcontext():
            data = await call
    except (*FAILURES, ForbiddenHostError) as failure:
        error = trouble(failure)
        sent = seen.left and not _never_connected(failure)
    finally:
        _SEEN.reset(token)
    return Reply(
        data=data,
        status=seen.status,
        label=seen.label,
        message=seen.message,
        reset_ms=seen.reset_ms,
        parsed=seen.parsed,
        sent=sent,
        error=error,
    )


def trouble(failure: BaseException) -> str:
    """Return in words why no answer came: what happened to the connection, or ccxt's name of the error."""
    cause: BaseException | None = failure
    while cause is not None:
        for kinds, words in _TROUBLES:
            if isinstance(cause, kinds):
                return words
        cause = cause.__cause__ or cause.__context__
    return type(failure).__name__


@cache
def _trusting(cafile: str) -> ssl.SSLContext:
    """Return ccxt's TLS settings, read once by a process: it is slow."""
    return ssl.create_default_context(cafile=cafile)


async def _no_redirect(_session: Any, _context: Any, request: aiohttp.TraceRequestRedirectParams) -> None:
    raise aiohttp.ClientError(f"a redirect of {request.url.path} was stopped")


def _never_connected(failure: BaseException) -> bool:
    """Say whether no connection was made, so that nothing can have been sent."""
    return isinstance(failure.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _reset_ms(headers: Mapping[str, str]) -> int | None:
    """Read the time of the reset; Gate gives seconds."""
    text = next((value for name, value in headers.items() if name.lower() == RESET_HEADER), None)
    seconds = maybe(text)
    if seconds is None:
        return None
    return int(seconds) if seconds > 10**11 else int(seconds * 1000)


def replaced(urls: Any, base_url: str) -> Any:
    """Return ccxt's tree of URLs with each one replaced, so that no group keeps the real host."""
    if isinstance(urls, dict):
        return {name: replaced(url, base_url) for name, url in urls.items()}
    return base_url
