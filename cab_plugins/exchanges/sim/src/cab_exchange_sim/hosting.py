"""For tests: a server whose application changes. To start and stop one for each test takes 0.3 s."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import uvicorn
from litestar import Litestar

from cab_exchange_sim.server import GRACE_S, listening

_TIMEOUT_S = 30


class Host:
    """A thread with an event loop, and a port on it that answers with one application after another.

    Attributes:
        origin: ``http://127.0.0.1:PORT``. ``loop``: where applications run.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._app: Litestar | None = None
        self._socket = listening("127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._answer,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            interface="asgi3",
            lifespan="off",
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="exchange", daemon=True)
        self._thread.start()
        pause = threading.Event()
        for _ in range(_TIMEOUT_S * 100):
            if self._server.started:
                return
            pause.wait(0.01)
        raise TimeoutError("the exchange did not start")

    @property
    def alive(self) -> bool:
        """Whether it serves, and will serve the next one too."""
        return self._thread.is_alive() and not self._server.should_exit

    def leave(self) -> None:
        """End soon, from any thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """End, and wait for it."""
        self.leave()
        self._thread.join()

    @contextmanager
    def serving(self, app: Litestar) -> Iterator[None]:
        """Answer with an application for the length of the block."""
        begun: Future[None] = Future()
        over = asyncio.Event()
        self._server.config.configure_logging()  # the bot of a former test may have let it log each request
        living = asyncio.run_coroutine_threadsafe(_live(app, begun, over), self.loop)
        begun.result(_TIMEOUT_S)
        self._app = app
        try:
            yield
        finally:
            if self._thread.is_alive():
                self.loop.call_soon_threadsafe(over.set)
                living.result(_TIMEOUT_S)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is not None:
            await self._app(scope, receive, send)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        finally:
            self._socket.close()
            self.loop.close()


async def _live(app: Litestar, begun: Future[None], over: asyncio.Event) -> None:
    """Let an application live; it wants to end in the task in which it began."""
    async with app.lifespan():
        begun.set_result(None)
        await over.wait()


class Hosts:
    """The hosts that nobody uses at the moment; two exchanges at once have one each."""

    def __init__(self) -> None:
        self._idle: list[Host] = []
        atexit.register(self._close)

    @contextmanager
    def lent(self) -> Iterator[Host]:
        """Lend a host for the length of the block."""
        host = self._idle.pop() if self._idle else Host()
        try:
            yield host
        finally:
            if host.alive:
                self._idle.append(host)
            else:
                host.close()

    def _close(self) -> None:
        for host in self._idle:
            host.close()
