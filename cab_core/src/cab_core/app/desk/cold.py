"""The desk of a bot that does not run, or cannot be asked: its database and its files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cab_core import __version__
from cab_core.app.config import plugins_for
from cab_core.app.continuing import stored
from cab_core.app.desk import charts, views
from cab_core.app.desk.base import DatabaseDesk, require_one_of
from cab_core.app.desk.catalog import plugin_views
from cab_core.app.desk.commands import Action, Command, Done
from cab_core.app.desk.holdings import account_view, position_view, resting_stops, saved_book
from cab_core.app.desk.lists import decision_of
from cab_core.app.desk.regime import saved_regime
from cab_core.app.desk.risk import halt_views, saved_limits
from cab_core.app.history import account_now
from cab_core.app.local_files import lock_file
from cab_core.errors import CabError, ConfigError, NotRunningError
from cab_core.plugins.inventory import take_inventory
from cab_core.safety.instance_lock import living_holder
from cab_core.storage import Connection, active_halts, intents_open, last_candles, load_halts
from cab_core.storage.meta import get_meta
from cab_core.storage.pages import newest_traces

_REASON = "the bot does not run"


class ColdDesk(DatabaseDesk):
    """Tells what the database of the settings holds; all commands but one need a bot that can be asked."""

    @property
    def silent_pid(self) -> int | None:
        """The process that holds the instance lock: a bot that runs without an API. None if none does."""
        holder = living_holder(lock_file(self.settings))
        return None if holder is None else holder.pid

    @property
    def state(self) -> str:
        """The state of every symbol, as far as it is known."""
        return "stopped" if self.silent_pid is None else "unknown"

    @property
    def alive(self) -> bool:
        """Whether a bot runs."""
        return self.silent_pid is not None

    @property
    def reason(self) -> str:
        """Why there is no bot to ask."""
        pid = self.silent_pid
        return _REASON if pid is None else f"a bot runs (pid {pid}), but without an API"

    @property
    def fix(self) -> str:
        """What to do to have one."""
        return "run: cab run" if self.silent_pid is None else "start it with API_ENABLED=true"

    async def health(self) -> views.Health:
        """Return that nothing runs, and whether the database can be read."""
        try:
            await self.read(account_now)
        except CabError as error:
            database = views.Component(ok=False, detail=str(error))
        else:
            database = views.Component(ok=True)
        return views.Health(
            status="unhealthy",
            mode=self.settings.mode,
            version=__version__,
            uptime_s=0.0,
            components={"db": database, "orchestrator": views.Component(ok=False, detail=self.reason)},
            orchestrators=dict.fromkeys(self.settings.symbols, self.state),
        )

    async def ready(self) -> views.Ready:
        """Return that it is not."""
        return views.Ready(ready=False, waiting_for=(self.reason,))

    async def status(self, symbol: str | None = None) -> views.Status:
        """Return how the bot stood when it last wrote."""
        return await self.read(partial(self._status, symbol=symbol))

    async def positions(self) -> list[views.PositionView]:
        """Return the positions on record."""
        return list((await self.read(self._positions)).values())

    async def candles(self, symbol: str, limit: int = 300) -> views.CandlesView:
        """Return the evaluated candles; of them only the close is on record."""
        await self.require_recorded(symbol)

        def drawn(conn: Connection) -> views.CandlesView:
            book = saved_book(conn, self.settings)
            held = None if book is None else book.positions.get(symbol)
            columns = charts.recorded_closes(conn, symbol, limit)
            return charts.candles_view(conn, symbol, columns, self.closed_trades(conn), held)

        return await self.read(drawn)

    async def regime(self) -> views.RegimeView:
        """Return the regime as it was last evaluated."""
        return await self.read(lambda conn: saved_regime(conn, self.settings, account_now(conn)[0]))

    async def plugins(self) -> list[views.PluginView]:
        """Return every installed plugin; none is loaded."""
        return plugin_views(take_inventory())

    async def do(self, command: Command) -> Done:
        """Settle an order on the database; refuse everything else.

        Raises:
            NotRunningError: the command needs a bot, or one runs that cannot be asked.
            CabError: refused.
        """
        if command.action is Action.SETTLE and self.silent_pid is None:
            # Only this needs all that sends orders; `cab status` starts without it.
            from cab_core.app.desk.stopped import settle_stopped

            return await settle_stopped(self.settings, command)
        fix = (
            "start it with API_ENABLED=true" if self.silent_pid else "wait" if self.alive else "run: cab run"
        )
        if command.action is Action.CLOSE and not self.silent_pid and not self.alive:
            fix = "only a bot that runs can sell: cab run (AUTOSTART=false buys nothing), then close"
        raise NotRunningError(f"{command.action}: {self.reason}", where=str(self.where), fix=fix)

    def warmups(self) -> Mapping[str, int]:
        """Return what the strategies need; nothing if they cannot be loaded."""
        try:
            plugins = plugins_for(self.settings, {})
        except ConfigError:
            return {}
        return {bound.name: bound.warmup_bars for bound in plugins.strategies}

    def _status(self, conn: Connection, symbol: str | None) -> views.Status:
        settings = self.settings
        now_ms, _ = account_now(conn)
        book = saved_book(conn, settings)
        mode, _, market = (get_meta(conn, "account") or settings.mode).partition(":")
        traded = settings.symbols or tuple(sorted(last_candles(conn)))
        known = (*traded, *(each for each in stored(conn).open if each not in traded))
        require_one_of(known, symbol)
        shown = known if symbol is None else (symbol,)
        held = self._positions(conn)
        state = self.state
        newest = {trace.symbol: decision_of(trace) for trace in newest_traces(conn, shown)}
        return views.Status(
            mode=mode,
            market=market,
            exchange=settings.exchange,
            version=__version__,
            started_ms=None,
            now_ms=now_ms,
            running=self.alive,
            silent_pid=self.silent_pid,
            symbols=[
                views.SymbolStatus(
                    symbol=each,
                    state=state,
                    blocked_by=state,
                    bid=None if book is None else book.marks.get(each),
                    last_decision=newest.get(each),
                    position=held.get(each),
                    loops=(),
                )
                for each in shown
            ],
            account=None if book is None else account_view(book, known),
            halts=halt_views(active_halts(load_halts(conn), now_ms)),
            limits=saved_limits(conn, settings, now_ms),
            regime=saved_regime(conn, settings, now_ms),
            unfinished_orders=len(intents_open(conn)),
        )

    def _positions(self, conn: Connection) -> dict[str, views.PositionView]:
        book = saved_book(conn, self.settings)
        if book is None:
            return {}
        stops = resting_stops(conn)
        return {
            symbol: position_view(position, book.marks.get(symbol), stops.get(symbol), watched=False)
            for symbol, position in book.positions.items()
        }
