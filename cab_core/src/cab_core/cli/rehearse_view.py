"""How a rehearsal is watched: a live panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from cab_core.app.times import minute
from cab_core.domain.figures import percent

if TYPE_CHECKING:
    from rich.panel import Panel

    from cab_core.app.rehearsal import Progress, Watch

#: Real seconds between two lines, and most events shown in the panel.
_LINE_S, _EVENTS = 10.0, 8
_BAR, _WIDTH = 60, 88


def lines() -> Watch:
    """Return a watch that writes lines to standard error, which stay readable in a log."""
    written_s, phase = 0.0, ""

    def watch(progress: Progress) -> None:
        nonlocal written_s, phase
        now_s = time.monotonic()
        if progress.phase == phase and now_s - written_s < _LINE_S:
            return
        written_s, phase = now_s, progress.phase
        sys.stderr.write(f"{progress.phase:<8} {percent(100 * progress.share, 0):>6}  {_counts(progress)}\n")
        sys.stderr.flush()

    return watch


def live(seed: int) -> Watch:
    """Return a watch that keeps a panel on the terminal until the process ends."""
    import atexit

    from cab_core.cli.screen import Screen

    shown = Screen().panel(transient=True)
    shown.start()
    atexit.register(shown.stop)
    events: list[str] = []

    def watch(progress: Progress) -> None:
        if progress.event:
            events.append(f"{minute(progress.now_ms)}  {progress.event}")
            progress.event = ""
            del events[:-_EVENTS]
        shown.update(_panel(seed, progress, events), refresh=True)
        if progress.phase == "done":
            shown.stop()

    return watch


def _counts(progress: Progress) -> str:
    return (
        f"{progress.orders} orders, {progress.fills} fills, {progress.faults} faults, "
        f"{progress.kills} kills, {progress.restarts} restarts"
    )


def _panel(seed: int, progress: Progress, events: list[str]) -> Panel:
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    done = round(_BAR * progress.share)
    bar = Text.assemble(("━" * done, "green"), ("━" * (_BAR - done), "bright_black"))
    head = Text.assemble(
        (f"{minute(progress.now_ms)} UTC" if progress.now_ms else "", "bold"), f"   {progress.phase}"
    )
    rows = [Text(event, style="dim") for event in events] + [Text("")] * (_EVENTS - len(events))
    parts = Group(head, bar, Text(_counts(progress)), Text(""), *rows)
    return Panel(parts, title=f"cab rehearse · seed {seed}", title_align="left", width=_WIDTH)
