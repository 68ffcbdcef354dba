"""What every desk answers from the database and from files, the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs

from cab_core.app.desk import catalog, charts, lists, logs, signals, views
from cab_core.app.desk.desk import Filter
from cab_core.app.desk.risk import risk_view
from cab_core.app.explain_paper import explained, traced
from cab_core.app.history import History, account_now
from cab_core.app.perf import Period, report
from cab_core.domain.position import TradeRecord
from cab_core.errors import NotFoundError, NotRunningError
from cab_core.nearest import nearest
from cab_core.settings.schema import Settings
from cab_core.storage import Connection, NoDatabaseError, find_trace, last_candles, visit

T = TypeVar("T")

_START = "run: cab run (or set DB_PATH)"


@attrs.define(eq=False)
class DatabaseDesk:
    """Answers from one bot's database, read in threads: a long question holds nothing up.

    Attributes:
        settings: the bot's.
        history: its past, read once and then followed.
    """

    settings: Settings
    history: History = attrs.field(
        default=attrs.Factory(lambda self: History.of(self.settings), takes_self=True), init=False
    )

    @property
    def where(self) -> str | Path:
        """The database: path or address."""
        return self.settings.database_url.reveal() or self.settings.db_path

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols that are shown: SYMBOLS, and those beside them that are still open."""
        return self.settings.symbols

    async def pnl(self, period: Period, symbol: str | None = None) -> dict[str, Any]:
        """Return the report of a period, of one symbol or all."""
        await self.require_recorded(symbol)
        ask = partial(report, settings=self.settings, period=period, symbol=symbol, history=self.history)
        told = await self.read(ask)
        if told is None:
            raise NotRunningError(
                "nothing is recorded yet: no candle was evaluated", where=str(self.where), fix=_START
            )
        return told

    async def orders(self, wanted: Filter) -> tuple[list[views.OrderView], str | None]:
        """Return attempts of order intents."""
        return await self.read(partial(lists.orders, wanted=wanted))

    async def fills(self, wanted: Filter) -> tuple[list[views.FillView], str | None]:
        """Return own trades."""
        return await self.read(partial(lists.fills, wanted=wanted))

    async def trades(self, wanted: Filter) -> tuple[list[views.TradeView], str | None]:
        """Return finished round trips."""
        return lists.trades(await self.read(self.closed_trades), wanted)

    async def decisions(self, wanted: Filter) -> tuple[list[views.Decision], str | None]:
        """Return evaluated candles."""
        return await self.read(partial(lists.decisions, wanted=wanted))

    async def trace(self, trace_id: str) -> dict[str, Any]:
        """Return the whole chain of one cycle, or of a close by hand."""
        told = await self.read(lambda conn: traced(conn, trace_id, self.history))
        if told is None:
            raise NotFoundError(
                f"no cycle {trace_id}", where=str(self.where), fix="the newest are in the list of decisions"
            )
        return told

    async def latest_trace(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the chain of the newest cycle."""
        await self.require_recorded(symbol)
        told = await self.read(lambda conn: explained(conn, find_trace(conn, symbol), self.history))
        if told is None:
            raise NotFoundError("no candle was evaluated yet", where=symbol or str(self.where))
        return told

    async def signals(self) -> views.SignalsView:
        """Return what each strategy said last."""
        warmups = await asyncio.to_thread(self.warmups)
        ask = partial(signals.signals_view, settings=self.settings, symbols=self.symbols, warmups=warmups)
        return await self.read(ask)

    async def equity(self, since_ms: int | None = None, points: int = 1000) -> list[views.EquityPointView]:
        """Return the equity curve, thinned to at most ``points``."""
        return await self.read(partial(charts.equity_points, since_ms=since_ms, points=points))

    async def risk(self) -> views.RiskView:
        """Return limits, halts and blocks."""
        return await self.read(lambda conn: risk_view(conn, self.settings, account_now(conn)[0]))

    async def config(self) -> list[views.ConfigRow]:
        """Return the settings in force, secrets masked."""
        return catalog.config_rows(self.settings)

    async def logs(self, wanted: Filter) -> tuple[list[views.LogLine], str | None]:
        """Return log lines."""
        return await asyncio.to_thread(logs.log_lines, self.settings, wanted)

    async def runs(self, wanted: Filter) -> tuple[list[views.RunView], str | None]:
        """Return recorded backtests."""
        return await asyncio.to_thread(catalog.run_views, catalog.runs_folder(self.settings), wanted)

    async def run_report(self, run_id: str) -> str:
        """Return the HTML report of a recorded backtest."""
        return await asyncio.to_thread(catalog.run_report, catalog.runs_folder(self.settings), run_id)

    async def audit(self, wanted: Filter) -> tuple[list[views.AuditView], str | None]:
        """Return mutations."""
        return await self.read(partial(lists.audit, wanted=wanted))

    async def read(self, ask: Callable[[Connection], T]) -> T:
        """Return what ``ask`` finds in one snapshot of the database.

        Raises:
            NotRunningError: there is no database yet.
            StorageError: it refused.
        """
        try:
            return await asyncio.to_thread(visit, self.where, ask)
        except NoDatabaseError as error:
            raise NotRunningError(
                f"{error.what}: cab has not run here yet", where=error.where, fix=_START
            ) from error

    def closed_trades(self, conn: Connection) -> Sequence[TradeRecord]:
        """Return all finished round trips, oldest first."""
        return self.history.look(conn, lambda past: tuple(past.book.trades)) or ()

    def warmups(self) -> Mapping[str, int]:
        """Return by strategy how many closed bars it needs."""
        raise NotImplementedError

    def require_symbol(self, symbol: str | None) -> None:
        """Refuse a symbol that this bot does not trade.

        Raises:
            NotFoundError: with the nearest one.
        """
        require_one_of(self.symbols, symbol)

    async def require_recorded(self, symbol: str | None) -> None:
        """Refuse a symbol that this bot neither trades nor ever did: its past stays readable.

        Raises:
            NotFoundError: with the nearest one.
        """
        if symbol is None or symbol in self.symbols:
            return
        require_one_of([*self.symbols, *await self.read(last_candles)], symbol)


def require_one_of(known: Sequence[str], symbol: str | None) -> None:
    """Refuse a symbol that is not among the known ones, if any is known.

    Raises:
        NotFoundError: with the nearest one.
    """
    if symbol is None or symbol in known or not known:
        return
    near = nearest(symbol, known)
    fix = f"did you mean {near}?" if near else f"this bot trades {', '.join(known)}"
    raise NotFoundError(f"there is no symbol {symbol!r}", where="symbol", fix=fix)
