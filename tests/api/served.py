"""A paper bot with its API, in a thread of its own; it stands still at the end of its past."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs
import httpx

from cab_core.api.bot_view import service_of_run
from cab_core.api.serve import listen, published, serve, url_of
from cab_core.api.service import NoMeasures, Service
from cab_core.app.bus import OpenBus
from cab_core.app.desk.commands import Role
from cab_core.app.desk.live import live_desk
from cab_core.app.fitness import load_run
from cab_core.app.local_files import lock_file
from cab_core.app.market_choice import load_market, parse_market
from cab_core.app.paper import PaperSetup
from cab_core.app.regime import regime_watch
from cab_core.app.run import opened_store, started_plugins
from cab_core.app.running import Running, Tally
from cab_core.app.tokens import issue_token, mint
from cab_core.bus.memory import MemoryBus
from cab_core.cycle.orchestrator import Orchestrator
from cab_core.safety.instance_lock import instance_lock
from cab_core.settings import Settings
from cab_core.storage import PaperState
from cab_core.storage.records import Records

T = TypeVar("T")

ADMIN = "an-admin-token-of-the-settings"

#: So slow that nothing of the market moves while a test looks.
_SLOW = 1e-9


class OneMeasure(NoMeasures):
    """Knows that the bot is there."""

    def scrape(self, accept: str) -> tuple[bytes, str]:
        return b"cab_up 1\n", "text/plain; version=0.0.4"


@attrs.define(eq=False)
class ServedBot:
    """The bot of a folder with ``market/``, started by `start` and stopped by `stop`."""

    settings: Settings
    market: str
    tokens: dict[str, str] = attrs.field(factory=dict)
    url: str = ""
    pages: Sequence[Any] = ()
    _service: Service | None = None
    _running: Running | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _over: asyncio.Event | None = None
    _failure: BaseException | None = None
    _opened: threading.Event = attrs.field(factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def service(self) -> Service:
        assert self._service is not None
        return self._service

    @property
    def orchestrator(self) -> Orchestrator:
        assert self._running is not None
        return self._running.session.orchestrator

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._opened.wait(60)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        assert self._loop is not None
        assert self._over is not None
        assert self._thread is not None
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def client(self, role: str = "", **more: Any) -> httpx.Client:
        """Return a client with the token of a role, or none."""
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False, **more)

    def ask(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await something on the bot's loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(30)

    def tell(self, call: Callable[[], None]) -> None:
        """Call something on the bot's loop."""

        async def wrapped() -> None:
            call()

        self.ask(wrapped)

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - `start` raises it in the test
            self._failure = error
        finally:
            self._opened.set()

    async def _live(self) -> None:
        settings, self._loop, self._over = self.settings, asyncio.get_running_loop(), asyncio.Event()
        choice = parse_market([self.market])
        market, (config, plugins) = (
            load_market(choice, settings.symbols),
            load_run(settings, settings.symbols),
        )
        bus, tally = MemoryBus(), Tally()
        taken = listen(settings)
        with instance_lock(lock_file(settings), 0):
            async with opened_store(settings, f"paper:{choice.label}") as store, started_plugins(plugins):
                setup = PaperSetup(
                    config=config,
                    plugins=plugins,
                    series=market.series,
                    storage=Records(store, "paper"),
                    bus=bus,
                    state=PaperState(store),
                    watch=regime_watch(settings, plugins),
                    trade_from_ms=market.trade_from_ms,
                    speed=_SLOW,
                    on_order=tally.on_order,
                    on_cycle=tally.on_cycle,
                )
                session = await setup.open()
                running = Running(
                    settings=settings,
                    market=choice.label,
                    session=session,
                    tally=tally,
                    opened=OpenBus(bus),
                )
                running.desk = live_desk(running, store, plugins)
                self._running = running
                service = service_of_run(running, 1, OneMeasure())
                self._service, self.url = service, url_of(taken)
                for role in Role:
                    minted = mint(f"test-{role.label}", role, "test", 1)
                    await store.transact(lambda conn, m=minted: issue_token(conn, m, "test", 1))
                    self.tokens[role.label] = minted.text.reveal()
                self.tokens["local"] = service.auth.local.reveal()
                self.tokens["setting"] = settings.api_token.reveal()
                trading = asyncio.create_task(session.orchestrator.run())
                serving = asyncio.create_task(serve(service, taken, self.pages))
                async with published(service, self.url):
                    self._opened.set()
                    over = asyncio.create_task(self._over.wait())
                    await asyncio.wait({over, serving}, return_when=asyncio.FIRST_COMPLETED)
                    if serving.done():
                        self._failure = serving.exception()
                    serving.cancel()
                    await asyncio.gather(serving, return_exceptions=True)
                    await session.orchestrator.end()
                    await asyncio.gather(trading, return_exceptions=True)
                await bus.close()
                await session.broker.close()


def overrides(folder: Path, **more: str) -> list[str]:
    """Return the settings of a bot in a folder, as texts of ``--set``."""
    values = {
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": "BTC/USDT,ETH/USDT",
        "DB_PATH": str(folder / "trader.sqlite3"),
        "INSTANCE_LOCK_PATH": str(folder / "lock"),
        "STRATEGY_SET": "ema_cross,rsi_momentum,donchian_breakout",
        "STRATEGY_MODE": "vote",
        "TREND_UNKNOWN_POLICY": "allow",
        "API_TOKEN": ADMIN,
        "API_RATE_PER_MIN": "1000000",
        "API_FAILED_LOGINS_PER_MIN": "10000",
        "LOG_LEVEL": "WARNING",
        "PORT": "0",
        **more,
    }
    return [f"{name}={value}" for name, value in values.items()]
