"""Fetching a JSON document from somebody else's server without trusting it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import stat
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

import httpx
import stamina

from cab_core.errors import CabError, DataError
from cab_core.safety.addresses import is_public, literal
from cab_core.safety.urls import ALLOW_HOSTS, SafeUrl, not_public, parse_url

__all__ = ["MAX_BYTES", "Resolver", "SafeHttp"]

MAX_BYTES = 1 << 20
#: Answers that may be better the next time.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

#: All attempts together stay below the budget of a source's read, which is three attempts of five seconds.
_SHARE_OF_TOTAL = 0.9

#: Returns the addresses of a host, as texts.
Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]


class _PassingError(Exception):
    """A failure that a retry may cure."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host from the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class SafeHttp:
    """Fetches one JSON document; the `MacroHttp` of one source.

    Every address of the host must be public, and the connection goes to an address that was vetted. There are
    no redirects, no proxies, no compression; the body is cut off at ``max_bytes``.

    Args:
        url: ``https://``, ``http://`` or ``file://``.
        allow_hosts: hosts that may lie in the operator's own network (REGIME_ALLOW_HOSTS).
        where: the setting the URL comes from, for errors.
        timeout_s: seconds one attempt may take, body included.
        retries: further attempts after a failure that may pass.
        max_bytes: longest body.
        resolver: finds the addresses of a host.

    Raises:
        RefusedError: the URL must not be fetched.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_hosts: Collection[str] = (),
        where: str = "",
        timeout_s: float = 5.0,
        retries: int = 2,
        max_bytes: int = MAX_BYTES,
        resolver: Resolver = resolve,
    ) -> None:
        self.url: SafeUrl = parse_url(url, allow_hosts=allow_hosts, where=where)
        self._where = where
        self._timeout_s = timeout_s
        self._retries = retries
        self._max_bytes = max_bytes
        self._resolver = resolver
        self._tls = tls_for(self.url)
        self._with_retries = stamina.retry(
            on=(_PassingError, httpx.TransportError, OSError),
            attempts=retries + 1,
            timeout=None,
            wait_initial=0.1,
            wait_max=0.5,
            wait_jitter=0.1,
        )

    async def get_json(self) -> Any:
        """Fetch and parse the document.

        Raises:
            CabError: unreachable, refused for safety, too large, or not JSON.
        """
        if self.url.scheme == "file":
            return self._parse(await asyncio.to_thread(self._read_file))
        try:
            async with asyncio.timeout(_SHARE_OF_TOTAL * (self._retries + 1) * self._timeout_s):
                body = await self._with_retries(self._attempt)()
        except (_PassingError, httpx.HTTPError, OSError) as error:
            raise CabError(
                f"{self.url} does not answer: {self._why(error)}",
                where=self._where,
                fix="check the URL and the network; until then the source counts as stale after a while",
            ) from error
        return self._parse(body)

    async def _attempt(self) -> bytes:
        async with asyncio.timeout(self._timeout_s):
            return await self._fetch()

    async def _fetch(self) -> bytes:
        failure: Exception = _PassingError("its name has no address")
        for address in await vetted_addresses(self.url, self._resolver, self._where):
            try:
                return await self._fetch_from(address)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _fetch_from(self, address: str) -> bytes:
        """Fetch from one address. The transport itself is used, since a client logs URLs with their keys."""
        request = request_to(self.url, address, "GET", self._timeout_s, {"Accept": "application/json"})
        async with httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            try:
                self._vet(response)
                return await self._body(response)
            finally:
                await response.aclose()

    def _vet(self, response: httpx.Response) -> None:
        if response.status_code in _PASSING:
            raise _PassingError(f"HTTP {response.status_code}")
        if 300 <= response.status_code < 400:
            self._unusable("redirects to another URL", "give the final URL; redirects are not followed")
        if response.status_code != 200:
            self._unusable(f"answers HTTP {response.status_code}", "check the URL and its key")
        if response.headers.get("content-type", "").lower().startswith("text/html"):
            self._unusable("answers with a web page", "give the URL of a JSON document")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            self._unusable("answers compressed although asked not to", "choose another server")
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self._max_bytes:
            self._too_large()

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                self._too_large()
        return bytes(body)

    def _read_file(self) -> bytes:
        """Read a regular file; devices and pipes may never end."""
        try:
            handle = os.open(self.url.target, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    self._unusable("is not a regular file", "give the path of a JSON file")
                body = file.read(self._max_bytes + 1)
        except OSError as error:
            self._unusable(f"cannot be read: {error.strerror}", "check the path and its permissions")
        if len(body) > self._max_bytes:
            self._too_large()
        return body

    def _parse(self, body: bytes) -> Any:
        try:
            return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            self._unusable("does not hold JSON", "give the URL of a JSON document")

    def _why(self, error: Exception) -> str:
        return str(error) if isinstance(error, _PassingError) else why(error, self._timeout_s)

    def _too_large(self) -> NoReturn:
        self._unusable(f"holds more than {self._max_bytes} bytes", "choose a smaller document")

    def _unusable(self, what: str, fix: str) -> NoReturn:
        raise DataError(f"{self.url} {what}", where=self._where, fix=fix)


async def vetted_addresses(
    url: SafeUrl, resolver: Resolver, where: str, allow_setting: str = ALLOW_HOSTS
) -> Sequence[str]:
    """Return the addresses to connect to; one that is not public condemns all, it may be rebinding.

    Raises:
        RefusedError: one of them is not public, and the host is not trusted.
    """
    if literal(url.host) is not None:
        return (url.host,)
    found = await resolver(url.host, url.port)
    if url.trusted:
        return found
    for text in found:
        address = literal(text)
        if address is None or not is_public(address):
            raise not_public(url.host, where, allow_setting)
    return found


def request_to(
    url: SafeUrl,
    address: str,
    method: str,
    timeout_s: float,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> httpx.Request:
    """Return a request that goes to a vetted address, in the name of the URL's host."""
    return httpx.Request(
        method,
        httpx.URL(scheme=url.scheme, host=address, port=url.port, raw_path=url.target.encode("ascii")),
        headers={"Host": url.authority, "Accept-Encoding": "identity", "User-Agent": "cab", **headers},
        content=content,
        extensions={"sni_hostname": url.host, "timeout": httpx.Timeout(timeout_s).as_dict()},
    )


def why(error: Exception, timeout_s: float) -> str:
    """Return in words why a server did not answer, without its address."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"not within {timeout_s:g} s"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    return "no connection" if isinstance(error, httpx.ConnectError) else type(error).__name__


def tls_for(url: SafeUrl) -> ssl.SSLContext:
    """Return the trust store; plain HTTP gets an empty one, because loading certificates takes a while."""
    return httpx.create_ssl_context() if url.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
