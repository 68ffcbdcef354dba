"""The bot in rehearsal: ``MODE=live`` on the time of the local exchange.

``python -m cab_core.app.rehearsal.bot FOLDER`` runs one alone, in the folder of a rehearsal that is going on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from cab_core.app.rehearsal.brief import Brief
from cab_core.app.rehearsal.plane import Plane, PlaneError
from cab_core.app.rehearsal.setting import load_brief
from cab_core.app.run_quoted import run_quoted
from cab_core.app.running import Running
from cab_core.clock import VirtualClock
from cab_core.errors import CabError
from cab_core.observability.logs import configure_logging
from cab_core.settings.schema import Settings

#: Exit code of a bot that refused to start, as it may while the exchange cannot be reached.
START_REFUSED = 3


def main(folder: Path) -> int:
    """Trade until SIGTERM; return the exit code."""
    brief = Brief.read(folder)
    settings = load_brief(brief, os.environ).settings
    configure_logging("WARNING", "json", secrets=settings.secret_texts())
    return asyncio.run(_trade(settings, brief))


async def _trade(settings: Settings, brief: Brief) -> int:
    started = False

    async def view(_: Running) -> None:
        nonlocal started
        started = True

    plane = Plane(brief.control_url, brief.token)

    async def lead(to_ms: int) -> None:
        try:
            await plane.advance(to_ms)
        except PlaneError as error:
            sys.stderr.write(f"{error}\n")
            os._exit(1)  # without the exchange there is no time: nothing would ever wake up again

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell_tasks)
    try:
        clock = VirtualClock(await plane.now_ms(), lead=lead)
        await run_quoted(settings, view, clock=clock)
    except CabError as error:
        sys.stderr.write(f"{error}\n")
        return 1 if started else START_REFUSED
    finally:
        await plane.close()
    return 0


def _tell_tasks() -> None:
    """Write where every task is, for a bot that hangs."""
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
