"""The live view of the demo: the replayed month passes by on a terminal."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from cab_core.app.times import minute
from cab_core.cli.sparkline import sparkline

if TYPE_CHECKING:
    from cab_core.app.demo import Demo, Told

_FRAMES_PER_S = 12
_DECISIONS = 8
_WIDTH = 60
_COLORS = {"buy": "green", "sell": "magenta", "hold": "yellow"}
_REGIMES = {"risk_on": "green", "risk_small": "yellow", "neutral": "dark_orange", "risk_off": "red"}


def show(demo: Demo, speed: float) -> None:
    """Show the month on standard error, ``speed`` times faster than real time; Ctrl-C ends the show only."""
    console = Console(stderr=True)
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            for frame in _frames(demo, speed):
                live.update(frame, refresh=True)
                time.sleep(1 / _FRAMES_PER_S)
    except KeyboardInterrupt:
        console.print("[dim]the show was stopped; here is how it ends[/dim]")


def _frames(demo: Demo, speed: float) -> Iterator[Panel]:
    result = demo.finished.result
    stamps = [told.ts_ms for told in demo.told]
    step_ms = max(1, round(1000 * speed / _FRAMES_PER_S))
    for now_ms in range(int(result.times[0]), int(result.times[-1]) + step_ms, step_ms):
        done = max(1, int(np.searchsorted(result.times, now_ms, side="right")))
        equity = result.equity[:done]
        known = demo.told[: bisect_right(stamps, now_ms)]
        yield _frame(demo, now_ms, equity.tolist(), known[-_DECISIONS:])


def _frame(demo: Demo, now_ms: int, equity: Sequence[float], decisions: Sequence[Told]) -> Panel:
    regime = demo.regime_at(now_ms)
    change = 100 * (equity[-1] / float(demo.finished.result.baseline) - 1)
    head = Text.assemble(
        (f"{minute(now_ms)} UTC", "bold"),
        f"   equity {equity[-1]:,.2f} ({change:+.2f} %)   regime ",
        (str(regime.state), _REGIMES[str(regime.state)]),
        f" (score {regime.score:+.2f})",
    )
    lines = [_line(told) for told in reversed(decisions)]
    lines += [Text("")] * (_DECISIONS - len(lines))
    curve = Text(sparkline(equity, _WIDTH), style="cyan")
    title = f"cab demo · seed {demo.seed} · replay"
    return Panel(Group(head, curve, Text(""), *lines), title=title, title_align="left", width=88)


def _line(told: Told) -> Text:
    word = told.action if told.action != "hold" else "stopped"
    return Text.assemble(
        f"{minute(told.ts_ms)}  {told.symbol:<9} ",
        (f"{word:<8}", _COLORS[told.action]),
        f" {told.reason.replace('_', ' ')}",
    )
