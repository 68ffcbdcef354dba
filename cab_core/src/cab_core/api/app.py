"""``uvicorn cab_core.api.app:app``: the bot as an ASGI application. It starts and stops with the server.

Settings come from the environment, ``.env`` and ``cab.toml``, as for ``cab run``. There is nobody who could
confirm a live start, so MODE=live needs AUTOSTART=true. The server should listen at HOST and PORT: that is
where commands on this machine look for the bot.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from cab_core.api.answer import Message, Receive, Send
from cab_core.api.bot_view import hosted_view
from cab_core.api.gate import ASGIApp, Scope
from cab_core.app.guards import Invocation
from cab_core.app.market_choice import parse_market
from cab_core.app.run import run_paper
from cab_core.app.run_quoted import run_quoted
from cab_core.app.running import Running
from cab_core.errors import CabError, RefusedError
from cab_core.observability.logs import configure_logging
from cab_core.settings import load_settings
from cab_core.settings.schema import Settings, hide_secrets

log = logging.getLogger("cab.api")


@attrs.define(eq=False)
class BotApp:
    """An ASGI application whose lifespan is that of a bot.

    Args:
        markets: as ``--market`` of ``cab run``; empty for the exchange.
        speed: as ``--speed``.
    """

    markets: Sequence[str] = ()
    speed: float = 1.0
    _app: ASGIApp | None = attrs.field(default=None, init=False)
    _running: Running | None = attrs.field(default=None, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a connection, or live through the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None:
            raise RuntimeError("the bot has not started: the server must support lifespan events")
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        opened = asyncio.Event()
        bot = asyncio.create_task(self._trade(opened), name="bot")
        opening = asyncio.create_task(opened.wait())
        await asyncio.wait({bot, opening}, return_when=asyncio.FIRST_COMPLETED)
        opening.cancel()
        if not opened.is_set():
            await send({"type": "lifespan.startup.failed", "message": _why(bot)})
            return
        await send({"type": "lifespan.startup.complete"})
        bot.add_done_callback(_end_the_server)
        await receive()
        bot.remove_done_callback(_end_the_server)
        await self._stop(bot)
        await send(_stopped(bot))

    async def _trade(self, opened: asyncio.Event) -> None:
        settings, secrets = _settings()
        choice = parse_market(self.markets)

        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def serve(app: ASGIApp, running: Running) -> None:
            _hand_back(handlers)
            self._app, self._running = app, running
            opened.set()

        view = hosted_view(settings, serve)
        if choice.kind == "exchange":
            called = Invocation(restart=[sys.executable, *sys.orig_argv[1:]], secrets=secrets)
            await run_quoted(settings, view, called=called)
        else:
            await run_paper(settings, choice, self.speed, view)

    async def _stop(self, bot: asyncio.Task[None]) -> None:
        if self._running is not None and not bot.done():
            self._running.end("SIGTERM")
            await self._running.session.orchestrator.end()
        await asyncio.wait({bot})


def _hand_back(handlers: Mapping[signal.Signals, Any]) -> None:
    """Give the signals back to the server, from which the bot took them; the server ends the bot."""
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        if loop.remove_signal_handler(number):
            signal.signal(number, handler)


def _settings() -> tuple[Settings, Mapping[str, str]]:
    """Return the settings, and the credentials that were taken out of the environment."""
    loaded = load_settings(os.environ, Path.cwd())
    settings = loaded.settings
    secrets = hide_secrets(os.environ)
    configure_logging(settings.log_level, settings.log_format, secrets=settings.secret_texts())
    for warning in loaded.warnings:
        log.warning("%s", warning)
    if settings.mode == "live" and settings.autostart is not True:
        raise RefusedError(
            "nobody can confirm a live start here",
            where="MODE=live",
            fix="set AUTOSTART=true, or use: cab run",
        )
    return settings, secrets


def _why(bot: asyncio.Task[None]) -> str:
    error = bot.exception()
    if isinstance(error, CabError):
        return (
            f"error[{error.code}]: {error}; fix: {error.fix}"
            if error.fix
            else f"error[{error.code}]: {error}"
        )
    return repr(error)


def _end_the_server(bot: asyncio.Task[None]) -> None:
    """Let the server not outlive the bot: whoever watches the process must see that nobody trades."""
    if not bot.cancelled() and bot.exception() is not None:
        log.critical("the bot has ended: %s", _why(bot))
    signal.raise_signal(signal.SIGTERM)


def _stopped(bot: asyncio.Task[None]) -> Message:
    if bot.exception() is not None:
        return {"type": "lifespan.shutdown.failed", "message": _why(bot)}
    return {"type": "lifespan.shutdown.complete"}


app = BotApp()
