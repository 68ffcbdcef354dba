"""The demo on a terminal: the month passes by beside the dashboard."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from cab_core.app.times import minute
from cab_core.cli.screen import Screen
from cab_core.cli.sparkline import sparkline
from cab_core.cycle.results import QUIET_REASONS
from cab_core.domain.currencies import quote_of
from cab_core.domain.figures import money, signed_number, signed_percent

if TYPE_CHECKING:
    from cab_core.app.run import View
    from cab_core.app.running import Running
    from cab_core.ports import Cycle

_REFRESH_S = 0.2
_DECISIONS = 8
_WIDTH = 60
_POINTS = 600
_COLORS = {"buy": "green", "sell": "magenta", "hold": "yellow"}
_REGIMES = {"risk_on": "green", "risk_small": "yellow", "neutral": "dark_orange", "risk_off": "red"}


def terminal(title: str, screen: Screen) -> View:
    """Return a view of clock, equity, regime and decisions on a screen, if that is a terminal."""

    async def view(running: Running) -> None:
        if not sys.stderr.isatty():
            return
        curve: deque[float] = deque(maxlen=_POINTS)
        told: deque[Cycle] = deque(maxlen=_DECISIONS)
        with screen.panel(transient=True) as live:
            while True:
                _observe(running, curve, told)
                live.update(_frame(title, running, curve, told), refresh=True)
                await asyncio.sleep(_REFRESH_S)

    return view


def _observe(running: Running, curve: deque[float], told: deque[Cycle]) -> None:
    curve.append(float(running.session.trader.book.equity()))
    for cycle in running.tally.latest:
        quiet = cycle.action == "hold" and (cycle.reason in QUIET_REASONS or cycle.reason == "already_long")
        if not quiet and cycle not in told:
            told.append(cycle)


def _frame(title: str, running: Running, curve: deque[float], told: deque[Cycle]) -> Panel:
    session = running.session
    now_ms = session.venue.clock.now_ms()
    regime, book = session.regime_at(now_ms), session.trader.book
    change = 100 * (float(book.equity()) / float(book.baseline) - 1)
    name = "unknown" if regime is None else str(regime.state)
    equity = money(book.equity(), quote_of(running.symbols[0]))
    head = Text.assemble(
        (f"{minute(now_ms)} UTC", "bold"),
        f"   equity {equity} ({signed_percent(change)})   regime ",
        (name, _REGIMES.get(name, "")),
        "" if regime is None else f" (score {signed_number(regime.score)})",
    )
    lines = [_line(cycle) for cycle in reversed(told)]
    lines += [Text("")] * (_DECISIONS - len(lines))
    drawn = Text(sparkline(list(curve), _WIDTH), style="cyan")
    return Panel(Group(head, drawn, Text(""), *lines), title=title, title_align="left", width=88)


def _line(cycle: Cycle) -> Text:
    word = cycle.action if cycle.action != "hold" else "stopped"
    return Text.assemble(
        f"{minute(cycle.candle_ts_ms)}  {cycle.symbol:<9} ",
        (f"{word:<8}", _COLORS[cycle.action]),
        f" {cycle.reason.replace('_', ' ')}",
    )
