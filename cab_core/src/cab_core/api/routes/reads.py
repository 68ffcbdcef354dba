"""What the bot does and has done: one route for each question to the desk."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import PathParameter, QueryParameter, SkipValidation

from cab_core.api.routes import filters
from cab_core.api.routes.shared import Given, Page, Since, Symbol, may, page_of
from cab_core.app.desk import views
from cab_core.app.desk.commands import Role
from cab_core.app.desk.desk import Filter
from cab_core.app.perf import Period

#: The rows that are wanted.
Wanted: TypeAlias = NamedDependency[SkipValidation[Filter]]

_TRADING, _DECIDING, _BOT = ["Trading"], ["Deciding"], ["Bot"]


def _filtered(provider: Any) -> dict[str, Any]:
    return {"wanted": Provide(provider, sync_to_thread=False)}


@get("/status", summary="Everything at a glance", tags=_TRADING, **may(Role.VIEWER, 404))
async def status(service: Given, symbol: Symbol = None) -> views.Status:
    """Return the answer of ``/orchestrator/status``."""
    return await service.desk.status(symbol)


@get("/pnl", summary="Profit and loss of a period", tags=_TRADING, **may(Role.VIEWER, 404))
async def pnl(
    service: Given,
    period: Annotated[Period, QueryParameter(description="UTC days, weeks from Monday, months.")] = "today",
    symbol: Symbol = None,
) -> dict[str, Any]:
    """Return the report ``cab perf`` prints."""
    return await service.desk.pnl(period, symbol)


@get("/positions", summary="Open positions", tags=_TRADING, **may(Role.VIEWER))
async def positions(service: Given) -> list[views.PositionView]:
    """Return every open position with its protection."""
    return await service.desk.positions()


@get(
    "/orders",
    summary="Orders",
    tags=_TRADING,
    dependencies=_filtered(filters.ordered),
    **may(Role.VIEWER, 404),
)
async def orders(service: Given, wanted: Wanted) -> Page[views.OrderView]:
    """Return attempts of order intents."""
    return page_of(await service.desk.orders(wanted))


@get(
    "/fills",
    summary="Fills",
    tags=_TRADING,
    dependencies=_filtered(filters.rows),
    **may(Role.VIEWER, 404),
)
async def fills(service: Given, wanted: Wanted) -> Page[views.FillView]:
    """Return own trades on the exchange."""
    return page_of(await service.desk.fills(wanted))


@get(
    "/trades",
    summary="Round trips",
    tags=_TRADING,
    dependencies=_filtered(filters.closed),
    **may(Role.VIEWER, 404),
)
async def trades(service: Given, wanted: Wanted) -> Page[views.TradeView]:
    """Return finished round trips, from entry to flat."""
    return page_of(await service.desk.trades(wanted))


@get("/equity", summary="Equity and drawdown", tags=_TRADING, **may(Role.VIEWER))
async def equity(
    service: Given,
    since_ms: Since = 0,
    points: Annotated[int, QueryParameter(ge=2, le=5000, description="Points, at most.")] = 1000,
) -> list[views.EquityPointView]:
    """Return the curve, oldest first, thinned."""
    return await service.desk.equity(since_ms or None, points)


@get("/candles", summary="Candles with what belongs on their chart", tags=_TRADING, **may(Role.VIEWER, 404))
async def candles(
    service: Given,
    symbol: Annotated[str, QueryParameter(description="E.g. `BTC/USDT`.", max_length=40)],
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Closed candles, at most.")] = 300,
) -> views.CandlesView:
    """Return the newest closed candles as columns, oldest first, with markers and price lines."""
    return await service.desk.candles(symbol, limit)


@get(
    "/decisions",
    summary="Decisions",
    tags=_DECIDING,
    dependencies=_filtered(filters.decided),
    **may(Role.VIEWER, 404),
)
async def decisions(service: Given, wanted: Wanted) -> Page[views.Decision]:
    """Return evaluated candles."""
    return page_of(await service.desk.decisions(wanted))


@get("/traces/latest", summary="The newest cycle", tags=_DECIDING, **may(Role.VIEWER, 404))
async def latest_trace(service: Given, symbol: Symbol = None) -> dict[str, Any]:
    """Return why the newest cycle did or did not trade."""
    return await service.desk.latest_trace(symbol)


@get("/traces/{trace_id:str}", summary="One cycle", tags=_DECIDING, **may(Role.VIEWER, 404))
async def trace(
    service: Given,
    trace_id: Annotated[str, PathParameter(description="Of a decision, an order or a log line.")],
) -> dict[str, Any]:
    """Return the whole chain of one cycle: why it did or did not trade."""
    return await service.desk.trace(trace_id)


@get("/signals", summary="What each strategy said last", tags=_DECIDING, **may(Role.VIEWER))
async def signals(service: Given) -> views.SignalsView:
    """Return the strategies' table."""
    return await service.desk.signals()


@get("/risk", summary="Limits, halts and blocks", tags=_DECIDING, **may(Role.VIEWER))
async def risk(service: Given) -> views.RiskView:
    """Return how far each limit is used, and what the rules stopped today."""
    return await service.desk.risk()


@get("/regime", summary="The market regime", tags=_DECIDING, **may(Role.VIEWER))
async def regime(service: Given) -> views.RegimeView:
    """Return the regime and its sources."""
    return await service.desk.regime()


@get("/plugins", summary="Installed plugins", tags=_BOT, **may(Role.VIEWER))
async def plugins(service: Given) -> list[views.PluginView]:
    """Return every installed plugin and what became of it."""
    return await service.desk.plugins()


@get("/config", summary="Settings in force", tags=_BOT, **may(Role.OPERATOR))
async def config(service: Given) -> list[views.ConfigRow]:
    """Return every setting with its source; secrets are masked."""
    return await service.desk.config()


@get(
    "/logs", summary="Log lines", tags=_BOT, dependencies=_filtered(filters.logged), **may(Role.OPERATOR, 404)
)
async def logs(service: Given, wanted: Wanted) -> Page[views.LogLine]:
    """Return lines of the log."""
    return page_of(await service.desk.logs(wanted))


@get(
    "/audit",
    summary="Who changed what",
    tags=_BOT,
    dependencies=_filtered(filters.decided),
    **may(Role.VIEWER),
)
async def audit(service: Given, wanted: Wanted) -> Page[views.AuditView]:
    """Return every change an operator made or tried to make."""
    return page_of(await service.desk.audit(wanted))


@get(
    "/runs",
    summary="Recorded backtests",
    tags=["Research"],
    dependencies=_filtered(filters.recorded),
    **may(Role.VIEWER),
)
async def runs(service: Given, wanted: Wanted) -> Page[views.RunView]:
    """Return recorded backtests with their figures."""
    return page_of(await service.desk.runs(wanted))


@get(
    "/runs/{run_id:str}/report",
    summary="Report of a backtest",
    tags=["Research"],
    media_type="text/html",
    **may(Role.VIEWER, 404),
)
async def run_report(
    service: Given,
    run_id: Annotated[str, PathParameter(description="Of a recorded backtest, or how it begins.")],
) -> Response[str]:
    """Return the report as a page of its own; it loads nothing."""
    html = await service.desk.run_report(run_id)
    return Response(html, media_type="text/html", headers={"content-security-policy": REPORT_CSP})


#: A report is one file with its own script and style, so it may use those; it is locked away from this site.
REPORT_CSP = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox allow-scripts; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)

HANDLERS = (
    *(status, pnl, positions, orders, fills, trades, equity, candles),
    *(decisions, latest_trace, trace, signals, risk, regime),
    *(plugins, config, logs, audit, runs, run_report),
)
