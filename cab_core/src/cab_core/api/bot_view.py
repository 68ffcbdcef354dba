"""The API as a view of a run: put together from what the run is made of."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal

from cab_core import __version__
from cab_core.api.auth import COOKIE, Authenticator
from cab_core.api.gate import Gate
from cab_core.api.plugin import make_app
from cab_core.api.serve import local_token, login_link, published, serve, url_of
from cab_core.api.service import Measures, Service
from cab_core.api.stream import Hub
from cab_core.api.token_book import StoredTokens
from cab_core.api.web import web_router
from cab_core.app.desk.live import LiveDesk
from cab_core.app.ids import SystemIds
from cab_core.app.metering import Meter
from cab_core.app.run import View
from cab_core.app.running import Running
from cab_core.app.starting import Lobby, StartingDesk
from cab_core.clock import SystemClock
from cab_core.errors import CabError
from cab_core.ports import EventBus
from cab_core.secret import Secret
from cab_core.settings import Settings
from cab_core.storage.audit_trail import AuditEntry, write_audit

log = logging.getLogger("cab.api")


def service_of_run(running: Running, port: int, measures: Measures) -> Service:
    """Return the service of a run, its stream connected to the bus.

    Args:
        running: the run; it has a desk.
        port: the API's, part of the cookie's name.
        measures: counts what the API does.
    """
    return _service(_desk(running), running.opened.bus, port, measures)


def _service(desk: LiveDesk | StartingDesk, bus: EventBus, port: int, measures: Measures) -> Service:
    settings, clock, ids = desk.settings, SystemClock(), SystemIds()
    hub = Hub(ids.trace_id(), clock.now_ms, most=settings.api_streams)
    bus.subscribe("*", hub.on_event)

    async def record(entry: AuditEntry) -> None:
        try:
            await desk.store.transact(lambda conn: write_audit(conn, entry, clock.now_ms()))
        except CabError as error:  # who comes in must not depend on the disk: it may be what is to be mended
            log.warning("a login is not in the audit: %s", error)

    return Service(
        desk=desk,
        settings=settings,
        auth=Authenticator(
            tokens=StoredTokens(desk.store, clock.now_ms),
            setting=settings.api_token,
            local=Secret(local_token()),
            cookie=f"{COOKIE}_{port}",
        ),
        hub=hub,
        measures=measures,
        publish=bus.publish,
        now_ms=clock.now_ms,
        new_trace_id=ids.trace_id,
        record=record,
    )


async def metered(running: Running) -> Meter:
    """Return the metrics of a run that has just been opened."""
    desk = _desk(running)
    meter = Meter.of(running.settings, running.symbols, desk.plugins_loaded, __version__, SystemClock())
    meter.connect(running.session.orchestrator.announcer.bus)
    meter.attach(running)
    follow = meter.metrics.follow
    follow("crypto_journal_write_errors_total", total=lambda: desk.store.refused)
    if (pump := running.pump) is not None:
        follow("crypto_alerts_dropped_total", "queue", total=lambda: pump.dropped)
        follow("crypto_alerts_dropped_total", "notifier", total=lambda: pump.failed)
    if desk.guards is not None:
        desk.guards.on_call = meter.observe_call
    meter.realized_before = await _realized_before(running)
    return meter


async def _realized_before(running: Running) -> Mapping[str, Decimal]:
    """Return what trades of earlier starts realized: they are on record, but not in the memory of the run."""
    desk, own = _desk(running), {each.trace_id for each in running.session.trader.book.trades}
    realized: defaultdict[str, Decimal] = defaultdict(Decimal)
    try:
        for trade in await desk.read(desk.closed_trades):
            if trade.trace_id not in own:
                realized[trade.symbol] += trade.pnl
    except CabError as error:
        log.warning("metrics begin without the profit of earlier starts: %s", error)
    return realized


def _desk(running: Running) -> LiveDesk:
    if not isinstance(running.desk, LiveDesk):
        raise TypeError("a run is served over its desk")
    return running.desk


def api_view(taken: socket.socket, say: Callable[[str, str], None]) -> View:
    """Return a view that serves the API on a port that was taken before.

    Args:
        taken: what `cab_core.api.serve.listen` gave.
        say: told the URL, and the link that logs a browser in.
    """

    async def view(running: Running) -> None:
        url = url_of(taken)
        meter = await metered(running)
        service = service_of_run(running, taken.getsockname()[1], meter)
        async with published(service, url):
            say(url, login_link(service, url))
            await serve(service, taken, [web_router()])

    return view


def api_lobby(taken: socket.socket) -> Lobby:
    """Return what serves the API while a start waits, on the port that the run will have.

    Args:
        taken: what `cab_core.api.serve.listen` gave.
    """

    async def lobby(desk: StartingDesk) -> None:
        bus, url = desk.guards.opened.bus, url_of(taken)
        meter = Meter.of(desk.settings, desk.symbols, desk.plugins_loaded, __version__, SystemClock())
        service = _service(desk, bus, taken.getsockname()[1], meter)
        with taken.dup() as door:
            async with published(service, url):
                await serve(service, door, [web_router()])

    return lobby


def hosted_view(settings: Settings, serve: Callable[[Gate, Running], None]) -> View:
    """Return a view for a server around the bot, which gets the application and listens at HOST and PORT."""
    url = f"http://{settings.host}:{settings.port}"

    async def view(running: Running) -> None:
        meter = await metered(running)
        service = service_of_run(running, settings.port, meter)
        async with published(service, url):
            serve(make_app(service, [web_router()]), running)
            try:
                await asyncio.Event().wait()
            finally:
                service.hub.close()

    return view


def both(first: View, second: View) -> View:
    """Return a view that is two at the same time; one that fails is logged and does not end the other."""

    async def view(running: Running) -> None:
        shown = [asyncio.ensure_future(each(running)) for each in (first, second)]
        try:
            for failed in filter(None, await asyncio.gather(*shown, return_exceptions=True)):
                log.error("a view failed; trading goes on", exc_info=failed)
        finally:
            for task in shown:
                task.cancel()
            await asyncio.gather(*shown, return_exceptions=True)

    return view
