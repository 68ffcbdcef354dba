"""Serving an exchange: a socket, uvicorn around the application, and an end when told to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import uvicorn

from cab_core.errors import CabError, RefusedError
from cab_exchange_sim.app import make_app
from cab_exchange_sim.control import PREFIX
from cab_exchange_sim.engine import Exchange
from cab_exchange_sim.faults import Faults
from cab_exchange_sim.keys import ApiKey
from cab_exchange_sim.market_clock import MarketClock

#: Seconds that requests under way are given when the server ends.
GRACE_S = 2


class ExchangeServer:
    """An exchange on a port. The socket listens from the start; `serve` answers.

    Args:
        exchange: what is served.
        clock: its time.
        keys: who may trade.
        control_token: token of the control plane; None for no control plane.
        host: address to listen on. ``port``: 0 picks a free one.
        allow_remote: listen on other addresses than those of this machine.

    Attributes:
        faults: faults on purpose.

    Raises:
        RefusedError: the host is not a loopback address and remote ones are not allowed.
        CabError: the port is taken.
    """

    def __init__(
        self,
        exchange: Exchange,
        clock: MarketClock,
        keys: Iterable[ApiKey],
        *,
        control_token: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_remote: bool = False,
    ) -> None:
        if not allow_remote and not is_loopback(host):
            raise RefusedError(f"{host} can be reached from other machines", fix="listen on 127.0.0.1")
        self.exchange = exchange
        self.clock = clock
        self.faults = Faults(clock.now_ms, seed=exchange.settings.seed)
        self._socket = listening(host, port)
        app = make_app(
            exchange,
            keys=keys,
            clock=clock,
            control_token=control_token,
            faults=self.faults,
            leave=self.stop,
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="on",
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = uvicorn.Server(config)
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{self._socket.getsockname()[1]}"

    @property
    def base_url(self) -> str:
        """Where the API is: ``http://127.0.0.1:PORT/api/v4``."""
        return f"{self.origin}/api/v4"

    @property
    def control_url(self) -> str:
        """Where the control plane is."""
        return self.origin + PREFIX

    @property
    def started(self) -> bool:
        """Whether it answers."""
        return self._server.started

    async def serve(self) -> None:
        """Answer requests until `stop`, SIGTERM or SIGINT."""
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """End soon, from any thread; requests under way are given a moment."""
        self._server.should_exit = True

    def release(self) -> None:
        """End the waits of faults, so that nothing holds the server up; on its event loop."""
        self.faults.stop()


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 picks a free one.

    Raises:
        CabError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on and each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        where = f"{host}:{port}"
        raise CabError(
            f"cannot listen: {error.strerror}", where=where, fix="choose another --port, or 0 for a free one"
        ) from error
    listener.listen(256)
    return listener
