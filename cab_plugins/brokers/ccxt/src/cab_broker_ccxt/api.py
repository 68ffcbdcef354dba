"""Requests to Gate: paced, signed with the venue's time, repeated only where that is harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import attrs

from cab_broker_ccxt.amounts import number
from cab_broker_ccxt.errors import VenueAwayError, VenueError, no_keys
from cab_broker_ccxt.labels import RATE_LIMITED
from cab_broker_ccxt.limiter import Limiter
from cab_broker_ccxt.reply import REQUEST_EXPIRED, Reply
from cab_broker_ccxt.server_clock import ServerClock
from cab_core.sdk import Clock

T = TypeVar("T")

#: Waits before a question is asked again, seconds. stamina takes no clock: it would sleep in real time.
RETRY_S = (0.5, 1.0, 2.0)
#: Longest time a reset header may stop us; a nonsensical one must not.
MAX_PAUSE_S = 60.0
MAX_PAGES = 200


class Client(Protocol):
    """What is needed of `cab_broker_ccxt.gate_client.GateClient`."""

    async def ask(self, endpoint: str, params: Mapping[str, Any]) -> Reply:
        """Call an endpoint once and tell what came of it."""

    async def close(self) -> None:
        """Release connections."""


@attrs.define(eq=False, kw_only=True)
class Api:
    """The one road to the venue.

    Attributes:
        server: the venue's clock. ``where``: the broker's id in messages.
        keyed: there are credentials for private endpoints.
        time_endpoint: where the venue tells its time.
        public: endpoints that need no key, besides those whose name says so.
    """

    client: Client
    clock: Clock
    server: ServerClock
    limiter: Limiter
    where: str
    keyed: bool
    time_endpoint: str = "publicSpotGetTime"
    public: frozenset[str] = frozenset()
    _measured: asyncio.Event | None = attrs.field(default=None, init=False)

    def require_keys(self) -> None:
        """Raise `CabError` without credentials."""
        if not self.keyed:
            raise no_keys(self.where)

    async def sync(self) -> None:
        """Measure the venue's clock if that is due, once for all who wait for it.

        Raises:
            VenueError: it was never measured and does not answer.
        """
        if not self.server.stale():
            return
        if self._measured is not None:
            async with self.clock.parked():
                await self._measured.wait()
            if self.server.known:
                return
        self._measured = measured = asyncio.Event()
        try:
            await self.measure()
        finally:
            measured.set()
            self._measured = None

    async def measure(self) -> None:
        """Measure the venue's clock now; a silent venue is an error only before the first reading."""
        await self.limiter.acquire(urgent=True)  # quotes and orders wait for it
        asked_ms = self.clock.now_ms()
        reply = await self.client.ask(self.time_endpoint, {})
        told = reply.data.get("server_time") if isinstance(reply.data, dict) else reply.data
        if reply.answered and number(told) > 0:
            self.server.measured(int(number(told)), asked_ms)
        elif not self.server.known:
            raise self._error(self.time_endpoint, reply)

    async def rows(self, endpoint: str, params: Mapping[str, Any], *, urgent: bool = False) -> list[Any]:
        """Ask for a list. Raises `VenueError` without an answer that is one."""
        return await self._get(endpoint, params, list, urgent=urgent)

    async def row(self, endpoint: str, params: Mapping[str, Any], *, urgent: bool = False) -> dict[str, Any]:
        """Ask for an object. Raises `VenueError` without an answer that is one."""
        return await self._get(endpoint, params, dict, urgent=urgent)

    async def listing(
        self, endpoint: str, params: Mapping[str, Any], size: int, *, offset: bool = False
    ) -> list[dict[str, Any]]:
        """Return all pages of a listing; one that fails fails the whole: a part is evidence of nothing.

        Args:
            endpoint: what to list.
            params: its filters, without paging.
            size: rows of a full page.
            offset: pages are counted by ``offset`` and not by ``page``.
        """
        found: list[dict[str, Any]] = []
        for number_of_page in range(MAX_PAGES):
            at = {"offset": number_of_page * size} if offset else {"page": number_of_page + 1}
            page = await self.rows(endpoint, {**params, "limit": size, **at})
            found += page
            if len(page) < size:
                return found
        raise VenueError(
            f"{endpoint}: {len(found)} rows and no end; the listing is not complete", where=self.where
        )

    async def send(self, endpoint: str, params: Mapping[str, Any]) -> Reply:
        """Send an order, once. The caller has waited for the limiter and checked the time."""
        return self._noted(await self.client.ask(endpoint, params))

    async def delete(self, endpoint: str, params: Mapping[str, Any]) -> Reply:
        """Delete by id; harmless to repeat, so it is repeated while there is no clear answer."""
        for wait_s in (*RETRY_S, None):
            await self.limiter.acquire(urgent=True)
            reply = self._noted(await self.client.ask(endpoint, params))
            if wait_s is None or reply.answered or (reply.refused and not _passing(reply)):
                break
            await self._recover(reply, wait_s)
        return reply

    async def _get(self, endpoint: str, params: Mapping[str, Any], kind: type[T], *, urgent: bool) -> T:
        if not endpoint.startswith("public") and endpoint not in self.public:
            self.require_keys()
            await self.sync()
        for wait_s in (*RETRY_S, None):
            await self.limiter.acquire(urgent=urgent)
            reply = self._noted(await self.client.ask(endpoint, params))
            if reply.answered and isinstance(reply.data, kind):
                return reply.data
            if wait_s is None or (reply.refused and not _passing(reply)):
                break
            await self._recover(reply, wait_s)
        raise self._error(endpoint, reply)

    async def _recover(self, reply: Reply, wait_s: float) -> None:
        """Do what may help before the next try."""
        if reply.label == REQUEST_EXPIRED:
            await self.measure()
        await self.clock.sleep_until(self.clock.now_ms() + int(wait_s * 1000))

    def _noted(self, reply: Reply) -> Reply:
        if reply.status == 429 or reply.label in RATE_LIMITED:
            ahead_ms = 1_000 if reply.reset_ms is None else reply.reset_ms - self.server.now_ms()
            self.limiter.pause(min(max(ahead_ms, 0) / 1000, MAX_PAUSE_S))
        return reply

    def _error(self, endpoint: str, reply: Reply) -> VenueError:
        fix = ""
        if reply.status is None:
            fix = "look at the network and at the broker's base_url; without an exchange: --market sample"
        what = f"{endpoint}: {reply.text() or 'an odd answer'}"
        if reply.status is None and reply.error:
            what = f"cannot be reached ({reply.error})"
        kind = VenueAwayError if _away(reply) else VenueError
        return kind(what, label=reply.label, where=self.where, fix=fix)


def _away(reply: Reply) -> bool:
    """Say whether it is no answer of the venue proper: silence, a gateway's page, trouble on its side."""
    return not reply.label or reply.status is None or reply.status >= 500 or _passing(reply)


def _passing(reply: Reply) -> bool:
    return reply.label in RATE_LIMITED or reply.label == REQUEST_EXPIRED or reply.status == 429


def objects(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the rows that are objects."""
    return [row for row in rows if isinstance(row, dict)]
