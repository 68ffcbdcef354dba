"""The live status of ``cab run`` on a terminal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cab_core.app.times import minute, second
from cab_core.cli.screen import Screen
from cab_core.cli.sparkline import sparkline
from cab_core.domain.currencies import quote_of
from cab_core.domain.figures import money, price, quantity, signed_money
from cab_core.observability.logs import configure_logging

if TYPE_CHECKING:
    from cab_core.app.run import View
    from cab_core.app.running import Running
    from cab_core.settings import Loaded

_WIDTH = 88
_CURVE = 70
_REFRESH_S = 1.0
_COLORS = {"buy": "green", "sell": "magenta", "hold": ""}


def live_view(loaded: Loaded, screen: Screen) -> View:
    """Return a view that shows the status in the panel of a screen, with warnings above it."""

    async def view(running: Running) -> None:
        curve: list[float] = []
        with screen.panel() as live:
            settings = loaded.settings
            configure_logging("WARNING", "console", secrets=settings.secret_texts())
            while True:
                _observe(running, curve)
                live.update(_frame(running, curve, screen.way_in()), refresh=True)
                await asyncio.sleep(_REFRESH_S)

    return view


def _observe(running: Running, curve: list[float]) -> None:
    equity = float(running.session.trader.book.equity())
    if not curve or equity != curve[-1]:
        curve.append(equity)
        del curve[: -10 * _CURVE]


def _frame(running: Running, curve: list[float], way_in: str) -> Panel:
    session, now_ms = running.session, running.session.venue.clock.now_ms()
    quote = quote_of(running.symbols[0])
    book, regime = session.trader.book, session.regime_at(now_ms)
    head = Text.assemble(
        (f"{second(now_ms)} UTC", "bold"),
        f"   equity {money(book.equity(), quote)}   realized {signed_money(book.realized, quote)}   regime ",
        (str(regime.state) if regime is not None else "unknown", "bold"),
    )
    line = Text(sparkline(curve, _CURVE), style="cyan")
    parts: list[RenderableType] = [head, line, _positions(running), _decisions(running)]
    if way_in:  # near the top, which the least terminal shows
        parts.insert(1, Text(way_in, overflow="fold"))
    halted_by = running.halted_by()
    if halted_by:
        parts.append(Text(f"entries are halted by {', '.join(halted_by)}", style="bold red"))
    parts.append(Text("Ctrl-C stops after the present step", style="dim"))
    title = f"cab run · {running.settings.mode.upper()} · {running.market}"
    return Panel(Group(*parts), title=title, title_align="left", width=_WIDTH)


def _positions(running: Running) -> Table:
    book = running.session.trader.book
    rows = Table(box=None, pad_edge=False, expand=False)
    for heading in ("symbol", "state", "quantity", "entry", "bid", "stop", "pnl"):
        rows.add_column(heading, justify="left" if heading in ("symbol", "state") else "right")
    states = running.session.orchestrator.supervisor.states
    for symbol in running.symbols:
        state, position = str(states.get(symbol, "idle")), book.positions.get(symbol)
        bid = book.marks.get(symbol)
        if position is None:
            rows.add_row(symbol, state, "-", "-", "-" if bid is None else price(bid), "-", "-")
            continue
        bid = position.entry_price if bid is None else bid
        stop = "-" if position.protection is None else price(position.protection.stop)
        pnl = position.quantity * bid - position.cost
        rows.add_row(
            symbol,
            state,
            quantity(position.quantity),
            price(position.entry_price),
            price(bid),
            stop,
            signed_money(pnl, quote_of(symbol)),
        )
    return rows


def _decisions(running: Running) -> Group:
    lines = [
        Text.assemble(
            f"{minute(cycle.candle_ts_ms)}  {cycle.symbol:<9} ",
            (f"{cycle.action:<5}", _COLORS[cycle.action]),
            f" {cycle.reason.replace('_', ' ')}  ",
            (cycle.trace_id, "dim"),
        )
        for cycle in reversed(running.tally.latest)
    ]
    return Group(Text(f"\nlast decisions of {running.tally.cycles:,}", style="bold"), *lines)
