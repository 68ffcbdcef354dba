"""Pages about the present: overview, chart, signals, risk, regime."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, get
from litestar.params import QueryParameter
from litestar.response import Redirect

from cab_core.api.web.access import AnyRequest, desk_of
from cab_core.api.web.candles import candle_chart, signal_counts
from cab_core.api.web.curve import curve
from cab_core.api.web.panels import panels_in
from cab_core.api.web.render import show
from cab_core.api.web.ruler import BANDS, gauge_at, ruler
from cab_core.app.desk.desk import Filter
from cab_core.domain.timeframes import TF_MS
from cab_core.errors import NotFoundError

#: Candles one may have on a chart.
SPANS = (96, 192, 300, 500)

_CURVE_POINTS = 400
_DECISIONS = 12


@get("/", include_in_schema=False)
async def overview(request: AnyRequest) -> Response[str]:
    """Show everything at a glance."""
    desk = desk_of(request)
    status = await desk.status()
    decisions, _ = await desk.decisions(Filter(limit=_DECISIONS))
    trades, _ = await desk.trades(Filter(limit=1))
    points = await desk.equity(points=_CURVE_POINTS)
    baseline = None if status.account is None else float(status.account.baseline)
    return await show(
        request,
        "overview",
        status=status,
        decisions=decisions,
        traded=bool(trades),
        curve=curve(points, baseline, "" if status.account is None else status.account.quote),
        rulers={s.symbol: ruler(s.position) for s in status.symbols if s.position is not None},
        panels=await panels_in(request, "overview"),
        **_gauge(status.regime.score),
    )


def _gauge(score: float | None) -> dict[str, Any]:
    bands = [(name, gauge_at(begin), gauge_at(end) - gauge_at(begin)) for name, begin, end in BANDS]
    return {"bands": bands, "needle": None if score is None else gauge_at(score)}


@get("/chart", include_in_schema=False)
async def first_chart(request: AnyRequest) -> Redirect:
    """Go to the chart of the first symbol."""
    status = await desk_of(request).status()
    return Redirect(f"/chart/{status.symbols[0].symbol}", status_code=303)


@get("/chart/{base:str}/{quote:str}", include_in_schema=False)
async def chart(
    request: AnyRequest,
    base: str,
    quote: str,
    bars: Annotated[int, QueryParameter(ge=20, le=500)] = 192,
    signals: Annotated[list[str] | None, QueryParameter(max_items=40)] = None,
) -> Response[str]:
    """Show the candles of a symbol."""
    desk = desk_of(request)
    symbol = f"{base}/{quote}".upper()
    view, status = await desk.candles(symbol, bars), await desk.status()
    return await show(
        request,
        "chart",
        status=status,
        symbol=symbol,
        own=next((each for each in status.symbols if each.symbol == symbol), None),
        view=view,
        chart=candle_chart(view, signals or ()),
        counts=signal_counts(view),
        wanted=signals or (),
        bars=bars,
        spans=SPANS,
    )


@get("/trace/at", include_in_schema=False)
async def trace_at(
    request: AnyRequest, symbol: str, t: Annotated[int, QueryParameter(ge=0, le=2**53)]
) -> Redirect:
    """Go to the trace of a candle, named by its open time in milliseconds."""
    wanted = Filter(limit=1, symbol=symbol, since_ms=t, until_ms=t + TF_MS)
    found, _ = await desk_of(request).decisions(wanted)
    if not found:
        raise NotFoundError(
            "this candle was not evaluated: it lies before the start", where=symbol, fix="choose a later one"
        )
    return Redirect(f"/trace/{found[0].trace_id}", status_code=303)


@get("/signals", include_in_schema=False)
async def signals_table(request: AnyRequest) -> Response[str]:
    """Show what every strategy said last."""
    found = await desk_of(request).signals()
    return await show(request, "signals", signals=found, panels=await panels_in(request, "signals"))


@get("/risk", include_in_schema=False)
async def risk(request: AnyRequest) -> Response[str]:
    """Show rules against their limits."""
    found = await desk_of(request).risk()
    return await show(request, "risk", risk=found, panels=await panels_in(request, "risk"))


@get("/regime", include_in_schema=False)
async def regime(request: AnyRequest) -> Response[str]:
    """Show the market regime and where it comes from."""
    found = await desk_of(request).regime()
    panels = await panels_in(request, "regime")
    return await show(request, "regime", regime=found, panels=panels, **_gauge(found.score))


HANDLERS = (overview, first_chart, chart, trace_at, signals_table, risk, regime)
