"""Main of the process that watches the kernel: ``python -m cab_core.app.dead_man``, started by `Watchman`.

It lives in a session of its own and ignores what a terminal or a service manager tells the group: it ends
when the kernel says goodbye, when another kernel has taken over, or when it has closed the positions.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cab_core.app.local_files import database_file, lock_file
from cab_core.app.watcher import FLATTEN, Duty, Watcher
from cab_core.safety.dead_man import DeadMan, State, Timing
from cab_core.safety.fence import ProcessHandle
from cab_core.safety.heartbeat import Listener

if TYPE_CHECKING:
    from cab_core.settings import Settings

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def wanted(settings: Settings) -> bool:
    """Say whether a run of these settings is watched: DMS_ENABLED, or else only in live."""
    return settings.mode == "live" if settings.dms_enabled is None else settings.dms_enabled


def timing_of(settings: Settings) -> Timing:
    """Return how long what may take."""
    return Timing(
        restart_after=settings.dms_restart_sec,
        flatten_after=settings.dms_timeout_sec,
        recheck=settings.dms_recheck_sec,
    )


def watch_command(
    settings: Settings,
    *,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    restart: Sequence[str] = (),
    flatten: str = FLATTEN,
) -> list[str]:
    """Return the command line for `Watchman.spawn`. Secrets are not in it: the environment is inherited.

    Args:
        settings: of the run.
        config: ``--config`` of the kernel.
        overrides: ``--set`` of the kernel.
        restart: the kernel's own command line, used only with DMS_RESTART=true.
        flatten: module and function that close positions.
    """
    timing = timing_of(settings)
    command = [sys.executable, "-m", __name__]
    command += ["--database", str(database_file(settings))]
    command += ["--lock", str(lock_file(settings))]
    command += ["--restart-after", f"{timing.restart_after:g}"]
    command += ["--flatten-after", f"{timing.flatten_after:g}"]
    command += ["--recheck", f"{timing.recheck:g}"]
    command += ["--flatten", flatten]
    if settings.dms_restart and restart:
        command += ["--restart", json.dumps(list(restart))]
    if config is not None:
        command += ["--config", str(config.absolute())]
    return command + [f"--set={override}" for override in overrides]


def main(args: Sequence[str]) -> int:
    """Watch one kernel; return 0 when there was nothing to do, 1 after positions were closed."""
    for number in _IGNORED:
        signal.signal(number, _do_nothing)
    parsed = _parser().parse_args(args)
    duty = Duty(
        database=parsed.database,
        lock=parsed.lock,
        timing=Timing(
            restart_after=parsed.restart_after, flatten_after=parsed.flatten_after, recheck=parsed.recheck
        ),
        restart=tuple(json.loads(parsed.restart)),
        config=parsed.config,
        overrides=tuple(parsed.overrides),
        flatten=parsed.flatten,
    )
    machine = DeadMan(timing=duty.timing, now=time.monotonic(), restarts=bool(duty.restart))
    watcher = Watcher(duty, machine, ProcessHandle(parsed.kernel_fd), Listener(parsed.beats_fd))
    return 1 if watcher.run() is State.LATCHED else 0


def _do_nothing(*_: object) -> None:
    """Ignore a signal. Unlike SIG_IGN this is not handed on to a kernel that is started again."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cab-dead-man", allow_abbrev=False)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--restart-after", type=float, required=True, metavar="SECONDS")
    parser.add_argument("--flatten-after", type=float, required=True, metavar="SECONDS")
    parser.add_argument("--recheck", type=float, required=True, metavar="SECONDS")
    parser.add_argument("--restart", default="[]", metavar="JSON", help="command line of the kernel")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--flatten", default=FLATTEN, metavar="MODULE:FUNCTION")
    parser.add_argument("--beats-fd", type=int, required=True, metavar="FD")
    parser.add_argument("--kernel-fd", type=int, required=True, metavar="FD")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
