"""Sending a document to somebody else's server without trusting it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import httpx

from cab_core.errors import CabError
from cab_core.safety.http import Resolver, request_to, resolve, tls_for, vetted_addresses, why
from cab_core.safety.urls import parse_url

#: The setting that lists hosts of the operator's own network that notifiers may send to.
ALLOW_HOSTS = "NOTIFY_ALLOW_HOSTS"


class SafePost:
    """Sends to one URL; the `AlertHttp` of one notifier.

    Every address of the host must be public, and the connection goes to an address that was vetted. There are
    no redirects, no proxies and no retries: those are the outbox's.

    Args:
        url: ``https://`` or ``http://``.
        allow_hosts: hosts that may lie in the operator's own network (NOTIFY_ALLOW_HOSTS).
        where: the setting the URL comes from, for errors.
        timeout_s: seconds the whole of it may take.
        resolver: finds the addresses of a host.

    Raises:
        RefusedError: nothing must be sent to the URL.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_hosts: Collection[str] = (),
        where: str = "",
        timeout_s: float = 8.0,
        resolver: Resolver = resolve,
    ) -> None:
        self.url = parse_url(url, allow_hosts=allow_hosts, where=where, allow_setting=ALLOW_HOSTS)
        if self.url.scheme == "file":
            raise CabError("alerts cannot be sent to a file", where=where, fix="give an https:// URL")
        self._where = where
        self._timeout_s = timeout_s
        self._resolver = resolver
        self._tls = tls_for(self.url)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send it once; return when the server took it (HTTP 2xx).

        Raises:
            CabError: unreachable, too slow, refused for safety, or not taken.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._send(body, headers)
        except (httpx.HTTPError, OSError) as error:
            raise CabError(
                f"{self.url} does not answer: {why(error, self._timeout_s)}",
                where=self._where,
                fix="check the URL and the network; it is tried again",
            ) from error
        if 300 <= status < 400:
            raise CabError(
                f"{self.url} redirects to another URL",
                where=self._where,
                fix="give the final URL; redirects are not followed",
            )
        if not 200 <= status < 300:
            raise CabError(
                f"{self.url} answers HTTP {status}", where=self._where, fix="look into the receiver's log"
            )

    async def _send(self, body: bytes, headers: Mapping[str, str]) -> int:
        failure: Exception = OSError("its name has no address")
        for address in await vetted_addresses(self.url, self._resolver, self._where, ALLOW_HOSTS):
            request = request_to(self.url, address, "POST", self._timeout_s, headers, body)
            try:
                async with httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
                    response = await transport.handle_async_request(request)
                    await response.aclose()
                    return response.status_code
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure
