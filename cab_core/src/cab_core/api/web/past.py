"""Pages about the past: trades, traces, audit, logs, backtests."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Annotated, Any, Literal

from litestar import Response, get
from litestar.params import QueryParameter

from cab_core.api.web.access import AnyRequest, desk_of
from cab_core.api.web.render import show
from cab_core.api.web.stages import stages, stopped_at
from cab_core.app.desk.desk import Filter
from cab_core.errors import DataError

Tab = Literal["positions", "orders", "fills", "trips"]
TABS: tuple[tuple[Tab, str], ...] = (
    ("positions", "Positions"),
    ("trips", "Round trips"),
    ("orders", "Orders"),
    ("fills", "Fills"),
)
LEVELS = ("", "debug", "info", "warning", "error")

_ROWS = 50
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')

Cursor = Annotated[str, QueryParameter(max_length=400)]
Text = Annotated[str, QueryParameter(max_length=200)]


def _filter(after: str, q: str = "", **more: Any) -> Filter:
    """Return the filter of a page; a trace id in the search box asks for its trace."""
    found = re.fullmatch(r"[0-9a-f]{16}", q.strip())
    words: dict[str, Any] = {"trace_id": q.strip()} if found else {"text": q.strip()}
    return Filter(limit=_ROWS, after=after, **words, **more)


@get("/trades", include_in_schema=False)
async def trades(
    request: AnyRequest, tab: Tab = "positions", symbol: Text = "", after: Cursor = ""
) -> Response[str]:
    """Show positions, orders, fills or round trips."""
    desk = desk_of(request)
    wanted = Filter(limit=_ROWS, after=after, symbol=symbol or None)
    rows: Any = ()
    following: str | None = None
    if tab == "positions":
        rows = [each for each in await desk.positions() if symbol in ("", each.symbol)]
    elif tab == "orders":
        rows, following = await desk.orders(wanted)
    elif tab == "fills":
        rows, following = await desk.fills(wanted)
    else:
        rows, following = await desk.trades(wanted)
    return await show(
        request, "trades", tab=tab, tabs=TABS, rows=rows, symbol=symbol, after=after, following=following
    )


@get("/trace/{trace_id:str}", include_in_schema=False)
async def trace(request: AnyRequest, trace_id: str) -> Response[str]:
    """Show step by step why a cycle did what it did."""
    told = await desk_of(request).trace(trace_id.lower())
    steps = stages(told)
    copied = json.dumps(told, indent=1, ensure_ascii=False, default=str)
    return await show(request, "trace", told=told, stages=steps, stopped=stopped_at(steps), copied=copied)


@get("/audit", include_in_schema=False)
async def audit(request: AnyRequest, q: Text = "", after: Cursor = "") -> Response[str]:
    """Show who changed what."""
    rows, following = await desk_of(request).audit(_filter(after, q))
    return await show(request, "audit", rows=rows, following=following, q=q, after=after)


@get("/logs", include_in_schema=False)
async def logs(request: AnyRequest, q: Text = "", level: Text = "", after: Cursor = "") -> Response[str]:
    """Show lines of the log."""
    known = level if level in LEVELS else ""
    rows, following = await desk_of(request).logs(_filter(after, q, level=known or None))
    return await show(
        request, "logs", rows=rows, following=following, q=q, level=known, levels=LEVELS, after=after
    )


@get("/runs", include_in_schema=False)
async def runs(request: AnyRequest, after: Cursor = "") -> Response[str]:
    """Show recorded backtests."""
    rows, following = await desk_of(request).runs(Filter(limit=_ROWS, after=after))
    return await show(request, "runs", rows=rows, following=following)


@get("/runs/{run_id:str}", include_in_schema=False)
async def run_report(request: AnyRequest, run_id: str) -> Response[str]:
    """Return the report of a backtest, alone in a sandbox: its page brings its own scripts."""
    text = await desk_of(request).run_report(run_id)
    found = _POLICY.search(text[:4096])
    if found is None:
        raise DataError("the report names no security policy", where=run_id, fix="run the backtest again")
    policy = f"{unescape(found[1])}; frame-ancestors 'none'; sandbox allow-scripts allow-downloads"
    headers = {"content-security-policy": policy}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


HANDLERS = (trades, trace, audit, logs, runs, run_report)
