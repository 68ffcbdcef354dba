"""The desk of one bot: asks the running session where there is one, and the database for the rest."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from cab_core.app.desk import views
from cab_core.app.desk.commands import Command, Done
from cab_core.app.perf import Period

#: Rows of a page, at most.
PAGE = 500


@attrs.frozen(slots=True, kw_only=True)
class Filter:
    """Which rows of a list are wanted, newest first.

    Attributes:
        limit: at most so many rows, 1 to `PAGE`.
        after: the ``next`` of the page before; empty for the first page.
        since_ms, until_ms: ``since <= t < until``.
        text: a piece of text, for logs and audit.
        order_state: of an order, or ``unfinished`` for all that have not ended.
    """

    limit: int = 100
    after: str = ""
    symbol: str | None = None
    strategy: str | None = None
    trace_id: str | None = None
    action: str | None = None
    level: str | None = None
    order_state: str | None = None
    text: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


class Desk(Protocol):
    """Everything an operator may see and do: `LiveDesk` in the bot, `ColdDesk` on its database alone.

    Lists come as ``(rows, next)``; ``next`` is the cursor of the following page, None at the end.

    Raises (all methods):
        NotFoundError: no such symbol, trace or run.
        StorageError: the database refused.
    """

    async def health(self) -> views.Health:
        """Return whether the bot and its parts work."""

    async def ready(self) -> views.Ready:
        """Return whether the start is complete."""

    async def status(self, symbol: str | None = None) -> views.Status:
        """Return everything at a glance, of one symbol or all."""

    async def pnl(self, period: Period, symbol: str | None = None) -> dict[str, Any]:
        """Return the report of a period (`cab_core.app.perf.report`), of one symbol or all."""

    async def positions(self) -> list[views.PositionView]:
        """Return the open positions."""

    async def orders(self, wanted: Filter) -> tuple[list[views.OrderView], str | None]:
        """Return attempts of order intents."""

    async def fills(self, wanted: Filter) -> tuple[list[views.FillView], str | None]:
        """Return own trades."""

    async def trades(self, wanted: Filter) -> tuple[list[views.TradeView], str | None]:
        """Return finished round trips."""

    async def decisions(self, wanted: Filter) -> tuple[list[views.Decision], str | None]:
        """Return evaluated candles."""

    async def trace(self, trace_id: str) -> dict[str, Any]:
        """Return the whole chain of one cycle (`cab_core.app.explain_paper`)."""

    async def latest_trace(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the chain of the newest cycle."""

    async def signals(self) -> views.SignalsView:
        """Return what each strategy said last."""

    async def candles(self, symbol: str, limit: int = 300) -> views.CandlesView:
        """Return the newest closed candles with what belongs on their chart."""

    async def equity(self, since_ms: int | None = None, points: int = 1000) -> list[views.EquityPointView]:
        """Return the equity curve, thinned to at most ``points``."""

    async def risk(self) -> views.RiskView:
        """Return limits, halts and blocks."""

    async def regime(self) -> views.RegimeView:
        """Return the market regime and its sources."""

    async def plugins(self) -> list[views.PluginView]:
        """Return every installed plugin."""

    async def config(self) -> list[views.ConfigRow]:
        """Return the settings in force, secrets masked."""

    async def logs(self, wanted: Filter) -> tuple[list[views.LogLine], str | None]:
        """Return log lines."""

    async def runs(self, wanted: Filter) -> tuple[list[views.RunView], str | None]:
        """Return recorded backtests."""

    async def run_report(self, run_id: str) -> str:
        """Return the HTML report of a recorded backtest."""

    async def audit(self, wanted: Filter) -> tuple[list[views.AuditView], str | None]:
        """Return mutations."""

    async def do(self, command: Command) -> Done:
        """Carry out a command and write it to the audit, also if it is refused.

        Raises:
            ForbiddenError: the role does not allow it.
            TransitionError: it does not fit the state.
            NotRunningError: no bot runs.
        """
