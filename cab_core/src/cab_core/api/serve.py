"""Serving the API inside the bot's process: it comes with the session and goes with it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import uvicorn

from cab_core.api.plugin import make_app
from cab_core.api.service import Service
from cab_core.app.desk.commands import Role
from cab_core.app.desk.endpoint import Endpoint, publish_endpoint, withdraw_endpoint
from cab_core.errors import CabError, ExitCode
from cab_core.settings import Settings

log = logging.getLogger("cab.api")

#: Seconds that requests under way are given at the end.
_GRACE_S = 2
#: Connections at the same time, those of the stream included.
_CONNECTIONS = 512
#: Seconds an idle connection is kept.
_IDLE_S = 30
#: How often equity is looked at while somebody listens.
_EQUITY_S = 1.0


class PortError(CabError):
    """The port of the API cannot be had."""

    code = "CAB-E613"
    exit_code = ExitCode.LOCKED


def listen(settings: Settings) -> socket.socket:
    """Take the port, before anything is traded.

    Raises:
        PortError: it is taken, or the address is not one of this machine.
    """
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small answers at once; else each waits 40 ms for the one before.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(_CONNECTIONS)
        taken.settimeout(0)
    except OSError as error:
        taken.close()
        raise PortError(
            f"port {port} on {host} cannot be used for the API: {(error.strerror or str(error)).lower()}",
            where="HOST, PORT",
            fix="set PORT to another one (0 takes any), stop what uses it, or run with --no-api",
        ) from error
    return taken


def url_of(taken: socket.socket) -> str:
    """Return the URL of a socket as seen from this machine."""
    host, port = taken.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


class _Server(uvicorn.Server):
    """A server that leaves the signals to the bot."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield


async def serve(service: Service, taken: socket.socket, pages: Sequence[Any] = ()) -> None:
    """Answer until cancelled; then end the streams, and give requests under way a moment.

    Args:
        service: the bot.
        taken: what `listen` gave; it is closed at the end.
        pages: route handlers beside the API.
    """
    config = uvicorn.Config(
        make_app(service, pages),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=16_384,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[taken]), name="api")
    watching = asyncio.create_task(_watch_equity(service), name="api equity")
    try:
        await asyncio.shield(serving)
    finally:
        watching.cancel()
        service.hub.close()
        server.should_exit = True
        await asyncio.gather(serving, watching, return_exceptions=True)
        taken.close()


@asynccontextmanager
async def published(service: Service, url: str) -> AsyncIterator[None]:
    """Tell commands on this machine how to reach the bot, for the length of the block."""
    token = service.auth.local.reveal()
    endpoint = Endpoint(url=url, token=token, pid=os.getpid())
    try:
        publish_endpoint(service.settings, endpoint)
    except OSError as error:
        log.warning("commands on this machine will not find the bot: %s", error)
    try:
        yield
    finally:
        with suppress(OSError):
            withdraw_endpoint(service.settings, endpoint)


def login_link(service: Service, url: str) -> str:
    """Return a link that logs one browser in as admin, once and within a minute."""
    return f"{url}/login?code={service.auth.sessions.new_code(Role.ADMIN)}"


def local_token() -> str:
    """Return a new token for commands on this machine."""
    return secrets.token_urlsafe(32)


async def _watch_equity(service: Service) -> None:
    """Put the account's worth on the stream when it has changed, while somebody listens."""
    shown: object = None
    while True:
        await asyncio.sleep(_EQUITY_S)
        if not service.hub.listeners:
            continue
        try:
            account = (await service.desk.status()).account
        except CabError as error:
            log.debug("no equity for the stream: %s", error)
            continue
        if account is not None and account != shown:
            shown = account
            service.hub.put("equity", {"account": account}, about="account")
