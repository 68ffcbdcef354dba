"""``cab demo`` with its dashboard: the pages, the terminal beside them, and what follows the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from cab_core.api.bot_view import service_of_run
from cab_core.api.serve import listen, login_link, published, serve, url_of
from cab_core.api.service import NoMeasures
from cab_core.api.web import web_router
from cab_core.app.demo import conclude, demo_settings, run_demo
from cab_core.app.demo_live import Stage, play_demo
from cab_core.app.runs import Runs
from cab_core.cli.demo_view import terminal
from cab_core.cli.screen import Screen
from cab_core.errors import ExitCode
from cab_core.observability.logs import configure_logging

if TYPE_CHECKING:
    from cab_core.app.demo import Demo
    from cab_core.app.running import Running


@attrs.define(eq=False, kw_only=True)
class Show:
    """One demo on the stage.

    Attributes:
        speed: virtual seconds per second of waiting.
        linger_s: seconds the pages stay at the end, None until Ctrl-C.
        browse: whether to open a browser.
        tell: told the demo and its summary at the end.
    """

    seed: int
    days: int
    out: Path
    runs: Runs
    speed: float
    linger_s: float | None
    browse: bool
    tell: Callable[[Demo, dict[str, Any]], None]

    def run(self) -> int:
        """Play it and return the exit code."""
        configure_logging("ERROR", "console")
        taken = listen(demo_settings(self.out, "PORT=0"))
        url, screen = url_of(taken), Screen()

        async def pages(running: Running) -> None:
            service = service_of_run(running, taken.getsockname()[1], NoMeasures())
            screen.show_link(url, login_link(service, url))
            if self.browse:
                await asyncio.to_thread(webbrowser.open, login_link(service, url))
            async with published(service, url):
                await serve(service, taken, [web_router()])

        view = terminal(f"cab demo · PAPER · seed {self.seed} · {url}", screen)
        stage = Stage(pages=pages, view=view, after=self._after)
        running = asyncio.run(play_demo(self.seed, self.days, self.out, self.speed, stage))
        if running.ended == "SIGINT":
            return ExitCode.INTERRUPTED
        return ExitCode.PROBLEMS if running.session.trust.alarms else ExitCode.OK

    async def _after(self, running: Running) -> None:
        """Write the report, of the part that was played, and let the pages stay for a while."""
        whole = running.ended == "end"
        to_ms = None if whole else running.session.venue.clock.now_ms()
        demo, told = await asyncio.to_thread(self._report, to_ms, Path(running.settings.db_path).parent)
        self.tell(demo, told)
        if whole and self.linger_s != 0:
            await _linger(self.linger_s)

    def _report(self, to_ms: int | None, folder: Path) -> tuple[Demo, dict[str, Any]]:
        """Run the same month as a backtest; its record goes where ``cab why`` and where the pages look."""
        demo = run_demo(self.seed, self.days, self.out, to_ms)
        told = conclude(demo, self.out, self.runs)
        Runs(folder / "runs").save(demo.prepared, demo.finished.result, told)
        return demo, told


async def _linger(seconds: float | None) -> None:
    """Wait until Ctrl-C or for so many seconds."""
    enough, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, enough.set)
    if seconds is None:
        click.echo("\nthe dashboard stays until Ctrl-C", err=True)
    try:
        async with asyncio.timeout(seconds):
            await enough.wait()
    except TimeoutError:
        return
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)


def can_browse() -> bool:
    """Say whether a browser can open in a window of its own; one in the terminal would be in the way."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
